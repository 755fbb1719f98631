//go:build js && wasm

package browser

import (
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// inputEvery spaces the looks at user input; package session spaces the
// reports to the server further.
const inputEvery = 5 * time.Second

// watch posts what happens to the page and returns the undo of all of it.
// Nothing here keeps the page out of the back/forward cache.
func watch(post func(session.Event), now func() session.Instant, typing func(safejs.Value), c *channel, t *turns) (func(), error) {
	var undos []func()
	undo := func() {
		for _, f := range undos {
			f()
		}
	}
	window, document := safejs.Global(), path("document")
	woke := func(safejs.Value) {
		c.open()
		post(session.Woke{})
	}
	aside := func(safejs.Value) {
		c.close()
		t.leave()
	}
	var lastInput session.Instant
	input := func(safejs.Value) {
		if at := now(); lastInput.IsZero() || at.Sub(lastInput) >= inputEvery {
			lastInput = at
			post(session.UserActive{})
		}
	}
	for _, l := range []struct {
		target safejs.Value
		event  string
		fn     func(safejs.Value)
	}{
		{document, "visibilitychange", func(safejs.Value) {
			if text(get(document, "visibilityState")) == "visible" {
				woke(safejs.Undefined())
			}
		}},
		// Back from the back/forward cache, from a freeze, from being offline.
		{window, "pageshow", func(event safejs.Value) {
			if isTrue(get(event, "persisted")) {
				woke(event)
			}
		}},
		{window, "pagehide", func(event safejs.Value) {
			aside(event)
			post(session.Left{})
		}},
		{document, "freeze", aside},
		{document, "resume", woke},
		{window, "online", woke},
		{window, "storage", func(event safejs.Value) {
			// A null key is a cleared storage.
			if key := get(event, "key"); key.IsNull() || text(key) == keyToken || text(key) == keyMark {
				post(session.StorageChanged{})
			}
		}},
		{document, "pointerdown", input},
		{document, "keydown", input},
		{document, "wheel", input},
		{document, "touchstart", input},
		{document, "input", typing},
	} {
		remove, err := listen(l.target, l.event, l.fn)
		if err != nil {
			undo()
			return nil, err
		}
		undos = append(undos, remove)
	}
	return undo, nil
}
