//go:build js && wasm

package browser

import (
	"slices"
	"strings"

	"github.com/hack-pad/safejs"
)

// submitter is the button by which a form was sent, if there was one. What it
// adds is part of what was sent, and a script may do another thing for another
// button.
type submitter struct {
	element safejs.Value
	known   bool
	id      string
	looks   string      // what it says, and where it sends the form
	adds    []formEntry // to what the form sends
	nth     int         // among the form's buttons
}

func readSubmitter(form, element safejs.Value) submitter {
	if !present(element) {
		return submitter{}
	}
	at := slices.IndexFunc(submitButtons(form), func(b safejs.Value) bool { return b.Equal(element) })
	return submitter{
		element: element, known: true, id: elementID(element), looks: looksOf(element),
		adds: addedBy(form, element), nth: at,
	}
}

// in finds the button in a form, perhaps drawn anew. It is the same only if it
// adds to the form what it did then.
func (s submitter) in(form safejs.Value) (button safejs.Value, same bool) {
	if !s.known {
		return safejs.Undefined(), true
	}
	buttons := submitButtons(form)
	for _, alike := range []func(i int, b safejs.Value) bool{
		func(_ int, b safejs.Value) bool { return b.Equal(s.element) },
		func(_ int, b safejs.Value) bool { return s.id != "" && elementID(b) == s.id },
		func(i int, b safejs.Value) bool { return i == s.nth && looksOf(b) == s.looks },
		func(_ int, b safejs.Value) bool { return looksOf(b) == s.looks },
	} {
		for i, b := range buttons {
			if alike(i, b) && slices.EqualFunc(s.adds, addedBy(form, b), sameEntry) {
				return b, true
			}
		}
	}
	return safejs.Undefined(), len(buttons) == 0 && len(s.adds) == 0
}

// looksOf tells one button of a form from another by what the user reads on
// it, and by the attributes that send the form elsewhere.
func looksOf(button safejs.Value) string {
	looks := []string{text(native(button, "Node", "textContent"))}
	for _, name := range []string{
		"name", "value", "alt", "formaction", "formmethod", "formenctype", "formtarget", "formnovalidate",
	} {
		looks = append(looks, attribute(button, name))
	}
	return strings.Join(looks, "\n")
}

// addedBy is what a form sends when it is sent by a button, besides what it
// sends without: the button's name and value, or the place of the click.
func addedBy(form, button safejs.Value) []formEntry {
	without, err := formData(form)
	if err != nil {
		return nil
	}
	with, err := path("FormData").New(form, button)
	if err != nil {
		return nil
	}
	rest, _ := entriesOf(without)
	all, _ := entriesOf(with)
	return slices.DeleteFunc(all, func(e formEntry) bool {
		at := slices.IndexFunc(rest, func(r formEntry) bool { return sameEntry(r, e) })
		if at >= 0 {
			rest = slices.Delete(rest, at, at+1)
		}
		return at >= 0
	})
}

// submitButtons lists the buttons that send a form. A form's own list of its
// elements leaves out those that are pictures.
func submitButtons(form safejs.Value) []safejs.Value {
	buttons := slices.DeleteFunc(elementsOf(form), func(element safejs.Value) bool {
		class := "HTMLInputElement"
		if elementTag(element) == "button" {
			class = "HTMLButtonElement"
		}
		return text(native(element, class, "type")) != "submit"
	})
	for _, picture := range within(document(), "input[type=image]") {
		if native(picture, "HTMLInputElement", "form").Equal(form) {
			buttons = append(buttons, picture)
		}
	}
	return buttons
}

// defaultButton is a button that adds nothing to what its form sends.
func defaultButton(form safejs.Value) safejs.Value {
	for _, button := range submitButtons(form) {
		if attribute(button, "name") == "" && !isPicture(button) && !disabled(button) {
			return button
		}
	}
	return safejs.Undefined()
}

// isPicture reports whether a button sends the place where it was clicked.
func isPicture(button safejs.Value) bool {
	return text(native(button, "HTMLInputElement", "type")) == "image"
}

// disabled reports whether a control is, also by a fieldset around it.
func disabled(element safejs.Value) bool {
	result, err := nativeCall(element, "Element", "matches", ":disabled")
	return err == nil && isTrue(result)
}
