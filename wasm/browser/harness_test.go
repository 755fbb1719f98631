//go:build js && wasm

package browser

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// The tests run in a real page. Its Content-Security-Policy lets no text become
// code, so that Go functions and the browser's own stand in for the page's
// code.

// call calls a method that must not throw.
func call(t *testing.T, object safejs.Value, method string, args ...any) safejs.Value {
	t.Helper()
	value, err := object.Call(method, args...)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return value
}

// construct calls a constructor of the window.
func construct(t *testing.T, class string, args ...any) safejs.Value {
	t.Helper()
	value, err := path(class).New(args...)
	if err != nil {
		t.Fatalf("new %s: %v", class, err)
	}
	return value
}

// function makes a JavaScript function for the length of the test.
func function(t *testing.T, fn func(args []safejs.Value) any) safejs.Value {
	t.Helper()
	f, err := safejs.FuncOf(func(_ safejs.Value, args []safejs.Value) any { return fn(args) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Release)
	return f.Value()
}

// thrower is a function that throws: the browser's own, because a Go function
// cannot.
func thrower(t *testing.T) safejs.Value {
	t.Helper()
	f := call(t, path("Reflect", "ownKeys"), "bind", nil, 1)
	if _, err := f.Invoke(); err == nil {
		t.Fatal("the thrower does not throw")
	}
	return f
}

// made makes a JavaScript object.
func made(t *testing.T, properties map[string]any) safejs.Value {
	t.Helper()
	return call(t, path("Object"), "assign", properties)
}

// trap makes an object with properties of these names that throw when read.
func trap(t *testing.T, names ...string) safejs.Value {
	t.Helper()
	made := made(t, map[string]any{})
	for _, name := range names {
		call(t, path("Object"), "defineProperty", made, name, map[string]any{"get": thrower(t)})
	}
	return made
}

// parse makes a JavaScript value of JSON; undefined of an empty text.
func parse(t *testing.T, text string) safejs.Value {
	t.Helper()
	if text == "" {
		return safejs.Undefined()
	}
	return call(t, path("JSON"), "parse", text)
}

// spell makes JSON of a JavaScript value.
func spell(value safejs.Value) string {
	spelling, err := path("JSON").Call("stringify", value)
	if err != nil {
		return err.Error()
	}
	return text(spelling)
}

// define replaces a property for the length of the test.
func define(t *testing.T, object safejs.Value, name string, descriptor map[string]any) {
	t.Helper()
	reflect := path("Reflect")
	before := call(t, reflect, "getOwnPropertyDescriptor", object, name)
	descriptor["configurable"] = true
	if !isTrue(call(t, reflect, "defineProperty", object, name, descriptor)) {
		t.Fatalf("%s cannot be replaced", name)
	}
	t.Cleanup(func() {
		if before.IsUndefined() {
			call(t, reflect, "deleteProperty", object, name)
		} else {
			call(t, reflect, "defineProperty", object, name, before)
		}
	})
}

// set replaces a property of the window for the length of the test.
func set(t *testing.T, name string, value any) {
	t.Helper()
	define(t, safejs.Global(), name, map[string]any{"value": value, "writable": true})
}

// lines is what was written to one method of the console.
type lines struct{ text []string }

func (l *lines) String() string { return strings.Join(l.text, "\n") }

// hear collects what is written to the console instead of writing it.
func hear(t *testing.T, method string) *lines {
	t.Helper()
	heard := &lines{}
	define(t, path("console"), method,
		map[string]any{"writable": true, "value": function(t, func(args []safejs.Value) any {
			var words []string
			for _, arg := range args {
				if arg.Type() == safejs.TypeString {
					words = append(words, text(arg))
				} else {
					words = append(words, spell(arg))
				}
			}
			heard.text = append(heard.text, strings.Join(words, " "))
			return nil
		})})
	return heard
}

// silent fails the test if anything was written.
func (l *lines) silent(t *testing.T) {
	t.Helper()
	if len(l.text) > 0 {
		t.Errorf("on the console: %s", l)
	}
}

// only fails the test unless one line was written, with this part.
func (l *lines) only(t *testing.T, part string) {
	t.Helper()
	if len(l.text) != 1 || !strings.Contains(l.text[0], part) {
		t.Errorf("on the console: %q, want one line with %q", l.text, part)
	}
}

// cleanStorage empties localStorage, before the test and after it.
func cleanStorage(t *testing.T) {
	t.Helper()
	area := path("localStorage")
	call(t, area, "clear")
	t.Cleanup(func() { call(t, area, "clear") })
}

func store(t *testing.T, key, value string) {
	t.Helper()
	call(t, path("localStorage"), "setItem", key, value)
}

// stored is an item of localStorage, "" when absent.
func stored(t *testing.T, key string) string {
	t.Helper()
	return text(call(t, path("localStorage"), "getItem", key))
}

// clock is a settable one.
type clock struct{ at session.Instant }

func newClock() *clock { return &clock{session.At(1_700_000_000_000, time.Hour)} }

func (c *clock) now() session.Instant     { return c.at }
func (c *clock) forward(by time.Duration) { c.at = c.at.Add(by) }

// alive fails the test if the runtime has been harmed: an exception that
// passed through Go loses a goroutine, and corrupts a later recover.
func alive(t *testing.T) {
	t.Helper()
	recovered := make(chan any, 1)
	go func() {
		defer func() { recovered <- recover() }()
		panic("on purpose")
	}()
	if r := <-recovered; r != "on purpose" {
		t.Errorf("recovered %v, not the panic of this goroutine", r)
	}
	fired := make(chan struct{})
	time.AfterFunc(time.Millisecond, func() { close(fired) })
	<-fired
	value, err := await(call(t, path("Promise"), "resolve", "kept"))
	if err != nil || text(value) != "kept" {
		t.Errorf("a promise gave %q, %v", text(value), err)
	}
}

// sorted spells JSON with its keys in order: Go's maps have none.
func sorted(t *testing.T, spelling string) string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(spelling), &value); err != nil {
		t.Fatalf("%s: %v", spelling, err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
