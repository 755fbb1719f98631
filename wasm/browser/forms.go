//go:build js && wasm

package browser

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// How long a submission may be the one that a failure is about, how long a
// redrawn form may take to appear, and how soon the same screen asked for
// again counts as the same attempt.
const (
	submissionLife = time.Minute
	redrawLife     = 10 * time.Second
	showAgain      = 10 * time.Second
)

// submission is a form of the Registration UI as the user sent it. Its values
// stay in the page's memory: they may be passwords.
type submission struct {
	id     uint64
	screen string
	token  session.Token // in force at the submit
	at     session.Instant
	again  bool // sent by us, for the user
	held   bool // stopped by us: nobody has heard of it yet

	form, submitter safejs.Value
	data            safejs.Value // FormData
	values          string       // the same, to compare
	focus           string       // id of the field that had it
}

// redraw is a submission whose screen we have asked for.
type redraw struct {
	*submission
	since session.Instant
}

// forms knows what the user submitted, and can submit it again. Everything in
// it happens on the page's one thread, and nothing blocks.
type forms struct {
	now func() session.Instant
	// dead reports whether what is submitted now can only fail.
	dead   func() bool
	lastID uint64
	// sent are the submissions whose outcome is unknown, oldest first.
	sent []*submission
	// shows are screens wanted without a session, by action id.
	shows map[uint64]string
	// shown is when we last showed a screen for the user.
	shown map[string]session.Instant
	// redraws wait for their screens to be drawn, by screen.
	redraws map[string]redraw
	// touched is the form that the user typed in last.
	touched safejs.Value
	// sending marks the submit event that is our own doing.
	sending *submission
	// open are the screens that the UI has shown without a token: those to sign
	// in with, which need none.
	open map[string]bool
}

func newForms(now func() session.Instant, dead func() bool) *forms {
	return &forms{now: now, dead: dead, shows: map[uint64]string{}, shown: map[string]session.Instant{}, open: map[string]bool{}, redraws: map[string]redraw{}}
}

// show hears that a screen is shown, and whether the UI has a token for it.
func (f *forms) show(screen string, token bool) { f.open[screen] = !token }

// submitted notes a submit event, as the loader caught it: before the UI saw
// it. Forms that are not the Registration UI's do not concern us. One that can
// only fail is stopped and returned.
func (f *forms) submitted(payload safejs.Value) *submission {
	event := get(payload, "event")
	form := get(event, "target")
	screen := screenOf(form)
	if screen == "" {
		return nil
	}
	held := f.sending == nil && !f.open[screen] && f.dead() && stop(event)
	if held && slices.ContainsFunc(f.sent, func(s *submission) bool { return s.held && s.form.Equal(form) }) {
		return nil // the impatient press Save again
	}
	f.lastID++
	f.forget(screen)
	s := &submission{
		id: f.lastID, screen: screen, token: session.NewToken(text(get(payload, "token"))), at: f.sentAt(get(payload, "at")),
		again: f.sending != nil && !f.sending.held, held: held,
		form: form, submitter: get(event, "submitter"), data: get(payload, "data"), values: typed(form, get(payload, "data")),
		focus: text(get(path("document", "activeElement"), "id")),
	}
	f.sent = append(f.sent, s)
	if !held {
		return nil
	}
	return s
}

// stop keeps an event from everybody else, if it is not too late for that.
func stop(event safejs.Value) bool {
	const none = 0 // Event.NONE: it has been dispatched
	if phase, ok := number(get(event, "eventPhase")); !ok || phase == none {
		return false
	}
	_, _ = invoke(event, "preventDefault")
	_, err := invoke(event, "stopImmediatePropagation")
	return err == nil && isTrue(get(event, "defaultPrevented"))
}

// sentAt is when a submit was caught: the loader may have kept it for a while.
func (f *forms) sentAt(unixMilli safejs.Value) session.Instant {
	now := f.now()
	if at, ok := number(unixMilli); ok {
		return now.Add(-max(0, now.Sub(session.AtWall(int64(at)))))
	}
	return now
}

// forget drops what was submitted on a screen: it was saved, or sent anew. Not
// what is held, which nobody has heard of.
func (f *forms) forget(screen string) {
	var kept []*submission
	for _, s := range f.sent {
		if s.held || s.screen != screen && f.now().Sub(s.at) < submissionLife {
			kept = append(kept, s)
		}
	}
	f.sent = kept
}

// end forgets everything: what was sent was this user's, and of this session.
func (f *forms) end() {
	f.sent = nil
	clear(f.redraws)
	clear(f.shows)
}

// failed finds the submission that a failure is about: the screen's, or,
// without a screen, the last one.
func (f *forms) failed(screen string) *submission {
	for i := len(f.sent) - 1; i >= 0; i-- {
		if s := f.sent[i]; (screen == "" || s.screen == screen) && !s.held && f.now().Sub(s.at) < submissionLife {
			return s
		}
	}
	return nil
}

// wanted makes an action of a screen that needed a session.
func (f *forms) wanted(screen string) session.Action {
	if screen == "" {
		return session.Action{}
	}
	f.lastID++
	f.shows[f.lastID] = screen
	shown, ok := f.shown[screen]
	return session.Action{ID: f.lastID, Screen: screen, Again: ok && f.now().Sub(shown) < showAgain}
}

// drop forgets an action that will not be repeated.
func (f *forms) drop(a session.Action) {
	delete(f.shows, a.ID)
	f.sent = slices.DeleteFunc(f.sent, func(s *submission) bool { return s.id == a.ID && s.held })
}

// resume repeats an action. What could not be repeated is left as it stands
// on the screen, with a reason.
func (f *forms) resume(a session.Action) error {
	if screen, ok := f.shows[a.ID]; ok {
		delete(f.shows, a.ID)
		f.shown[screen] = f.now()
		return renderScreen(screen)
	}
	for _, s := range f.sent {
		switch {
		case s.id != a.ID:
		case s.held:
			return f.letGo(s)
		case f.now().Sub(s.at) >= submissionLife:
			return fmt.Errorf("it is too long ago that the form on %s was sent", s.screen)
		default:
			return f.resubmit(s)
		}
	}
	return nil
}

// letGo sends a form that was held, as it stands now.
func (f *forms) letGo(s *submission) error {
	f.drop(session.Action{ID: s.id})
	switch {
	case isTrue(get(s.form, "isConnected")):
		return f.submit(s, s.form, s.submitter)
	case f.now().Sub(s.at) >= submissionLife:
		return fmt.Errorf("the form on %s was held for too long, and is gone", s.screen)
	}
	return f.redrawnForm(s)
}

func (f *forms) resubmit(s *submission) error {
	if isTrue(get(s.form, "isConnected")) {
		if now, err := formData(s.form); err != nil {
			return err
		} else if typed(s.form, now) != s.values {
			return fmt.Errorf("the form on %s was edited since it was sent", s.screen)
		}
		f.refillPasswords(s)
		return f.submit(s, s.form, s.submitter)
	}
	return f.redrawnForm(s)
}

// redrawnForm finishes what was sent with a form that is no more.
func (f *forms) redrawnForm(s *submission) error {
	if form, ok := formOn(s.screen); ok {
		return f.refill(s, form)
	}
	f.redraws[s.screen] = redraw{s, f.now()}
	return renderScreen(s.screen)
}

// drawn hears that a screen has been drawn.
func (f *forms) drawn(screen string) error {
	r, wanted := f.redraws[screen]
	form, drawn := formOn(screen)
	if !wanted || !drawn {
		return nil
	}
	delete(f.redraws, screen)
	if f.now().Sub(r.since) > redrawLife {
		return fmt.Errorf("the form on %s came back too late", screen)
	}
	return f.refill(r.submission, form)
}

// typing hears that the user types or chooses in a form.
func (f *forms) typing(event safejs.Value) {
	if isTrue(get(event, "isTrusted")) {
		f.touched = get(get(event, "target"), "form")
	}
}

// refill puts the user's values into a form that was drawn anew, and submits
// it: not over what they have typed there since. Hidden fields keep what the
// UI has put there, and files cannot be set.
func (f *forms) refill(s *submission, form safejs.Value) error {
	if form.Equal(f.touched) {
		return fmt.Errorf("the form on %s was edited since it was sent", s.screen)
	}
	for _, entry := range items(s.data) {
		if size, file := number(get(get(entry, "1"), "size")); file && size > 0 {
			return fmt.Errorf("the form on %s has a file, which must be chosen again", s.screen)
		}
	}
	used := map[string]int{}
	elements := items(get(form, "elements"))
	if len(elements) == 0 {
		// A field of that very name hides them.
		return fmt.Errorf("the form on %s cannot be read", s.screen)
	}
	for _, element := range elements {
		name := text(get(element, "name"))
		if name == "" {
			continue
		}
		values := sentAs(s.data, name)
		switch text(get(element, "type")) {
		case "hidden", "file", "submit", "button", "image", "reset", "fieldset":
			continue
		case "checkbox", "radio":
			assign(element, "checked", slices.Contains(values, text(get(element, "value"))))
		case "select-multiple":
			for _, option := range items(get(element, "options")) {
				assign(option, "selected", slices.Contains(values, text(get(option, "value"))))
			}
		default:
			if used[name] < len(values) {
				assign(element, "value", values[used[name]])
				used[name]++
			}
		}
		for _, event := range []string{"input", "change"} {
			if e, err := path("Event").New(event, map[string]any{"bubbles": true}); err == nil {
				_, _ = invoke(element, "dispatchEvent", e)
			}
		}
	}
	if field, err := invoke(path("document"), "getElementById", s.focus); err == nil {
		_, _ = invoke(field, "focus")
	}
	submitter := safejs.Undefined()
	if name := text(get(s.submitter, "name")); name != "" {
		submitter = get(get(form, "elements"), name)
	}
	return f.submit(s, form, submitter)
}

// refillPasswords gives back what a UI blanks after a failed save.
func (f *forms) refillPasswords(s *submission) {
	for _, element := range items(get(s.form, "elements")) {
		values := sentAs(s.data, text(get(element, "name")))
		if text(get(element, "type")) == "password" && text(get(element, "value")) == "" && len(values) == 1 {
			assign(element, "value", values[0])
		}
	}
}

// submit sends a form as the user would: validation runs, and the UI hears of
// it as always.
func (f *forms) submit(s *submission, form, submitter safejs.Value) error {
	f.sending = s
	defer func() { f.sending = nil }()
	args := []any{}
	if present(submitter) && get(submitter, "form").Equal(form) {
		args = append(args, submitter)
	}
	if _, err := invoke(form, "requestSubmit", args...); err != nil {
		return fmt.Errorf("submit the form on %s again: %w", s.screen, err)
	}
	return nil
}

// screenOf names the screen that a form belongs to: the element around it
// whose id is in its fields' ids, capture_<screen>_<field> (contract,
// section 3). Empty for every other form.
func screenOf(form safejs.Value) string {
	field, err := invoke(form, "querySelector", `[id^="capture_"]`)
	if err != nil {
		return ""
	}
	id := text(get(field, "id"))
	for element := form; present(element); element = get(element, "parentElement") {
		if screen := text(get(element, "id")); screen != "" && strings.HasPrefix(id, "capture_"+screen+"_") {
			return screen
		}
	}
	return ""
}

// formOn finds the form of a screen.
func formOn(screen string) (safejs.Value, bool) {
	element, err := invoke(path("document"), "getElementById", screen)
	if err != nil {
		return safejs.Undefined(), false
	}
	list, err := invoke(element, "querySelectorAll", "form")
	if err != nil {
		return safejs.Undefined(), false
	}
	for _, form := range append(items(list), element) {
		if screenOf(form) == screen && callable(form, "requestSubmit") {
			return form, true
		}
	}
	return safejs.Undefined(), false
}

func renderScreen(screen string) error {
	ui := path("janrain", "capture", "ui")
	if !callable(ui, "renderScreen") {
		return fmt.Errorf("the Registration UI cannot show %s", screen)
	}
	if _, err := invoke(ui, "renderScreen", screen); err != nil {
		return fmt.Errorf("show %s: %w", screen, err)
	}
	return nil
}

func formData(form safejs.Value) (safejs.Value, error) {
	data, err := path("FormData").New(form)
	if err != nil {
		return safejs.Undefined(), fmt.Errorf("read the form: %w", err)
	}
	return data, nil
}

// typed spells what a person typed or chose in a form, for comparison: not
// its hidden fields, which the UI changes as it likes, nor passwords, which it
// may blank.
func typed(form, data safejs.Value) string {
	skip := map[string]bool{}
	for _, element := range items(get(form, "elements")) {
		if kind := text(get(element, "type")); kind == "hidden" || kind == "password" {
			skip[text(get(element, "name"))] = true
		}
	}
	var spelling strings.Builder
	for _, entry := range items(data) {
		if name := text(get(entry, "0")); !skip[name] {
			spelling.WriteString(name + "\x00" + text(get(entry, "1")) + "\x00")
		}
	}
	return spelling.String()
}

// sentAs lists what was sent under a name.
func sentAs(data safejs.Value, name string) []string {
	list, err := invoke(data, "getAll", name)
	if err != nil {
		return nil
	}
	var values []string
	for _, value := range items(list) {
		values = append(values, text(value))
	}
	return values
}
