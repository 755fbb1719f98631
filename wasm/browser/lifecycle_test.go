//go:build js && wasm

package browser

import (
	"slices"
	"testing"

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
	window := safejs.Global()
	woke, changed := []session.Event{session.Woke{}}, []session.Event{session.StorageChanged{}}
	visibility := func(state string) func(*testing.T) {
		return func(t *testing.T) {
			get := function(t, func([]safejs.Value) any { return state })
			define(t, path("Document", "prototype"), "visibilityState", map[string]any{"get": get})
			fire(t, document(), "Event", "visibilitychange", nil)
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
		{"left", plain(window, "pagehide"), []session.Event{session.Left{}}},
		{"frozen", plain(document(), "freeze"), nil},
		{"unfrozen", plain(document(), "resume"), woke},
		{"online", plain(window, "online"), woke},
		{"offline", plain(window, "offline"), nil},
		{"the token written elsewhere", storage(keyToken), changed},
		{"the mark written elsewhere", storage(keyMark), changed},
		{"the storage cleared elsewhere", storage(nil), changed},
		{"something else written elsewhere", storage("theme"), nil},
		{"the lease written elsewhere", storage(keyLease), nil},
		{"the expiry alone", storage(keyExpires), nil},
	}
}

// watched is a page that is watched.
type watched struct {
	posted []session.Event
	aside  int // how often the page was put aside
	life   *lifetime
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	w := &watched{life: lives(t, safejs.Undefined())}
	post := func(ev session.Event) { w.posted = append(w.posted, ev) }
	if err := watch(w.life, post, func() { w.aside++ }); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWatch(t *testing.T) {
	for _, h := range happenings() {
		t.Run(h.name, func(t *testing.T) {
			w := newWatched(t)
			h.fire(t)
			if !slices.Equal(w.posted, h.want) {
				t.Errorf("posted %#v, want %#v", w.posted, h.want)
			}
		})
	}
}

// A page that is put aside holds up no other tab, or it could not be kept.
func TestWatchAside(t *testing.T) {
	for name, away := range map[string]safejs.Value{"pagehide": safejs.Global(), "freeze": document()} {
		t.Run(name, func(t *testing.T) {
			w := newWatched(t)
			fire(t, away, "Event", name, nil)
			if w.aside != 1 {
				t.Errorf("put aside %d times", w.aside)
			}
		})
	}
}

// After the end nothing is posted, and no listener is left that would be
// called in vain.
func TestUnwatch(t *testing.T) {
	w := newWatched(t)
	w.life.end()
	errs := hear(t, "error")
	for _, h := range happenings() {
		h.fire(t)
	}
	if len(w.posted) > 0 {
		t.Errorf("posted %#v", w.posted)
	}
	errs.silent(t)
}

// If one listener cannot be added, it is said.
func TestWatchFails(t *testing.T) {
	define(t, path("EventTarget", "prototype"), "addEventListener", map[string]any{"value": thrower(t)})
	life := new(lifetime)
	if err := watch(life, func(session.Event) {}, func() {}); err == nil {
		t.Fatal("no error")
	}
	life.end()
	alive(t)
}

// Events that cannot be read stop nothing.
func TestWatchOddEvents(t *testing.T) {
	w := newWatched(t)
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
