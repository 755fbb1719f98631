//go:build js && wasm

package browser

import (
	"slices"
	"strings"
	"testing"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// What pages and persons do beside a form that is sent again.

// Who has gone on to another field keeps the cursor there: what they type is
// not meant for the form.
func TestFocusElsewhere(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	search := call(t, document(), "createElement", "input")
	call(t, get(document(), "body"), "append", search)
	t.Cleanup(func() { call(t, search, "remove") })
	call(t, s.find("#capture_editProfile_city"), "focus")
	id := s.save("[name=save]")
	s.draw(profile)
	call(t, search, "focus")
	s.again(id, session.RepeatSent)
	s.submitted(2)
	if !get(document(), "activeElement").Equal(search) {
		t.Error("the cursor was taken away")
	}
}

// A UI may draw the form anew because one of its fields has changed, while it
// is filled: that one is filled and sent.
func TestRedrawnWhileItIsFilled(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	s.fill("[name=displayName]", "Bea")
	s.fill("[name=city]", "Rome")
	id := s.save("[name=save]")
	s.draw(profile)
	times := 0
	call(t, s.area, "addEventListener", "change", function(t, func([]safejs.Value) any {
		if times++; times == 1 {
			s.draw(profile)
		}
		return nil
	}))
	s.again(id, session.RepeatSent)
	s.submitted(2)
}

// An editor keeps its text to itself and gives it to the form at the last
// moment. Drawn anew, it would give another than the user sent.
func TestEditorThatWritesAtTheLastMoment(t *testing.T) {
	const html = `<section id="editProfile"><form>
		<input id="capture_editProfile_city" name="city"><textarea name="story">drawn</textarea>
		<button>Save</button></form></section>`
	s := newScreens(t)
	s.impatient()
	text := ""
	draw := func() {
		s.draw(html)
		text = "drawn"
		call(t, s.find("form"), "addEventListener", "submit", function(t, func([]safejs.Value) any {
			s.fill("[name=story]", text)
			return nil
		}))
	}
	draw()
	text = "the user's"
	id := s.save("button")
	s.over()
	// In place the editor says the same again.
	s.again(id, session.RepeatSent)
	s.submitted(2)
	draw()
	s.again(id, session.RepeatChanged)
	s.submitted(2)
}

// What a person types in a frame, as in many editors, is a part of the form
// that cannot be read.
func TestFrameInAForm(t *testing.T) {
	s := newScreens(t)
	s.draw(strings.Replace(profile, "<button", "<iframe></iframe><button", 1))
	writes := func() {
		body := get(get(get(s.find("iframe"), "contentWindow"), "document"), "body")
		s.forms.input(made(t, map[string]any{"isTrusted": true, "target": body}))
	}
	id := s.save("[name=save]")
	writes()
	if want := []session.Edited{{Screen: "editProfile", Form: s.sent[0].Form}}; !slices.Equal(s.edits, want) {
		t.Fatalf("reported %+v, want %+v", s.edits, want)
	}
	s.again(id, session.RepeatEdited)
	s.again(s.save("[name=save]"), session.RepeatChanged)
	s.submitted(2)
}

// What was typed on a screen that is hidden by now keeps no other from being
// drawn; what is typed on one that is shown does, and the page is told.
func TestScreenOverHiddenText(t *testing.T) {
	s := newScreens(t)
	s.draw(profile)
	s.types("[name=city]", "Rome")
	s.event("render", safejs.Undefined(), safejs.Undefined())
	s.ShowScreen("orders")
	if len(s.ui.screens) > 0 || len(s.given) != 1 || s.given[0] != "orders" {
		t.Fatalf("the UI was asked for %q, and the page was told of %q", s.ui.screens, s.given)
	}
	assign(s.find("#editProfile"), "hidden", true)
	s.ShowScreen("orders")
	if len(s.ui.screens) != 1 || len(s.given) != 1 {
		t.Errorf("the UI was asked for %q, and the page was told of %q", s.ui.screens, s.given)
	}
}

// An app goes to another of its pages and takes the form, or the place of the
// screen, away: nothing is drawn there, and the page is told.
func TestAnAppGoesToAnotherPage(t *testing.T) {
	s := newScreens(t)
	s.event("render", safejs.Undefined(), safejs.Undefined())
	s.draw(profile)
	id := s.save("[name=save]")
	history, here := path("history"), address()
	t.Cleanup(func() { call(t, history, "replaceState", nil, "", here) })
	call(t, history, "replaceState", nil, "", "?elsewhere")
	s.draw("")
	s.again(id, session.RepeatGone)
	s.ShowScreen("editProfile")
	if len(s.ui.screens) > 0 || !slices.Equal(s.given, []string{"editProfile"}) {
		t.Errorf("the UI was asked for %q, and the page was told of %q", s.ui.screens, s.given)
	}
}
