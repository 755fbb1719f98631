//go:build js && wasm

package browser

import (
	"slices"

	"github.com/hack-pad/safejs"
)

// submitter is the button by which a form was sent, if there was one. Its name
// and value are part of what was sent.
type submitter struct {
	element         safejs.Value
	id, name, value string
	nth             int // among the form's buttons
	known           bool
}

func readSubmitter(form, element safejs.Value) submitter {
	if !present(element) {
		return submitter{}
	}
	at := slices.IndexFunc(submitButtons(form), func(b safejs.Value) bool { return b.Equal(element) })
	return submitter{
		element: element, id: elementID(element), nth: at, known: true,
		name: attribute(element, "name"), value: attribute(element, "value"),
	}
}

// in finds the button in a form, perhaps drawn anew. It is the same only if it
// adds to the form what it did then.
func (s submitter) in(form safejs.Value) (button safejs.Value, same bool) {
	if !s.known {
		return safejs.Undefined(), true
	}
	buttons := submitButtons(form)
	for _, alike := range []func(safejs.Value) bool{
		func(b safejs.Value) bool { return b.Equal(s.element) },
		func(b safejs.Value) bool { return s.id != "" && elementID(b) == s.id },
		func(b safejs.Value) bool { return s.name != "" && s.adds(b) },
		func(b safejs.Value) bool {
			return s.nth >= 0 && s.nth < len(buttons) && b.Equal(buttons[s.nth])
		},
	} {
		if at := slices.IndexFunc(buttons, alike); at >= 0 && s.adds(buttons[at]) {
			return buttons[at], s.name == "" || !disabled(buttons[at])
		}
	}
	return safejs.Undefined(), s.name == ""
}

// adds reports whether a button adds the same name and value.
func (s submitter) adds(button safejs.Value) bool {
	return attribute(button, "name") == s.name &&
		(s.name == "" || attribute(button, "value") == s.value)
}

// submitButtons lists the buttons that send a form.
func submitButtons(form safejs.Value) []safejs.Value {
	return slices.DeleteFunc(elementsOf(form), func(element safejs.Value) bool {
		class := "HTMLInputElement"
		if elementTag(element) == "button" {
			class = "HTMLButtonElement"
		}
		typ := text(native(element, class, "type"))
		return typ != "submit" && typ != "image"
	})
}

// defaultButton is a button that adds nothing to what its form sends.
func defaultButton(form safejs.Value) safejs.Value {
	for _, button := range submitButtons(form) {
		if attribute(button, "name") == "" && !disabled(button) {
			return button
		}
	}
	return safejs.Undefined()
}

// disabled reports whether a control is, also by a fieldset around it.
func disabled(element safejs.Value) bool {
	result, err := nativeCall(element, "Element", "matches", ":disabled")
	return err == nil && isTrue(result)
}
