//go:build js && wasm

package browser

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hack-pad/safejs"
)

// fieldPrefix begins the id of every field that the Registration UI draws:
// capture_<screen>_<field> (contract, section 3).
const fieldPrefix = "capture_"

// registrationUI is the UI's own API.
func registrationUI() safejs.Value { return path("janrain", "capture", "ui") }

// address is that of the page. Apps go from page to page by changing it.
func address() string { return text(path("location", "href")) }

// renderScreen has the UI draw a screen.
func renderScreen(screen string) error {
	ui := registrationUI()
	if !callable(ui, "renderScreen") {
		return fmt.Errorf("the Registration UI cannot show %s", screen)
	}
	if _, err := invoke(ui, "renderScreen", screen); err != nil {
		return fmt.Errorf("show %s: %w", screen, err)
	}
	return nil
}

// blank reports whether the place of a screen is on the page and holds nothing
// that a person could have filled in.
func blank(screen string) bool {
	if screen == "" {
		return false
	}
	place, err := nativeCall(document(), "Document", "getElementById", screen)
	if err != nil || !present(place) {
		return false
	}
	return len(within(place, "form,input,select,textarea,iframe,[contenteditable]")) == 0 &&
		!slices.ContainsFunc(within(place, "*"), isComponent)
}

// isComponent reports whether an element is of a kind that scripts define: it
// may keep fields to itself.
func isComponent(element safejs.Value) bool {
	return strings.Contains(elementTag(element), "-")
}

// screenOf names the screen that a form belongs to: the element around the
// form, or around one of its fields, with an id that is part of that field's
// id. Empty for every form that is not the UI's.
func screenOf(form safejs.Value) string {
	for _, field := range append(elementsOf(form), within(form, `[id^="`+fieldPrefix+`"]`)...) {
		id := elementID(field)
		if !strings.HasPrefix(id, fieldPrefix) {
			continue
		}
		for _, start := range []safejs.Value{form, field} {
			for element := start; present(element); element = parentOf(element) {
				screen := elementID(element)
				if screen != "" && strings.HasPrefix(id, fieldPrefix+screen+"_") {
					return screen
				}
			}
		}
	}
	return ""
}

// formKey tells a form from the others of its screen, also after it was drawn
// anew. It holds no values.
type formKey struct {
	id    string
	names string // of its fields, in their order
	nth   int    // among the screen's forms
	of    int    // how many there are
}

// String is what package session compares: forms of one screen that are drawn
// alike are told apart by where they stand.
func (k formKey) String() string { return fmt.Sprintf("%s|%s|%d", k.id, k.names, k.nth) }

// formsOn lists the UI's forms on a screen, in their order on the page.
func formsOn(screen string) []safejs.Value {
	return slices.DeleteFunc(within(document(), "form"), func(form safejs.Value) bool {
		return screenOf(form) != screen
	})
}

func keyOf(form safejs.Value, screen string) formKey {
	forms := formsOn(screen)
	at := slices.IndexFunc(forms, func(f safejs.Value) bool { return f.Equal(form) })
	return keyAt(form, at, len(forms))
}

func keyAt(form safejs.Value, nth, of int) formKey {
	var names []string
	for _, element := range elementsOf(form) {
		if name := attribute(element, "name"); name != "" {
			names = append(names, name)
		}
	}
	return formKey{id: elementID(form), names: strings.Join(names, ","), nth: nth, of: of}
}

// findForm finds the form that has the place of one that was drawn anew: the
// only one of its screen that it can be, or none.
func findForm(screen string, want formKey) (form safejs.Value, found bool) {
	forms := formsOn(screen)
	var keys []formKey
	for i, form := range forms {
		keys = append(keys, keyAt(form, i, len(forms)))
	}
	// The surest sign first.
	for _, alike := range []func(formKey) bool{
		func(k formKey) bool { return k == want },
		func(k formKey) bool { return k.names == want.names && k.id == want.id },
		func(k formKey) bool { return k.names == want.names },
		func(k formKey) bool { return k.id != "" && k.id == want.id },
		func(k formKey) bool { return k.of == 1 && want.of == 1 },
	} {
		at := slices.IndexFunc(keys, alike)
		if at < 0 {
			continue
		}
		if slices.ContainsFunc(keys[at+1:], alike) {
			return safejs.Undefined(), false // it may be either
		}
		return forms[at], true
	}
	return safejs.Undefined(), false
}
