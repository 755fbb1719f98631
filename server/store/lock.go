package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// Lock is a lock that this process holds. It says who may begin, not who may
// write: a process that was paused for longer than the lease has lost the lock
// without noticing. What must not happen twice is guarded by Update as well,
// which compares versions. The zero Lock locks nothing: its Release does nothing.
type Lock struct{ release func(context.Context) error }

// Release frees the lock, unless another holder has it by now. A second Release
// does nothing. If it fails the lock frees itself when its lease is over.
func (l *Lock) Release(ctx context.Context) error {
	if l.release == nil {
		return nil
	}
	return l.release(ctx)
}

// Lock takes the lock of a name among all processes that share the database, and
// keeps it until Release, or until ctx is done. ErrLocked: another holder has
// it. Only a hash of the name is kept.
//
// The lock is extended three times in each lease; that of a process that died is
// free after one lease, by the database's clock. Where only one process can have
// the database open the lock is in memory and needs no lease.
func (s *Store) Lock(ctx context.Context, name string, lease time.Duration) (*Lock, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("lock", err)
	}
	key := Key(sha256.Sum256([]byte("keepalive lock " + name)))
	if !s.Shared() {
		return s.locks.take(ctx, key)
	}
	held := &leased{store: s, key: key, lease: lease}
	rand.Read(held.holder[:]) // never fails: crypto/rand ends the program instead
	if err := held.extend(ctx, Timeout); err != nil {
		return nil, failed("lock", err)
	}
	return held.keep(ctx), nil
}

// Shared reports whether other processes can have the database open. Where none
// can, what another process had begun is over.
func (s *Store) Shared() bool { return s.backend.Locks() != nil }

// localLocks are locks in this process. The zero value has none.
type localLocks struct {
	mu      sync.Mutex
	holders map[Key]bool // guarded by mu
}

func (l *localLocks) take(ctx context.Context, key Key) (*Lock, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holders[key] {
		return nil, failed("lock", ErrLocked)
	}
	if l.holders == nil {
		l.holders = map[Key]bool{}
	}
	l.holders[key] = true
	free := sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.holders, key)
	})
	stop := context.AfterFunc(ctx, free)
	return &Lock{release: func(context.Context) error {
		stop()
		free()
		return nil
	}}, nil
}

// leased is a lock that the database keeps for us.
type leased struct {
	store  *Store
	key    Key
	holder Holder
	lease  time.Duration
}

func (h *leased) extend(ctx context.Context, limit time.Duration) error {
	return h.store.within(ctx, opLock, limit, func(ctx context.Context) error {
		return h.store.backend.Locks().Lock(ctx, h.key, h.holder, h.lease)
	})
}

// keep extends the lock in the background until it is released or lost, or ctx
// is done.
func (h *leased) keep(ctx context.Context) *Lock {
	holding, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// A panic of the database's client loses the lock, and not the process.
		defer func() { _ = recover() }()
		h.extendUntilLost(holding)
	}()
	return &Lock{release: func(ctx context.Context) error {
		stop()
		select {
		case <-ended:
		case <-ctx.Done(): // an extension is under way; Unlock comes after it, or the lease ends
		}
		return failed("release", h.store.within(ctx, opUnlock, Timeout, func(ctx context.Context) error {
			return h.store.backend.Locks().Unlock(ctx, h.key, h.holder)
		}))
	}}
}

func (h *leased) extendUntilLost(ctx context.Context) {
	ticks := time.NewTicker(h.lease / 3)
	defer ticks.Stop()
	// Counted from before the call, on the monotonic clock: the database may have
	// counted from then.
	extended := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		began := time.Now()
		// Not under ctx: an extension that is cut off can arrive after Unlock.
		err := h.extend(context.WithoutCancel(ctx), h.lease/3)
		switch {
		case err == nil:
			extended = began
		case errors.Is(err, ErrLocked), time.Since(extended) >= h.lease:
			return
		}
	}
}
