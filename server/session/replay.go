package session

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
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

// disown remembers that the server itself got the token. It comes before
// anybody can have it.
func (s *Service) disown(ctx context.Context, token secret.String, expires time.Time) error {
	life := max(longestToken, expires.Sub(s.now()))
	if err := s.config.Store.Remember(ctx, oursNote(token), "", life+noteSlack); err != nil {
		return s.storeFailed(err)
	}
	return nil
}

// readmit is the answer to a login with a token that the server got: to a page
// that has a session of that user it is this one as it stands, and to anybody
// else what a dead token is.
func (s *Service) readmit(ctx context.Context, previous store.ID, uuid string) (Session, error) {
	if previous != (store.ID{}) {
		record, err := s.read(ctx, previous)
		var failure *Error
		switch {
		case errors.As(err, &failure) && failure.Code == api.StoreUnavailable:
			return Session{}, err
		case err == nil && record.UUID == uuid:
			return Session{ID: previous, Grant: grantOf(record, s.now())}, nil
		}
	}
	s.config.Log.WarnContext(ctx, "audit: a login with a token of a session that the caller does not have",
		"event", "token_replayed", "user", userTag(uuid))
	return Session{}, grantRefused(errOurs)
}

// report remembers that a token was reported, and returns the revocation of its
// user that was the last one then. A token that was reported before is refused
// if there was another since; the same login may be reported again otherwise,
// for an answer can be lost.
func (s *Service) report(ctx context.Context, token secret.String, uuid string) (since note, err error) {
	before, err := s.recall(ctx, reportedNote(token))
	if err != nil {
		return note{}, err
	}
	if before.there {
		return before, s.unrevoked(ctx, uuid, before)
	}
	last, err := s.recall(ctx, revokedNote(uuid))
	if err != nil {
		return note{}, err
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
	s.config.Log.WarnContext(ctx, "audit: a login with a token from before a revocation",
		"event", "token_replayed", "user", userTag(uuid))
	return grantRefused(errRevoked)
}

// markRevoked gives the revocation a name of its own, so that no clocks have
// to be compared. It outlives every token that was reported before.
func (s *Service) markRevoked(ctx context.Context, uuid string) error {
	return s.config.Store.Remember(ctx, revokedNote(uuid), rand.Text(), max(longestToken, s.config.TokenLifetime)+2*noteSlack)
}

// note is what the store remembers under a name, if anything.
type note struct {
	text  string
	there bool
}

// recall takes a note that does not authenticate for one that is there, with a
// text like no other's: a key that was removed from the ring must not make a
// token welcome.
func (s *Service) recall(ctx context.Context, name string) (note, error) {
	text, err := s.config.Store.Recall(ctx, name)
	switch {
	case err == nil:
		return note{text: text, there: true}, nil
	case errors.Is(err, store.ErrNotFound):
		return note{}, nil
	case errors.Is(err, store.ErrTampered):
		return note{text: "illegible " + name, there: true}, nil
	}
	return note{}, s.storeFailed(err)
}
