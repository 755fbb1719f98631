//go:build js && wasm

package browser

import (
	"strings"
	"testing"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// What an attacker or bad luck does to a form that is sent again. In doubt it
// is not sent: the values stay on the screen.

// A form that the UI has changed since it was sent is still the same form. Sent
// anew, it takes the place of what was sent before, or both would be saved.
func TestSameFormSentAnew(t *testing.T) {
	for name, change := range map[string]func(s *screens){
		"a button more": func(s *screens) {
			retry := call(t, document(), "createElement", "button")
			assign(retry, "type", "button")
			assign(retry, "name", "retry")
			call(t, s.find("form"), "append", retry)
		},
		"a form before it": func(s *screens) {
			before := call(t, document(), "createElement", "form")
			assign(before, "innerHTML", `<input id="capture_editProfile_q" name="q">`)
			call(t, s.find("form"), "before", before)
		},
		"drawn anew, with a button more": func(s *screens) {
			s.draw(strings.Replace(profile, "<button", `<button type="button" name="retry">R</button><button`, 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScreens(t)
			s.draw(profile)
			first := s.save("[name=save]")
			change(s)
			s.types("[name=city]", "Rome")
			if s.save("[name=save]"); s.sent[1].Form != s.sent[0].Form {
				t.Errorf("sent as %q, then as %q", s.sent[0].Form, s.sent[1].Form)
			}
			if len(s.edits) != 1 || s.edits[0].Form != s.sent[0].Form || first != s.sent[0].ID {
				t.Errorf("edits %+v", s.edits)
			}
		})
	}
}

// The UI may go on with our repetition later, by submits of its own: after a
// captcha, say. Those are not the user's.
func TestTheUISendsOnceMore(t *testing.T) {
	for name, person := range map[string]bool{"the UI": false, "the user": true} {
		t.Run(name, func(t *testing.T) {
			s := newScreens(t)
			s.draw(profile)
			sends := func() bool {
				call(t, s.find("form"), "requestSubmit")
				return s.sent[len(s.sent)-1].Scripted
			}
			if sends() || sends() {
				t.Error("the UI's, before it was sent again")
			}
			s.again(s.sent[1].ID, session.RepeatSent)
			if person {
				s.forms.gesture(made(t, map[string]any{"isTrusted": true, "target": s.area}))
			}
			if sends() == person || sends() == person {
				t.Errorf("%+v", s.sent[2:])
			}
		})
	}
}

// A listener that saves the form and lets the event go on cannot be told from
// one that is not there yet: the event is not sent time and again.
func TestListenerThatLetsTheEventGoOn(t *testing.T) {
	const html = `<section id="editProfile"><form action="javascript:void 0">` +
		`<input id="capture_editProfile_city" name="city"><button>Save</button></form></section>`
	for name, held := range map[string]bool{"sent": false, "held": true} {
		t.Run(name, func(t *testing.T) {
			s := newScreens(t)
			s.impatient()
			s.deaf, s.dead = true, held
			saves := 0
			listener := function(t, func([]safejs.Value) any { saves++; return nil })
			call(t, s.area, "addEventListener", "submit", listener)
			s.draw(html)
			id := s.save("button")
			s.over()
			s.draw(html)
			s.again(id, session.RepeatFailed)
			if saves != 1 {
				t.Errorf("saved %d times", saves)
			}
		})
	}
}

// Who closes the form, or the dialog that it is in, gives the save up.
func TestFormThatItsUserClosed(t *testing.T) {
	s := newScreens(t)
	s.impatient()
	s.draw(profile)
	id := s.save("[name=save]")
	assign(s.find("#editProfile"), "hidden", true)
	s.again(id, session.RepeatGone)
	s.submitted(1)
	// The UI may hide it for a moment.
	s.forms.equalWithin = equalWithin
	s.Repeat(id, session.NewToken(oldToken))
	assign(s.find("#editProfile"), "hidden", false)
	s.comes(id, session.RepeatSent)
}

// What the user typed after the press of the button and before the module was
// there stays, also in a form that was drawn anew; nothing is sent.
func TestEditedBeforeTheModule(t *testing.T) {
	for name, redrawn := range map[string]bool{"in place": false, "drawn anew": true} {
		t.Run(name, func(t *testing.T) {
			s := newScreens(t)
			s.draw(profile)
			s.fill("[name=city]", "Rome")
			form := s.find("form")
			payload := map[string]any{
				"event": map[string]any{"target": form, "submitter": s.find("[name=save]")},
				"data":  construct(t, "FormData", form), "token": oldToken,
			}
			if redrawn {
				s.draw(profile)
			}
			s.fill("[name=city]", "Bern")
			ev := s.event("submit", made(t, payload), safejs.Undefined()).(session.Submitted)
			s.again(ev.ID, session.RepeatEdited)
			if len(s.submits) > 0 {
				t.Errorf("sent %q", s.submits)
			}
			s.says("[name=city]", "Bern")
		})
	}
}
