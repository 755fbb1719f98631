package session

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// A thief of a live access token could open a session with it: with a new
// absolute limit, and out of reach of a revocation that came before. So a token
// that the server itself got opens no session, and a token that was reported
// before a revocation opens none after it. A token is known for as long as it
// can live. The notes about it hold its hash.

const (
	// longestToken is what a token lives at most (contract section 4), should
	// TokenLifetime be set to less.
	longestToken = time.Hour
	// noteSlack makes up for different clocks of replicas.
	noteSlack = time.Minute
)

var (
	errIssued  = errors.New("the server issued the token for a session that the caller does not have")
	errRevoked = errors.New("the login began before all sessions of its user were revoked")
)

func issuedNote(token secret.String) string   { return "issued " + hexHash(token) }
func reportedNote(token secret.String) string { return "reported " + hexHash(token) }

func hexHash(s secret.String) string {
	hash := s.Hash()
	return hex.EncodeToString(hash[:])
}

// markIssued remembers that the server itself got the token, and for which user.
// It comes before any page can have it.
func (s *Service) markIssued(ctx context.Context, uuid string, got pair) error {
	life := max(longestToken, got.expires().Sub(s.now())) + noteSlack
	return storeFailed(s.store.Remember(ctx, issuedNote(got.Access), UserTag(uuid), life))
}

// readmit is the answer to a login with an issued token: a page that has a
// session of that user gets it as it stands; any other caller hears what a dead
// token hears. The tag of the user is short, but all that it can open is the
// session that the caller has.
//
// Capture is not asked, so that replays cost none of the calls that logins need.
// The quick answer tells a thief that the server knows the token; Capture would
// tell as much.
func (s *Service) readmit(ctx context.Context, login Login, user string) (Session, error) {
	if login.Previous != (store.ID{}) {
		record, err := s.read(ctx, login.Previous)
		switch {
		case codeOf(err) == api.StoreUnavailable:
			return Session{}, err
		case err != nil || UserTag(record.UUID) != user:
		case login.Claim != "" && login.Claim != record.UUID:
			return Session{}, s.mismatch(ctx, login.Claim, record.UUID)
		default:
			return Session{ID: login.Previous, Grant: grantOf(record, s.now())}, nil
		}
	}
	const audit = "audit: a login with a token of a session that the caller does not have"
	return Session{}, s.replayed(ctx, audit, user, errIssued)
}

// replayed is the answer to a token that is no login.
func (s *Service) replayed(ctx context.Context, audit, user string, cause error) *Error {
	s.config.Log.WarnContext(ctx, audit, "event", "token_replayed", "user", user)
	s.config.Observer.TokenReplayed()
	return grantRefused(cause)
}

// firstReport returns when a token was first reported: begun, or the moment that
// is remembered. A report can be repeated, since an answer can be lost, but not
// across a revocation.
func (s *Service) firstReport(
	ctx context.Context, token secret.String, begun store.Moment,
) (store.Moment, error) {
	text, found, err := s.recall(ctx, reportedNote(token))
	switch {
	case err != nil:
		return 0, err
	case found:
		return parseMoment(text), nil
	}
	life := max(longestToken, s.config.TokenLifetime) + noteSlack
	if err := s.store.Remember(ctx, reportedNote(token), formatMoment(begun), life); err != nil {
		return 0, storeFailed(err)
	}
	return begun, nil
}

// recall returns what the store remembers under a name. A note that does not
// authenticate is there, with an empty text: a key that was removed from the
// ring must not make a token welcome.
func (s *Service) recall(ctx context.Context, name string) (text string, found bool, err error) {
	text, err = s.store.Recall(ctx, name)
	switch {
	case err == nil:
		return text, true, nil
	case errors.Is(err, store.ErrNotFound):
		return "", false, nil
	case errors.Is(err, store.ErrTampered):
		return "", true, nil
	}
	return "", false, storeFailed(err)
}

func formatMoment(m store.Moment) string { return strconv.FormatInt(int64(m), 10) }

// parseMoment takes a text that is none for the moment before all others: then
// every revocation that is remembered came later.
func parseMoment(text string) store.Moment {
	moment, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return store.Moment(moment)
}
