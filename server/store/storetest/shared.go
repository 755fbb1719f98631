package storetest

import (
	"context"
	"sync"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// Shared returns backend with locks, as one that several processes can open:
// for tests of what happens between replicas. A lease is measured by time.Now,
// so that it ends inside testing/synctest as well.
func Shared(backend store.Backend) store.Backend {
	return shared{backend, &memoryLocks{held: map[store.Key]hold{}}}
}

type shared struct {
	store.Backend
	locks *memoryLocks
}

func (s shared) Locks() store.Locks { return s.locks }

type memoryLocks struct {
	mu   sync.Mutex
	held map[store.Key]hold // guarded by mu
}

type hold struct {
	holder store.Holder
	until  time.Time
}

func (l *memoryLocks) Lock(
	ctx context.Context, key store.Key, holder store.Holder, lease time.Duration,
) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if held := l.held[key]; held.holder != holder && time.Now().Before(held.until) {
		return store.ErrLocked
	}
	l.held[key] = hold{holder, time.Now().Add(lease)}
	return nil
}

func (l *memoryLocks) Unlock(ctx context.Context, key store.Key, holder store.Holder) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[key].holder == holder {
		delete(l.held, key)
	}
	return nil
}
