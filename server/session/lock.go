package session

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/clock"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// Servers that share a store renew a session one at a time. A lock in the store
// says which one may begin. For a refresh token, which works once, that is not
// enough: the process that holds the lock can be paused, and loses it. So the
// intent, Record.Sent, is written before the token is sent, and removed by the
// write that stores the answer:
//
//	A: lock, intent, sends the refresh token, is paused (SIGSTOP, a moving machine).
//	B: gets the lock after its lease, finds A's intent, watches it: no change.
//	B: intent, sends the token, hears "dead": A has spent it.
//	A: wakes up, finds the answer in its socket, stores it.
//
// B must not delete the session in between: see doubt, and TestPausedReplica.
// No clocks of two machines are compared: the database measures the lease, and
// B watches by its own monotonic clock.

const (
	// lease is how long the lock of a process that died keeps the others
	// waiting. One that lives extends it.
	lease = 3 * time.Second
	// doubtTime is how long a session is kept after Capture called its grant
	// dead, if another process may hold the answer.
	doubtTime = 2 * time.Minute
)

// lock waits until this server may renew the session, or another one has: then
// key is replaced in the record. unlock must be called if there is no error.
func (s *Service) lock(
	ctx context.Context, id store.ID, key renewalKey,
) (record store.Record, unlock func(), err error) {
	for {
		record, unlock, err := s.tryLock(ctx, id, key)
		if unlock != nil || err != nil {
			return record, unlock, err
		}
		if clock.Sleep(ctx, pollInterval) != nil || s.work.closing() {
			return store.Record{}, nil,
				putOff(retryTemporary, "another server renews this session; ask again soon")
		}
	}
}

// tryLock is one attempt of lock. It returns no unlock if another server is at
// work.
func (s *Service) tryLock(
	ctx context.Context, id store.ID, key renewalKey,
) (record store.Record, unlock func(), err error) {
	// The lock lasts until unlock, whatever becomes of ctx: answers are stored
	// under it.
	holding, stop := context.WithCancel(context.WithoutCancel(ctx))
	held, err := s.store.Lock(holding, "renewal "+hex.EncodeToString(key.session[:]), lease)
	switch {
	case err == nil:
		unlock = func() { s.release(ctx, id, held, stop) }
	case errors.Is(err, store.ErrLocked):
		unlock = stop
	default:
		stop()
		return store.Record{}, nil, storeFailed(err)
	}
	// A record that was read before the lock was there may be old. Without the
	// lock the record is watched, and not the lock: the answer is stored before
	// the lock is released.
	if record, err = s.read(ctx, id); err == nil {
		mayBegin := s.mayBegin(key, record) // watched from the first look on
		if key.replaced(record) || held != nil && mayBegin {
			return record, unlock, nil
		}
	}
	unlock()
	return store.Record{}, nil, err
}

func (s *Service) release(ctx context.Context, id store.ID, held *store.Lock, stop func()) {
	s.background(ctx, func(ctx context.Context) {
		defer stop()
		if err := held.Release(ctx); err != nil {
			s.config.Log.WarnContext(ctx,
				"A session's lock could not be released. Its next renewal may have to wait.",
				"session", Tag(id), "for", lease, "cause", err)
		}
	})
}

// intents is what this process has seen of the intents of others.
type intents struct {
	watched *lru.Cache[renewalKey, watchedIntent]
	doubts  *lru.Cache[renewalKey, time.Time] // until when a dead grant keeps its session
}

type watchedIntent struct {
	sent  store.Sent // a later attempt of the same server is another intent
	since time.Time
}

func newIntents() intents {
	return intents{
		watched: limit.NewCache[renewalKey, watchedIntent](remembered),
		doubts:  limit.NewCache[renewalKey, time.Time](remembered),
	}
}

// foreignIntent reports that another process has sent the refresh token of the
// record, or was about to, and has not stored an answer. Where only one process
// can have the store open, that one is dead.
func (s *Service) foreignIntent(record store.Record) bool {
	return record.Sent.By != "" && record.Sent.By != s.instance &&
		record.Sent.Token == record.RefreshToken.Hash() && s.store.Shared()
}

// mayBegin reports whether the holder of the lock may send the token of the
// record. A foreign intent must first stay unchanged for as long as a process
// that is not paused needs to store an answer.
func (s *Service) mayBegin(key renewalKey, record store.Record) bool {
	if !s.foreignIntent(record) {
		return true
	}
	seen, found := s.intents.watched.Get(key)
	if !found || seen.sent != record.Sent {
		s.intents.watched.Add(key, watchedIntent{record.Sent, time.Now()})
		return false
	}
	return time.Since(seen.since) >= s.config.UpstreamTimeout+store.Timeout
}

var (
	// errReplaced: the record has another token by now.
	errReplaced = errors.New("another server has renewed the session")
	// errOvertaken: another server has begun, so that this one waits again.
	errOvertaken = errors.New("another server renews the session")
)

// writeIntent says in the record that its refresh token is about to be sent.
// Its errors mean that the token must not be sent.
func (s *Service) writeIntent(
	ctx context.Context, id store.ID, key renewalKey, record *store.Record,
) error {
	if !s.store.Shared() {
		return nil
	}
	for {
		if s.foreignIntent(*record) {
			if !s.mayBegin(key, *record) {
				return errOvertaken
			}
			// The process before may still hold the answer.
			s.intents.doubts.Add(key, time.Now().Add(doubtTime))
		}
		record.Sent = store.Sent{
			Token: record.RefreshToken.Hash(), By: s.instance, Version: record.Version, At: s.now(),
		}
		written, err := s.store.Update(ctx, id, *record)
		switch {
		case err == nil:
			*record = written
			return nil
		case !errors.Is(err, store.ErrConflict):
			return storeFailed(err)
		}
		// The page's activity was written in between, or another server was first.
		if *record, err = s.read(ctx, id); err != nil {
			return err
		}
		if key.replaced(*record) {
			return errReplaced
		}
	}
}

// withdrawIntent says that no answer to the refresh token will come any more.
func (s *Service) withdrawIntent(ctx context.Context, id store.ID, key renewalKey) {
	if !s.store.Shared() {
		return
	}
	s.background(ctx, func(ctx context.Context) {
		for {
			record, err := s.read(ctx, id)
			if err != nil || key.replaced(record) || record.Sent.By != s.instance {
				return
			}
			record.Sent = store.Sent{}
			if _, err = s.store.Update(ctx, id, record); !errors.Is(err, store.ErrConflict) {
				return // without it the others wait a little longer
			}
		}
	})
}

// doubt reports whether another process may hold the answer to the refresh token
// of the record, so that Capture's word that it is dead proves nothing.
func (s *Service) doubt(key renewalKey, record store.Record) bool {
	until, found := s.intents.doubts.Get(key)
	return s.foreignIntent(record) || found && time.Now().Before(until)
}

// writeTombstone makes a record a tombstone, so that an answer which comes too late finds
// no session: a delete alone could not tell a late write from an early one. It
// returns errReplaced if the answer was stored in time.
func (s *Service) writeTombstone(ctx context.Context, id store.ID, key renewalKey) error {
	for {
		record, err := s.read(ctx, id)
		switch {
		case err != nil:
			return err
		case key.replaced(record):
			return errReplaced
		case s.doubt(key, record):
			return &Error{
				Code: api.UpstreamUnavailable, RetryAfter: retryOperator,
				Detail: "another server may have renewed this session; ask again soon",
			}
		}
		record.RefreshToken = secret.String{}
		if _, err = s.store.Update(ctx, id, record); !errors.Is(err, store.ErrConflict) {
			return storeFailed(err)
		}
	}
}
