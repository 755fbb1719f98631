package session_test

import (
	"testing"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// What an attacker or bad luck does to a form. In doubt it is not sent: the
// values stay on the screen, and the page is told.
func TestFormsInDoubt(t *testing.T) {
	dead := session.DeadToken{Why: session.WhySaveFailed, Screen: screen(1)}
	for _, tc := range []struct {
		name string
		play func(p *page)
	}{
		// --- Owner ---------------------------------------------------------------
		{"the page of one user sends with the token of another: held, and not sent as them", func(p *page) {
			p.pass(life)
			p.otherTab("bob-1", life) // and no event has told this tab
			p.on(session.Submitted{ID: 1, Screen: screen(1), Token: tok("bob-1"), At: p.now, Held: true},
				"identitychanged:other_user", "holding:expired", "released:other_user",
				"unfinished:other_user", "forget(1)", "signedin:signed_in")
		}},
		{"the page of one user sends with the token of another, which dies: not sent again", func(p *page) {
			p.otherTab("bob-1", life)
			p.on(session.Submitted{ID: 1, Screen: screen(1), Token: tok("bob-1"), At: p.now},
				"identitychanged:other_user", "signedin:signed_in")
			p.pass(floor)
			p.on(dead, "ask:savefailed(bob-1)")
			p.yes("bob-2", "mark", "adopt(bob-2)", "renewed:savefailed", "unfinished:other_user", "forget(1)")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPage(t)
			p.active("alice-1")
			tc.play(p)
		})
	}
}
