package session_test

import (
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// What an attacker or bad luck does to a form. In doubt it is not sent: the
// values stay on the screen, and the page is told.
func TestFormsInDoubt(t *testing.T) {
	renewed := []string{"mark", "adopt(alice-2)", "renewed:savefailed"}
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
		// --- Given up ------------------------------------------------------------
		{"the laptop slept since: what failed is not sent", func(p *page) {
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.sleep(8 * time.Hour)
			p.on(session.Woke{})
			p.yes("alice-2", append(renewed, "unfinished:held_too_long", "forget(1)")...)
		}},
		{"the laptop slept since, and another tab has renewed: what failed is not sent", func(p *page) {
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.sleep(8 * time.Hour)
			p.otherTab("alice-2", life)
			p.on(session.Woke{}, "cancel", "unfinished:held_too_long", "forget(1)")
		}},
		{"the laptop slept since: what is held is not sent", func(p *page) {
			p.pass(life)
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.sleep(8 * time.Hour)
			p.on(session.Woke{})
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due", "released:held_too_long",
				"unfinished:held_too_long", "forget(1)")
		}},
		{"the laptop slept without a network: what is held is not sent when there is one", func(p *page) {
			p.pass(life)
			p.store.Offline = true
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.no(unreachable, "mark:failed", "renewerror:offline")
			p.sleep(8 * time.Hour)
			p.pass(time.Second)
			p.store.Offline = false
			p.on(session.Woke{}, "ask:due(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due", "released:held_too_long",
				"unfinished:held_too_long", "forget(1)")
		}},
		{"the page was left, and came back: what failed is not sent", func(p *page) {
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.on(session.Left{}, "unfinished:left", "forget(1)")
			p.pass(30 * time.Second)
			p.on(session.Woke{})
			p.yes("alice-2", renewed...)
		}},
		{"the page was left, and came back: what is held is not sent", func(p *page) {
			p.pass(life)
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.on(session.Left{}, "released:left", "unfinished:left", "forget(1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
		}},
		{"the page was left while a form was on its way: a failure that is told later is only told", func(p *page) {
			p.submits(1, "alice-1")
			p.on(session.Left{}, "finish(1)")
			p.on(dead, "ask:savefailed(alice-1)")
			p.yes("alice-2", append(renewed, "unfinished:no_form")...)
		}},
		{"the clock was set forward: what is held is told", func(p *page) {
			p.pass(life)
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.stepClock(24 * time.Hour)
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due", "released:held_too_long",
				"unfinished:held_too_long", "forget(1)")
		}},
		{"the clock was set back: what is held has its bound all the same", func(p *page) {
			p.pass(life)
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.stepClock(-24 * time.Hour)
			p.pass(10 * time.Second)
			p.on(session.Ticked{}, "released:held_too_long", "handback(1)", "back(1)")
		}},
		// --- Once ----------------------------------------------------------------
		{"a form is sent again, the UI sends it once more, and that is refused: not sent a third time", func(p *page) {
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.yes("alice-2", append(renewed, "repeat(1)")...)
			p.on(session.Submitted{
				ID: 2, Screen: screen(1), Token: tok("alice-2"), At: p.now, Scripted: true,
			}, "finish(1)")
			p.pass(3 * time.Second)
			p.on(dead, "unfinished:refused_again", "forget(2)", "renewerror:refused_again")
		}},
		{"a form is sent again, its user sends it anew, and that is refused: sent again", func(p *page) {
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.yes("alice-2", append(renewed, "repeat(1)")...)
			p.pass(3 * time.Second)
			p.on(session.Submitted{ID: 2, Screen: screen(1), Token: tok("alice-2"), At: p.now}, "finish(1)")
			p.on(dead, "ask:savefailed(alice-2)")
			p.yes("alice-3", "mark", "adopt(alice-3)", "renewed:savefailed", "repeat(2)")
		}},
		// --- Told ----------------------------------------------------------------
		{"a form has failed, and something succeeds: not sent, and told", func(p *page) {
			for _, where := range []string{"", screen(1)} {
				p.fails(1, "alice-1", "ask:savefailed(alice-1)")
				p.on(session.SaveAnswered{Screen: where}, "unfinished:unclear", "forget(1)")
				p.yes("alice-2", renewed...)
				*p = *newPage(p.t)
				p.active("alice-1")
			}
		}},
		{"a form has failed, and something else is refused: it is sent", func(p *page) {
			for _, where := range []string{"", screen(1)} {
				p.fails(1, "alice-1", "ask:savefailed(alice-1)")
				p.on(session.SaveAnswered{Screen: where, Refused: true})
				p.yes("alice-2", append(renewed, "repeat(1)")...)
				p.on(session.SaveAnswered{Screen: where, Refused: true}, "finish(1)")
				*p = *newPage(p.t)
				p.active("alice-1")
			}
		}},
		{"a form is sent again, and the UI succeeds at once: finished", func(p *page) {
			p.silent = true
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.yes("alice-2", append(renewed, "repeat(1)")...)
			p.on(session.SaveAnswered{Screen: screen(1), Refused: true}) // of something else: it is not sent yet
			p.on(session.SaveAnswered{Screen: screen(1)}, "finish(1)")
			p.on(session.Repeated{ID: 1})
		}},
		{"a form is sent again, and the UI says nothing of it: told", func(p *page) {
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.yes("alice-2", append(renewed, "repeat(1)")...)
			p.due(5 * time.Second) // the UI has written the token
			p.due(55*time.Second, "unfinished:unclear", "forget(1)")
		}},
		{"a form is sent, and the UI says nothing of it: none of our business", func(p *page) {
			p.submits(1, "alice-1")
			p.due(time.Minute, "finish(1)")
		}},
		{"a success that is told twice and late closes no more than it can be about", func(p *page) {
			p.submits(1, "alice-1")
			p.on(session.SaveAnswered{Screen: screen(1)}, "finish(1)")
			p.fails(2, "alice-1", "ask:savefailed(alice-1)")
			p.on(session.SaveAnswered{Screen: screen(1)})
			p.yes("alice-2", append(renewed, "repeat(2)")...)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPage(t)
			p.active("alice-1")
			tc.play(p)
		})
	}
}
