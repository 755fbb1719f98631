//go:build js && wasm

package browser

import (
	"fmt"
	"slices"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// formState is what a person had entered in a form. It stays in the page's
// memory and goes nowhere else: it may hold passwords.
type formState struct {
	data      safejs.Value // FormData: what the form would send
	controls  []control
	editables []editable
}

// editable is an element that a person edits in place (contenteditable). No
// form sends it, but the page's script may.
type editable struct {
	element safejs.Value
	html    string
	content []safejs.Value // clones of its nodes
}

// readForm reads a form as it stands.
func readForm(form safejs.Value) (formState, error) {
	data, err := formData(form)
	if err != nil {
		return formState{}, err
	}
	return formState{data: data, controls: controlsOf(form), editables: editablesOf(form)}, nil
}

// trustData corrects the controls by the data, where the form has changed since
// the data was read: what has no name, or is disabled, stays as it is.
func (s formState) trustData() {
	values := map[string][]safejs.Value{}
	entries, _ := entriesOf(s.data)
	for _, e := range entries {
		values[e.name] = append(values[e.name], e.value)
	}
	for i := range s.controls {
		c := &s.controls[i]
		if !disabled(c.element) {
			values[c.name] = c.trust(values[c.name])
		}
	}
}

// whyNot says why a form cannot be made to say what this state says.
func (s formState) whyNot(form safejs.Value) session.RepeatResult {
	now := controlsOf(form)
	for _, want := range s.controls {
		lost := func(c control) bool {
			return c.controlKey == want.controlKey && !slices.EqualFunc(c.files, want.files, sameFile)
		}
		if want.kind == fileControl && slices.ContainsFunc(now, lost) {
			return session.RepeatFile
		}
	}
	return session.RepeatChanged
}

// formData is what a form would send, without the button that sends it. The
// page's own `formdata` listeners take part.
func formData(form safejs.Value) (safejs.Value, error) {
	data, err := path("FormData").New(form)
	if err != nil {
		return safejs.Undefined(), fmt.Errorf("read the form: %w", err)
	}
	return data, nil
}

func editablesOf(form safejs.Value) []editable {
	var list []editable
	for _, element := range within(form, "[contenteditable]") {
		inside := isTrue(native(parentOf(element), "HTMLElement", "isContentEditable"))
		if inside || attribute(element, "contenteditable") == "false" {
			continue // it is part of one that is listed, or cannot be edited
		}
		e := editable{element: element, html: text(native(element, "Element", "innerHTML"))}
		for _, node := range items(native(element, "Node", "childNodes")) {
			if clone, err := nativeCall(node, "Node", "cloneNode", true); err == nil {
				e.content = append(e.content, clone)
			}
		}
		list = append(list, e)
	}
	return list
}

// sameAs reports whether a form would send what this state says, field by
// field and in the same order, and shows the same in what no form sends but a
// script may read: controls without a name, disabled ones, edited text.
func (s formState) sameAs(form safejs.Value) bool {
	now, err := formData(form)
	if err != nil || !sameData(s.data, now) || !s.sameUnsent(controlsOf(form)) {
		return false
	}
	return slices.EqualFunc(s.editables, editablesOf(form), func(a, b editable) bool {
		return a.html == b.html
	})
}

func (s formState) sameUnsent(now []control) bool {
	for _, want := range s.controls {
		if !want.unsent {
			continue
		}
		at := slices.IndexFunc(now, func(c control) bool { return c.controlKey == want.controlKey })
		if at < 0 && !want.empty() || at >= 0 && !want.says(now[at]) {
			return false
		}
	}
	return true
}

// enteredSince reports whether a control says something new: neither what this
// state says nor what it was drawn with, as after a reset.
func (s formState) enteredSince(form safejs.Value) bool {
	now := controlsOf(form)
	for _, was := range s.controls {
		at := was.in(now)
		if at >= 0 && !was.says(now[at]) && !now[at].asDrawn() {
			return true
		}
	}
	return false
}

// rewrittenIn reports whether a form says something new where a person could
// have typed, or, beside an editor, in any field: as enteredSince, of a moment
// at which no person can have typed.
func (s formState) rewrittenIn(form safejs.Value) bool {
	if len(s.editables) == 0 {
		s = s.typed()
	}
	return s.enteredSince(form)
}

// typed is the state without what no person can have typed.
func (s formState) typed() formState {
	s.controls = slices.DeleteFunc(slices.Clone(s.controls), func(c control) bool {
		return c.typ == "hidden"
	})
	return s
}

// formEntry is one field of a FormData.
type formEntry struct {
	name  string
	value safejs.Value // text or a file
}

// entriesOf lists what a FormData holds; false when it cannot be read.
func entriesOf(data safejs.Value) (entries []formEntry, ok bool) {
	iterator, err := nativeCall(data, "FormData", "entries")
	if err != nil {
		return nil, false
	}
	for {
		next, err := invoke(iterator, "next")
		if err != nil {
			return nil, false
		}
		if isTrue(get(next, "done")) {
			return entries, true
		}
		pair := get(next, "value")
		entries = append(entries, formEntry{text(get(pair, "0")), get(pair, "1")})
	}
}

// sameData compares two FormData: names, values and their order. One that
// cannot be read is like no other.
func sameData(a, b safejs.Value) bool {
	x, readable := entriesOf(a)
	y, too := entriesOf(b)
	return readable && too && slices.EqualFunc(x, y, sameEntry)
}

func sameEntry(a, b formEntry) bool { return a.name == b.name && sameValue(a.value, b.value) }

func sameValue(a, b safejs.Value) bool {
	if a.Type() == safejs.TypeString || b.Type() == safejs.TypeString {
		return a.Type() == b.Type() && text(a) == text(b)
	}
	return sameFile(a, b)
}

// sameFile compares two files by what the browser says of them. Two empty ones
// are what a file input without a file sends: no two of these have one time.
func sameFile(a, b safejs.Value) bool {
	size := func(file safejs.Value) float64 { n, _ := number(native(file, "Blob", "size")); return n }
	facts := func(file safejs.Value) [3]string {
		modified, _ := number(native(file, "File", "lastModified"))
		return [3]string{
			text(native(file, "File", "name")), text(native(file, "Blob", "type")), fmt.Sprint(modified),
		}
	}
	if a.Equal(b) {
		return true
	}
	if size(a) != size(b) {
		return false
	}
	x, y := facts(a), facts(b)
	return x == y || size(a) == 0 && x[0] == "" && y[0] == ""
}

// putInto makes a form say again what this state says, as far as it goes: what
// the form does not have is left out. Every control that changes hears of it
// as if a person had typed.
func (s formState) putInto(form safejs.Value) {
	now := controlsOf(form)
	for _, want := range s.controls {
		at := want.in(now)
		if at >= 0 && want.putInto(now[at]) {
			announce(now[at].element)
		}
	}
	editables := editablesOf(form)
	if len(editables) != len(s.editables) {
		return
	}
	for i, want := range s.editables {
		if editables[i].html != want.html {
			want.putInto(editables[i].element)
			announce(editables[i].element)
		}
	}
}

func (e editable) putInto(element safejs.Value) {
	nodes := make([]any, 0, len(e.content))
	for _, node := range e.content {
		if clone, err := nativeCall(node, "Node", "cloneNode", true); err == nil {
			nodes = append(nodes, clone)
		}
	}
	_, _ = nativeCall(element, "Element", "replaceChildren", nodes...)
}

// announce tells the page's scripts that a control has changed.
func announce(element safejs.Value) {
	for _, name := range []string{"input", "change"} {
		if event, err := path("Event").New(name, map[string]any{"bubbles": true}); err == nil {
			_, _ = nativeCall(element, "EventTarget", "dispatchEvent", event)
		}
	}
}
