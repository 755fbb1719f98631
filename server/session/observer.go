package session

import (
	"cmp"
	"context"
	"errors"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// Observer gets the counts for the operator's metrics. It is called while a page
// waits, so it must return at once. It is told no id and no user.
type Observer interface {
	// TokenAsked: a caller of Token has its answer.
	TokenAsked(reason api.Reason, outcome Outcome)
	// RenewalEnded: one renewal is over, for all that waited for it. The reason
	// is that of the first.
	RenewalEnded(reason api.Reason, outcome Outcome)
	// SessionOpened: a user signed in.
	SessionOpened(mode store.Mode)
	// TokenReplayed: a token was reported that is no login, and was refused.
	TokenReplayed()
	// SessionsEnded: so many sessions were ended.
	SessionsEnded(why Why, sessions int)
	// CallLimited: a call to Capture was not made, because of Config.Upstream.
	CallLimited(kind Calls)
}

// Calls is a kind of calls to Capture.
type Calls string

// The kinds, each with a circuit breaker of its own.
const (
	CallsLogin   Calls = "logins"
	CallsRenewal Calls = "renewals"
)

// Outcome is what came of a question for a token: one of the words below, or
// the api.Code of the error.
type Outcome string

// The outcomes that are no errors' codes.
const (
	OutcomeFresh   Outcome = "fresh"   // the stored token is good, nothing was to be done
	OutcomeRenewed Outcome = "renewed" // there is a new token
	OutcomeKept    Outcome = "kept"    // the renewal failed for now, and the old token still works
	OutcomeLeft    Outcome = "left"    // the client disconnected
)

// Outcomes returns every Outcome there is.
func Outcomes() []Outcome {
	all := []Outcome{OutcomeFresh, OutcomeRenewed, OutcomeKept, OutcomeLeft}
	for _, code := range []api.Code{
		api.SessionEnded, api.RateLimited, api.UpstreamRefused, api.UpstreamUnavailable,
		api.StoreUnavailable, api.Internal,
	} {
		all = append(all, Outcome(code))
	}
	return all
}

// failedOutcome is the Outcome of an error.
func failedOutcome(ctx context.Context, err error) Outcome {
	if ctx.Err() != nil {
		return OutcomeLeft
	}
	return Outcome(cmp.Or(codeOf(err), api.Internal))
}

// Why is why a session ended. The list is closed: log lines, metrics and
// support tools use these words.
type Why string

// The reasons.
const (
	WhyIdle         Why = "idle"          // no activity for the idle limit
	WhyAbsolute     Why = "absolute"      // the absolute limit passed
	WhySignedOut    Why = "signed_out"    // the user signed out
	WhyReplaced     Why = "replaced"      // the same browser signed in again
	WhyRevoked      Why = "revoked"       // the operator ended all sessions of the user
	WhyGrantGone    Why = "grant_gone"    // Capture says that the grant is dead
	WhyAccountGone  Why = "account_gone"  // Capture says that there is no such user
	WhySessionLimit Why = "session_limit" // the user opened more sessions than allowed
)

// Whys returns every Why there is.
func Whys() []Why {
	return []Why{
		WhyIdle, WhyAbsolute, WhySignedOut, WhyReplaced, WhyRevoked,
		WhyGrantGone, WhyAccountGone, WhySessionLimit,
	}
}

// noObserver is the no-op Observer.
type noObserver struct{}

func (noObserver) TokenAsked(api.Reason, Outcome)   {}
func (noObserver) RenewalEnded(api.Reason, Outcome) {}
func (noObserver) SessionOpened(store.Mode)         {}
func (noObserver) TokenReplayed()                   {}
func (noObserver) SessionsEnded(Why, int)           {}
func (noObserver) CallLimited(Calls)                {}

// logEnd writes the line of a session that has ended, and counts it.
func (s *Service) logEnd(ctx context.Context, session, uuid string, why Why) {
	s.config.Observer.SessionsEnded(why, 1)
	attrs := []any{"event", "ended", "why", string(why), "session", session}
	if uuid != "" {
		attrs = append(attrs, "user", UserTag(uuid))
	}
	s.config.Log.InfoContext(ctx, "A session has ended.", attrs...)
}

// logExpired says, once, which limit of a session has passed. Sweeping a store
// counts such sessions for the metrics.
func (s *Service) logExpired(ctx context.Context, err error) {
	expiry, ok := errors.AsType[*store.Expiry](err)
	if !ok {
		return
	}
	if known, _ := s.expired.ContainsOrAdd(expiry.Key, struct{}{}); known {
		return
	}
	s.config.Log.InfoContext(ctx, "A session has ended.", "event", "ended", "why", string(expiry.Limit),
		"session", expiry.Key.Tag(), "user", UserTag(expiry.UUID), "at", expiry.At)
}
