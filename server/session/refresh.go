package session

import (
	"context"
	"errors"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// pollInterval is how often a record is read that another replica may write.
	pollInterval = 100 * time.Millisecond

	// winnerTimeout is how long the pair of another refresh is waited for after
	// Capture called the grant dead. Whoever used the refresh token up has its
	// answer by then, and has only to store it.
	winnerTimeout = 2 * time.Second

	// leaseTime is how long the turn of a replica that died keeps the others
	// waiting; a replica that lives renews it.
	leaseTime = 3 * time.Second
)

// turnTime bounds one replica's renewal in the mode: for a client-side session
// a call and storing its token; for a server-side one a call, the one after a
// lost answer, and storing the pair.
func (s *Service) turnTime(mode store.Mode) time.Duration {
	if mode == store.ModeCode {
		return 2*s.config.UpstreamTimeout + pairTimeout
	}
	return s.config.UpstreamTimeout + storeTimeout
}

// refresh is a renewal of a server-side session. A refresh token works once;
// what makes the outcome right even where two replicas get past each other is
// the versioned write, and looking again before a session is given up.
func (s *Service) refresh(ctx context.Context, id store.ID, record store.Record, key flight, of share, tell func(error)) (Grant, error) {
	got, err := s.refreshUpstream(ctx, id, of, record.RefreshToken)
	if err == nil {
		return s.keepPair(ctx, id, record, key, got, tell)
	}
	if kind, _ := about(err); kind == capture.GrantGone {
		return s.bury(ctx, id, key, err)
	}
	return Grant{}, s.renewalFailed(ctx, id, record.UUID, err)
}

// refreshUpstream asks once more after a lost answer: either Capture did not
// hear the question, or it now says that the token is used up, and the session
// is past saving.
func (s *Service) refreshUpstream(ctx context.Context, id store.ID, of share, token secret.String) (pair, error) {
	got, err := s.refreshOnce(ctx, of, token)
	var failure *capture.Error
	if !errors.As(err, &failure) || !failure.Lost {
		return got, err
	}
	s.config.Log.WarnContext(ctx, "the answer to a refresh was lost; asking once more", "session", Tag(id), "cause", err)
	return s.refreshOnce(ctx, whole, token)
}

func (s *Service) refreshOnce(ctx context.Context, of share, token secret.String) (got pair, err error) {
	err = s.upstream(ctx, of, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, s.config.UpstreamTimeout)
		defer cancel()
		began := s.now()
		tokens, err := s.config.Capture.Refresh(ctx, token)
		got = pair{access: tokens.Access, refresh: tokens.Refresh, issued: began, expires: tokens.Expires}
		return err
	})
	return got, err
}

// bury ends a session whose grant Capture calls dead, unless another replica
// was the one who used the refresh token up: then its pair is in the store, or
// will be in a moment.
func (s *Service) bury(ctx context.Context, id store.ID, key flight, cause error) (Grant, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), winnerTimeout+storeTimeout)
	defer cancel()
	deadline := s.now().Add(winnerTimeout)
	for {
		record, err := s.read(ctx, id)
		if err != nil {
			return Grant{}, err
		}
		if key.done(record) {
			return grantOf(record, s.now()), nil
		}
		if s.now().Before(deadline) {
			if err := sleep(ctx, pollInterval); err != nil {
				return Grant{}, unavailable(0, err)
			}
			continue
		}
		// A record without a refresh token is a grave: from this write on, a pair
		// that comes too late finds no session, and before it, the write is the
		// one that comes too late. A delete alone could not tell.
		record.RefreshToken = secret.String{}
		_, err = s.config.Store.Update(ctx, id, record)
		switch {
		case errors.Is(err, store.ErrConflict):
			continue
		case err != nil:
			return Grant{}, s.storeFailed(err)
		}
		return Grant{}, s.renewalFailed(ctx, id, record.UUID, cause)
	}
}

// buried reports that the grant of a server-side session is dead; its record is
// only waiting to be deleted.
func buried(record store.Record) bool {
	return record.Mode == store.ModeCode && record.RefreshToken.Empty()
}
