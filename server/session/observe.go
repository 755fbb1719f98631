package session

import (
	"context"
	"errors"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// Observer hears what becomes of sessions, for the operator's metrics. It is
// called while a page waits, so it must not; and it is told no id and no user,
// so it cannot tell on anyone.
type Observer interface {
	// TokenAsked: a caller of Token has its answer.
	TokenAsked(reason api.Reason, outcome Outcome)
	// RenewalEnded: one renewal is over, for all who waited for it. The reason is
	// that of the first.
	RenewalEnded(reason api.Reason, outcome Outcome)
	// SessionOpened: somebody signed in.
	SessionOpened(mode store.Mode)
	// TokenReplayed: somebody reported a token that is no login, and was refused.
	TokenReplayed()
	// SessionsEnded: so many sessions ended before their limits.
	SessionsEnded(why Why, sessions int)
}

// Outcome is what came of a question for a token: one of the words below, or
// the api.Code of the error.
type Outcome string

// The outcomes that are no errors' codes.
const (
	OutcomeFresh   Outcome = "fresh"   // the stored token is good, nothing was to be done
	OutcomeRenewed Outcome = "renewed" // there is a new token
	OutcomeKept    Outcome = "kept"    // the renewal failed for now, and the old token still works
	OutcomeLeft    Outcome = "left"    // the caller did not wait
)

// Outcomes returns every Outcome there is.
func Outcomes() []Outcome {
	all := []Outcome{OutcomeFresh, OutcomeRenewed, OutcomeKept, OutcomeLeft}
	for _, code := range []api.Code{
		api.SessionEnded, api.RateLimited, api.UpstreamRefused, api.UpstreamUnavailable, api.StoreUnavailable, api.Internal,
	} {
		all = append(all, Outcome(code))
	}
	return all
}

// failedOutcome is the Outcome of an error.
func failedOutcome(ctx context.Context, err error) Outcome {
	var failure *Error
	switch {
	case ctx.Err() != nil:
		return OutcomeLeft
	case errors.As(err, &failure):
		return Outcome(failure.Code)
	}
	return Outcome(api.Internal)
}

// Why is why a session ended before its limits.
type Why string

// The reasons. One whose limit has passed is not heard of: nothing happens then.
const (
	WhySignedOut   Why = "signed_out"   // End was called
	WhyRevoked     Why = "revoked"      // Revoke was called
	WhyReplaced    Why = "replaced"     // its browser signed in again
	WhyGrantGone   Why = "grant_gone"   // Capture says that the grant is dead
	WhyAccountGone Why = "account_gone" // Capture says that there is no such user
)

// Whys returns every Why there is.
func Whys() []Why {
	return []Why{WhySignedOut, WhyRevoked, WhyReplaced, WhyGrantGone, WhyAccountGone}
}

// deaf is the Observer of whoever does not want one.
type deaf struct{}

func (deaf) TokenAsked(api.Reason, Outcome)   {}
func (deaf) RenewalEnded(api.Reason, Outcome) {}
func (deaf) SessionOpened(store.Mode)         {}
func (deaf) TokenReplayed()                   {}
func (deaf) SessionsEnded(Why, int)           {}
