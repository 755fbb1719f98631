//go:build js && wasm

package browser

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// The tokens of these tests: the one in force at the submit, and the one that
// came after.
const oldToken, newToken = "token-1", "token-2"

// screens is a page with forms in it, in the hands of a user, of a
// Registration UI and of the loader.
type screens struct {
	*page
	*clock
	t        *testing.T
	ui       *ui
	warnings *lines
	area     safejs.Value // the element that is drawn in
	// submits are the values of each submit event, and its submitter's name.
	submits []string
	// held are the actions that were stopped before the UI heard of them.
	held []session.Action
}

func newScreens(t *testing.T) *screens {
	t.Helper()
	p, c := newPage(t, safejs.Undefined())
	s := &screens{page: p, clock: c, t: t, ui: fakeUI(t), warnings: hear(t, "warn")}
	store(t, keyToken, oldToken)
	document := path("document")
	s.area = call(t, document, "createElement", "main")
	call(t, get(document, "body"), "append", s.area)
	t.Cleanup(func() { call(t, s.area, "remove") })
	// As the loader does, before anybody else hears of it.
	submit := function(t, func(args []safejs.Value) any {
		event := args[0]
		call(t, event, "preventDefault")
		data := construct(t, "FormData", get(event, "target"))
		ev := p.event("submit", object(t, map[string]any{"event": event, "data": data, "token": stored(t, keyToken)}), safejs.Undefined())
		if held, ok := ev.(session.Submitted); ok {
			s.held = append(s.held, held.Action)
		}
		return nil
	})
	// The UI hears of it later, and sends the form itself.
	sent := function(t, func(args []safejs.Value) any {
		event := args[0]
		call(t, event, "preventDefault")
		data := construct(t, "FormData", get(event, "target"))
		s.submits = append(s.submits, spell(call(t, path("Array"), "from", data))+text(get(get(event, "submitter"), "name")))
		return nil
	})
	for listener, capture := range map[*safejs.Value]bool{&submit: true, &sent: false} {
		call(t, document, "addEventListener", "submit", *listener, capture)
		t.Cleanup(func() { call(t, document, "removeEventListener", "submit", *listener, capture) })
	}
	return s
}

func (s *screens) draw(html string) {
	s.t.Helper()
	assign(s.area, "innerHTML", html)
}

func (s *screens) find(selector string) safejs.Value {
	s.t.Helper()
	found := call(s.t, s.area, "querySelector", selector)
	if !present(found) {
		s.t.Fatalf("no element %s", selector)
	}
	return found
}

// fill sets the value of a field as a user would.
func (s *screens) fill(selector, value string) {
	s.t.Helper()
	assign(s.find(selector), "value", value)
}

func (s *screens) click(selector string) {
	s.t.Helper()
	call(s.t, s.find(selector), "click")
}

// failed is what the session hears when a save met a dead token.
func (s *screens) failed(event, screen string) session.Refused {
	s.t.Helper()
	payload := map[string]any{"status": "error", "statusMessage": invalidAccessToken}
	if screen != "" {
		payload["screen"] = screen
	}
	ev, ok := s.event(event, object(s.t, payload), safejs.Undefined()).(session.Refused)
	if !ok {
		s.t.Fatalf("%s is not a refusal", event)
	}
	return ev
}

func (s *screens) drawn(screen string) {
	s.t.Helper()
	s.event("onCaptureRenderComplete", object(s.t, map[string]any{"screen": screen}), safejs.Undefined())
}

// submitted fails the test unless there were so many submits, all of the same
// values.
func (s *screens) submitted(times int) {
	s.t.Helper()
	if len(s.submits) != times {
		s.t.Fatalf("submitted %d times, want %d: %q", len(s.submits), times, s.submits)
	}
	for _, values := range s.submits {
		if values != s.submits[0] {
			s.t.Errorf("submitted %s, then %s", s.submits[0], values)
		}
	}
}

const profile = `<section id="editProfile"><form>
	<input id="capture_editProfile_displayName" name="displayName" value="Ann">
	<input id="capture_editProfile_city" name="city">
	<button name="save" value="1">Save</button><button name="other">Other</button>
</form></section>`

// The form is still there: it is sent once more, as it is, by the same button,
// and what the user has in focus stays there.
func TestResumeInPlace(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	s.fill("[name=displayName]", "Bea")
	call(t, s.find("[name=city]"), "focus")
	s.click("[name=save]")
	s.submitted(1)
	store(t, keyToken, newToken)
	want := session.Refused{
		Why: session.WhySaveFailed, Token: session.NewToken(oldToken), Action: session.Action{ID: 1, Screen: "editProfile"},
	}
	ev := s.failed("onCaptureProfileSaveFailed", "editProfile")
	if ev != want {
		t.Fatalf("%#v, want %#v", ev, want)
	}
	s.Resume(ev.Action)
	s.submitted(2)
	if s.submits[1] != `[["displayName","Bea"],["city",""]]save` {
		t.Errorf("submitted %s", s.submits[1])
	}
	if focus := text(get(path("document", "activeElement"), "name")); focus != "city" {
		t.Errorf("the focus is on %q", focus)
	}
	s.Resume(ev.Action)
	s.submitted(2)
	if len(s.ui.screens) > 0 {
		t.Errorf("screens were shown: %q", s.ui.screens)
	}
	s.warnings.silent(t)

	// It fails again: this is a repetition, with the new token.
	again := s.failed("onCaptureProfileSaveFailed", "editProfile")
	if !again.Action.Again || again.Action.ID == ev.Action.ID || again.Token != session.NewToken(newToken) {
		t.Errorf("%#v, want another action, again, with the token in force", again)
	}
	// And what the user sends next is not.
	s.click("[name=save]")
	if next := s.failed("onCaptureProfileSaveFailed", "editProfile"); next.Action.Again {
		t.Errorf("%#v is called a repetition", next.Action)
	}
}

func TestResumeWithoutSubmitter(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	call(t, s.find("form"), "requestSubmit")
	s.Resume(s.failed("onCaptureSaveFailed", "editProfile").Action)
	s.submitted(2)
	if !strings.HasSuffix(s.submits[1], "]") {
		t.Errorf("a button sent it: %s", s.submits[1])
	}
	s.warnings.silent(t)
}

// The user went on typing: what they typed stays, and nothing is sent.
func TestResumeEdited(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	s.click("[name=save]")
	ev := s.failed("onCaptureProfileSaveFailed", "editProfile")
	s.fill("[name=city]", "Rome")
	s.Resume(ev.Action)
	s.submitted(1)
	s.warnings.only(t, "editProfile was edited")
	if strings.Contains(s.warnings.String(), "Rome") {
		t.Error("the warning tells what was typed")
	}
	if got := text(get(s.find("[name=city]"), "value")); got != "Rome" {
		t.Errorf("the field says %q", got)
	}
}

// everything has a field of every kind; %s is the hidden one's value, and the
// rest is what the UI draws, before the user came.
const everything = `<section id="editProfile"><form>
	<input id="capture_editProfile_displayName" name="displayName" value="drawn">
	<input name="line"><input name="line">
	<input type="hidden" name="transaction" value="%s">
	<textarea name="about">drawn</textarea>
	<input type="password" id="secret" name="password">
	<input type="number" name="age" value="1">
	<input type="date" name="born">
	<input type="checkbox" name="news" value="daily" checked>
	<input type="checkbox" name="news" value="weekly">
	<input type="checkbox" name="terms">
	<input type="radio" name="pay" value="card" checked>
	<input type="radio" name="pay" value="cash">
	<select name="country"><option>it</option><option>fr</option></select>
	<select name="tongues" multiple><option selected>en</option><option>de</option><option>es</option></select>
	<input type="file" name="picture">
	<fieldset name="set"><input name="inner"></fieldset>
	<input value="nameless">
	<button name="save" value="1">Save</button>
</form></section>`

// fillEverything is a user who changes every field.
func (s *screens) fillEverything() {
	s.t.Helper()
	s.fill("[name=displayName]", "Bea")
	lines := call(s.t, s.area, "querySelectorAll", "[name=line]")
	for i, value := range []string{"first", "second"} {
		line, err := lines.Index(i)
		if err != nil {
			s.t.Fatal(err)
		}
		assign(line, "value", value)
	}
	s.fill("[name=about]", "two\nlines")
	s.fill("[name=password]", "p4ss")
	s.fill("[name=age]", "42")
	s.fill("[name=born]", "2000-02-29")
	s.click("[value=daily]")
	s.click("[value=weekly]")
	s.click("[name=terms]")
	s.click("[value=cash]")
	s.fill("[name=country]", "fr")
	for i, selected := range []bool{false, true, true} {
		assign(s.find(fmt.Sprintf("[name=tongues] option:nth-child(%d)", i+1)), "selected", selected)
	}
	s.fill("[name=inner]", "deep")
}

// filled is what they sent; %s is the hidden field's value.
const filled = `[["displayName","Bea"],["line","first"],["line","second"],["transaction","%s"],["about","two\nlines"],` +
	`["password","p4ss"],["age","42"],["born","2000-02-29"],["news","weekly"],["terms","on"],["pay","cash"],["country","fr"],` +
	`["tongues","de"],["tongues","es"],["picture",{}],["inner","deep"]]save`

// The screen is drawn anew: it gets back what the user had typed, except what
// the UI puts there itself, and is sent once.
func TestResumeRedrawn(t *testing.T) {
	// When the UI is done: within renderScreen, later, or it had drawn by
	// itself before we asked.
	for _, when := range []string{"at once", "later", "before"} {
		t.Run(when, func(t *testing.T) {
			s := newScreens(t)
			s.draw(fmt.Sprintf(everything, "first"))
			s.fillEverything()
			call(t, s.find("#secret"), "focus")
			s.click("[name=save]")
			ev := s.failed("onCaptureProfileSaveFailed", "editProfile")

			redraw := func() {
				s.draw(fmt.Sprintf(everything, "second"))
				s.drawn("signIn") // another screen, also on the page
				s.drawn("editProfile")
			}
			changed := map[string]bool{}
			heard := function(t, func(args []safejs.Value) any {
				changed[text(get(args[0], "type"))+" "+text(get(get(args[0], "target"), "name"))] = true
				return nil
			})
			for _, name := range []string{"input", "change"} {
				call(t, s.area, "addEventListener", name, heard)
			}
			switch when {
			case "at once":
				s.draw("")
				s.ui.draw = func(string) { redraw() }
				s.Resume(ev.Action)
			case "later":
				s.draw("")
				s.Resume(ev.Action)
				s.drawn("editProfile") // without its form yet
				if len(s.submits) != 1 {
					t.Fatalf("submitted %d times before it was there", len(s.submits))
				}
				redraw()
			case "before":
				redraw()
				s.Resume(ev.Action)
			}
			s.drawn("editProfile")

			if len(s.submits) != 2 {
				t.Fatalf("submitted %d times", len(s.submits))
			}
			for i, hidden := range []string{"first", "second"} {
				if want := fmt.Sprintf(filled, hidden); s.submits[i] != want {
					t.Errorf("submit %d:\n%s, want\n%s", i+1, s.submits[i], want)
				}
			}
			var asked []string
			if when != "before" {
				asked = []string{"editProfile"}
			}
			if !slices.Equal(s.ui.screens, asked) {
				t.Errorf("the UI was asked for %q, want %q", s.ui.screens, asked)
			}
			if focus := text(get(path("document", "activeElement"), "id")); focus != "secret" {
				t.Errorf("the focus is on %q", focus)
			}
			// The page's own scripts hear of it as if a person had typed.
			for _, field := range []string{"displayName", "line", "about", "password", "age", "born", "news", "terms", "pay", "country", "tongues", "inner"} {
				for _, event := range []string{"input ", "change "} {
					if !changed[event+field] {
						t.Errorf("no %sof %s", event, field)
					}
				}
			}
			if changed["input transaction"] || changed["input picture"] {
				t.Error("a field that is not the user's was touched")
			}
			s.warnings.silent(t)
			if again := s.failed("onCaptureProfileSaveFailed", "editProfile"); !again.Action.Again {
				t.Error("the repetition is not called one")
			}
		})
	}
}

// A screen that comes back much later is not the user's wish of now.
func TestResumeRedrawnLate(t *testing.T) {
	for _, test := range []struct {
		after   time.Duration
		submits int
	}{{redrawLife, 2}, {redrawLife + time.Millisecond, 1}} {
		t.Run(test.after.String(), func(t *testing.T) {
			s := newScreens(t)
			s.draw(profile)
			s.click("[name=save]")
			ev := s.failed("onCaptureProfileSaveFailed", "editProfile")
			s.draw("")
			s.Resume(ev.Action)
			s.forward(test.after)
			s.draw(profile)
			s.drawn("editProfile")
			s.submitted(test.submits)
			if test.submits == 1 {
				s.warnings.only(t, "editProfile came back too late")
			}
			s.drawn("editProfile")
			s.submitted(test.submits)
		})
	}
}

// Redrawn with other fields: those that are still there get their values.
func TestResumeRedrawnOtherwise(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	s.fill("[name=displayName]", "Bea")
	call(t, s.find("[name=city]"), "focus")
	s.click("[name=save]")
	ev := s.failed("onCaptureProfileSaveFailed", "editProfile")
	s.draw(`<form id="editProfile"><input id="capture_editProfile_displayName" name="displayName">
		<input name="since" value="kept"></form>`)
	s.Resume(ev.Action)
	if len(s.submits) != 2 || s.submits[1] != `[["displayName","Bea"],["since","kept"]]` {
		t.Errorf("submitted %q", s.submits)
	}
	s.warnings.silent(t)
}

// A form whose fields cannot be listed is not sent without the user's values.
func TestResumeRedrawnUnreadable(t *testing.T) {
	s := newScreens(t)
	const html = `<form id="editProfile"><input id="capture_editProfile_elements" name="elements"><button>Go</button></form>`
	s.draw(html)
	s.fill("input", "carbon")
	s.click("button")
	ev := s.failed("onCaptureSaveFailed", "editProfile")
	s.draw(html)
	s.Resume(ev.Action)
	s.submitted(1)
	s.warnings.only(t, "the form on editProfile cannot be read")
}

// Only the Registration UI's forms concern us.
func TestFormsOfOthers(t *testing.T) {
	tests := []struct{ name, html string }{
		{"a search", `<section id="editProfile"><form><input name="q"><button>Go</button></form></section>`},
		{"a field outside its screen", `<section id="elsewhere"><form><input id="capture_editProfile_city" name="city"><button>Go</button></form></section>`},
		{"a screen whose name begins alike", `<section id="edit"><form><input id="capture_editProfile_city" name="city"><button>Go</button></form></section>`},
		{"no name", `<section id=""><form><input id="capture__city" name="city"><button>Go</button></form></section>`},
		{"a field that hides a method", `<section id="editProfile"><form><input id="capture_editProfile_q" name="querySelector"><button>Go</button></form></section>`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newScreens(t)
			s.draw(test.html)
			s.click("button")
			s.submitted(1)
			for _, screen := range []string{"editProfile", ""} {
				if ev := s.failed("onCaptureSaveFailed", screen); ev.Action != (session.Action{}) {
					t.Errorf("screen %q: %+v, want no action", screen, ev.Action)
				}
			}
			s.warnings.silent(t)
		})
	}
}

// Where a form stands and what its fields are called may differ.
func TestFormsFound(t *testing.T) {
	tests := []struct{ name, html string }{
		{"deep inside", `<section id="editProfile"><div><div id="inner"><form><input id="capture_editProfile_city" name="city"><button>Go</button></form></div></div></section>`},
		{"the form is the screen", `<form id="editProfile"><input id="capture_editProfile_city" name="city"><button>Go</button></form>`},
		{"not the first form", `<section id="editProfile"><form><input name="q"></form><form><input id="capture_editProfile_city" name="city"><button>Go</button></form></section>`},
		{"a field called id", `<section id="editProfile"><form><input id="capture_editProfile_id" name="id"><input name="parentNode"><button>Go</button></form></section>`},
		{"a screen inside a screen", `<section id="edit"><section id="editProfile"><form><input id="capture_editProfile_city" name="city"><button>Go</button></form></section></section>`},
	}
	for _, test := range tests {
		for _, redrawn := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, redrawn %t", test.name, redrawn), func(t *testing.T) {
				s := newScreens(t)
				s.draw(test.html)
				s.click("button")
				ev := s.failed("onCaptureSaveFailed", "editProfile")
				if ev.Action.Screen != "editProfile" {
					t.Fatalf("%+v", ev.Action)
				}
				if redrawn {
					s.draw(test.html)
				}
				s.Resume(ev.Action)
				s.submitted(2)
				s.warnings.silent(t)
			})
		}
	}
}

// One failure, told by two events, in both orders: the same action.
func TestSecondEventOfOneFailure(t *testing.T) {
	for _, order := range [][]string{
		{"onCaptureProfileSaveFailed", "onCaptureExpiredToken"},
		{"onCaptureInvalidToken", "onCaptureProfileSaveFailed"},
		{"onCaptureSaveFailed", "onCaptureProfileSaveFailed"},
	} {
		s := newScreens(t)
		s.draw(profile)
		s.click("[name=save]")
		first := s.failed(order[0], "editProfile")
		second := s.failed(order[1], "")
		if first.Action.ID == 0 || first.Action != second.Action || first.Token != second.Token {
			t.Errorf("%q: %+v and %+v", order, first, second)
		}
	}
}

const twoScreens = profile + `<section id="orders"><form><input id="capture_orders_note" name="note"><button>Go</button></form></section>`

// A failure is about its screen's submission, or, without a screen, about the
// last one; one that is long past is about none.
func TestWhichSubmission(t *testing.T) {
	s := newScreens(t)
	s.draw(twoScreens)
	s.click("#editProfile [name=save]")
	s.forward(time.Second)
	s.click("#orders button")
	for screen, want := range map[string]session.Action{
		"editProfile": {ID: 1, Screen: "editProfile"},
		"orders":      {ID: 2, Screen: "orders"},
		"":            {ID: 2, Screen: "orders"},
		"signIn":      {},
	} {
		if got := s.failed("onCaptureSaveFailed", screen).Action; got != want {
			t.Errorf("screen %q: %+v, want %+v", screen, got, want)
		}
	}
	s.forward(submissionLife - time.Second)
	for screen, want := range map[string]uint64{"editProfile": 0, "orders": 2, "": 2} {
		if got := s.failed("onCaptureSaveFailed", screen).Action.ID; got != want {
			t.Errorf("a minute later, screen %q: action %d, want %d", screen, got, want)
		}
	}
}

// A form that the UI has answered is done with.
func TestAnsweredSubmission(t *testing.T) {
	tests := []struct{ event, payload string }{
		{"onCaptureSaveSuccess", `{"screen":"editProfile","status":"success"}`},
		{"onCaptureProfileSaveSuccess", `{"screen":"editProfile","status":"success","statusMessage":"profileSaved"}`},
		{"onCaptureSaveFailed", `{"screen":"editProfile","status":"error","statusMessage":"rateLimitExceeded"}`},
		{"onCaptureProfileSaveFailed", `{"screen":"editProfile","status":"error","statusMessage":"invalidCredentials"}`},
	}
	for _, test := range tests {
		t.Run(test.event, func(t *testing.T) {
			s := newScreens(t)
			s.draw(twoScreens)
			s.click("#orders button")
			s.click("#editProfile [name=save]")
			s.event(test.event, parse(t, test.payload), safejs.Undefined())
			if got := s.failed("onCaptureExpiredToken", "editProfile").Action; got != (session.Action{}) {
				t.Errorf("%+v, want none", got)
			}
			if got := s.failed("onCaptureExpiredToken", "orders").Action; got.Screen != "orders" {
				t.Errorf("the other screen: %+v", got)
			}
		})
	}
}

// After the user has sent a form anew, only the last time counts.
func TestSentAnew(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	s.click("[name=save]")
	first := s.failed("onCaptureSaveFailed", "editProfile").Action
	s.fill("[name=city]", "Rome")
	s.click("[name=save]")
	second := s.failed("onCaptureSaveFailed", "editProfile").Action
	if second.ID == first.ID {
		t.Fatal("the second submit is the first action")
	}
	s.Resume(first)
	if len(s.submits) != 2 {
		t.Error("the first was sent again")
	}
	s.Resume(second)
	if len(s.submits) != 3 || s.submits[2] != s.submits[1] {
		t.Errorf("submitted %q", s.submits)
	}
}

// The button that sent the form may have gone from it.
func TestSubmitterGone(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	s.click("[name=save]")
	ev := s.failed("onCaptureSaveFailed", "editProfile")
	call(t, s.find("[name=save]"), "remove")
	s.Resume(ev.Action)
	if want := []string{`[["displayName","Ann"],["city",""]]save`, `[["displayName","Ann"],["city",""]]`}; !slices.Equal(s.submits, want) {
		t.Errorf("submitted %q, want %q", s.submits, want)
	}
	s.warnings.silent(t)
}

// Controls that cannot be read or written, such as a custom element's, do not
// keep the others from being filled.
func TestFormThatThrows(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	s.fill("[name=city]", "Rome")
	s.click("[name=save]")
	ev := s.failed("onCaptureSaveFailed", "editProfile")
	s.draw(profile)
	define(t, s.find("[name=displayName]"), "value", map[string]any{"get": thrower(t), "set": thrower(t)})
	s.Resume(ev.Action)
	if got := text(get(s.find("[name=city]"), "value")); got != "Rome" {
		t.Errorf("the other field says %q", got)
	}
	alive(t)
}

// What cannot be repeated is said, and leaves the page alive.
func TestSubmitThrows(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	s.click("[name=save]")
	ev := s.failed("onCaptureSaveFailed", "editProfile")
	define(t, s.find("form"), "requestSubmit", map[string]any{"value": thrower(t)})
	s.Resume(ev.Action)
	s.warnings.only(t, "submit the form on editProfile again")
	if s.forms.sending != nil {
		t.Error("the user's next submit would be called a repetition")
	}
	alive(t)
}

// What the UI does to a form after a failed save is not the person's edit.
func TestResumeAfterTheUITouchedTheForm(t *testing.T) {
	s := newScreens(t)
	s.draw(`<section id="editProfile"><form>
		<input id="capture_editProfile_city" name="city" value="London">
		<input type="hidden" name="transaction" value="first">
		<input type="password" name="password" value="secret">
		<button>Save</button></form></section>`)
	s.click("button")
	ev := s.failed("onCaptureProfileSaveFailed", "editProfile")
	s.fill("[name=transaction]", "second")
	s.fill("[name=password]", "")
	s.Resume(ev.Action)
	if len(s.submits) != 2 || s.submits[1] != strings.Replace(s.submits[0], "first", "second", 1) {
		t.Errorf("submitted: %q", s.submits)
	}
}

// What is submitted while the token is dead is stopped before the UI hears of
// it, and sent as it stands when there is a good one.
func TestHold(t *testing.T) {
	dead := func(t *testing.T) *screens {
		s := newScreens(t)
		s.forms.dead = func() bool { return true }
		s.draw(profile)
		return s
	}
	t.Run("in place", func(t *testing.T) {
		s := dead(t)
		s.fill("[name=displayName]", "Bea")
		s.click("[name=save]")
		s.click("[name=save]") // the impatient
		if len(s.held) != 1 || s.held[0].ID == 0 || s.held[0].Screen != "editProfile" || s.held[0].Held != s.clock.now() {
			t.Fatalf("held %+v, want the one submit", s.held)
		}
		s.submitted(0)
		s.forward(time.Hour) // without a network
		s.fill("[name=city]", "Rome")
		s.Resume(s.held[0])
		s.submitted(1)
		if want := `[["displayName","Bea"],["city","Rome"]]save`; s.submits[0] != want {
			t.Errorf("sent %s, want %s", s.submits[0], want)
		}
		// It is the user's own submit, and no repetition.
		if ev := s.failed("onCaptureProfileSaveFailed", "editProfile"); ev.Action.Again || ev.Action.ID == s.held[0].ID {
			t.Errorf("%+v", ev.Action)
		}
		s.warnings.silent(t)
	})
	t.Run("redrawn meanwhile", func(t *testing.T) {
		s := dead(t)
		s.fill("[name=displayName]", "Bea")
		s.click("[name=save]")
		s.draw(profile)
		s.Resume(s.held[0])
		s.submitted(1)
		if want := `[["displayName","Bea"],["city",""]]save`; s.submits[0] != want {
			t.Errorf("sent %s, want %s", s.submits[0], want)
		}
	})
	t.Run("given up", func(t *testing.T) {
		s := dead(t)
		s.click("[name=save]")
		s.Abandon(s.held[0])
		s.Resume(s.held[0])
		s.submitted(0)
		s.click("[name=save]")
		if len(s.held) != 2 {
			t.Errorf("held %+v, want both", s.held)
		}
	})
	t.Run("a failure is never about what was held", func(t *testing.T) {
		s := dead(t)
		s.click("[name=save]")
		if ev := s.failed("onCaptureProfileSaveFailed", ""); ev.Action.ID != 0 {
			t.Errorf("%+v", ev.Action)
		}
		s.event("onCaptureProfileSaveSuccess", parse(t, `{"screen":"editProfile"}`), safejs.Undefined())
		s.Resume(s.held[0])
		s.submitted(1)
	})
	t.Run("a screen to sign in with", func(t *testing.T) {
		s := dead(t)
		for _, expires := range []string{"Thu, 01 Jan 1970 00:00:00 GMT", ""} {
			store(t, keyExpires, expires)
			s.event("onCaptureScreenShow", parse(t, `{"screen":"editProfile"}`), safejs.Undefined())
			s.click("[name=save]")
		}
		s.submitted(2)
		store(t, keyExpires, "Fri, 31 Dec 2100 00:00:00 GMT")
		s.event("onCaptureScreenShow", parse(t, `{"screen":"editProfile"}`), safejs.Undefined())
		s.click("[name=save]")
		s.submitted(2)
	})
	t.Run("too late to stop", func(t *testing.T) {
		s := dead(t)
		form := s.find("form")
		event := construct(t, "Event", "submit", map[string]any{"cancelable": true})
		call(t, form, "dispatchEvent", event) // not bubbling past the form's own listeners
		ev := s.event("submit", object(t, map[string]any{"event": event, "data": construct(t, "FormData", form), "token": oldToken}), safejs.Undefined())
		if ev != nil {
			t.Errorf("%+v", ev)
		}
	})
	t.Run("another's form", func(t *testing.T) {
		s := dead(t)
		s.draw(`<form><input name="q"><button>Search</button></form>`)
		s.click("button")
		s.submitted(1)
	})
}

// A form that was drawn anew is not filled over what was typed there since,
// nor without the file that it had, and one that was held is not brought back
// to a user who is long somewhere else.
func TestResumeRedrawnIsRefused(t *testing.T) {
	const withFile = `<section id="editProfile"><form><input id="capture_editProfile_photo" name="photo" type="file"><button>Save</button></form></section>`
	t.Run("edited since", func(t *testing.T) {
		s := newScreens(t)
		s.draw(profile)
		s.click("[name=save]")
		ev := s.failed("onCaptureProfileSaveFailed", "editProfile")
		s.draw(profile)
		typed := func(trusted bool) {
			s.forms.typing(object(t, map[string]any{"isTrusted": trusted, "target": map[string]any{"form": s.find("form")}}))
		}
		typed(true)
		s.Resume(ev.Action)
		s.submitted(1)
		s.warnings.only(t, "edited since")
	})
	t.Run("touched by a script alone", func(t *testing.T) {
		s := newScreens(t)
		s.draw(profile)
		s.click("[name=save]")
		ev := s.failed("onCaptureProfileSaveFailed", "editProfile")
		s.draw(profile)
		s.forms.typing(object(t, map[string]any{"isTrusted": false, "target": map[string]any{"form": s.find("form")}}))
		s.Resume(ev.Action)
		s.submitted(2)
	})
	t.Run("a file", func(t *testing.T) {
		s := newScreens(t)
		s.draw(withFile)
		s.click("button")
		ev := s.failed("onCaptureProfileSaveFailed", "editProfile")
		file := construct(t, "File", []any{"content"}, "photo.png")
		call(t, s.forms.sent[0].data, "set", "photo", file)
		s.draw(withFile)
		s.Resume(ev.Action)
		s.submitted(1)
		s.warnings.only(t, "has a file")
	})
	t.Run("held for long", func(t *testing.T) {
		s := newScreens(t)
		s.forms.dead = func() bool { return true }
		s.draw(profile)
		s.click("[name=save]")
		s.draw(``)
		s.forward(submissionLife)
		s.Resume(s.held[0])
		if len(s.ui.screens) > 0 {
			t.Errorf("the user was brought to %q", s.ui.screens)
		}
		s.warnings.only(t, "held for too long")
	})
}

// Two forms that the UI has to draw anew are both finished, in their order.
func TestResumeTwoRedrawn(t *testing.T) {
	const address = `<section id="address"><form><input id="capture_address_street" name="street"><button>Save</button></form></section>`
	s := newScreens(t)
	s.draw(profile)
	s.click("[name=save]")
	one := s.failed("onCaptureProfileSaveFailed", "editProfile")
	s.draw(address)
	s.fill("[name=street]", "Via Roma 1")
	s.click("button")
	two := s.failed("onCaptureProfileSaveFailed", "address")
	s.draw(``)
	s.Resume(one.Action)
	s.Resume(two.Action)
	s.draw(profile)
	s.drawn("editProfile")
	s.draw(address)
	s.drawn("address")
	want := []string{s.submits[0], s.submits[1], s.submits[0], s.submits[1]}
	if !slices.Equal(s.submits, want) {
		t.Errorf("submitted %q", s.submits)
	}
	s.warnings.silent(t)
}

// A submit that the loader kept for long is not what a failure of now is about.
func TestSubmittedLongAgo(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	form := s.find("form")
	submitted := func(ago time.Duration) {
		s.event("submit", object(t, map[string]any{
			"event": object(t, map[string]any{"target": form}), "data": construct(t, "FormData", form), "token": oldToken,
			"at": float64(s.clock.now().Add(-ago).UnixMilli()),
		}), safejs.Undefined())
	}
	submitted(submissionLife)
	if ev := s.failed("onCaptureProfileSaveFailed", "editProfile"); ev.Action.ID != 0 {
		t.Errorf("%+v is about a form of long ago", ev.Action)
	}
	submitted(submissionLife - time.Second)
	if ev := s.failed("onCaptureProfileSaveFailed", "editProfile"); ev.Action.ID == 0 {
		t.Error("a form of a moment ago is not found")
	}
}
