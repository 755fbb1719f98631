//go:build js && wasm

package browser

import (
	"slices"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// How long a repetition waits for a screen to be drawn again, and then for its
// form to say again what the user had entered: scripts fill lists late.
const (
	redrawWithin = 10 * time.Second
	equalWithin  = 5 * time.Second
)

// submission is a form of the Registration UI as the user sent it.
type submission struct {
	id        uint64
	screen    string
	key       formKey
	name      string // package session knows the form by it
	form      safejs.Value
	submitter submitter
	state     formState
	token     session.Token // in force when it was sent
	focus     string        // id of the field that had it
	address   string        // of the page
	// edited: the user has changed the form since. unreadable: they had typed
	// in a part of it that cannot be read.
	edited, unreadable bool
	// touched: they have clicked or pressed a key since. What came of it later
	// than at once cannot be told from what the UI does.
	touched bool
	// resent: we have sent it again, or the UI has gone on with that by a submit
	// of its own. Then touched counts from then.
	resent bool
	// handled: the UI's script took care of the submit event, and left nothing
	// to the browser. native: it left the event to the browser. Of a form that
	// was held, or that is just being sent, neither is known.
	handled, native bool
	// visible: the user saw the form. late: we heard of it after the event.
	visible, late bool
	// rewritten: the page's script wrote into the form while it was being sent,
	// as an editor does that keeps its text to itself.
	rewritten bool
}

// forms keeps what the user submitted, and can submit it again. It decides
// nothing: package session says what is sent again, and hears what came of it.
// Everything in it happens on the page's one thread.
type forms struct {
	now  func() session.Instant
	post func(session.Event)
	// holds reports whether what is submitted on a screen now can only fail.
	holds func(screen string) bool
	// uses reports whether the UI would send with this token now.
	uses func(session.Token) bool

	// redrawWithin and equalWithin bound the waiting of a repetition.
	redrawWithin, equalWithin time.Duration

	lastID  uint64
	kept    []*submission // the oldest first
	sending sending
	// filling: what changes now, we change.
	filling bool
	// typedIn is the form that the user typed in last and has not sent, toldOf
	// the one with the edit that was reported last.
	typedIn, toldOf safejs.Value
	afterwards      afterwards
	// closed are forms with a part that the user typed in and that cannot be
	// read: a component that keeps its fields to itself.
	closed []safejs.Value
}

func newForms(now func() session.Instant, post func(session.Event)) *forms {
	return &forms{
		now: now, post: post, redrawWithin: redrawWithin, equalWithin: equalWithin,
	}
}

// watch hears, until the end, what the user does to the page's forms.
func (f *forms) watch(life *lifetime) error {
	if err := f.afterwards.begin(life); err != nil {
		return err
	}
	for _, l := range []struct {
		event string
		fn    func(safejs.Value)
	}{
		{"input", f.input}, {"change", f.input}, {"click", f.gesture}, {"keydown", f.gesture},
		{"submit", func(event safejs.Value) { f.sending.hear(event) }},
	} {
		if err := life.listen(safejs.Global(), l.event, l.fn); err != nil {
			return err
		}
	}
	return life.listenLast(safejs.Global(), "submit", func(event safejs.Value) {
		f.sending.end(event)
	})
}

// submitted notes a submit event, as the loader caught it: before the UI saw
// it. Forms that are not the UI's do not concern us, and what we send ourselves
// is no new one.
func (f *forms) submitted(payload safejs.Value) session.Event {
	event := get(payload, "event")
	form := get(event, "target")
	if f.sending.is(form) {
		return nil
	}
	screen := screenOf(form)
	if screen == "" {
		return nil
	}
	held := f.holds(screen) && stop(event)
	if form.Equal(f.typedIn) {
		f.typedIn, f.toldOf = safejs.Undefined(), safejs.Undefined()
	}
	f.lastID++
	s := &submission{
		id: f.lastID, screen: screen, key: keyOf(form, screen), form: form,
		submitter: readSubmitter(form, get(event, "submitter")),
		state:     stateAt(form, get(payload, "data")),
		token:     session.NewToken(text(get(payload, "token"))), focus: focused(), address: address(),
		unreadable: slices.ContainsFunc(f.closed, form.Equal),
		visible:    visible(form), late: over(event),
	}
	s.name = s.key.String()
	before := f.lastOf(form, screen)
	if before != nil {
		s.name, s.resent = before.name, before.resent && !before.touched
	}
	f.kept = append(f.kept, s)
	if !held {
		f.afterwards.do(func() {
			s.handled = isTrue(get(event, "defaultPrevented"))
			s.native = !s.handled
			s.rewritten = connected(form) && s.state.rewrittenIn(form)
		})
	}
	return session.Submitted{
		ID: s.id, Screen: screen, Form: s.name,
		Token: s.token, At: f.sentAt(get(payload, "at")), Held: held,
		Scripted: s.resent,
	}
}

// lastOf is what was sent last with a form. The UI may have added a field to
// it, or a form beside it, since: it is the same form all the same.
func (f *forms) lastOf(form safejs.Value, screen string) (last *submission) {
	for _, s := range f.kept {
		if s.screen != screen {
			continue
		}
		if found, ok := f.find(s); ok && found.Equal(form) {
			last = s
		}
	}
	return last
}

// stop keeps an event from all other listeners, if it is not too late.
func stop(event safejs.Value) bool {
	if over(event) {
		return false
	}
	_, _ = invoke(event, "preventDefault")
	_, err := invoke(event, "stopImmediatePropagation")
	return err == nil && isTrue(get(event, "defaultPrevented"))
}

// over reports whether an event has been dispatched.
func over(event safejs.Value) bool {
	const none = 0 // Event.NONE
	phase, ok := number(get(event, "eventPhase"))
	return !ok || phase == none
}

// sentAt is when a submit was caught: the loader may have kept it for a while.
func (f *forms) sentAt(unixMilli safejs.Value) session.Instant {
	now := f.now()
	if at, ok := number(unixMilli); ok {
		return now.Add(-max(0, now.Sub(session.AtWall(int64(at)))))
	}
	return now
}

// forget drops what was entered in a form.
func (f *forms) forget(id uint64) {
	f.kept = slices.DeleteFunc(slices.Clone(f.kept), func(s *submission) bool { return s.id == id })
}

// get is what is kept under an id; nil when it is not, or not any more.
func (f *forms) get(id uint64) *submission {
	for _, s := range f.kept {
		if s.id == id {
			return s
		}
	}
	return nil
}

// input hears that the user typed or chose something, and reports which form
// they changed.
func (f *forms) input(event safejs.Value) {
	target := outermost(get(event, "target"))
	if f.filling || !isTrue(get(event, "isTrusted")) || isChoice(target) {
		return // a script that clicks a box makes trusted events; see gesture
	}
	form := formAround(target)
	if present(form) && !readable(target) {
		f.closed = append(slices.DeleteFunc(f.closed, func(c safejs.Value) bool {
			return !connected(c)
		}), form)
	}
	f.typed(form)
}

// readable reports whether what is typed in an element is read with its form.
func readable(element safejs.Value) bool {
	kind, _, _ := kindOf(element)
	return kind != customControl || elementTag(get(element, "form")) == "form" ||
		isTrue(native(element, "HTMLElement", "isContentEditable"))
}

func (f *forms) typed(form safejs.Value) {
	screen := screenOf(form)
	if screen == "" {
		return
	}
	f.typedIn = form
	if !f.edited(form, screen) && !form.Equal(f.toldOf) {
		f.post(session.Edited{Screen: screen, Form: keyOf(form, screen).String()})
	}
	f.toldOf = form
}

// edited reports an edit of a form that was sent, once for each time, under the
// key that it was sent with.
func (f *forms) edited(form safejs.Value, screen string) (told bool) {
	for _, s := range f.kept {
		if s.screen != screen || s.edited {
			continue
		}
		if found, ok := f.find(s); ok && found.Equal(form) {
			s.edited, told = true, true
			f.post(session.Edited{Screen: screen, Form: s.name})
		}
	}
	return told
}

// shown hears that a screen is shown: edits are reported anew.
func (f *forms) shown() { f.toldOf = safejs.Undefined() }

// gesture looks, around a click or a key, whether it changed a form that was
// sent: a date picker, a button that empties the form. What the UI changes when
// it is answered is not the user's edit, and happens at another time.
func (f *forms) gesture(event safejs.Value) {
	if !isTrue(get(event, "isTrusted")) {
		return
	}
	if target := get(event, "target"); isChoice(target) && text(get(event, "type")) == "click" {
		f.typed(formAround(target))
		return
	}
	type look struct {
		form  safejs.Value
		state formState
	}
	before := map[*submission]look{}
	for _, s := range f.kept {
		s.touched = true
		form, ok := f.find(s)
		if !ok || s.edited {
			continue
		}
		if state, err := readForm(form); err == nil {
			before[s] = look{form, state}
		}
	}
	if len(before) == 0 {
		return
	}
	f.afterwards.do(func() {
		for s, was := range before {
			if f.get(s.id) == s && connected(was.form) && !was.state.sameAs(was.form) {
				f.edited(was.form, s.screen)
			}
		}
	})
}

// find finds the form of a submission: itself, or the one drawn in its place.
func (f *forms) find(s *submission) (safejs.Value, bool) {
	if connected(s.form) {
		return s.form, true
	}
	return findForm(s.screen, s.key)
}

// stateAt is what a form said when it was sent. The loader's FormData is of
// that moment; the form may have changed since, if the module was not here yet.
func stateAt(form, data safejs.Value) formState {
	state, err := readForm(form)
	if err != nil || !present(data) || sameData(data, state.data) {
		return state
	}
	state.data = data
	state.trustData()
	return state
}

// isChoice reports whether an element is a checkbox or a radio.
func isChoice(element safejs.Value) bool {
	kind, _, _ := kindOf(element)
	return kind == choiceControl
}

// formAround is the form that an element belongs to, also as a part of it that
// is edited in place.
func formAround(element safejs.Value) safejs.Value {
	if tag := elementTag(element); tag == "form" {
		return element
	}
	for _, class := range []string{
		"HTMLInputElement", "HTMLTextAreaElement", "HTMLSelectElement", "HTMLButtonElement",
	} {
		if form := native(element, class, "form"); present(form) {
			return form
		}
	}
	if form := get(element, "form"); elementTag(form) == "form" {
		return form // a custom element's
	}
	form, err := nativeCall(element, "Element", "closest", "form")
	if err != nil {
		return safejs.Undefined()
	}
	return form
}

func focused() string { return elementID(activeElement()) }

func activeElement() safejs.Value { return native(document(), "Document", "activeElement") }
