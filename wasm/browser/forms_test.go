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
	// submits are the values of each submit event that the UI hears of, and its
	// submitter's name.
	submits []string
	// dead: what is submitted now can only fail. deaf: the UI does not listen.
	dead, deaf bool
	// sent and edits are what the session hears, repeated what comes of
	// repetitions.
	sent     []session.Submitted
	edits    []session.Edited
	repeated chan session.Repeated
	// given are the screens of what was given up.
	given []string
}

func newScreens(t *testing.T) *screens {
	t.Helper()
	p, c := newPage(t, safejs.Undefined())
	s := &screens{
		page: p, clock: c, t: t, ui: fakeUI(t), warnings: hear(t, "warn"), repeated: make(chan session.Repeated, 8),
	}
	p.forms.holds = func(string) bool { return s.dead }
	p.forms.post = func(ev session.Event) {
		switch ev := ev.(type) {
		case session.Edited:
			s.edits = append(s.edits, ev)
		case session.Repeated:
			s.repeated <- ev
		case session.GivenUp:
			s.given = append(s.given, ev.Screen)
		}
	}
	if err := p.forms.watch(lives(t, safejs.Undefined())); err != nil {
		t.Fatal(err)
	}
	store(t, keyToken, oldToken)
	s.area = call(t, document(), "createElement", "main")
	call(t, get(document(), "body"), "append", s.area)
	t.Cleanup(func() { call(t, s.area, "remove") })
	s.hearSubmits()
	return s
}

func (s *screens) hearSubmits() {
	t := s.t
	// As the loader does, before any other listener hears of it.
	submit := function(t, func(args []safejs.Value) any {
		payload := map[string]any{"event": args[0],
			"data": construct(t, "FormData", get(args[0], "target")), "token": stored(t, keyToken)}
		if ev, ok := s.event("submit", made(t, payload), safejs.Undefined()).(session.Submitted); ok {
			s.sent = append(s.sent, ev)
		}
		return nil
	})
	// The UI hears of it later, and sends the form itself.
	sent := function(t, func(args []safejs.Value) any {
		if s.deaf {
			return nil
		}
		call(t, args[0], "preventDefault")
		data := construct(t, "FormData", get(args[0], "target"))
		s.submits = append(s.submits,
			spell(call(t, path("Array"), "from", data))+text(get(get(args[0], "submitter"), "name")))
		return nil
	})
	for listener, capture := range map[*safejs.Value]bool{&submit: true, &sent: false} {
		call(t, document(), "addEventListener", "submit", *listener, capture)
		t.Cleanup(func() { call(t, document(), "removeEventListener", "submit", *listener, capture) })
	}
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

// fill sets the value of a field, before it is submitted or as a UI's script.
func (s *screens) fill(selector, value string) {
	s.t.Helper()
	assign(s.find(selector), "value", value)
}

// types is what the browser tells of a person who types in a field.
func (s *screens) types(selector, value string) {
	s.t.Helper()
	s.fill(selector, value)
	s.forms.input(made(s.t, map[string]any{"isTrusted": true, "target": s.find(selector)}))
}

func (s *screens) says(selector, want string) {
	s.t.Helper()
	if got := text(get(s.find(selector), "value")); got != want {
		s.t.Errorf("%s says %q, want %q", selector, got, want)
	}
}

func (s *screens) click(selector string) {
	s.t.Helper()
	call(s.t, s.find(selector), "click")
}

// save submits by a button and returns the id of what was submitted.
func (s *screens) save(selector string) uint64 {
	s.t.Helper()
	before := len(s.sent)
	s.click(selector)
	if len(s.sent) != before+1 {
		s.t.Fatalf("%d submits were reported, want 1", len(s.sent)-before)
	}
	return s.sent[before].ID
}

// over waits until all have dealt with the event of now. No wait of Go's will
// do: after a pause of the machine it ends before the browser has a turn.
func (s *screens) over() {
	done := make(chan struct{})
	s.forms.afterwards.do(func() { close(done) })
	<-done
}

// again repeats a submission with the token in storage, and fails the test
// unless this is what comes of it, once.
func (s *screens) again(id uint64, want session.RepeatResult) {
	s.t.Helper()
	s.Repeat(id, session.NewToken(stored(s.t, keyToken)))
	s.comes(id, want)
}

func (s *screens) comes(id uint64, want session.RepeatResult) {
	s.t.Helper()
	if got, want := <-s.repeated, (session.Repeated{ID: id, Result: want}); got != want {
		s.t.Fatalf("repeated %+v, want %+v", got, want)
	}
	if len(s.repeated) > 0 {
		s.t.Fatalf("then %+v", <-s.repeated)
	}
}

// submitted fails the test unless the UI heard of so many submits, all of the
// same values.
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

// impatient makes waiting short, for what never comes.
func (s *screens) impatient() {
	s.forms.redrawWithin, s.forms.equalWithin = 150*time.Millisecond, 150*time.Millisecond
}

const profile = `<section id="editProfile"><form>
	<input id="capture_editProfile_displayName" name="displayName" value="Ann">
	<input id="capture_editProfile_city" name="city">
	<button name="save" value="1">Save</button><button name="other">Other</button>
</form></section>`

// The form is still there: it is sent once more, as it is, by the same button,
// and what the user has in focus stays there.
func TestRepeatInPlace(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	s.fill("[name=displayName]", "Bea")
	call(t, s.find("[name=city]"), "focus")
	id := s.save("[name=save]")
	want := session.Submitted{
		ID: 1, Screen: "editProfile", Form: "|displayName,city,save,other|0",
		Token: session.NewToken(oldToken), At: s.clock.now(),
	}
	if s.sent[0] != want {
		t.Fatalf("reported %+v, want %+v", s.sent[0], want)
	}
	store(t, keyToken, newToken)
	s.again(id, session.RepeatSent)
	s.submitted(2)
	if s.submits[1] != `[["displayName","Bea"],["city",""]]save` {
		t.Errorf("submitted %s", s.submits[1])
	}
	if focus := text(get(get(document(), "activeElement"), "name")); focus != "city" {
		t.Errorf("the focus is on %q", focus)
	}
	if len(s.sent) != 1 {
		t.Errorf("the repetition is reported as the user's: %+v", s.sent)
	}
	s.Forget(id)
	s.again(id, session.RepeatGone)
	s.submitted(2)
	if len(s.ui.screens) > 0 {
		t.Errorf("screens were shown: %q", s.ui.screens)
	}
	s.warnings.silent(t)
	// What the user sends next is theirs.
	if next := s.save("[name=save]"); next == id {
		t.Error("it has the id of the first")
	}
}

func TestRepeatWithoutSubmitter(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	call(t, s.find("form"), "requestSubmit")
	s.again(s.sent[0].ID, session.RepeatSent)
	s.submitted(2)
	if !strings.HasSuffix(s.submits[1], "]") {
		t.Errorf("a button sent it: %s", s.submits[1])
	}
}

// The user went on typing: what they typed stays, and nothing is sent.
func TestRepeatEdited(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	id := s.save("[name=save]")
	s.types("[name=city]", "R")
	s.types("[name=city]", "Rome")
	if want := []session.Edited{{Screen: "editProfile", Form: s.sent[0].Form}}; !slices.Equal(s.edits, want) {
		t.Errorf("reported %+v, want %+v", s.edits, want)
	}
	s.again(id, session.RepeatEdited)
	s.submitted(1)
	s.says("[name=city]", "Rome")
}

// A password that is half typed is the user's edit, as everything else is, and
// also while the form is being filled again.
func TestRepeatEditedWhileRepeating(t *testing.T) {
	const html = `<section id="editProfile"><form>` +
		`<input type="password" id="capture_editProfile_password" name="password">
		<select name="canton"></select><button>Save</button></form></section>`
	s := newScreens(t)
	s.draw(html)
	s.fill("[name=password]", "Correct-Horse-1")
	s.draw(strings.Replace(html, "<select name=\"canton\">", "<select name=\"canton\"><option>Uri", 1))
	s.fill("[name=password]", "Correct-Horse-1")
	id := s.save("button")
	s.draw(html) // its list never comes
	s.Repeat(id, session.NewToken(oldToken))
	s.says("[name=password]", "Correct-Horse-1")
	s.types("[name=password]", "Bat")
	s.comes(id, session.RepeatEdited)
	s.submitted(1)
	s.says("[name=password]", "Bat")
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
	<input type="checkbox" name="locked" disabled>
	<input type="radio" name="pay" value="card" checked>
	<input type="radio" name="pay" value="cash">
	<select name="country"><option>it</option><option>fr</option></select>
	<select name="tongues" multiple><option selected>en</option><option>de</option><option>es</option></select>
	<input type="file" name="picture">
	<fieldset name="set"><input name="inner"></fieldset>
	<input value="nameless">
	<div contenteditable="true" id="rich"><b>drawn</b></div>
	<button name="save" value="1">Save</button>
</form><input name="outer" form="capture_tied"></section>`

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
	assign(s.find("[name=locked]"), "checked", true)
	s.click("[value=cash]")
	s.fill("[name=country]", "fr")
	for i, selected := range []bool{false, true, true} {
		assign(s.find(fmt.Sprintf("[name=tongues] option:nth-child(%d)", i+1)), "selected", selected)
	}
	s.choose("[name=picture]", "photo.png")
	s.fill("[name=inner]", "deep")
	assign(s.find("#rich"), "innerHTML", "<i>Bea</i> was here")
}

// choose gives a file input a file, as a user would.
func (s *screens) choose(selector, name string) {
	s.t.Helper()
	transfer := construct(s.t, "DataTransfer")
	call(s.t, get(transfer, "items"), "add", construct(s.t, "File", []any{"content"}, name))
	assign(s.find(selector), "files", get(transfer, "files"))
}

// filled is what they sent.
const filled = `[["displayName","Bea"],["line","first"],["line","second"],` +
	`["transaction","first"],["about","two\nlines"],` +
	`["password","p4ss"],["age","42"],["born","2000-02-29"],["news","weekly"],["terms","on"],` +
	`["pay","cash"],["country","fr"],` +
	`["tongues","de"],["tongues","es"],["picture",{}],["inner","deep"]]save`

// The screen is drawn anew: it gets back everything, and is sent once.
func TestRepeatRedrawn(t *testing.T) {
	// When the UI is done: within renderScreen, later, or it had drawn by
	// itself before we asked.
	for _, when := range []string{"at once", "later", "before"} {
		t.Run(when, func(t *testing.T) {
			s := newScreens(t)
			s.draw(fmt.Sprintf(everything, "first"))
			s.fillEverything()
			call(t, s.find("#secret"), "focus")
			id := s.save("[name=save]")
			redraw := func() { s.draw(fmt.Sprintf(everything, "second")) }
			heard := s.hearChanges()
			switch when {
			case "at once":
				s.draw("")
				s.ui.draw = func(string) { redraw() }
			case "later":
				s.draw("")
				time.AfterFunc(3*lookEvery, redraw)
			case "before":
				redraw()
			}
			s.again(id, session.RepeatSent)
			if len(s.submits) != 2 || s.submits[0] != filled || s.submits[1] != filled {
				t.Fatalf("submitted\n%q, want twice\n%s", s.submits, filled)
			}
			var asked []string
			if when != "before" {
				asked = []string{"editProfile"}
			}
			if !slices.Equal(s.ui.screens, asked) {
				t.Errorf("the UI was asked for %q, want %q", s.ui.screens, asked)
			}
			if focus := text(get(get(document(), "activeElement"), "id")); focus != "secret" {
				t.Errorf("the focus is on %q", focus)
			}
			if !isTrue(get(s.find("[name=locked]"), "checked")) {
				t.Error("the ticked box that is disabled is not ticked any more")
			}
			if got := text(get(s.find("#rich"), "innerHTML")); got != "<i>Bea</i> was here" {
				t.Errorf("the editor says %q", got)
			}
			// The page's own scripts hear of it as if a person had typed.
			for _, field := range []string{"displayName", "line", "about", "password", "age",
				"born", "news", "terms", "pay", "country", "tongues", "picture", "inner"} {
				for _, event := range []string{"input ", "change "} {
					if !heard[event+field] {
						t.Errorf("no %sof %s", event, field)
					}
				}
			}
			s.warnings.silent(t)
		})
	}
}

func (s *screens) hearChanges() map[string]bool {
	changed := map[string]bool{}
	heard := function(s.t, func(args []safejs.Value) any {
		changed[text(get(args[0], "type"))+" "+text(get(get(args[0], "target"), "name"))] = true
		return nil
	})
	for _, name := range []string{"input", "change"} {
		call(s.t, s.area, "addEventListener", name, heard)
	}
	return changed
}

// A screen that never comes back is reported, and one that comes back later is
// not touched.
func TestRepeatNeverRedrawn(t *testing.T) {
	s := newScreens(t)
	s.impatient()
	s.draw(profile)
	id := s.save("[name=save]")
	s.draw("")
	s.again(id, session.RepeatGone)
	s.draw(profile)
	<-time.After(2 * lookEvery)
	s.submitted(1)
}

// What was forgotten meanwhile is not sent, and not reported.
func TestForgetWhileRepeating(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	id := s.save("[name=save]")
	s.draw("")
	s.Repeat(id, session.NewToken(oldToken))
	s.Forget(id)
	s.draw(profile)
	<-time.After(2 * lookEvery)
	s.submitted(1)
	if len(s.repeated) > 0 {
		t.Errorf("reported %+v", <-s.repeated)
	}
}

// What the redrawn form cannot say is not sent: what it can say stays on the
// screen.
func TestRepeatRedrawnOtherwise(t *testing.T) {
	for name, html := range map[string]string{
		"a field is gone": `<form id="editProfile">` +
			`<input id="capture_editProfile_displayName" name="displayName">` +
			`<button name="save" value="1">Save</button></form>`,
		"a field more": strings.Replace(profile, "<button", `<input name="since" value="kept"><button`, 1),
		"another order": `<section id="editProfile"><form><input id="capture_editProfile_city" name="city">
			<input id="capture_editProfile_displayName" name="displayName">` +
			`<button name="save" value="1">Save</button></form></section>`,
		"another button":        strings.Replace(profile, `name="save" value="1"`, `name="save" value="2"`, 1),
		"no button":             strings.Replace(profile, `<button name="save" value="1">Save</button>`, "", 1),
		"the field is disabled": strings.Replace(profile, `name="city"`, `name="city" disabled`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScreens(t)
			s.impatient()
			s.draw(profile)
			s.fill("[name=displayName]", "Bea")
			id := s.save("[name=save]")
			s.draw(html)
			s.again(id, session.RepeatChanged)
			s.submitted(1)
			s.says("[name=displayName]", "Bea")
		})
	}
}

// Values that the page's script adds, and files that cannot be chosen again,
// are part of what was sent.
func TestRepeatWithoutWhatAScriptAdds(t *testing.T) {
	s := newScreens(t)
	s.impatient()
	s.draw(profile)
	stars := "4"
	add := function(t,
		func(args []safejs.Value) any { call(t, get(args[0], "formData"), "append", "stars", stars); return nil })
	call(t, s.area, "addEventListener", "formdata", add)
	id := s.save("[name=save]")
	s.again(id, session.RepeatSent)
	stars = "" // as a redrawn widget has it
	s.draw(profile)
	s.again(id, session.RepeatChanged)
	s.submitted(2)
}

func TestRepeatFile(t *testing.T) {
	const html = `<section id="editProfile"><form><input id="capture_editProfile_photo" name="photo" type="file">
		<input name="title"><button>Save</button></form></section>`
	s := newScreens(t)
	s.impatient()
	s.draw(html)
	s.choose("[name=photo]", "photo.png")
	s.fill("[name=title]", "At sea")
	id := s.save("button")
	set(t, "DataTransfer", safejs.Undefined()) // a browser in which files cannot be set
	s.draw(html)
	s.again(id, session.RepeatFile)
	s.submitted(1)
	s.says("[name=title]", "At sea")
}

// A list that a script fills a moment after another field has changed is
// waited for, and then the next list.
func TestRepeatLateLists(t *testing.T) {
	const html = `<section id="editProfile"><form>` +
		`<select id="capture_editProfile_country" name="country"><option>at<option>ch</select>
		<select name="canton"></select><select name="town"></select><button>Save</button></form></section>`
	s := newScreens(t)
	lists := map[string][2]string{"country": {"canton", "<option>Bern<option>Uri"},
		"canton": {"town", "<option>Erstfeld<option>Altdorf"}}
	late := function(t, func(args []safejs.Value) any {
		if list, ok := lists[text(get(get(args[0], "target"), "name"))]; ok {
			time.AfterFunc(120*time.Millisecond, func() { assign(s.find("[name="+list[0]+"]"), "innerHTML", list[1]) })
		}
		return nil
	})
	s.draw(strings.NewReplacer(`"canton">`, `"canton"><option>Uri`, `"town">`, `"town"><option>Altdorf`).Replace(html))
	s.fill("[name=country]", "ch")
	id := s.save("button")
	call(t, s.area, "addEventListener", "change", late)
	s.draw(html)
	s.again(id, session.RepeatSent)
	s.submitted(2)
}

// A hidden field that a date picker had set gets back what it said, also when
// the picker's script meddles.
func TestRepeatHiddenField(t *testing.T) {
	const html = `<section id="editProfile"><form><input type="hidden" name="iso" value="1970-01-01">
		<input id="capture_editProfile_day" name="day"><button>Save</button></form></section>`
	s := newScreens(t)
	meddle := function(t, func(args []safejs.Value) any {
		if text(get(get(args[0], "target"), "name")) == "day" {
			s.fill("[name=iso]", "")
		}
		return nil
	})
	call(t, s.area, "addEventListener", "change", meddle)
	s.draw(html)
	s.fill("[name=iso]", "2000-02-29")
	s.fill("[name=day]", "29 Feb 2000")
	id := s.save("button")
	s.draw(html)
	s.again(id, session.RepeatSent)
	s.submitted(2)
}

// A framework that tracks values by a property of its own on each field (React)
// must find the field changed.
func TestRepeatTrackedValues(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	s.fill("[name=city]", "Rome")
	id := s.save("[name=save]")
	s.draw(profile)
	city, tracked := s.find("[name=city]"), ""
	own := function(t, func(args []safejs.Value) any { tracked = text(args[0]); return nil })
	define(t, city, "value",
		map[string]any{"set": own, "get": function(t, func([]safejs.Value) any { return tracked })})
	s.again(id, session.RepeatSent)
	s.submitted(2)
	if tracked != "" {
		t.Errorf("the tracker was told %q before the event", tracked)
	}
}

// React hears of a checkbox by its click.
func TestRepeatClicksBoxes(t *testing.T) {
	const html = `<section id="editProfile"><form>` +
		`<input type="checkbox" id="capture_editProfile_terms" name="terms"><button>Save</button></form></section>`
	s := newScreens(t)
	s.draw(html)
	s.click("[name=terms]")
	id := s.save("button")
	s.draw(html)
	clicks := 0
	call(t, s.find("[name=terms]"), "addEventListener", "click",
		function(t, func([]safejs.Value) any { clicks++; return nil }))
	s.again(id, session.RepeatSent)
	s.submitted(2)
	if clicks != 1 {
		t.Errorf("%d clicks", clicks)
	}
	if len(s.edits) > 0 {
		t.Errorf("our own click is reported: %+v", s.edits)
	}
}

// A form that was drawn a moment ago may have no listener yet: the browser must
// not send it by itself, which would leave the page.
func TestRepeatBeforeTheUIListens(t *testing.T) {
	const html = `<section id="editProfile"><form action="/elsewhere">` +
		`<input id="capture_editProfile_city" name="city"><button>Save</button></form></section>`
	s := newScreens(t)
	s.impatient()
	s.draw(html)
	id := s.save("button")
	s.over()
	s.deaf = true
	s.draw(html)
	heard := 0
	call(t, s.area, "addEventListener", "submit", function(t, func([]safejs.Value) any { heard++; return nil }))
	s.forms.equalWithin = 20 * lookEvery
	s.again(id, session.RepeatFailed)
	s.submitted(1)
	if heard > leastLooks {
		t.Errorf("the page's own listeners heard %d attempts in a second", heard)
	}
	s.forms.equalWithin = equalWithin
	s.Repeat(id, session.NewToken(oldToken))
	<-time.After(2 * lookEvery)
	s.deaf = false
	s.comes(id, session.RepeatSent)
	s.submitted(2)
}

// A library of old puts its own in the place of Array.from: what is compared
// must not depend on it.
func TestRepeatWithAnOldLibrary(t *testing.T) {
	s := newScreens(t)
	s.impatient()
	s.draw(profile)
	id := s.save("[name=save]")
	s.draw(strings.Replace(profile, "<button", `<input name="since" value="new"><button`, 1))
	define(t, path("Array"), "from",
		map[string]any{"value": function(t, func([]safejs.Value) any { return construct(t, "Array") })})
	s.again(id, session.RepeatChanged)
}

// Only the Registration UI's forms concern us.
func TestFormsOfOthers(t *testing.T) {
	tests := []struct{ name, html string }{
		{"a search", `<section id="editProfile"><form><input name="q"><button>Go</button></form></section>`},
		{"a field outside its screen",
			`<section id="elsewhere"><form><input id="capture_editProfile_city" name="city">` +
				`<button>Go</button></form></section>`},
		{"a screen with a name that begins alike",
			`<section id="edit"><form><input id="capture_editProfile_city" name="city">` +
				`<button>Go</button></form></section>`},
		{"no name", `<section id=""><form><input id="capture__city" name="city"><button>Go</button></form></section>`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newScreens(t)
			s.dead = true
			s.draw(test.html)
			s.click("button")
			s.submitted(1)
			s.types("input", "more")
			if len(s.sent)+len(s.edits) > 0 {
				t.Errorf("reported %+v %+v", s.sent, s.edits)
			}
			s.warnings.silent(t)
		})
	}
}

// hiders are names of fields that hide what a form, a document or an event has
// of its own: properties and methods that this package reads and calls.
var hiders = []string{
	"parentElement", "querySelector", "querySelectorAll", "elements", "id", "submit",
	"requestSubmit", "action", "method", "isConnected", "name", "length",
	"ownerDocument", "addEventListener", "dispatchEvent", "checkValidity", "noValidate", "closest",
	"matches", "localName", "tagName", "target", "contains",
	"getAttribute", "form", "value", "type", "checked", "constructor", "toString", "valueOf",
	"then", "hasOwnProperty", "__proto__", "childNodes", "innerHTML",
}

// A field may have any name: nothing hangs, throws or is lost, whether the form
// stays or is drawn anew.
func TestFieldsWithAnyName(t *testing.T) {
	for _, name := range hiders {
		html := fmt.Sprintf(`<section id="editProfile"><form><input id="capture_editProfile_city" name="city">
			<input id="capture_editProfile_x" name="%s"><img name="%[1]s"><button>Go</button>`+
			`</form><form name="%[1]s"></form></section>`, name)
		for _, redrawn := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, redrawn %t", name, redrawn), func(t *testing.T) {
				s := newScreens(t)
				s.draw(html)
				s.fill("#capture_editProfile_city", "Rome")
				s.fill("#capture_editProfile_x", "kept")
				id := s.save("button")
				if s.sent[0].Screen != "editProfile" {
					t.Fatalf("%+v", s.sent[0])
				}
				if redrawn {
					s.draw(html)
				}
				s.again(id, session.RepeatSent)
				s.submitted(2)
				if want := fmt.Sprintf(`[["city","Rome"],["%s","kept"]]`, name); s.submits[1] != want {
					t.Errorf("submitted %s, want %s", s.submits[1], want)
				}
				s.types("#capture_editProfile_x", "more")
				if len(s.edits) != 1 {
					t.Errorf("edits %+v", s.edits)
				}
				s.warnings.silent(t)
				alive(t)
			})
		}
	}
}

// Where a form stands and what its fields are called may differ.
func TestFormsFound(t *testing.T) {
	tests := []struct{ name, html string }{
		{"deep inside",
			`<section id="editProfile"><div><div id="inner"><form>` +
				`<input id="capture_editProfile_city" name="city"><button>Go</button></form></div></div></section>`},
		{"the form is the screen",
			`<form id="editProfile"><input id="capture_editProfile_city" name="city"><button>Go</button></form>`},
		{"not the first form",
			`<section id="editProfile"><form><input name="q"></form><form>` +
				`<input id="capture_editProfile_city" name="city"><button>Go</button></form></section>`},
		{"a screen inside a screen",
			`<section id="edit"><section id="editProfile"><form>` +
				`<input id="capture_editProfile_city" name="city"><button>Go</button></form></section></section>`},
		{"fields tied to the form from elsewhere",
			`<form id="tied"></form><section id="editProfile">` +
				`<input id="capture_editProfile_city" name="city" form="tied">` +
				`<button form="tied">Go</button></section>`},
		{"something else has the id",
			`<section id="editProfile"><form><div id="capture_editProfile_box">` +
				`<input name="city"></div><button>Go</button></form></section>`},
	}
	for _, test := range tests {
		for _, redrawn := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, redrawn %t", test.name, redrawn), func(t *testing.T) {
				s := newScreens(t)
				s.draw(test.html)
				s.fill("[name=city]", "Rome")
				id := s.save("button")
				if s.sent[0].Screen != "editProfile" {
					t.Fatalf("%+v", s.sent[0])
				}
				if redrawn {
					s.draw(test.html)
				}
				s.again(id, session.RepeatSent)
				s.submitted(2)
				s.warnings.silent(t)
			})
		}
	}
}

// Two forms of one screen are told apart, also when they are drawn anew: what
// was sent with one is never sent with the other.
func TestTwoFormsOfOneScreen(t *testing.T) {
	form := func(attributes, field, class string) string {
		return `<form` + attributes + `>` +
			`<input id="capture_editProfile_` + field + `" name="` + field + `"><input type="checkbox" name="news">
			<button class="` + class + `">Save</button></form>`
	}
	for name, html := range map[string]string{
		"other fields": form("", "city", "one") + form("", "phone", "two"),
		"other ids":    form(` id="a"`, "city", "one") + form(` id="b"`, "city", "two"),
		"alike":        form("", "city", "one") + form("", "city", "two"),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScreens(t)
			draw := func() { s.draw(`<section id="editProfile">` + html + `</section>`) }
			draw()
			s.click("form:first-of-type [name=news]")
			s.fill("form:last-of-type input", "second")
			id := s.save(".two")
			draw()
			s.click("form:first-of-type [name=news]")
			s.again(id, session.RepeatSent)
			s.submitted(2)
			if !isTrue(get(s.find("form:first-of-type [name=news]"), "checked")) {
				t.Error("the other form's box was unticked")
			}
		})
	}
	t.Run("one is missing", func(t *testing.T) {
		s := newScreens(t)
		s.impatient()
		s.draw(`<section id="editProfile">` + form("", "city", "one") + form("", "phone", "two") + `</section>`)
		id := s.save(".two")
		s.draw(`<section id="editProfile">` + form("", "city", "one") + `</section>`)
		s.again(id, session.RepeatGone)
		s.submitted(1)
	})
	t.Run("it may be either", func(t *testing.T) {
		s := newScreens(t)
		s.impatient()
		one := form("", "city", "one")
		s.draw(`<section id="editProfile">` + one + `</section>`)
		id := s.save(".one")
		s.draw(`<section id="editProfile">` + one + one + `</section>`)
		s.again(id, session.RepeatGone)
		s.submitted(1)
	})
}

// The button that sent the form may have gone from it: its name and value were
// part of what was sent.
func TestSubmitterGone(t *testing.T) {
	s := newScreens(t)
	s.impatient()
	s.draw(profile)
	id := s.save("[name=save]")
	call(t, s.find("[name=save]"), "remove")
	s.again(id, session.RepeatChanged)
	s.submitted(1)
	// A button without a name adds nothing.
	const plain = `<section id="editProfile"><form>` +
		`<input id="capture_editProfile_city" name="city"><button>Save</button></form></section>`
	s.draw(plain)
	id = s.save("button")
	call(t, s.find("button"), "remove")
	s.again(id, session.RepeatSent)
}

// A picture that sends the form sends the place of the click, too. One that
// stays says it again; one that was drawn anew was clicked nowhere.
func TestPicturesThatSend(t *testing.T) {
	const drawn = `<section id="editProfile"><form>` +
		`<input id="capture_editProfile_city" name="city"><input type="image" name="spot"></form></section>`
	clicked := func(s *screens, x int) uint64 {
		event := construct(t, "MouseEvent", "click",
			map[string]any{"bubbles": true, "cancelable": true, "clientX": x, "clientY": x})
		call(t, s.find("[name=spot]"), "dispatchEvent", event)
		return s.sent[len(s.sent)-1].ID
	}
	s := newScreens(t)
	s.impatient()
	s.draw(drawn)
	s.again(clicked(s, 400), session.RepeatSent)
	s.submitted(2)
	id := clicked(s, 400)
	somewhere := func(e formEntry) bool { return text(e.value) != "0" }
	redrawn := session.RepeatSent // Firefox gives a script's click no place
	if slices.ContainsFunc(addedBy(s.find("form"), s.find("[name=spot]")), somewhere) {
		redrawn = session.RepeatChanged
	}
	s.draw(drawn)
	s.again(id, redrawn)
	id = clicked(s, 400)
	sent := len(s.submits)
	define(t, path("HTMLFormElement", "prototype"), "requestSubmit", map[string]any{"value": safejs.Undefined()})
	s.again(id, session.RepeatFailed)
	s.submitted(sent)
}

// Controls that cannot be read or written, such as a custom element's, do not
// keep the others from being filled.
func TestFormThatThrows(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	s.fill("[name=city]", "Rome")
	id := s.save("[name=save]")
	s.draw(profile)
	for _, name := range []string{"value", "type", "name", "id"} {
		define(t, s.find("[name=displayName]"), name, map[string]any{"get": thrower(t), "set": thrower(t)})
	}
	s.again(id, session.RepeatSent)
	s.submitted(2)
	alive(t)
}

// A UI's form that cannot be sent again is reported, with the reason.
func TestRepeatRefused(t *testing.T) {
	t.Run("its own validation", func(t *testing.T) {
		s := newScreens(t)
		s.draw(profile)
		id := s.save("[name=save]")
		assign(s.find("[name=city]"), "required", true)
		s.again(id, session.RepeatInvalid)
		s.submitted(1)
	})
	t.Run("the browser throws", func(t *testing.T) {
		s := newScreens(t)
		s.draw(profile)
		id := s.save("[name=save]")
		define(t, path("HTMLFormElement", "prototype"), "requestSubmit", map[string]any{"value": thrower(t)})
		s.again(id, session.RepeatFailed)
		if present(s.forms.sending.form) {
			t.Error("the user's next submit would be taken for ours")
		}
		alive(t)
	})
	t.Run("no requestSubmit: the button is clicked", func(t *testing.T) {
		s := newScreens(t)
		s.draw(profile)
		id := s.save("[name=save]")
		define(t, path("HTMLFormElement", "prototype"), "requestSubmit", map[string]any{"value": safejs.Undefined()})
		s.again(id, session.RepeatSent)
		s.submitted(2)
	})
	t.Run("no requestSubmit, and every button adds something", func(t *testing.T) {
		s := newScreens(t)
		s.draw(profile)
		call(t, s.find("form"), "requestSubmit")
		define(t, path("HTMLFormElement", "prototype"), "requestSubmit", map[string]any{"value": safejs.Undefined()})
		s.again(s.sent[0].ID, session.RepeatFailed)
		s.submitted(1)
	})
}

// What the UI does to a form after a failed save is not the user's edit: the
// form says again what it said, and is sent.
func TestRepeatAfterTheUITouchedTheForm(t *testing.T) {
	s := newScreens(t)
	s.draw(`<section id="editProfile"><form>
		<input id="capture_editProfile_city" name="city" value="London">
		<input type="hidden" name="transaction" value="first">
		<input type="password" name="password" value="secret">
		<button>Save</button></form></section>`)
	s.fill("[name=city]", "Rome")
	id := s.save("button")
	s.fill("[name=transaction]", "second")
	s.fill("[name=password]", "")
	call(t, s.find("form"), "reset")
	s.again(id, session.RepeatSent)
	s.submitted(2)
	if len(s.edits) > 0 {
		t.Errorf("reported %+v", s.edits)
	}
}

// A widget that a person uses sets its field by a script: what changes around a
// click or a key is theirs.
func TestWidgetIsAnEdit(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	id := s.save("[name=save]")
	gesture := func(trusted bool, then func()) {
		s.forms.gesture(made(t, map[string]any{"isTrusted": trusted, "target": s.area}))
		then()
		s.over()
	}
	gesture(true, func() {})
	gesture(false, func() { s.fill("[name=city]", "by a script") })
	if len(s.edits) > 0 {
		t.Fatalf("reported %+v", s.edits)
	}
	gesture(true, func() { s.fill("[name=city]", "picked") })
	if len(s.edits) != 1 {
		t.Fatalf("reported %+v", s.edits)
	}
	s.again(id, session.RepeatEdited)
	s.submitted(1)
	s.says("[name=city]", "picked")
}

// A form is sent again only while the UI would send it with the token of the
// person with a proven session.
func TestRepeatWithAnothersToken(t *testing.T) {
	s := newScreens(t)
	s.impatient()
	s.draw(profile)
	id := s.save("[name=save]")
	s.Repeat(id, session.NewToken(newToken))
	s.comes(id, session.RepeatMoved)
	s.submitted(1)
	// The UI may take a moment to write the token that it was given.
	s.forms.equalWithin = equalWithin
	s.Repeat(id, session.NewToken(newToken))
	store(t, keyToken, newToken)
	s.comes(id, session.RepeatSent)
	s.submitted(2)
}

// Another user signs in while the screen is being drawn.
func TestRepeatWhileAnotherSignsIn(t *testing.T) {
	s := newScreens(t)
	s.impatient()
	s.draw(profile)
	id := s.save("[name=save]")
	s.draw("")
	s.Repeat(id, session.NewToken(oldToken))
	store(t, keyToken, "another-1")
	s.draw(profile)
	s.comes(id, session.RepeatMoved)
	s.submitted(1)
}

// What is submitted while the token is dead is stopped before the UI hears of
// it, and sent as it was when there is a good one.
func TestHold(t *testing.T) {
	held := func(t *testing.T) (*screens, uint64) {
		s := newScreens(t)
		s.dead = true
		s.draw(profile)
		s.fill("[name=displayName]", "Bea")
		id := s.save("[name=save]")
		s.submitted(0)
		if !s.sent[0].Held {
			t.Fatalf("%+v is not held", s.sent[0])
		}
		return s, id
	}
	const sent = `[["displayName","Bea"],["city",""]]save`
	t.Run("in place", func(t *testing.T) {
		s, id := held(t)
		s.again(id, session.RepeatSent)
		s.submitted(1)
		if s.submits[0] != sent {
			t.Errorf("sent %s, want %s", s.submits[0], sent)
		}
	})
	t.Run("redrawn meanwhile", func(t *testing.T) {
		s, id := held(t)
		s.draw(profile)
		s.again(id, session.RepeatSent)
		if s.submits[0] != sent {
			t.Errorf("sent %s, want %s", s.submits[0], sent)
		}
	})
	t.Run("edited meanwhile", func(t *testing.T) {
		s, id := held(t)
		s.types("[name=city]", "Rome")
		s.again(id, session.RepeatEdited)
		s.submitted(0)
	})
	t.Run("handed back", func(t *testing.T) {
		s, id := held(t)
		s.HandBack(id)
		s.submitted(1)
		if len(s.sent) != 1 {
			t.Errorf("it was held again: %+v", s.sent)
		}
	})
	t.Run("not handed back with another's token", func(t *testing.T) {
		s, id := held(t)
		store(t, keyToken, "another-1")
		s.HandBack(id)
		s.submitted(0)
	})
	t.Run("pressed twice", func(t *testing.T) {
		s, id := held(t)
		if second := s.save("[name=save]"); second == id || !s.sent[1].Held {
			t.Errorf("%+v", s.sent)
		}
		s.submitted(0)
	})
	t.Run("too late to stop", func(t *testing.T) {
		s, _ := held(t)
		form := s.find("form")
		event := construct(t, "Event", "submit", map[string]any{"cancelable": true})
		call(t, form, "dispatchEvent", event)
		payload := map[string]any{"event": event, "data": construct(t, "FormData", form), "token": oldToken}
		if ev := s.event("submit", made(t, payload), safejs.Undefined()).(session.Submitted); ev.Held {
			t.Errorf("%+v", ev)
		}
	})
}

// Drawing a screen must not wipe what the user types in another.
func TestNoScreenOverTypedText(t *testing.T) {
	const twoScreens = profile + `<section id="orders"><form>` +
		`<input id="capture_orders_note" name="note"><button>Go</button></form></section>`
	s := newScreens(t)
	s.draw(twoScreens)
	id := s.save("#editProfile [name=save]")
	call(t, s.find("#editProfile"), "remove")
	s.types("[name=note]", "half a sentence")
	s.again(id, session.RepeatGone)
	s.event("render", safejs.Undefined(), safejs.Undefined())
	s.ShowScreen("editProfile")
	if len(s.ui.screens) > 0 {
		t.Fatalf("the UI was asked for %q", s.ui.screens)
	}
	s.click("#orders button") // it is sent now
	s.ShowScreen("editProfile")
	if len(s.ui.screens) != 1 {
		t.Errorf("the UI was asked for %q", s.ui.screens)
	}
}

// Two forms that the UI has to draw anew are both finished.
func TestRepeatTwoRedrawn(t *testing.T) {
	const address = `<section id="address"><form>` +
		`<input id="capture_address_street" name="street"><button>Save</button></form></section>`
	s := newScreens(t)
	s.draw(profile)
	one := s.save("[name=save]")
	s.draw(address)
	s.fill("[name=street]", "Via Roma 1")
	two := s.save("button")
	s.draw(``)
	s.Repeat(one, session.NewToken(oldToken))
	s.Repeat(two, session.NewToken(oldToken))
	s.draw(profile)
	s.comes(one, session.RepeatSent)
	s.draw(address)
	s.comes(two, session.RepeatSent)
	want := []string{s.submits[0], s.submits[1], s.submits[0], s.submits[1]}
	if !slices.Equal(s.submits, want) {
		t.Errorf("submitted %q", s.submits)
	}
}

// A submit that the loader kept for long was caught then, with what the form
// said then: the UI may have emptied it since.
func TestSubmittedBeforeTheModule(t *testing.T) {
	s := newScreens(t)
	s.draw(fmt.Sprintf(everything, "first"))
	s.fillEverything()
	form := s.find("form")
	payload := map[string]any{
		"event": map[string]any{"target": form, "submitter": s.find("[name=save]")},
		"data":  construct(t, "FormData", form), "token": oldToken,
		"at": float64(s.clock.now().Add(-time.Minute).UnixMilli()),
	}
	s.draw(fmt.Sprintf(everything, "second"))
	call(t, form, "reset")
	ev := s.event("submit", made(t, payload), safejs.Undefined()).(session.Submitted)
	if got := s.clock.now().Sub(ev.At); got != time.Minute {
		t.Errorf("sent %v ago", got)
	}
	assign(s.find("#rich"), "innerHTML", "<b>drawn</b>")
	s.again(ev.ID, session.RepeatSent)
	if len(s.submits) != 1 || s.submits[0] != filled {
		t.Errorf("submitted %q, want %s", s.submits, filled)
	}
}

// A widget that takes its time: what it enters after a click is the user's, and
// stays. What the UI empties or resets, also after a click, is not.
func TestSlowWidgetIsAnEdit(t *testing.T) {
	for _, tc := range []struct {
		name string
		then func(s *screens)
		want session.RepeatResult
	}{
		{"it enters a value", func(s *screens) { s.fill("[name=city]", "picked") }, session.RepeatEdited},
		{"it enters one out of sight", func(s *screens) { s.fill("[name=iso]", "2001-01-01") }, session.RepeatEdited},
		{"it ticks a box", func(s *screens) { assign(s.find("[name=news]"), "checked", true) }, session.RepeatEdited},
		{"the UI resets the form", func(s *screens) { call(t, s.find("form"), "reset") }, session.RepeatSent},
		{"the UI empties a field", func(s *screens) { s.fill("[name=city]", "") }, session.RepeatSent},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScreens(t)
			s.draw(strings.Replace(profile, "<button",
				`<input type="hidden" name="iso"><input type="checkbox" name="news"><button`, 1))
			s.fill("[name=city]", "Rome")
			id := s.save("[name=save]")
			s.forms.gesture(made(t, map[string]any{"isTrusted": true, "target": s.area}))
			s.over()
			tc.then(s)
			s.again(id, tc.want)
		})
	}
}

// A form is sent by the button that the user pressed, or not at all: another
// one may delete the account.
func TestTheSameButton(t *testing.T) {
	const html = `<section id="editProfile"><form>` +
		`<input id="capture_editProfile_city" name="city">%s</form></section>`
	for _, tc := range []struct {
		name, drawn, redrawn string
		want                 session.RepeatResult
	}{
		{"alike", `<button>Save</button><button>Delete</button>`,
			`<button>Save</button><button>Delete</button>`, session.RepeatSent},
		{"in another place", `<button>Save</button><button>Delete</button>`,
			`<button>Delete</button><button>Save</button>`, session.RepeatSent},
		{"another one in its place", `<button>Save</button>`, `<button>Delete</button>`, session.RepeatChanged},
		{"it would send the form elsewhere", `<button>Save</button>`,
			`<button formaction="/delete">Save</button>`, session.RepeatChanged},
		{"with another value", `<button id="go" name="go" value="save">Save</button>`,
			`<button id="go" name="go" value="delete">Save</button>`, session.RepeatChanged},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScreens(t)
			s.impatient()
			s.draw(fmt.Sprintf(html, tc.drawn))
			id := s.save("button")
			pressed := ""
			call(t, document(), "addEventListener", "submit", function(t, func(args []safejs.Value) any {
				pressed = text(get(get(args[0], "submitter"), "textContent"))
				return nil
			}), map[string]any{"once": true})
			s.draw(fmt.Sprintf(html, tc.redrawn))
			s.again(id, tc.want)
			if sent := tc.want == session.RepeatSent; sent && pressed != "Save" || !sent && pressed != "" {
				t.Errorf("sent by %q", pressed)
			}
		})
	}
}

// What no form sends, but a script may: a field without a name that is not
// there any more, and what was typed into a component that keeps its fields to
// itself.
func TestRepeatWithoutWhatIsNotSent(t *testing.T) {
	for _, tc := range []struct{ name, html, redrawn, typed string }{
		{"a field without a name", `<input id="capture_editProfile_bio">`, ``, "#capture_editProfile_bio"},
		{"a component of its own", `<p class="bio"></p>`, `<p class="bio"></p>`, ".bio"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScreens(t)
			s.impatient()
			s.draw(strings.Replace(profile, "<button", tc.html+"<button", 1))
			s.types(tc.typed, "a life")
			id := s.save("[name=save]")
			s.draw(strings.Replace(profile, "<button", tc.redrawn+"<button", 1))
			s.again(id, session.RepeatChanged)
			s.submitted(1)
		})
	}
}

// A form that is handed back says what the user sent, or it is not sent, and
// the page is told.
func TestHandBackWhatTheUserSent(t *testing.T) {
	s := newScreens(t)
	var told []session.Event
	s.draw(profile)
	s.dead = true
	s.fill("[name=city]", "Rome")
	id := s.save("[name=save]")
	s.forms.post = func(ev session.Event) { told = append(told, ev) }
	s.fill("[name=city]", "Bern") // a script's doing
	s.HandBack(id)
	s.submitted(0)
	want := session.Event(session.GivenUp{Screen: "editProfile", Result: session.RepeatChanged})
	if !slices.Equal(told, []session.Event{want}) {
		t.Errorf("told %+v", told)
	}
	s.fill("[name=city]", "Rome")
	s.HandBack(id)
	s.submitted(1)
	if len(told) != 1 {
		t.Errorf("then told %+v", told[1:])
	}
}
