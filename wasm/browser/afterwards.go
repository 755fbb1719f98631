//go:build js && wasm

package browser

import (
	"time"

	"github.com/hack-pad/safejs"
)

// afterwards runs what is to be done when every listener of the page, and the
// browser itself, have dealt with the event of now. A timer of Go's without a
// wait would run before they do: Go runs what is due before it returns to
// JavaScript.
type afterwards struct {
	due     []func()
	handler safejs.Func
	timeout safejs.Value // when the handler is called
}

// begin makes it ready for use until the end.
func (a *afterwards) begin(life *lifetime) (err error) {
	life.releases = append(life.releases, func() {
		_, _ = invoke(safejs.Global(), "clearTimeout", a.timeout) // it would call us
	})
	a.handler, err = life.function("afterwards", func([]safejs.Value) any { a.run(); return nil })
	return err
}

// do calls fn afterwards.
func (a *afterwards) do(fn func()) {
	a.due = append(a.due, fn)
	if len(a.due) > 1 {
		return
	}
	var err error
	if a.timeout, err = invoke(safejs.Global(), "setTimeout", a.handler, 0); err != nil {
		time.AfterFunc(lookEvery, a.run) // a timer of the page's own, which throws
	}
}

func (a *afterwards) run() {
	due := a.due
	a.due = nil
	for _, fn := range due {
		fn()
	}
}
