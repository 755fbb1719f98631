package session

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// Whoever holds a live access token is its user to Capture, and so could open a
// session of their own with one that was stolen from a page: with the absolute
// limit all over again, and beyond the reach of a revocation. So a token that
// the server itself got opens nothing, and one that was reported before a
// revocation opens nothing after it. A token is known for as long as it can
// live; the notes about it hold its hash.

const (
	// longestToken is what a token lives at most (contract section 4), should
	// TokenLifetime be set to less.
	longestToken = time.Hour
	// noteSlack makes up for replicas whose clocks differ.
	noteSlack = time.Minute
)

var (
	errOurs    = errors.New("the token is one that the server got for a session, and the caller does not have that user's session")
	errRevoked = errors.New("the token was reported before all sessions of its user were revoked")
)

func oursNote(token secret.String) string     { return "ours " + hexHash(token) }
func reportedNote(token secret.String) string { return "reported " + hexHash(token) }
func revokedNote(uuid string) string          { return "revoked " + uuid }

func hexHash(s secret.String) string {
	hash := s.Hash()
	return hex.EncodeToString(hash[:])
}

// disown remembers that the server itself got the token, and for whom. It comes
// before anybody can have it.
func (s *Service) disown(ctx context.Context, uuid string, token secret.String, expires time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	life := max(longestToken, expires.Sub(s.now()))
	if err := s.config.Store.Remember(ctx, oursNote(token), userTag(uuid), life+noteSlack); err != nil {
		return s.storeFailed(err)
	}
	return nil
}

// readmit is the answer to a login with a token that the server got: to a page
// that has a session of that user it is this one as it stands, and to anybody
// else what a dead token is. That the tag of the user is short harms nobody: all
// it can open is the session that the caller has.
//
// Capture is not asked, so that replaying tokens spends none of the calls that
// logins need. In time the answer is like that to a token which was refused
// before: one look at the notes, and what is remembered. So the first answer
// tells by its haste that the server knows the token, or has refused it in this
// minute; whoever holds the token learns more by asking Capture.
func (s *Service) readmit(ctx context.Context, login Login, ours note) (Session, error) {
	if login.Previous != (store.ID{}) {
		record, err := s.read(ctx, login.Previous)
		var failure *Error
		switch {
		case errors.As(err, &failure) && failure.Code == api.StoreUnavailable:
			return Session{}, err
		case err != nil || userTag(record.UUID) != ours.text:
		case login.Claim != "" && login.Claim != record.UUID:
			return Session{}, s.mismatch(ctx, login.Claim, record.UUID)
		default:
			return Session{ID: login.Previous, Grant: grantOf(record, s.now())}, nil
		}
	}
	return Session{}, s.replayed(ctx, "audit: a login with a token of a session that the caller does not have", ours.text, errOurs)
}

// replayed is the answer to a token that is no login.
func (s *Service) replayed(ctx context.Context, audit, user string, cause error) *Error {
	s.config.Log.WarnContext(ctx, audit, "event", "token_replayed", "user", user)
	s.config.Observer.TokenReplayed()
	return grantRefused(cause)
}

// report remembers that a token was reported, and returns the revocation of its
// user that was the last one then. A token that was reported before is refused
// if there was another since; the same login may be reported again otherwise,
// for an answer can be lost.
func (s *Service) report(ctx context.Context, token secret.String, uuid string) (since note, err error) {
	// In this order: a report and a revocation that come in between are seen, or
	// make this one older than the revocation.
	last, err := s.recall(ctx, revokedNote(uuid))
	if err != nil {
		return note{}, err
	}
	before, err := s.recall(ctx, reportedNote(token))
	if err != nil {
		return note{}, err
	}
	if before.there {
		return before, s.unrevoked(ctx, uuid, before)
	}
	life := max(longestToken, s.config.TokenLifetime) + noteSlack
	if err := s.config.Store.Remember(ctx, reportedNote(token), last.text, life); err != nil {
		return note{}, s.storeFailed(err)
	}
	return last, nil
}

// unrevoked is an error if the user's sessions were revoked after the
// revocation that since names.
func (s *Service) unrevoked(ctx context.Context, uuid string, since note) error {
	last, err := s.recall(ctx, revokedNote(uuid))
	switch {
	case err != nil:
		return err
	case !last.there, last.text == since.text:
		return nil
	}
	return s.replayed(ctx, "audit: a login with a token from before a revocation", userTag(uuid), errRevoked)
}

// markRevoked gives the revocation a name of its own, so that no clocks have
// to be compared. It outlives every token that was reported before.
func (s *Service) markRevoked(ctx context.Context, uuid string) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return s.config.Store.Remember(ctx, revokedNote(uuid), rand.Text(), max(longestToken, s.config.TokenLifetime)+2*noteSlack)
}

// note is what the store remembers under a name, if anything.
type note struct {
	text  string
	there bool
}

// recall takes a note that does not authenticate for one that is there, with a
// text that no note has: a key that was removed from the ring must not make a
// token welcome.
func (s *Service) recall(ctx context.Context, name string) (note, error) {
	text, err := s.config.Store.Recall(ctx, name)
	switch {
	case err == nil:
		return note{text: text, there: true}, nil
	case errors.Is(err, store.ErrNotFound):
		return note{}, nil
	case errors.Is(err, store.ErrTampered):
		kind, _, _ := strings.Cut(name, " ")
		return note{text: "illegible " + kind, there: true}, nil
	}
	return note{}, s.storeFailed(err)
}
