//go:build js && wasm

package browser

import (
	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// watch posts what happens to the page. Nothing here keeps the page out of the
// back/forward cache. aside is called when the page is put aside: it must hold
// up no other tab then.
func watch(life *lifetime, post func(session.Event), aside func()) error {
	window := safejs.Global()
	woke := func(safejs.Value) { post(session.Woke{}) }
	for _, l := range []struct {
		target safejs.Value
		event  string
		fn     func(safejs.Value)
	}{
		{document(), "visibilitychange", func(event safejs.Value) {
			if text(native(document(), "Document", "visibilityState")) == "visible" {
				woke(event)
			}
		}},
		// Back from the back/forward cache, from a freeze, from being offline.
		{window, "pageshow", func(event safejs.Value) {
			if isTrue(get(event, "persisted")) {
				woke(event)
			}
		}},
		{window, "pagehide", func(safejs.Value) {
			aside()
			post(session.Left{})
		}},
		{document(), "freeze", func(safejs.Value) { aside() }},
		{document(), "resume", woke},
		{window, "online", woke},
		{window, "storage", func(event safejs.Value) {
			// A null key is a cleared storage.
			if key := get(event, "key"); key.IsNull() || text(key) == keyToken || text(key) == keyMark {
				post(session.StorageChanged{})
			}
		}},
	} {
		if err := life.listen(l.target, l.event, l.fn); err != nil {
			return err
		}
	}
	return nil
}
