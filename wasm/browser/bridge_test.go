//go:build js && wasm

package browser

import (
	"errors"
	"math"
	"testing"

	"github.com/hack-pad/safejs"
)

func TestGet(t *testing.T) {
	proxy := call(t, path("Proxy"), "revocable", map[string]any{}, map[string]any{})
	call(t, proxy, "revoke")
	tests := []struct {
		name   string
		object safejs.Value
		want   string
	}{
		{"a property", parse(t, `{"name":"value"}`), "value"},
		{"none", parse(t, `{}`), ""},
		{"of undefined", safejs.Undefined(), ""},
		{"of null", safejs.Null(), ""},
		{"of a string", parse(t, `"name"`), ""},
		{"a getter that throws", trap(t, "name"), ""},
		{"a proxy that is revoked", get(proxy, "proxy"), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := get(test.object, "name")
			if text(got) != test.want || test.want == "" && !got.IsUndefined() {
				t.Errorf("%s, want %q", spell(got), test.want)
			}
		})
	}
	alive(t)
}

// Converting an object would run its own code.
func TestConversions(t *testing.T) {
	infinity, notANumber := get(path("Number"), "POSITIVE_INFINITY"), get(path("Number"), "NaN")
	values := []struct {
		name   string
		value  safejs.Value
		text   string
		number float64
		ok     bool
		isTrue bool
	}{
		{name: "a string", value: parse(t, `"5"`), text: "5"},
		{name: "a number", value: parse(t, `5.5`), number: 5.5, ok: true},
		{name: "zero", value: parse(t, `0`), ok: true},
		{name: "the largest", value: parse(t, `1.7976931348623157e308`), number: math.MaxFloat64, ok: true},
		{name: "infinity", value: infinity},
		{name: "not a number", value: notANumber},
		{name: "true", value: parse(t, `true`), isTrue: true},
		{name: "false", value: parse(t, `false`)},
		{name: "null", value: safejs.Null()},
		{name: "undefined", value: safejs.Undefined()},
		{name: "an array", value: parse(t, `["5"]`)},
		{name: "an object that cannot be converted",
			value: made(t, map[string]any{"toString": thrower(t), "valueOf": thrower(t)})},
		{name: "a function", value: thrower(t)},
	}
	for _, v := range values {
		t.Run(v.name, func(t *testing.T) {
			if got := text(v.value); got != v.text {
				t.Errorf("text %q, want %q", got, v.text)
			}
			if got, ok := number(v.value); got != v.number || ok != v.ok {
				t.Errorf("number %v, %t; want %v, %t", got, ok, v.number, v.ok)
			}
			if got := isTrue(v.value); got != v.isTrue {
				t.Errorf("isTrue %t", got)
			}
		})
	}
	alive(t)
}

// A handler that panics is survived and reported, and works the next time.
func TestHandleRecovers(t *testing.T) {
	warnings := hear(t, "warn")
	f, release, err := Handle("greeting", func(args []safejs.Value) any { return args[0] })
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	first, err := f.Value().Invoke()
	if err != nil || !first.IsNull() {
		t.Errorf("the caller got %s, %v; want null", spell(first), err)
	}
	warnings.only(t, "greeting failed: runtime error: index out of range")
	if second, err := f.Value().Invoke("hello"); err != nil || text(second) != "hello" {
		t.Errorf("the next caller got %s, %v", spell(second), err)
	}
	alive(t)
}

// A page may have replaced its console, or have none.
func TestWarnWithoutConsole(t *testing.T) {
	for _, console := range []any{nil, "text", made(t, map[string]any{}), made(t, map[string]any{"warn": thrower(t)})} {
		set(t, "console", console)
		warn("this is not heard")
	}
	alive(t)
}

func TestHandleReleases(t *testing.T) {
	f, release, err := Handle("greeting", func([]safejs.Value) any { return nil })
	if err != nil {
		t.Fatal(err)
	}
	release()
	errs := hear(t, "error")
	_, _ = f.Value().Invoke()
	errs.only(t, "released function")
}

func TestAwait(t *testing.T) {
	promise := path("Promise")
	value, err := await(call(t, promise, "resolve", "yes"))
	if err != nil || text(value) != "yes" {
		t.Errorf("resolved: %s, %v", spell(value), err)
	}
	const secret = "what-the-server-said"
	if _, err := await(call(t, promise, "reject", construct(t, "Error", secret))); !errors.Is(err, errRejected) {
		t.Errorf("rejected: %v", err)
	}
	alive(t)
}

// What waited for a promise is released, and a promise of the page's own
// making, which settles more than once, blocks nothing.
func TestAwaitReleases(t *testing.T) {
	for outcome, status := range []string{"fulfilled", "rejected"} {
		t.Run(status, func(t *testing.T) {
			var handlers []safejs.Value
			promise := made(t, map[string]any{"then": function(t, func(args []safejs.Value) any {
				handlers = args
				for range 3 {
					_, _ = args[outcome].Invoke("first")
				}
				return nil
			})})
			value, err := await(promise)
			if status == "fulfilled" && (err != nil || text(value) != "first") ||
				status == "rejected" && !errors.Is(err, errRejected) {
				t.Errorf("%s, %v", spell(value), err)
			}
			for _, handler := range handlers {
				errs := hear(t, "error")
				_, _ = handler.Invoke()
				errs.only(t, "released function")
			}
		})
	}
}

func TestAwaitWhatIsNoPromise(t *testing.T) {
	if _, err := await(made(t, map[string]any{})); err == nil || errors.Is(err, errRejected) {
		t.Errorf("%v, want an error of its own", err)
	}
}
