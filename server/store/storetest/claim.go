package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

func (s suite) claim(t *testing.T) {
	st, _, _ := s.store(t)
	release, err := st.Claim(t.Context(), "a name", time.Hour)
	if err != nil {
		t.Fatalf("Claim(free) = %v", err)
	}
	if _, err := st.Claim(t.Context(), "a name", time.Hour); !errors.Is(err, store.ErrExists) {
		t.Errorf("Claim(taken) = %v, want ErrExists", err)
	}
	if _, err := st.Claim(t.Context(), "another name", time.Hour); err != nil {
		t.Errorf("Claim(another) = %v", err)
	}
	// The end of a user's sessions is not the end of claims.
	if n, err := st.DeleteByUUID(t.Context(), "u1"); n != 0 || err != nil {
		t.Errorf("DeleteByUUID() = %d, %v, want 0", n, err)
	}
	for range 2 {
		if err := release(t.Context()); err != nil {
			t.Errorf("release() = %v", err)
		}
	}
	again, err := st.Claim(t.Context(), "a name", time.Hour)
	if err != nil {
		t.Fatalf("Claim(released) = %v", err)
	}
	// The first holder has nothing to give back any more.
	if err := release(t.Context()); err != nil {
		t.Errorf("a late release() = %v", err)
	}
	if _, err := st.Claim(t.Context(), "a name", time.Hour); !errors.Is(err, store.ErrExists) {
		t.Errorf("Claim(taken again, after a late release) = %v, want ErrExists", err)
	}
	if err := again(t.Context()); err != nil {
		t.Errorf("release() = %v", err)
	}
}

// hold waits in real time: a name that is held outlives its ttl, and is free at
// once when it is released, and after ttl when its holder is gone.
func (s suite) hold(t *testing.T) {
	const ttl = 300 * time.Millisecond
	st := store.New(s.open(t), ring(t, "k1"), nil)
	for name, leave := range map[string]func(release func(context.Context) error, die context.CancelFunc){
		"released": func(release func(context.Context) error, _ context.CancelFunc) {
			for range 2 {
				if err := release(t.Context()); err != nil {
					t.Errorf("release() = %v", err)
				}
			}
		},
		"dead": func(_ func(context.Context) error, die context.CancelFunc) { die() },
	} {
		ctx, die := context.WithCancel(t.Context())
		defer die()
		release, err := st.Hold(ctx, name, ttl)
		if err != nil {
			t.Fatalf("Hold(free) = %v", err)
		}
		ticks := time.NewTicker(20 * time.Millisecond)
		defer ticks.Stop()
		for began := time.Now(); time.Since(began) < 3*ttl; <-ticks.C {
			if _, err := st.Hold(ctx, name, ttl); !errors.Is(err, store.ErrExists) {
				t.Fatalf("%s: Hold(taken) = %v after %v, want ErrExists", name, err, time.Since(began))
			}
		}
		leave(release, die)
		for left := time.Now(); ; <-ticks.C {
			_, err := st.Claim(t.Context(), name, time.Hour)
			if err == nil {
				break
			}
			if !errors.Is(err, store.ErrExists) || name == "released" || time.Since(left) > 10*ttl {
				t.Fatalf("%s: Claim(left) = %v after %v", name, err, time.Since(left))
			}
		}
		// Whoever comes late has nothing to give back.
		if err := release(t.Context()); err != nil {
			t.Errorf("a late release() = %v", err)
		}
		if _, err := st.Claim(t.Context(), name, time.Hour); !errors.Is(err, store.ErrExists) {
			t.Errorf("%s: Claim(taken again) = %v, want ErrExists", name, err)
		}
	}
}

// A claim ends at its ttl by the clock of the Store, whether or not the backend
// has noticed.
func (s suite) claimExpires(t *testing.T) {
	if s.selfExpiring {
		s.claimExpiresByItself(t)
		return
	}
	st, _, clock := s.store(t)
	late, err := st.Claim(t.Context(), "a name", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	clock.Set(s.base.Add(time.Minute - time.Millisecond))
	if _, err := st.Claim(t.Context(), "a name", time.Minute); !errors.Is(err, store.ErrExists) {
		t.Errorf("Claim(just before the end) = %v, want ErrExists", err)
	}
	clock.Set(s.base.Add(time.Minute))
	release, err := st.Claim(t.Context(), "a name", time.Minute)
	if err != nil {
		t.Fatalf("Claim(at the end) = %v", err)
	}
	if err := late(t.Context()); err != nil {
		t.Errorf("a late release() = %v", err)
	}
	if _, err := st.Claim(t.Context(), "a name", time.Minute); !errors.Is(err, store.ErrExists) {
		t.Errorf("Claim(taken over) = %v, want ErrExists: a late release took it away", err)
	}
	if err := release(t.Context()); err != nil {
		t.Errorf("release() = %v", err)
	}
	if _, err := st.Claim(t.Context(), "a name", time.Minute); err != nil {
		t.Errorf("Claim(released) = %v", err)
	}

	// A swept claim has ended as well.
	clock.Set(s.base.Add(time.Hour))
	if n, err := st.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("Sweep() = %d, %v, want the one claim", n, err)
	}
	if _, err := st.Claim(t.Context(), "a name", time.Minute); err != nil {
		t.Errorf("Claim(swept) = %v", err)
	}
}

// claimExpiresByItself waits in real time, as the backend's clock cannot be set.
func (s suite) claimExpiresByItself(t *testing.T) {
	st := store.New(s.open(t), ring(t, "k1"), nil)
	if _, err := st.Claim(t.Context(), "a name", 200*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Claim(t.Context(), "a name", time.Hour); !errors.Is(err, store.ErrExists) {
		t.Errorf("Claim(taken) = %v, want ErrExists", err)
	}
	ticks := time.NewTicker(10 * time.Millisecond)
	defer ticks.Stop()
	for deadline := time.Now().Add(5 * time.Second); ; <-ticks.C {
		_, err := st.Claim(t.Context(), "a name", time.Hour)
		if err == nil {
			return
		}
		if !errors.Is(err, store.ErrExists) || time.Now().After(deadline) {
			t.Fatalf("Claim(ended) = %v", err)
		}
	}
}

// Of many at once, one has the name; also where an ended claim is in the way.
func (s suite) oneClaimWins(t *testing.T) {
	st, _, clock := s.store(t)
	for _, round := range []string{"free", "ended"} {
		var won atomic.Int32
		var group sync.WaitGroup
		for range 16 {
			group.Go(func() {
				_, err := st.Claim(t.Context(), "a name", time.Hour)
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, store.ErrExists):
					t.Errorf("Claim(%s) = %v", round, err)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 {
			t.Errorf("%s: %d have the name, want 1", round, won.Load())
		}
		if s.selfExpiring {
			return
		}
		clock.Set(clock.Now().Add(time.Hour))
	}
}
