//go:build js && wasm

package browser

import (
	"errors"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

const (
	// lookEvery spaces the looks of a repetition.
	lookEvery = 50 * time.Millisecond
	// mostDoublings bound how seldom a form is sent that the UI does not listen
	// to: the page's own listeners hear each attempt.
	mostDoublings = 5
	// leastLooks are taken at a form before it is given up: in a hidden tab, or
	// on a busy machine, a look comes when the time is nearly over.
	leastLooks = 5
)

// repetition is a form on its way to be sent again. It goes through looks: each
// finds the form, makes it say what the user had entered, and sends it in the
// same breath in which it does.
type repetition struct {
	*forms
	*submission
	token session.Token
	// since is when the waiting began: for the screen, then for the form.
	since   time.Time
	looks   int  // at the form
	unheard int  // how many times the form was sent and the UI did not listen
	asked   bool // we asked for the screen
}

// repeat sends a form again, now or when it can be, and reports once.
func (f *forms) repeat(id uint64, token session.Token) {
	s := f.get(id)
	if s == nil {
		f.post(session.Repeated{ID: id, Result: session.RepeatGone})
		return
	}
	r := &repetition{forms: f, submission: s, token: token, since: time.Now()}
	if r.done() {
		return
	}
	go func() {
		for wait := lookEvery << r.unheard; ; {
			time.Sleep(wait)
			begun := time.Now()
			if r.done() {
				return
			}
			// The page's own scripts, which fill its lists, need the thread, too.
			wait = max(lookEvery<<min(r.unheard, mostDoublings), 2*time.Since(begun))
		}
	}()
}

// done has a look, and reports whether it was the last.
func (r *repetition) done() bool {
	if r.get(r.id) != r.submission {
		return true // forgotten
	}
	result, done := r.look()
	if done {
		r.post(session.Repeated{ID: r.id, Result: result})
	}
	return done
}

// look finds the form, or has it drawn.
func (r *repetition) look() (result session.RepeatResult, done bool) {
	form, ok := r.find(r.submission)
	switch {
	case r.submission.edited:
		return session.RepeatEdited, true
	case r.unreadable:
		return session.RepeatChanged, true // what the user sent is not known
	case !ok:
		return session.RepeatGone, !r.askScreen() || time.Since(r.since) > r.redrawWithin
	case r.rewritten && !form.Equal(r.form):
		return session.RepeatChanged, true // it would be written anew with what was drawn
	}
	if r.looks++; r.looks == 1 {
		r.since = time.Now()
		r.focusAgain(form)
	}
	return r.lookAt(form)
}

// lookAt makes the form say what the user had entered, and sends it if it does.
func (r *repetition) lookAt(form safejs.Value) (result session.RepeatResult, done bool) {
	late := r.looks >= leastLooks && time.Since(r.since) > r.equalWithin
	if r.visible && !visible(form) {
		return session.RepeatGone, late // its user has closed it
	}
	if !r.state.sameAs(form) && !r.fill(form) {
		return session.RepeatEdited, true
	}
	button, same := r.submitter.in(form)
	switch {
	case !connected(form):
		return session.RepeatGone, late // it was drawn anew because it was filled
	case !r.state.sameAs(form) || !same:
		return r.state.whyNot(form), late
	case !r.uses(r.token):
		return session.RepeatMoved, late
	case r.native && !form.Equal(r.form):
		// Without its listener the form would leave the page, and whether a
		// listener that lets it go on is there cannot be seen.
		return session.RepeatFailed, true
	}
	must := r.handled || !form.Equal(r.form)
	result, listens := r.send(form, button, must)
	if result == session.RepeatSent {
		r.resent, r.touched = true, false
	}
	if !listens {
		r.unheard++
	}
	// Where it is not known that the UI's listener stops the event, that of now
	// may have saved the form.
	return result, listens || late || !r.handled
}

// fill makes a form say again what the user had entered, but not over what
// they have entered since. It reports whether it did.
func (r *repetition) fill(form safejs.Value) bool {
	if form.Equal(r.typedIn) || r.looks == 1 && r.enteredIn(form) {
		return false
	}
	r.filling = true
	r.state.putInto(form)
	r.filling = false
	return true
}

// enteredIn reports whether the user may have entered something in a form that
// we did not hear of: by a slow widget, or before we were there.
func (r *repetition) enteredIn(form safejs.Value) bool {
	return r.late && r.state.typed().enteredSince(form) ||
		form.Equal(r.form) && r.touched && r.state.enteredSince(form)
}

// askScreen has the UI draw the form's screen again, once, and reports whether
// that is possible: not over what the user is typing now, and not where an app
// has gone on to another of its pages.
func (r *repetition) askScreen() bool {
	if r.asked {
		return true
	}
	r.asked = true
	return !r.typing() && r.address == address() && renderScreen(r.screen) == nil
}

// typing reports whether there is something in a form of the UI that the user
// sees, has typed and not sent: drawing another screen would lose it.
func (f *forms) typing() bool { return connected(f.typedIn) && visible(f.typedIn) }

// focusAgain puts the cursor where it was, unless the user has it elsewhere.
func (r *repetition) focusAgain(form safejs.Value) {
	if r.form.Equal(form) || r.focus == "" || r.touched || isField(activeElement()) {
		return
	}
	if field, err := nativeCall(document(), "Document", "getElementById", r.focus); err == nil {
		_, _ = nativeCall(field, "HTMLElement", "focus")
	}
}

// sending is a submit of ours that is under way.
type sending struct {
	form safejs.Value
	// must: the UI's script must handle it. A form that was drawn a moment ago
	// may have no listener yet: the browser would send it by itself, and leave
	// the page.
	must bool
	// heard: it became a submit event. unhandled: no listener took care of it.
	heard, unhandled bool
}

func (s *sending) is(form safejs.Value) bool { return present(s.form) && s.form.Equal(form) }

func (s *sending) hear(event safejs.Value) { s.heard = s.heard || s.is(get(event, "target")) }

// end hears the event after the page's own listeners.
func (s *sending) end(event safejs.Value) {
	if s.must && s.is(get(event, "target")) && !isTrue(get(event, "defaultPrevented")) {
		s.unhandled = true
		_, _ = invoke(event, "preventDefault")
	}
}

// send submits a form as the user would: validation runs, and the UI hears of
// it as always. It reports false if the UI does not listen yet.
func (f *forms) send(
	form, button safejs.Value, must bool,
) (result session.RepeatResult, listens bool) {
	f.sending = sending{form: form, must: must}
	defer func() { f.sending = sending{} }()
	err := pressSubmit(form, button)
	switch {
	case f.sending.unhandled:
		return session.RepeatFailed, false
	case err == nil && f.sending.heard:
		return session.RepeatSent, true
	case err == nil && !valid(form):
		return session.RepeatInvalid, true
	}
	return session.RepeatFailed, true
}

// pressSubmit submits by requestSubmit, or, in browsers that have none (Safari
// before 16), by a click on the button.
func pressSubmit(form, button safejs.Value) error {
	args := []any{}
	if present(button) {
		args = append(args, button)
	}
	if callable(path("HTMLFormElement", "prototype"), "requestSubmit") {
		_, err := nativeCall(form, "HTMLFormElement", "requestSubmit", args...)
		return err
	}
	if !present(button) {
		button = defaultButton(form)
	}
	if isPicture(button) {
		return errors.New("a script clicks a picture in no place")
	}
	_, err := nativeCall(button, "HTMLElement", "click")
	return err
}

func valid(form safejs.Value) bool {
	result, err := nativeCall(form, "HTMLFormElement", "checkValidity")
	return err == nil && isTrue(result)
}

// handBack sends a form that was held as it stands, so that the UI says that it
// fails: but only what the user sent, and never with another token than then,
// which may be another user's.
func (f *forms) handBack(id uint64) {
	s := f.get(id)
	if s == nil {
		return
	}
	result := session.RepeatGone
	if connected(s.form) {
		result = f.sendHeld(s)
	}
	if result != session.RepeatSent {
		f.post(session.GivenUp{Screen: s.screen, Result: result})
	}
}

func (f *forms) sendHeld(s *submission) session.RepeatResult {
	button, same := s.submitter.in(s.form)
	switch {
	case !f.uses(s.token):
		return session.RepeatMoved
	case !same || !s.state.sameAs(s.form):
		return session.RepeatChanged
	}
	result, _ := f.send(s.form, button, false)
	return result
}
