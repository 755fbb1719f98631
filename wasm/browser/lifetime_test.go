//go:build js && wasm

package browser

import (
	"testing"

	"github.com/hack-pad/safejs"
)

// lives makes a lifetime that ends with the test at the latest.
func lives(t *testing.T, parent safejs.Value) *lifetime {
	t.Helper()
	life, err := newLifetime(parent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(life.end)
	return life
}

func TestListen(t *testing.T) {
	errs := hear(t, "error")
	target := construct(t, "EventTarget")
	greet := func() { call(t, target, "dispatchEvent", construct(t, "Event", "greeting")) }
	for name, end := range map[string]func(*lifetime, safejs.Value){
		"the module ends":    func(life *lifetime, _ safejs.Value) { life.end() },
		"the loader ends it": func(_ *lifetime, loader safejs.Value) { call(t, loader, "abort") },
	} {
		t.Run(name, func(t *testing.T) {
			loader := construct(t, "AbortController")
			life, heard := lives(t, get(loader, "signal")), 0
			err := life.listen(target, "greeting", func(event safejs.Value) {
				if text(get(event, "type")) != "greeting" {
					t.Errorf("heard %s", spell(event))
				}
				heard++
			})
			if err != nil {
				t.Fatal(err)
			}
			greet()
			if heard != 1 {
				t.Fatalf("heard %d times", heard)
			}
			end(life, loader)
			greet()
			if heard != 1 {
				t.Error("heard after the end")
			}
			// A listener that was released and not removed would be called in
			// vain.
			errs.silent(t)
		})
	}
}

// A module that is started while the loader has ended already hears nothing.
func TestListenTooLate(t *testing.T) {
	loader, target, heard := construct(t, "AbortController"), construct(t, "EventTarget"), 0
	call(t, loader, "abort")
	if err := lives(t, get(loader, "signal")).listen(target, "greeting", func(safejs.Value) { heard++ }); err != nil {
		t.Fatal(err)
	}
	call(t, target, "dispatchEvent", construct(t, "Event", "greeting"))
	if heard > 0 {
		t.Error("heard")
	}
}

// A page's element, or its own property, may hide the method that listens.
func TestListenWhereTheMethodIsHidden(t *testing.T) {
	target, heard := construct(t, "EventTarget"), 0
	assign(target, "addEventListener", thrower(t))
	if err := lives(t, safejs.Undefined()).listen(target, "greeting", func(safejs.Value) { heard++ }); err != nil {
		t.Fatal(err)
	}
	call(t, target, "dispatchEvent", construct(t, "Event", "greeting"))
	if heard != 1 {
		t.Error("not heard")
	}
}

func TestListenToNothing(t *testing.T) {
	for _, target := range []safejs.Value{safejs.Null(), parse(t, `{}`), parse(t, `"text"`)} {
		if err := lives(t, safejs.Undefined()).listen(target, "greeting", func(safejs.Value) {}); err == nil {
			t.Errorf("listening to %s succeeded", spell(target))
		}
	}
	alive(t)
}
