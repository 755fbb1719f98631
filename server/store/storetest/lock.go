package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// long is the lease of a lock that is not to end during a test.
	long = time.Minute
	// patience bounds what a test waits for.
	patience = 30 * time.Second
)

// withLease runs a test of what a lease does, which takes a real one, as a
// database's own clock cannot be set. attempt returns false if a lock has ended
// before its time. On a machine that stands still for longer than a short lease
// that is right, so that a longer one follows; a fault shows with each of them.
func withLease(t *testing.T, attempt func(lease time.Duration) bool) {
	t.Helper()
	for _, lease := range []time.Duration{300 * time.Millisecond, 2 * time.Second, 12 * time.Second} {
		if attempt(lease) || t.Failed() {
			return
		}
	}
	t.Error("a lock ended before its time, however long its lease")
}

// locked reports whether another holder has a lock.
func locked(t *testing.T, st *store.Store, name string) bool {
	t.Helper()
	lock, err := st.Lock(t.Context(), name, long)
	switch {
	case err == nil:
		release(t, lock)
	case !errors.Is(err, store.ErrLocked):
		t.Errorf("Lock(%s) = %v, want ErrLocked", name, err)
	}
	return err != nil
}

func mustLock(t *testing.T, st *store.Store, name string, lease time.Duration) *store.Lock {
	t.Helper()
	lock, err := st.Lock(t.Context(), name, lease)
	if err != nil {
		t.Fatalf("Lock(%s) = %v", name, err)
	}
	return lock
}

func wantLocked(t *testing.T, st *store.Store, name string) {
	t.Helper()
	if lock, err := st.Lock(t.Context(), name, long); !errors.Is(err, store.ErrLocked) ||
		lock != nil {
		t.Errorf("Lock(%s) = %v, %v, want ErrLocked", name, lock, err)
	}
}

func release(t *testing.T, lock *store.Lock) {
	t.Helper()
	if err := lock.Release(t.Context()); err != nil {
		t.Errorf("Release() = %v", err)
	}
}

// eventually calls often, until it returns true or patience is over.
func eventually(call func() bool) (done bool) {
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for began := time.Now(); time.Since(began) < patience; <-ticks.C {
		if call() {
			return true
		}
	}
	return false
}

func (s suite) lock(t *testing.T) {
	st, _, _ := s.store(t)
	lock := mustLock(t, st, "a name", long)
	wantLocked(t, st, "a name")
	release(t, mustLock(t, st, "another name", long))
	// The end of a user's sessions is not the end of locks.
	if n, err := st.DeleteByUUID(t.Context(), "u1"); n != 0 || err != nil {
		t.Errorf("DeleteByUUID() = %d, %v, want 0", n, err)
	}
	wantLocked(t, st, "a name")
	release(t, lock)
	release(t, lock)

	again := mustLock(t, st, "a name", long)
	release(t, lock) // the first holder has nothing to release any more
	wantLocked(t, st, "a name")
	release(t, again)
	release(t, mustLock(t, st, "a name", long))
}

// A lock outlives its lease for as long as its holder lives.
func (s suite) lockOutlivesItsLease(t *testing.T) {
	st := store.New(s.open(t), ring(t, "k1"), nil)
	withLease(t, func(lease time.Duration) bool {
		lock := mustLock(t, st, "a name", lease)
		ticks := time.NewTicker(20 * time.Millisecond)
		defer ticks.Stop()
		outlived := true
		for began := time.Now(); outlived && time.Since(began) < 3*lease; <-ticks.C {
			outlived = locked(t, st, "a name")
		}
		release(t, lock)
		return outlived
	})
	release(t, mustLock(t, st, "a name", long))
}

// The lock of a holder that died is free after a while, and its late Release
// takes nothing away.
func (s suite) lockOfTheDead(t *testing.T) {
	st := store.New(s.open(t), ring(t, "k1"), nil)
	withLease(t, func(lease time.Duration) bool {
		ctx, die := contextWithCancel(t)
		dead, err := st.Lock(ctx, "a name", lease)
		if err != nil {
			t.Fatalf("Lock() = %v", err)
		}
		kept := locked(t, st, "a name")
		die()
		var next *store.Lock
		if !eventually(func() bool {
			lock, err := st.Lock(t.Context(), "a name", long)
			if err != nil && !errors.Is(err, store.ErrLocked) {
				t.Fatalf("Lock() = %v", err)
			}
			next = lock
			return err == nil
		}) {
			t.Fatal("the lock of a holder that died is never free")
		}
		release(t, dead)
		wantLocked(t, st, "a name")
		release(t, next)
		return kept
	})
}

func (s suite) oneLockWins(t *testing.T) {
	st, _, _ := s.store(t)
	var won atomic.Int32
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			switch _, err := st.Lock(t.Context(), "a name", time.Minute); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, store.ErrLocked):
				t.Errorf("Lock() = %v", err)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 {
		t.Errorf("%d have the lock, want 1", won.Load())
	}
}

// Locks, where a backend has them, are between processes.
func (s suite) locksOfTheBackend(t *testing.T) {
	locks := s.open(t).Locks()
	if locks == nil {
		return // one process: its Store keeps them
	}
	key, one, two := store.Key{1}, store.Holder{1}, store.Holder{2}
	lock := func(holder store.Holder, lease time.Duration, want error) {
		t.Helper()
		if err := locks.Lock(t.Context(), key, holder, lease); !errors.Is(err, want) {
			t.Errorf("Lock(%v) = %v, want %v", holder[0], err, want)
		}
	}
	unlock := func(holder store.Holder) {
		t.Helper()
		if err := locks.Unlock(t.Context(), key, holder); err != nil {
			t.Errorf("Unlock(%v) = %v", holder[0], err)
		}
	}
	unlock(one)
	lock(one, time.Hour, nil)
	lock(one, time.Hour, nil) // more time for the holder
	lock(two, time.Hour, store.ErrLocked)
	unlock(two)
	lock(two, time.Hour, store.ErrLocked)
	unlock(one)
	withLease(t, func(lease time.Duration) bool {
		lock(two, lease, nil)
		kept := errors.Is(locks.Lock(t.Context(), key, one, time.Hour), store.ErrLocked)
		if !eventually(func() bool {
			return locks.Lock(t.Context(), key, one, time.Hour) == nil
		}) {
			t.Error("a lock is not free after its lease")
		}
		unlock(two)
		lock(two, time.Hour, store.ErrLocked)
		unlock(one)
		return kept
	})
}

func (s suite) markOnce(t *testing.T) {
	st, _, clock := s.store(t)
	if err := st.MarkOnce(t.Context(), "a name", time.Hour); err != nil {
		t.Fatalf("MarkOnce() = %v", err)
	}
	if err := st.MarkOnce(t.Context(), "another name", time.Hour); err != nil {
		t.Errorf("MarkOnce(another) = %v", err)
	}
	if n, err := st.DeleteByUUID(t.Context(), "u1"); n != 0 || err != nil {
		t.Errorf("DeleteByUUID() = %d, %v, want 0", n, err)
	}
	// No clock, however wrong, makes the mark be forgotten while it is there.
	for _, now := range []time.Time{s.base, s.base.Add(-time.Hour), s.base.Add(2 * time.Hour)} {
		clock.Set(now)
		if err := st.MarkOnce(t.Context(), "a name", time.Hour); !errors.Is(err, store.ErrExists) {
			t.Errorf("MarkOnce(again) at %v = %v, want ErrExists", now, err)
		}
	}
	var won atomic.Int32
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			switch err := st.MarkOnce(t.Context(), "contended", time.Hour); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, store.ErrExists):
				t.Errorf("MarkOnce() = %v", err)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 {
		t.Errorf("%d have made the mark, want 1", won.Load())
	}
}
