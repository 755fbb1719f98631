//go:build js && wasm

package browser

import (
	"slices"

	"github.com/hack-pad/safejs"
)

// controlKind says how a control holds its value.
type controlKind uint8

const (
	noControl controlKind = iota // buttons, fieldsets: nothing is entered
	textControl
	choiceControl // checkbox and radio
	selectControl
	fileControl
	customControl // a custom element that takes part in forms
)

// controlKey finds a control again in a form that was drawn anew.
type controlKey struct {
	kind           controlKind
	name, typ, tag string
	option         string // the value of a checkbox or a radio
	nth            int    // among those that are alike
}

type control struct {
	controlKey
	element  safejs.Value
	value    string
	checked  bool
	selected []string
	files    []safejs.Value
	unsent   bool // it has no name, or is disabled
}

// elementsOf lists the controls of a form, also those that are tied to it by
// their attribute `form` from elsewhere on the page.
func elementsOf(form safejs.Value) []safejs.Value {
	return items(native(form, "HTMLFormElement", "elements"))
}

func controlsOf(form safejs.Value) []control {
	var controls []control
	alike := map[controlKey]int{}
	for _, element := range elementsOf(form) {
		c, ok := readControl(element)
		if !ok {
			continue
		}
		key := c.controlKey
		c.nth = alike[key]
		alike[key]++
		controls = append(controls, c)
	}
	return controls
}

func readControl(element safejs.Value) (control, bool) {
	c := control{element: element}
	c.kind, c.tag, c.typ = kindOf(element)
	if c.kind == noControl {
		return c, false
	}
	c.name = attribute(element, "name")
	c.unsent = c.name == "" || disabled(element)
	if c.name == "" {
		c.name = "#" + elementID(element)
	}
	switch c.kind {
	case choiceControl:
		c.option = text(native(element, "HTMLInputElement", "value"))
		c.checked = isTrue(native(element, "HTMLInputElement", "checked"))
	case selectControl:
		c.selected = selectedOptions(element)
	case fileControl:
		c.files = items(native(element, "HTMLInputElement", "files"))
	default:
		c.value = readValue(element, c.tag)
	}
	return c, true
}

func kindOf(element safejs.Value) (kind controlKind, tag, typ string) {
	tag = elementTag(element)
	switch tag {
	case "textarea":
		return textControl, tag, ""
	case "select":
		return selectControl, tag, ""
	case "button", "fieldset", "output", "object":
		return noControl, tag, ""
	case "input":
		typ = text(native(element, "HTMLInputElement", "type"))
		switch typ {
		case "submit", "button", "image", "reset":
			return noControl, tag, typ
		case "checkbox", "radio":
			return choiceControl, tag, typ
		case "file":
			return fileControl, tag, typ
		}
		return textControl, tag, typ
	}
	return customControl, tag, ""
}

// isField reports whether a person may be typing in an element.
func isField(element safejs.Value) bool {
	kind, tag, _ := kindOf(element)
	return kind != noControl && (kind != customControl || tag == "iframe" || isComponent(element) ||
		isTrue(native(element, "HTMLElement", "isContentEditable")))
}

// valueClasses are the classes that hold a value as text.
var valueClasses = map[string]string{"input": "HTMLInputElement", "textarea": "HTMLTextAreaElement"}

func readValue(element safejs.Value, tag string) string {
	if class, ok := valueClasses[tag]; ok {
		return text(native(element, class, "value"))
	}
	return text(get(element, "value"))
}

func selectedOptions(element safejs.Value) []string {
	var selected []string
	for _, option := range items(native(element, "HTMLSelectElement", "options")) {
		if isTrue(native(option, "HTMLOptionElement", "selected")) {
			selected = append(selected, text(native(option, "HTMLOptionElement", "value")))
		}
	}
	return selected
}

// trust takes the control's own values from those sent under its name, and
// returns the others.
func (c *control) trust(sent []safejs.Value) []safejs.Value {
	take := func(value string) bool {
		at := slices.IndexFunc(sent, func(v safejs.Value) bool { return text(v) == value })
		if at >= 0 {
			sent = slices.Delete(slices.Clone(sent), at, at+1)
		}
		return at >= 0
	}
	switch c.kind {
	case choiceControl:
		c.checked = take(c.option)
	case selectControl:
		c.selected = nil
		for _, value := range sent {
			c.selected = append(c.selected, text(value))
		}
		sent = nil
	case fileControl:
		c.files = slices.DeleteFunc(sent, func(file safejs.Value) bool {
			return text(native(file, "File", "name")) == ""
		})
		sent = nil
	default:
		if len(sent) > 0 {
			c.value, sent = text(sent[0]), sent[1:]
		}
	}
	return sent
}

// in finds a control among those of a form: itself, or the one in its place.
func (c control) in(now []control) int {
	at := slices.IndexFunc(now, func(n control) bool { return n.element.Equal(c.element) })
	if at < 0 {
		at = slices.IndexFunc(now, func(n control) bool { return n.controlKey == c.controlKey })
	}
	return at
}

// says reports whether a control says the same as another.
func (c control) says(other control) bool {
	switch c.kind {
	case choiceControl:
		return c.checked == other.checked
	case selectControl:
		return slices.Equal(c.selected, other.selected)
	case fileControl:
		return slices.EqualFunc(c.files, other.files, sameFile)
	}
	return c.value == other.value
}

// empty reports whether nothing was entered.
func (c control) empty() bool { return c.says(control{controlKey: c.controlKey}) }

// asDrawn reports whether a control says what the UI drew it with, or nothing.
func (c control) asDrawn() bool {
	class := valueClasses[c.tag]
	switch {
	case c.empty():
		return true
	case c.kind == choiceControl:
		return isTrue(native(c.element, "HTMLInputElement", "defaultChecked")) == c.checked
	case c.kind == selectControl:
		return selectedAsDrawn(c.element)
	case class == "" || c.typ == "hidden": // what it was drawn with is not kept
		return false
	}
	return text(native(c.element, class, "defaultValue")) == c.value
}

// selectedAsDrawn reports whether a list says what it was drawn with: of a
// list for one option, where none is marked, that is the first.
func selectedAsDrawn(list safejs.Value) bool {
	at, _ := number(native(list, "HTMLSelectElement", "selectedIndex"))
	one := text(native(list, "HTMLSelectElement", "type")) == "select-one"
	if one && len(within(list, "option[selected]")) == 0 {
		return at <= 0
	}
	return !slices.ContainsFunc(items(native(list, "HTMLSelectElement", "options")), changedOption)
}

func changedOption(option safejs.Value) bool {
	now := native(option, "HTMLOptionElement", "selected")
	return isTrue(now) != isTrue(native(option, "HTMLOptionElement", "defaultSelected"))
}

// putInto sets a control and reports whether that changed it, and others are
// still to be told.
func (c control) putInto(now control) bool {
	if c.says(now) {
		return false
	}
	switch c.kind {
	case choiceControl:
		return tick(now.element, c)
	case selectControl:
		return selectOptions(now.element, c.selected)
	case fileControl:
		setFiles(now.element, c.files)
	default:
		if class, ok := valueClasses[c.tag]; ok {
			setNative(now.element, class, "value", c.value)
		} else {
			assign(now.element, "value", c.value)
		}
	}
	return true
}

// tick makes a checkbox or a radio say what it said, by a click: that is the
// event that React listens to. It reports whether others are still to be told.
func tick(element safejs.Value, want control) bool {
	says := func() bool {
		return isTrue(native(element, "HTMLInputElement", "checked")) == want.checked
	}
	if want.typ == "radio" && !want.checked {
		// Only the one that is chosen is clicked; the others follow.
		setNative(element, "HTMLInputElement", "checked", false)
		return false
	}
	_, _ = nativeCall(element, "HTMLElement", "click")
	if says() {
		return false // the click has told them
	}
	setNative(element, "HTMLInputElement", "checked", want.checked) // it is disabled
	return true
}

// selectOptions selects the options with these values, if all are there: a
// script may still be filling the list.
func selectOptions(element safejs.Value, values []string) bool {
	options := items(native(element, "HTMLSelectElement", "options"))
	valueOf := func(option safejs.Value) string {
		return text(native(option, "HTMLOptionElement", "value"))
	}
	for _, value := range values {
		if !slices.ContainsFunc(options, func(o safejs.Value) bool { return valueOf(o) == value }) {
			return false
		}
	}
	left := slices.Clone(values)
	for _, option := range options {
		at := slices.Index(left, valueOf(option))
		if at >= 0 {
			left = slices.Delete(left, at, at+1)
		}
		setNative(option, "HTMLOptionElement", "selected", at >= 0)
	}
	return true
}

// setFiles gives a file input the files that the person had chosen.
func setFiles(element safejs.Value, files []safejs.Value) {
	transfer, err := path("DataTransfer").New()
	if err != nil {
		return
	}
	for _, file := range files {
		_, _ = invoke(get(transfer, "items"), "add", file)
	}
	setNative(element, "HTMLInputElement", "files", get(transfer, "files"))
}
