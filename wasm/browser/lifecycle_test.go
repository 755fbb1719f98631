//go:build js && wasm

package browser

import (
	"slices"
	"testing"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// happening is something that the browser tells a page.
type happening struct {
	name string
	fire func(t *testing.T)
	want []session.Event
}

func fire(t *testing.T, target safejs.Value, class, name string, init map[string]any) {
	t.Helper()
	call(t, target, "dispatchEvent", construct(t, class, name, init))
}

func happenings() []happening {
	window, document := safejs.Global(), path("document")
	woke, changed := []session.Event{session.Woke{}}, []session.Event{session.StorageChanged{}}
	visibility := func(state string) func(*testing.T) {
		return func(t *testing.T) {
			define(t, document, "visibilityState", map[string]any{"value": state})
			fire(t, document, "Event", "visibilitychange", nil)
		}
	}
	pageshow := func(persisted bool) func(*testing.T) {
		return func(t *testing.T) {
			fire(t, window, "PageTransitionEvent", "pageshow", map[string]any{"persisted": persisted})
		}
	}
	storage := func(key any) func(*testing.T) {
		return func(t *testing.T) { fire(t, window, "StorageEvent", "storage", map[string]any{"key": key}) }
	}
	plain := func(target safejs.Value, name string) func(*testing.T) {
		return func(t *testing.T) { fire(t, target, "Event", name, map[string]any{"bubbles": true}) }
	}
	return []happening{
		{"visible", visibility("visible"), woke},
		{"hidden", visibility("hidden"), nil},
		{"from the back/forward cache", pageshow(true), woke},
		{"shown for the first time", pageshow(false), nil},
		{"unfrozen", plain(document, "resume"), woke},
		{"online", plain(window, "online"), woke},
		{"offline", plain(window, "offline"), nil},
		{"the token written elsewhere", storage(keyToken), changed},
		{"the mark written elsewhere", storage(keyMark), changed},
		{"the storage cleared elsewhere", storage(nil), changed},
		{"something else written elsewhere", storage("theme"), nil},
		{"the expiry alone", storage(keyExpires), nil},
	}
}

// watched is a page that is watched.
type watched struct {
	*clock
	posted  []session.Event
	channel *channel
	turns   *turns
	left    int // how often the page left its turn
	undo    func()
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	w := &watched{clock: newClock()}
	w.turns, w.channel = newTurns(), &channel{heard: func() {}}
	w.turns.passes[0] = func() { w.left++ }
	undo, err := watch(func(ev session.Event) { w.posted = append(w.posted, ev) }, w.now, func(safejs.Value) {}, w.channel, w.turns)
	if err != nil {
		t.Fatal(err)
	}
	w.undo = undo
	return w
}

func TestWatch(t *testing.T) {
	for _, h := range happenings() {
		t.Run(h.name, func(t *testing.T) {
			w := newWatched(t)
			defer w.undo()
			h.fire(t)
			if !slices.Equal(w.posted, h.want) {
				t.Errorf("posted %#v, want %#v", w.posted, h.want)
			}
		})
	}
}

// A page that is put aside leaves the channel and its turn, or it could not be
// kept; and is back in the channel before it looks.
func TestWatchAside(t *testing.T) {
	for name, away := range map[string]safejs.Value{"pagehide": safejs.Global(), "freeze": path("document")} {
		t.Run(name, func(t *testing.T) {
			w := newWatched(t)
			defer w.undo()
			w.channel.open()
			defer w.channel.close()
			fire(t, away, "Event", name, nil)
			if w.left != 1 || w.channel.undo != nil {
				t.Errorf("left its turn %d times; in the channel: %t", w.left, w.channel.undo != nil)
			}
			fire(t, path("document"), "Event", "resume", nil)
			if w.channel.undo == nil {
				t.Error("did not come back to the channel")
			}
		})
	}
}

// A person who uses the page, however they do, is reported, but not at every
// move; and what the page does with the event is its own business.
func TestWatchInput(t *testing.T) {
	body := get(path("document"), "body")
	stop := function(t, func(args []safejs.Value) any { call(t, args[0], "stopPropagation"); return nil })
	for _, name := range []string{"pointerdown", "keydown", "wheel", "touchstart"} {
		t.Run(name, func(t *testing.T) {
			w := newWatched(t)
			defer w.undo()
			call(t, body, "addEventListener", name, stop)
			defer call(t, body, "removeEventListener", name, stop)
			for _, step := range []struct {
				after time.Duration
				posts int
			}{{0, 1}, {inputEvery - time.Millisecond, 1}, {time.Millisecond, 2}, {time.Millisecond, 2}, {time.Hour, 3}} {
				w.forward(step.after)
				event := construct(t, "Event", name, map[string]any{"bubbles": true, "cancelable": true})
				call(t, body, "dispatchEvent", event)
				if len(w.posted) != step.posts {
					t.Fatalf("posted %d times, want %d", len(w.posted), step.posts)
				}
				if isTrue(get(event, "defaultPrevented")) {
					t.Error("the event was prevented")
				}
			}
			if w.posted[0] != (session.UserActive{}) {
				t.Errorf("posted %#v", w.posted[0])
			}
		})
	}
}

// After the undo nothing is posted, and no listener is left that would be
// called in vain.
func TestUnwatch(t *testing.T) {
	w := newWatched(t)
	w.undo()
	errs := hear(t, "error")
	for _, h := range happenings() {
		h.fire(t)
	}
	for _, name := range []string{"pointerdown", "keydown", "wheel", "touchstart"} {
		fire(t, path("document"), "Event", name, nil)
	}
	if len(w.posted) > 0 {
		t.Errorf("posted %#v", w.posted)
	}
	errs.silent(t)
}

// If one listener cannot be added, none stays.
func TestWatchFails(t *testing.T) {
	define(t, safejs.Global(), "addEventListener", map[string]any{"value": thrower(t)})
	posted := 0
	if _, err := watch(func(session.Event) { posted++ }, newClock().now, func(safejs.Value) {}, &channel{off: true}, newTurns()); err == nil {
		t.Fatal("no error")
	}
	errs := hear(t, "error")
	fire(t, path("document"), "Event", "visibilitychange", nil)
	fire(t, path("document"), "Event", "keydown", nil)
	if posted > 0 {
		t.Errorf("posted %d times", posted)
	}
	errs.silent(t)
	alive(t)
}

// Events that cannot be read stop nothing.
func TestWatchOddEvents(t *testing.T) {
	w := newWatched(t)
	defer w.undo()
	for _, name := range []string{"pageshow", "storage"} {
		event := construct(t, "Event", name)
		call(t, path("Object"), "defineProperty", event, "persisted", map[string]any{"get": thrower(t)})
		call(t, path("Object"), "defineProperty", event, "key", map[string]any{"get": thrower(t)})
		call(t, safejs.Global(), "dispatchEvent", event)
	}
	if len(w.posted) > 0 {
		t.Errorf("posted %#v", w.posted)
	}
	alive(t)
}
