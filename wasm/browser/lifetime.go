//go:build js && wasm

package browser

import (
	"errors"

	"github.com/hack-pad/safejs"
)

// lifetime is how long the module runs. Its AbortSignal is on everything that
// the browser would otherwise call after that. The loader's signal aborts it
// too, because a module that crashed cannot abort anything itself.
type lifetime struct {
	aborter
	releases []func()
}

// newLifetime makes one that ends with parent, unless that is undefined.
func newLifetime(parent safejs.Value) (*lifetime, error) {
	controller, err := newAbort(parent)
	if err != nil {
		return nil, err
	}
	return &lifetime{aborter: controller}, nil
}

// end takes every listener away and releases the functions behind them.
func (l *lifetime) end() {
	l.now()
	for _, release := range l.releases {
		release()
	}
	l.releases = nil
}

// function makes a JavaScript function that is released at the end.
func (l *lifetime) function(name string, fn func(args []safejs.Value) any) (safejs.Func, error) {
	f, release, err := Handle(name, fn)
	if err == nil {
		l.releases = append(l.releases, release)
	}
	return f, err
}

// listen adds an event listener until the end: the first to hear of the event,
// whatever the page does with it.
func (l *lifetime) listen(target safejs.Value, event string, fn func(event safejs.Value)) error {
	handler, err := l.handler(event, fn)
	if err != nil {
		return err
	}
	return l.attach(target, event, handler)
}

// listenLast adds an event listener until the end: the last to hear of the
// event, which may still be prevented.
func (l *lifetime) listenLast(
	target safejs.Value, event string, fn func(event safejs.Value),
) error {
	handler, err := l.handler(event, fn)
	if err != nil {
		return err
	}
	return addListener(target, event, handler, object("signal", l.signal))
}

// handler makes a function that hears events until the end.
func (l *lifetime) handler(name string, fn func(event safejs.Value)) (safejs.Func, error) {
	return l.function(name, func(args []safejs.Value) any {
		fn(argument(args, 0))
		return nil
	})
}

// attach adds a listener that exists already. Twice the same is once.
func (l *lifetime) attach(target safejs.Value, event string, handler safejs.Func) error {
	options := object("capture", true, "passive", true, "signal", l.signal)
	return addListener(target, event, handler, options)
}

// addListener adds a listener, which is a function of Go or of the browser.
func addListener(target safejs.Value, event string, listener, options any) error {
	if !present(target) {
		return errors.New("listen for " + event + ": there is nothing to listen to")
	}
	_, err := nativeCall(target, "EventTarget", "addEventListener", event, listener, options)
	return wrap("listen for "+event, err)
}

// aborter is an AbortController with an abort that is the browser's own
// function: it works also when the module has crashed.
type aborter struct{ signal, abort safejs.Value }

// newAbort makes one that is aborted with parent, unless that is undefined.
func newAbort(parent safejs.Value) (aborter, error) {
	controller, err := path("AbortController").New()
	if err != nil {
		return aborter{}, wrap("abort controller", err)
	}
	abort, err := invoke(get(controller, "abort"), "bind", controller)
	if err != nil {
		return aborter{}, wrap("abort controller", err)
	}
	a := aborter{signal: get(controller, "signal"), abort: abort}
	switch {
	case !present(parent):
	case isTrue(get(parent, "aborted")):
		a.now()
	default:
		// The listener goes with the signal that it aborts.
		err = addListener(parent, "abort", abort, object("once", true, "signal", a.signal))
	}
	return a, err
}

func (a aborter) now() { _, _ = reflect("apply", a.abort, nil, []any{}) }
