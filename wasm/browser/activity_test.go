//go:build js && wasm

package browser

import (
	"testing"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// A test cannot make a trusted event: scripts/journeys does. Here the events
// are objects that say that they are.

type user struct {
	*clock
	activity *activity
	posted   int
}

func newUser(t *testing.T) *user {
	t.Helper()
	u := &user{clock: newClock()}
	u.activity = &activity{life: lives(t, safejs.Undefined()), now: u.now, post: func(ev session.Event) {
		if ev != (session.UserActive{}) {
			t.Errorf("posted %#v", ev)
		}
		u.posted++
	}, framed: func(safejs.Value) {}}
	if err := u.activity.watch(); err != nil {
		t.Fatal(err)
	}
	return u
}

// What a person does is reported, but not at every move.
func TestActivityIsSpaced(t *testing.T) {
	u := newUser(t)
	for _, step := range []struct {
		after time.Duration
		posts int
	}{{0, 1}, {inputEvery - time.Millisecond, 1}, {time.Millisecond, 2}, {time.Millisecond, 2}, {time.Hour, 3}} {
		u.forward(step.after)
		u.activity.heard(made(t, map[string]any{"isTrusted": true}))
		if u.posted != step.posts {
			t.Fatalf("posted %d times, want %d", u.posted, step.posts)
		}
	}
}

// A script is no person, whatever it dispatches.
func TestActivityOfAScript(t *testing.T) {
	u := newUser(t)
	for _, name := range []string{"pointerdown", "pointermove", "wheel", "touchstart", "touchmove",
		"keydown", "input"} {
		for x := range 3 {
			init := map[string]any{"bubbles": true, "screenX": x}
			fire(t, get(document(), "body"), "MouseEvent", name, init)
		}
	}
	if u.posted > 0 {
		t.Errorf("posted %d times", u.posted)
	}
}

// A pointer that stands still while the page moves under it is no activity.
func TestPointerThatStandsStill(t *testing.T) {
	u := newUser(t)
	at := func(x, y int) {
		u.activity.pointerMoved(made(t, map[string]any{"isTrusted": true, "screenX": x, "screenY": y}))
	}
	at(10, 10)
	at(10, 10)
	if u.posted > 0 {
		t.Fatalf("posted %d times", u.posted)
	}
	at(10, 11)
	if u.posted != 1 {
		t.Errorf("posted %d times, want 1", u.posted)
	}
}

// Frames that cannot be looked into, and those that are gone, stop nothing.
func TestActivityOfOddFrames(t *testing.T) {
	u := newUser(t)
	for _, window := range []safejs.Value{safejs.Undefined(), parse(t, `{}`), trap(t, "document"),
		parse(t, `{"document":{}}`)} {
		u.activity.watchFrame(window)
		u.activity.frameLoaded(made(t, map[string]any{"target": map[string]any{"contentWindow": window}}))
	}
	u.activity.frameLoaded(trap(t, "target"))
	alive(t)
}
