//go:build js && wasm

package browser

import (
	"strconv"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// inputEvery spaces the looks at user input; package session spaces the
// reports to the server further.
const inputEvery = 5 * time.Second

// activity hears that a person uses the page: in any way, and in any frame
// that this page may look into. What a script does never counts.
type activity struct {
	life *lifetime
	now  func() session.Instant
	post func(session.Event)
	// framed hears of what is typed in a frame.
	framed func(event safejs.Value)

	last session.Instant
	// where the pointer was: browsers also report one that stands still while
	// the page moves under it.
	screenX, screenY float64
	pointed          bool

	input, pointer, loaded, typed safejs.Func
}

// watch begins with the page's own window and the frames that it has.
func (a *activity) watch() error {
	var err error
	handler := func(name string, fn func(event safejs.Value)) (f safejs.Func) {
		if err == nil {
			f, err = a.life.function(name, func(args []safejs.Value) any {
				fn(argument(args, 0))
				return nil
			})
		}
		return f
	}
	a.input = handler("input", a.heard)
	a.pointer = handler("pointermove", a.pointerMoved)
	a.loaded = handler("load", a.frameLoaded)
	a.typed = handler("input", a.framed)
	if err != nil {
		return err
	}
	return a.watchWindow(safejs.Global())
}

// watchWindow listens in a window and in its frames. One that is listened in
// already is listened in once. A document that is written anew loses its
// listeners, and tells that it has loaded.
func (a *activity) watchWindow(window safejs.Value) error {
	for _, name := range []string{
		"pointerdown", "wheel", "touchstart", "touchmove", "keydown", "input",
	} {
		if err := a.life.attach(window, name, a.input); err != nil {
			return err
		}
	}
	if err := a.life.attach(window, "pointermove", a.pointer); err != nil {
		return err
	}
	// The window itself does not hear of what loads in its document.
	if err := a.life.attach(get(window, "document"), "load", a.loaded); err != nil {
		return err
	}
	frames, _ := number(get(window, "length"))
	for i := range int(frames) {
		a.watchFrame(get(window, strconv.Itoa(i)))
	}
	return nil
}

// watchFrame listens in a frame that this page may look into.
func (a *activity) watchFrame(window safejs.Value) {
	if present(get(window, "document")) {
		_ = a.watchWindow(window) // it may be gone by now: nothing is heard then
		_ = a.life.attach(window, "input", a.typed)
	}
}

// frameLoaded hears that something in the page has loaded: a frame, perhaps.
func (a *activity) frameLoaded(event safejs.Value) {
	if window := get(get(event, "target"), "contentWindow"); present(window) {
		a.watchFrame(window)
	}
}

func (a *activity) pointerMoved(event safejs.Value) {
	if a.soon() {
		return
	}
	x, _ := number(get(event, "screenX"))
	y, _ := number(get(event, "screenY"))
	moved := a.pointed && (x != a.screenX || y != a.screenY)
	a.screenX, a.screenY, a.pointed = x, y, true
	if moved {
		a.heard(event)
	}
}

func (a *activity) heard(event safejs.Value) {
	if a.soon() || !isTrue(get(event, "isTrusted")) {
		return
	}
	if text(get(event, "type")) == "input" && isChoice(get(event, "target")) {
		return // a script that clicks a box makes a trusted one
	}
	a.last = a.now()
	a.post(session.UserActive{})
}

// soon reports whether the last look was a moment ago.
func (a *activity) soon() bool { return !a.last.IsZero() && a.now().Since(a.last) < inputEvery }
