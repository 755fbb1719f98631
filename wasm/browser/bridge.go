//go:build js && wasm

// Package browser is the page's side of package session: storage, fetch, the
// page's life cycle, the Registration UI, its forms, and the API published to
// the loader. It is the only package that imports safejs.
//
// Three rules hold throughout, each for a measured reason.
//
//   - Reading, setting and calling go through Reflect: get, assign, invoke. A
//     getter that throws (window.localStorage where storage is denied) passes
//     straight through Go, is not caught by safejs, and leaves the runtime
//     corrupt. So does that of a method: a Call that fails reads it once more.
//   - A handler only posts an event and returns. Blocking in one while a Go
//     timer is pending hangs the tab.
//   - What is added ends with the module's lifetime, also if that crashes.
package browser

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/hack-pad/safejs"
)

// reflect calls a method of Reflect.
func reflect(method string, args ...any) (safejs.Value, error) {
	object, err := safejs.Global().Get("Reflect")
	if err != nil {
		return safejs.Undefined(), err
	}
	return object.Call(method, args...)
}

// get reads a property of an object; undefined when it cannot be read.
func get(object safejs.Value, name string) safejs.Value {
	value, err := reflect("get", object, name)
	if err != nil {
		return safejs.Undefined()
	}
	return value
}

// assign sets a property of an object, if it can be set.
func assign(object safejs.Value, name string, value any) {
	_, _ = reflect("set", object, name, value)
}

// invoke calls a method of an object. It fails when there is none, and when it
// throws.
func invoke(object safejs.Value, method string, args ...any) (safejs.Value, error) {
	return reflect("apply", get(object, method), object, args)
}

// object makes an object with these properties, in their order: a name, then
// its value, and so on. (A Go map has no order.)
func object(properties ...any) safejs.Value {
	made, err := path("Object").New()
	if err != nil {
		return safejs.Undefined()
	}
	for i := 0; i+1 < len(properties); i += 2 {
		if name, ok := properties[i].(string); ok {
			assign(made, name, properties[i+1])
		}
	}
	return made
}

// items lists what an array or a collection of the DOM holds; nothing when it
// cannot be read. (Not Array.from: old libraries put their own in its place.)
func items(list safejs.Value) []safejs.Value {
	if !present(list) {
		return nil
	}
	n, _ := number(get(list, "length"))
	values := make([]safejs.Value, int(n))
	for i := range values {
		values[i] = get(list, strconv.Itoa(i))
	}
	return values
}

// path reads a property of a property of … the window.
func path(names ...string) safejs.Value {
	value := safejs.Global()
	for _, name := range names {
		value = get(value, name)
	}
	return value
}

// text is the value of a string, "" for everything else: only a string is
// converted, because converting an object runs its own code.
func text(value safejs.Value) string {
	if value.Type() != safejs.TypeString {
		return ""
	}
	s, err := value.String()
	if err != nil {
		return ""
	}
	return s
}

// number is the value of a finite number.
func number(value safejs.Value) (float64, bool) {
	if value.Type() != safejs.TypeNumber || value.IsNaN() {
		return 0, false
	}
	f, err := value.Float()
	if err != nil || f-f != 0 {
		return 0, false
	}
	return f, true
}

// isTrue reports whether value is the boolean true.
func isTrue(value safejs.Value) bool {
	if value.Type() != safejs.TypeBoolean {
		return false
	}
	b, err := value.Bool()
	return err == nil && b
}

// isFalse reports whether value is the boolean false.
func isFalse(value safejs.Value) bool {
	return value.Type() == safejs.TypeBoolean && !isTrue(value)
}

// present reports whether value is an object or a function.
func present(value safejs.Value) bool {
	return value.Type() == safejs.TypeObject || value.Type() == safejs.TypeFunction
}

// callable reports whether object has a method of that name.
func callable(object safejs.Value, name string) bool {
	return present(object) && get(object, name).Type() == safejs.TypeFunction
}

// wrap says what it was that failed, if it did.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// warn writes to the console what the page's developer should know.
func warn(message string) {
	_, _ = invoke(path("console"), "warn", "capture-keepalive: "+message)
}

// Handle makes a JavaScript function of fn, and the func that releases it. It
// recovers: a panic in a handler would end the whole program, and the page
// would only notice at its next call.
func Handle(name string, fn func(args []safejs.Value) any) (safejs.Func, func(), error) {
	f, err := safejs.FuncOf(func(_ safejs.Value, args []safejs.Value) (result any) {
		defer func() {
			if r := recover(); r != nil {
				warn(fmt.Sprintf("%s failed: %v", name, r))
				result = nil
			}
		}()
		return fn(args)
	})
	if err != nil {
		return safejs.Func{}, nil, wrap("make a function for "+name, err)
	}
	return f, f.Release, nil
}

// errRejected is a promise's no. What it was rejected with stays in
// JavaScript: it may quote an answer, and nothing is decided by it.
var errRejected = errors.New("the promise was rejected")

// settlement is what a promise came to.
type settlement struct {
	value safejs.Value
	err   error
}

// await waits for a promise. Call it from a goroutine, never from a handler. Of
// the page's Promise it needs no more than then.
func await(promise safejs.Value) (safejs.Value, error) {
	settled := make(chan settlement, 1)
	settle := func(got settlement) {
		select {
		case settled <- got:
		default: // a promise of the page's own making, which settles twice
		}
	}
	fulfilled, release, err := Handle("promise", func(args []safejs.Value) any {
		settle(settlement{value: argument(args, 0)})
		return nil
	})
	if err != nil {
		return safejs.Undefined(), err
	}
	defer release()
	rejected, release, err := Handle("promise", func([]safejs.Value) any {
		settle(settlement{safejs.Undefined(), errRejected})
		return nil
	})
	if err != nil {
		return safejs.Undefined(), err
	}
	defer release()
	if _, err := invoke(promise, "then", fulfilled, rejected); err != nil {
		return safejs.Undefined(), wrap("await", err)
	}
	got := <-settled
	return got.value, got.err
}
