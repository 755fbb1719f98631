//go:build js && wasm

package browser

import (
	"time"

	"github.com/hack-pad/safejs"
)

// channel tells the other tabs that storage has changed, beside the events of
// storage itself, which come late or not at all in some browsers. It carries
// nothing: what is in storage decides. Call its methods from the page's one
// thread.
type channel struct {
	// off: the page does not want one.
	off bool
	// heard is called when another tab has changed storage.
	heard func()
	port  safejs.Value
	undo  func()
}

// open joins the channel, unless it is open or there is none.
func (c *channel) open() {
	if c.off || c.undo != nil {
		return
	}
	port, err := path("BroadcastChannel").New(lockName)
	if err != nil {
		return
	}
	remove, err := listen(port, "message", func(safejs.Value) {
		c.heard()
		time.AfterFunc(storageLag, c.heard)
	})
	if err != nil {
		return
	}
	c.port, c.undo = port, remove
}

// tell tells the other tabs.
func (c *channel) tell() {
	if c.undo != nil {
		_, _ = invoke(c.port, "postMessage", "")
	}
}

// close leaves the channel: a message would put a page out of the back/forward
// cache.
func (c *channel) close() {
	if c.undo != nil {
		c.undo()
		_, _ = invoke(c.port, "close")
		c.undo = nil
	}
}
