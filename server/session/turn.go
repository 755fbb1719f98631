package session

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// turn waits until this replica may renew, or another has: then the record has
// the new token, and key is done with it. What is watched is the record, not
// the turn: the answer is there before the turn is given back, and a store that
// fails keeps nobody waiting for that.
func (s *Service) turn(ctx context.Context, id store.ID, mode store.Mode, key flight) (record store.Record, release func(), err error) {
	name := "renewal " + hex.EncodeToString(key.session[:])
	// The turn is kept while what Capture gave is stored, whatever becomes of
	// the flight meanwhile.
	holding, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*s.turnTime(mode))
	defer func() {
		if err != nil {
			stop()
		}
	}()
	for {
		lock, err := s.config.Store.Lock(holding, name, leaseTime)
		taken := errors.Is(err, store.ErrLocked)
		switch {
		case err == nil, taken:
		case mode == store.ModeCode:
			return store.Record{}, nil, s.storeFailed(err)
		default:
			// A second getAccessToken costs a call and no session: the versioned
			// write lets one token stand.
			s.config.Log.WarnContext(ctx, "a session is renewed without keeping the other replicas out", "session", Tag(id), "cause", err)
		}
		release = func() {
			defer stop()
			if lock == nil {
				return
			}
			s.aside(ctx, func(ctx context.Context) {
				if err := lock.Release(ctx); err != nil {
					s.config.Log.WarnContext(ctx, "a session's next renewal on another replica may have to wait", "session", Tag(id), "for", leaseTime, "cause", err)
				}
			})
		}
		// What was read before the turn came may be old. A store that has just
		// failed is not given as long again.
		looking, cancel := ctx, context.CancelFunc(func() {})
		if err != nil && !taken {
			looking, cancel = context.WithTimeout(ctx, lookTimeout)
		}
		record, err = s.read(looking, id)
		cancel()
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
