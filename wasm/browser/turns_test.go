//go:build js && wasm

package browser

import (
	"testing"
	"time"

	"github.com/hack-pad/safejs"
)

// locks lists our locks, those that are held or those that are waited for.
func locks(t *testing.T, which string) int {
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

// until waits for a state of the locks, which the browser keeps elsewhere.
func until(t *testing.T, which string, n int) {
	t.Helper()
	for range 200 {
		if locks(t, which) == n {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Errorf("%d locks are %s, want %d", locks(t, which), which, n)
}

// Tabs take turns, each as long as it needs, and nothing is left behind.
func TestTurns(t *testing.T) {
	one, two := newTurns(), newTurns()
	pass := one.Take()
	until(t, "held", 1)
	waited := make(chan func())
	go func() { waited <- two.Take() }()
	until(t, "pending", 1)
	select {
	case <-waited:
		t.Fatal("two at a time")
	default:
	}
	pass()
	second := <-waited
	until(t, "held", 1)
	pass() // again: it is another's turn now
	if locks(t, "held") != 1 {
		t.Error("ended another's turn")
	}
	second()
	until(t, "held", 0)
	alive(t)
}

// A page that is put aside or stopped leaves its turn, and its waiting for one.
func TestTurnsLeave(t *testing.T) {
	one, two := newTurns(), newTurns()
	one.leave() // before it ever had one
	pass := one.Take()
	waited := make(chan func())
	go func() { waited <- two.Take() }()
	until(t, "pending", 1)
	two.leave()
	(<-waited)()
	until(t, "pending", 0)
	one.leave()
	until(t, "held", 0)
	pass()
	alive(t)
}

// All of it, when several calls of one tab wait: the next may begin before the
// one that nobody wants any more has ended.
func TestTurnsLeaveAll(t *testing.T) {
	other, tab := newTurns(), newTurns()
	pass := other.Take()
	waited := make(chan func())
	for range 2 {
		go func() { waited <- tab.Take() }()
	}
	until(t, "pending", 2)
	tab.leave()
	for range 2 {
		(<-waited)()
	}
	until(t, "pending", 0)
	pass()
	until(t, "held", 0)
	if len(tab.passes)+len(other.passes) != 0 {
		t.Error("passes are left behind")
	}
}

// A tab that hangs in its turn, and a browser that never answers, hold nobody
// up for longer than the limit.
func TestTurnsHaveALimit(t *testing.T) {
	hung := newTurns()
	pass := hung.Take()
	begun := time.Now()
	newTurns().Take()()
	if took := time.Since(begun); took < turnLimit || took > turnLimit+2*time.Second {
		t.Errorf("waited %v behind a tab that hangs, want %v", took, turnLimit)
	}
	pass()
	never := function(t, func([]safejs.Value) any {
		return construct(t, "Promise", function(t, func([]safejs.Value) any { return nil }))
	})
	define(t, path("navigator"), "locks", map[string]any{"value": map[string]any{"request": never}})
	begun = time.Now()
	deaf := newTurns().Take()
	if took := time.Since(begun); took < turnLimit || took > turnLimit+2*time.Second {
		t.Errorf("waited %v for a browser that does not answer, want %v", took, turnLimit)
	}
	deaf()
	alive(t)
}

// Where locks are missing, refused or broken, a tab goes on without.
func TestTurnsWithoutLocks(t *testing.T) {
	for name, value := range map[string]any{
		"missing": safejs.Undefined(),
		"throw":   map[string]any{"request": thrower(t)},
		"reject": map[string]any{"request": function(t, func([]safejs.Value) any {
			return call(t, path("Promise"), "reject", "SecurityError")
		})},
		"no promise": map[string]any{"request": function(t, func([]safejs.Value) any { return 7 })},
	} {
		t.Run(name, func(t *testing.T) {
			define(t, path("navigator"), "locks", map[string]any{"value": value})
			turns := newTurns()
			turns.Take()()
			turns.leave()
			alive(t)
		})
	}
}

// A change in one tab is heard in the others, and not in itself; also a moment
// later, since storage may lag; and not after the channel was left.
func TestChannel(t *testing.T) {
	heard := make(chan string, 8)
	join := func(name string) *channel {
		c := &channel{heard: func() { heard <- name }}
		c.open()
		c.open() // once is enough
		t.Cleanup(c.close)
		return c
	}
	one, two := join("one"), join("two")
	one.tell()
	for range 2 {
		if got := <-heard; got != "two" {
			t.Errorf("%s heard of what one did", got)
		}
	}
	two.close()
	two.tell()
	three := join("three")
	one.tell()
	for range 2 {
		if got := <-heard; got != "three" {
			t.Errorf("%s heard of what one did", got)
		}
	}
	three.close()
	off := &channel{off: true}
	off.open()
	off.tell()
	off.close()
	set(t, "BroadcastChannel", safejs.Undefined())
	join("four").tell()
	if len(heard) > 0 {
		t.Errorf("%s heard of what nobody did", <-heard)
	}
	alive(t)
}
