//go:build js && wasm

package browser

import (
	"fmt"

	"github.com/hack-pad/safejs"
)

// lifetime is how long the module runs. Its AbortSignal is on everything that
// the browser would otherwise call after that. The loader's signal aborts it
// too, because a module that crashed cannot abort anything itself.
type lifetime struct {
	signal   safejs.Value
	abort    safejs.Value // a function of the browser's own
	releases []func()
}

// newLifetime makes one that ends with parent, unless that is undefined.
func newLifetime(parent safejs.Value) (*lifetime, error) {
	controller, err := newAbort(parent)
	if err != nil {
		return nil, err
	}
	return &lifetime{signal: controller.signal, abort: controller.abort}, nil
}

// end takes every listener away and releases the functions behind them.
func (l *lifetime) end() {
	_, _ = reflect("apply", l.abort, nil, []any{})
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
	handler, err := l.function(event, func(args []safejs.Value) any {
		fn(argument(args, 0))
		return nil
	})
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
	handler, err := l.function(event, func(args []safejs.Value) any {
		fn(argument(args, 0))
		return nil
	})
	if err != nil {
		return err
	}
	return add(target, event, handler, map[string]any{"signal": l.signal})
}

// attach adds a listener that exists already. Twice the same is once.
func (l *lifetime) attach(target safejs.Value, event string, handler safejs.Func) error {
	return add(target, event, handler, map[string]any{
		"capture": true, "passive": true, "signal": l.signal,
	})
}

func add(
	target safejs.Value, event string, handler safejs.Func, options map[string]any,
) error {
	if !present(target) {
		return fmt.Errorf("listen for %s: there is nothing to listen to", event)
	}
	_, err := nativeCall(target, "EventTarget", "addEventListener", event, handler, options)
	if err != nil {
		return fmt.Errorf("listen for %s: %w", event, err)
	}
	return nil
}

// aborter is an AbortController with an abort that is the browser's own
// function: it works also when the module has crashed.
type aborter struct{ signal, abort safejs.Value }

// newAbort makes one that is aborted with parent, unless that is undefined.
func newAbort(parent safejs.Value) (aborter, error) {
	controller, err := path("AbortController").New()
	if err != nil {
		return aborter{}, fmt.Errorf("abort controller: %w", err)
	}
	abort, err := invoke(get(controller, "abort"), "bind", controller)
	if err != nil {
		return aborter{}, fmt.Errorf("abort controller: %w", err)
	}
	a := aborter{signal: get(controller, "signal"), abort: abort}
	if !present(parent) {
		return a, nil
	}
	if isTrue(get(parent, "aborted")) {
		a.now()
		return a, nil
	}
	// The listener goes with the signal that it aborts.
	options := map[string]any{"once": true, "signal": a.signal}
	_, err = nativeCall(parent, "EventTarget", "addEventListener", "abort", abort, options)
	if err != nil {
		return aborter{}, fmt.Errorf("follow the loader's signal: %w", err)
	}
	return a, nil
}

func (a aborter) now() { _, _ = reflect("apply", a.abort, nil, []any{}) }
