//go:build js && wasm

package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// locksThat lists our locks, those that are held or those that are waited for.
func locksThat(t *testing.T, which string) int {
	t.Helper()
	state, err := await(call(t, path("navigator", "locks"), "query"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, lock := range items(get(state, which)) {
		if text(get(lock, "name")) == lockName {
			n++
		}
	}
	return n
}

// atMost is less than a lease, and than the time for which a tab would wait if
// nothing ended its waiting. A machine may stand still for some of it.
const atMost = 8 * time.Second

// untilLocks waits for a state of the locks, which the browser keeps elsewhere.
func untilLocks(t *testing.T, which string, n int) {
	t.Helper()
	for range 2000 {
		if locksThat(t, which) == n {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Errorf("%d locks are %s, want %d", locksThat(t, which), which, n)
}

// tab is a tab's locks.
func tab(t *testing.T) *locks { t.Helper(); return newLocks(lives(t, safejs.Undefined())) }

// never is closed when the test ends: a tab that waits for the lock.
func never(t *testing.T) *session.Latch {
	latch := new(session.Latch)
	t.Cleanup(latch.Close)
	return latch
}

// kept is for a lock that no other tab takes away.
func kept(t *testing.T) func() { return func() { t.Error("the lock was lost") } }

// One tab at a time has the lock, as long as it needs, and nothing is left
// behind.
func TestLocks(t *testing.T) {
	one, two := tab(t), tab(t)
	release := one.Acquire(never(t), kept(t))
	untilLocks(t, "held", 1)
	waited := make(chan func())
	go func() { waited <- two.Acquire(never(t), kept(t)) }()
	untilLocks(t, "pending", 1)
	select {
	case <-waited:
		t.Fatal("two at a time")
	default:
	}
	release()
	second := <-waited
	untilLocks(t, "held", 1)
	release() // again: another tab has the lock now
	if locksThat(t, "held") != 1 {
		t.Error("released another tab's lock")
	}
	second()
	untilLocks(t, "held", 0)
	if len(one.taken)+len(two.taken) > 0 {
		t.Error("locks are left behind")
	}
	alive(t)
}

// A tab that may wait no longer steals the lock, at once, from a tab that
// hangs; and that tab is told.
func TestLocksAreStolen(t *testing.T) {
	hung, lost := tab(t), make(chan struct{})
	release := hung.Acquire(never(t), func() { close(lost) })
	begun := time.Now()
	stolen := tab(t).Acquire(after(50*time.Millisecond), kept(t))
	if took := time.Since(begun); took < 50*time.Millisecond || took > atMost {
		t.Errorf("waited %v, want 50 ms", took)
	}
	<-lost
	untilLocks(t, "held", 1)
	release()
	if locksThat(t, "held") != 1 {
		t.Error("the tab that lost it gave back another's lock")
	}
	stolen()
	untilLocks(t, "held", 0)
	alive(t)
}

// A page that is put aside or stopped gives back its lock, and withdraws what
// it waits for. If the module has crashed, the loader's signal does both.
func TestLocksLeave(t *testing.T) {
	var loader safejs.Value
	for name, leave := range map[string]func(*locks){
		"put aside": (*locks).leave,
		"crashed":   func(*locks) { call(t, loader, "abort") },
	} {
		t.Run(name, func(t *testing.T) {
			loader = construct(t, "AbortController")
			one, two := newLocks(lives(t, get(loader, "signal"))), newLocks(lives(t, get(loader, "signal")))
			one.leave() // before it ever had one
			release := one.Acquire(never(t), kept(t))
			waited := make(chan func())
			go func() { waited <- two.Acquire(never(t), kept(t)) }()
			untilLocks(t, "pending", 1)
			leave(two)
			if name == "put aside" {
				untilLocks(t, "held", 1)
				leave(one)
			}
			untilLocks(t, "pending", 0)
			untilLocks(t, "held", 0)
			(<-waited)()
			release()
			alive(t)
		})
	}
}

// Where locks are missing, refused or broken, or the browser never answers, a
// tab goes on without.
func TestLocksOdd(t *testing.T) {
	silent := function(t, func([]safejs.Value) any {
		return construct(t, "Promise", function(t, func([]safejs.Value) any { return nil }))
	})
	for name, value := range map[string]any{
		"missing": safejs.Undefined(),
		"throw":   map[string]any{"request": thrower(t)},
		"reject": map[string]any{"request": function(t, func([]safejs.Value) any {
			return call(t, path("Promise"), "reject", "SecurityError")
		})},
		"no promise": map[string]any{"request": function(t, func([]safejs.Value) any { return 7 })},
		"silent":     map[string]any{"request": silent},
	} {
		t.Run(name, func(t *testing.T) {
			cleanStorage(t)
			define(t, path("navigator"), "locks", map[string]any{"value": value})
			begun, tab := time.Now(), tab(t)
			tab.Acquire(after(50*time.Millisecond), kept(t))()
			tab.leave()
			if took := time.Since(begun); took > atMost {
				t.Errorf("took %v", took)
			}
			alive(t)
		})
	}
}

// Without Web Locks a line in storage does it: tabs that come at the same
// moment have the lock one by one, and one that waits too long takes over.
func TestLease(t *testing.T) {
	cleanStorage(t)
	define(t, path("navigator"), "locks", map[string]any{"value": safejs.Undefined()})
	inside, most, done := 0, 0, make(chan struct{})
	for range 3 {
		go func() {
			release := tab(t).Acquire(never(t), kept(t))
			inside++
			most = max(most, inside)
			<-time.After(100 * time.Millisecond)
			inside--
			release()
			done <- struct{}{}
		}()
	}
	for range 3 {
		<-done
	}
	if most != 1 {
		t.Errorf("%d tabs at once", most)
	}
	if line := stored(t, keyLease); line != "" {
		t.Errorf("left behind: %s", line)
	}
	hung := tab(t).Acquire(never(t), kept(t))
	begun := time.Now()
	second := tab(t).Acquire(after(50*time.Millisecond), kept(t))
	if took := time.Since(begun); took > atMost {
		t.Errorf("waited %v", took)
	}
	hung()
	if stored(t, keyLease) == "" {
		t.Error("gave back another's lease")
	}
	second()
}

// A lease that is over, or none that any tab wrote, is not waited for.
func TestLeaseOfNobody(t *testing.T) {
	define(t, path("navigator"), "locks", map[string]any{"value": safejs.Undefined()})
	now := time.Now().UnixMilli()
	for _, line := range []string{"", "garbage", "a b", "a 1", "a -1", "a 1e99",
		fmt.Sprint("a ", now-1), fmt.Sprint("a ", now+time.Hour.Milliseconds())} {
		cleanStorage(t)
		store(t, keyLease, line)
		begun := time.Now()
		tab(t).Acquire(never(t), kept(t))()
		if took := time.Since(begun); took > atMost {
			t.Errorf("%q: waited %v", line, took)
		}
	}
	// Denied, or full.
	set(t, "localStorage",
		made(t, map[string]any{"getItem": thrower(t), "setItem": thrower(t), "removeItem": thrower(t)}))
	tab(t).Acquire(never(t), kept(t))()
	define(t, safejs.Global(), "localStorage", map[string]any{"get": thrower(t)})
	tab(t).Acquire(never(t), kept(t))()
	alive(t)
}

// A page that is being left has no time to wait: see TestSignOutWhileLeaving.
func TestPauseEndsWhenTheCallIsOvertaken(t *testing.T) {
	overtake := new(session.Latch)
	overtake.Close()
	pause(time.Hour, overtake)
}
