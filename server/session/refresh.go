package session

import (
	"context"
	"encoding/hex"
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
)

// leaseTime bounds one replica's refresh: a call, the one after a lost answer,
// and storing the pair.
func (s *Service) leaseTime() time.Duration { return 2*s.config.UpstreamTimeout + pairTimeout }

// refresh is a renewal of a server-side session. A refresh token works once, so
// that the replicas take turns; what makes the outcome right even where two get
// past each other is the versioned write, and looking again before a session is
// given up.
func (s *Service) refresh(ctx context.Context, id store.ID, key flight) (Grant, error) {
	record, release, err := s.turn(ctx, id, key)
	if err != nil {
		return Grant{}, err
	}
	defer release()
	if key.done(record) {
		return grantOf(record, s.now()), nil
	}
	got, err := s.refreshUpstream(ctx, id, record.RefreshToken)
	if err == nil {
		return s.keep(ctx, id, record, key, got)
	}
	if kind, _ := about(err); kind == capture.GrantGone {
		return s.bury(ctx, id, key, err)
	}
	return Grant{}, s.renewalFailed(ctx, id, record.UUID, err)
}

// turn waits until this replica may refresh, or another has: then the record
// has the new pair.
func (s *Service) turn(ctx context.Context, id store.ID, key flight) (record store.Record, release func(), err error) {
	name := "refresh " + hex.EncodeToString(key.session[:])
	for {
		giveBack, err := s.config.Store.Claim(ctx, name, s.leaseTime())
		taken := errors.Is(err, store.ErrExists)
		if err != nil && !taken {
			return store.Record{}, nil, s.storeFailed(err)
		}
		release = func() {
			if taken {
				return
			}
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
			defer cancel()
			if err := giveBack(ctx); err != nil {
				s.config.Log.WarnContext(ctx, "a session's next refresh on another replica may have to wait", "session", Tag(id), "for", s.leaseTime(), "cause", err)
			}
		}
		// What was read before the turn came may be old.
		record, err = s.read(ctx, id)
		if err != nil {
			release()
			return store.Record{}, nil, err
		}
		if !taken || key.done(record) {
			return record, release, nil
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return store.Record{}, nil, unavailable(0, err)
		}
	}
}

// refreshUpstream asks once more after a lost answer: either Capture did not
// hear the question, or it now says that the token is used up, and the session
// is past saving.
func (s *Service) refreshUpstream(ctx context.Context, id store.ID, token secret.String) (pair, error) {
	got, err := s.refreshOnce(ctx, token)
	var failure *capture.Error
	if !errors.As(err, &failure) || !failure.Lost {
		return got, err
	}
	s.config.Log.WarnContext(ctx, "the answer to a refresh was lost; asking once more", "session", Tag(id), "cause", err)
	return s.refreshOnce(ctx, token)
}

func (s *Service) refreshOnce(ctx context.Context, token secret.String) (pair, error) {
	if err := s.ceiling(); err != nil {
		return pair{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.UpstreamTimeout)
	defer cancel()
	began := s.now()
	tokens, err := s.config.Capture.Refresh(ctx, token)
	if err != nil {
		return pair{}, err
	}
	return pair{access: tokens.Access, refresh: tokens.Refresh, issued: began, expires: tokens.Expires}, nil
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
