package session_test

import (
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// What happens to a form of the user's, from the press of the button to its one
// outcome.
func TestForms(t *testing.T) {
	on := func(id uint64, screen, form string, p *page) session.Submitted {
		return session.Submitted{ID: id, Screen: screen, Form: form, Token: p.state.View().Token, At: p.now}
	}
	dead := func(screen string) session.DeadToken {
		return session.DeadToken{Why: session.WhySaveFailed, Screen: screen}
	}
	renewed := []string{"mark", "adopt(alice-2)", "renewed:savefailed"}
	for _, tc := range []struct {
		name string
		play func(p *page)
	}{
		// --- Owner ---------------------------------------------------------------
		{"another user signs in before the refusal: not sent as them", func(p *page) {
			p.submits(1, "alice-1")
			p.otherTab("bob-1", life)
			p.on(dead(screen(1)), "identitychanged:other_user", "unfinished:other_user",
				"forget(1)", "signedin:signed_in")
		}},
		{"an unknown token appears before the refusal: not sent with it", func(p *page) {
			p.submits(1, "alice-1")
			p.writes("x-1")
			p.on(dead(screen(1)), "unfinished:new_token", "forget(1)", "open(x-1,)")
		}},
		{"of an unknown user: not sent when another session is proven", func(p *page) {
			p.on(session.Submitted{ID: 1, Screen: screen(1), Token: tok("x-1"), At: p.now})
			p.on(dead(screen(1)), "unfinished:unproven", "forget(1)")
		}},
		// --- Why -----------------------------------------------------------------
		{"saved, told without a screen, and then something else fails: not sent a second time", func(p *page) {
			p.submits(1, "alice-1")
			p.on(session.SaveAnswered{}, "finish(1)")
			p.on(session.DeadToken{Why: session.WhyExpired}, "ask:expired(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired")
		}},
		{"an event without a screen, long after: about something else", func(p *page) {
			p.submits(1, "alice-1")
			p.pass(20 * time.Second)
			p.on(session.DeadToken{Why: session.WhyExpired}, "ask:expired(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired")
		}},
		{"an event without a screen, and two forms: not clear which", func(p *page) {
			p.submits(1, "alice-1")
			p.submits(2, "alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired}, "ask:expired(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired")
		}},
		{"the UI moves on: closed", func(p *page) {
			p.submits(1, "alice-1")
			p.on(session.ScreenShown{Screen: "thanks"}, "finish(1)")
			p.on(dead(screen(1)), "ask:savefailed(alice-1)")
			p.yes("alice-2", append(renewed, "unfinished:no_form")...)
		}},
		{"two forms of one screen in place: the earlier failure is not forgotten", func(p *page) {
			p.on(on(1, "two", "first", p))
			p.on(dead("two"), "ask:savefailed(alice-1)")
			p.on(on(2, "two", "second", p))
			p.on(dead("two"))
			p.yes("alice-2", append(renewed, "repeat(1)", "repeat(2)")...)
		}},
		{"two forms of one screen fail together: both are sent again, when both have failed", func(p *page) {
			p.on(on(1, "two", "first", p))
			p.on(on(2, "two", "second", p))
			p.on(dead("two"), "ask:savefailed(alice-1)")
			p.on(dead("two"))
			p.yes("alice-2", append(renewed, "repeat(1)", "repeat(2)")...)
		}},
		{"of two forms of one screen one fails and one is saved: not clear which, told", func(p *page) {
			p.on(on(1, "two", "first", p))
			p.on(on(2, "two", "second", p))
			p.on(dead("two"), "ask:savefailed(alice-1)")
			p.on(session.SaveAnswered{Screen: "two"}, "unfinished:unclear", "forget(1)",
				"unfinished:unclear", "forget(2)")
			p.yes("alice-2", renewed...)
		}},
		{"a double click on Save: the second refusal is about the second request", func(p *page) {
			p.on(on(1, "editProfile", "f", p))
			p.on(on(2, "editProfile", "f", p), "finish(1)")
			p.on(dead("editProfile"), "ask:savefailed(alice-1)")
			p.yes("alice-2", append(renewed, "repeat(2)")...)
			p.on(dead("editProfile"))
			p.on(session.SaveAnswered{Screen: "editProfile"}, "finish(2)")
		}},
		{"a double click on Save, told without a screen", func(p *page) {
			p.on(on(1, "editProfile", "f", p))
			p.on(on(2, "editProfile", "f", p), "finish(1)")
			p.on(session.DeadToken{Why: session.WhyExpired}, "ask:expired(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired", "repeat(2)")
			p.on(session.DeadToken{Why: session.WhyExpired})
			p.on(session.SaveAnswered{}, "finish(2)")
		}},
		{"a double click on Save, and the token is refused after the renewal, too: told once", func(p *page) {
			p.on(on(1, "editProfile", "f", p))
			p.on(on(2, "editProfile", "f", p), "finish(1)")
			p.on(dead("editProfile"), "ask:savefailed(alice-1)")
			p.yes("alice-2", append(renewed, "repeat(2)")...)
			p.pass(3 * time.Second)
			p.on(dead("editProfile"), "unfinished:refused_again", "forget(2)", "renewerror:refused_again")
		}},
		{"sent with a token that died and anew with the next: one refusal says nothing of the second", func(p *page) {
			p.on(on(1, "editProfile", "f", p))
			p.otherTab("alice-2", life)
			p.on(session.StorageChanged{})
			p.on(on(2, "editProfile", "f", p), "finish(1)")
			p.pass(floor) // no form is known to wait
			p.on(dead("editProfile"), "ask:savefailed(alice-2)")
			p.yes("alice-3", "mark", "adopt(alice-3)", "renewed:savefailed")
			p.on(session.SaveAnswered{Screen: "editProfile"}, "unfinished:unclear", "forget(2)")
		}},
		{"left, and another form sent with the next token: a refusal is not about that", func(p *page) {
			p.submits(1, "alice-1")
			p.on(session.ScreenShown{Screen: screen(2)}, "finish(1)")
			p.otherTab("alice-2", life)
			p.on(session.StorageChanged{})
			p.submits(2, "alice-2")
			p.pass(floor) // no user is known to wait
			p.on(session.DeadToken{Why: session.WhyExpired}, "ask:expired(alice-2)")
			p.yes("alice-3", "mark", "adopt(alice-3)", "renewed:expired")
		}},
		{"sent again and refused again: told once", func(p *page) {
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.yes("alice-2", append(renewed, "repeat(1)")...)
			p.pass(3 * time.Second)
			p.on(dead(screen(1)), "unfinished:refused_again", "forget(1)", "renewerror:refused_again")
		}},
		// --- Told ----------------------------------------------------------------
		{"one more letter during the renewal: the user's own again", func(p *page) {
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.on(session.Edited{Screen: screen(1)}, "unfinished:edited", "forget(1)")
			p.yes("alice-2", renewed...)
		}},
		{"a UI without a form that could be seen: told", func(p *page) {
			p.on(session.ScreenShown{Screen: "editProfile"})
			p.on(session.UserActive{}, "activity")
			p.on(session.DeadToken{Why: session.WhyExpired, Handlers: 7}, "ask:expired(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired", "swallow(7)", "unfinished:no_form")
		}},
		{"a dead token that no user met is not told of", func(p *page) {
			p.on(session.DeadToken{Why: session.WhyExpired, Handlers: 7}, "ask:expired(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired", "swallow(7)")
		}},
		{"a repetition that cannot be made is told of, by its reason", func(p *page) {
			p.silent = true
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.yes("alice-2", append(renewed, "repeat(1)")...)
			p.on(session.Repeated{ID: 1, Result: session.RepeatFile}, "unfinished:file", "forget(1)")
		}},
		{"a repetition of which the browser says nothing has its bound", func(p *page) {
			p.silent = true
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.yes("alice-2", append(renewed, "repeat(1)")...)
			p.pass(15 * time.Second)
			p.on(session.Ticked{}) // so late that the browser's word may be on its way
			p.due(5*time.Second, "unfinished:gone", "forget(1)")
			p.on(session.Repeated{ID: 1}) // too late
		}},
		{"a held form is told of; an edit cancels it", func(p *page) {
			p.pass(life)
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.on(session.Edited{Screen: screen(1)}, "released:edited", "unfinished:edited", "forget(1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
		}},
		{"leaving the screen cancels a held form", func(p *page) {
			p.pass(life)
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.on(session.ScreenShown{Screen: "other"}, "released:left", "unfinished:left", "forget(1)")
		}},
		{"single sign-on of the same user: a held form is sent when the server says so", func(p *page) {
			p.pass(life)
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.refreshed("alice-2")
			p.yes("alice-2", "mark", "released:renewed", "repeat(1)")
		}},
		{"single sign-on of another user drops it, tells, and their session goes on", func(p *page) {
			p.pass(life)
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.refreshed("bob-1")
			p.yes("bob-1", "identitychanged:other_user", "mark", "released:other_user",
				"unfinished:other_user", "forget(1)", "signedin:signed_in")
			p.phase(session.Active)
		}},
		{"single sign-on, and the server does not answer in time: handed back", func(p *page) {
			p.pass(life)
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.refreshed("alice-2")
			p.pass(10 * time.Second)
			p.on(session.Ticked{}, "released:held_too_long", "handback(1)", "back(1)")
		}},
		{"another tab has renewed: what is held is sent", func(p *page) {
			p.pass(life)
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.otherTab("alice-2", life) // another tab has renewed
			p.on(session.StorageChanged{}, "cancel", "released:renewed", "repeat(1)")
		}},
		{"what was held and then fails may still be sent again, once", func(p *page) {
			p.pass(life)
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due", "released:renewed", "repeat(1)")
			p.pass(3 * time.Second)
			p.on(dead(screen(1)), "ask:savefailed(alice-2)")
			p.yes("alice-3", "mark", "adopt(alice-3)", "renewed:savefailed", "repeat(1)")
			p.pass(3 * time.Second)
			p.on(dead(screen(1)), "unfinished:refused_again", "forget(1)", "renewerror:refused_again")
		}},
		// --- Screens ---------------------------------------------------------------
		{"a denied screen is not drawn over what the user has typed since", func(p *page) {
			p.on(session.ScreenDenied{Screen: "editProfile"}, "ask:denied(alice-1)")
			p.on(session.Edited{Screen: "comments"}, "unfinished:edited")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:denied")
		}},
		{"a denied screen is not drawn over what the user has typed before", func(p *page) {
			p.on(session.ScreenShown{Screen: "comments"})
			p.on(session.Edited{Screen: "comments"})
			p.on(session.ScreenDenied{Screen: "editProfile"}, "unfinished:edited", "ask:denied(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:denied")
		}},
		{"a screen that could not be loaded is drawn", func(p *page) {
			p.on(session.ScreenShown{Screen: "editProfile"})
			p.on(blank("editProfile"), "ask:savefailed(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:savefailed", "show(editProfile)")
			p.on(session.ScreenShown{Screen: "editProfile"})
			p.on(blank("editProfile"), "unfinished:refused_again", "renewerror:refused_again")
		}},
		{"a screen that could not be loaded is not drawn over another", func(p *page) {
			p.on(session.ScreenShown{Screen: "comments"})
			p.on(blank("editProfile"), "ask:savefailed(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:savefailed", "unfinished:no_form")
		}},
		{"a screen that could not be loaded is not drawn for another user", func(p *page) {
			p.on(session.ScreenShown{Screen: "editProfile"})
			p.on(blank("editProfile"), "ask:savefailed(alice-1)")
			p.otherTab("bob-1", life)
			p.on(session.StorageChanged{}, "cancel", "identitychanged:other_user",
				"unfinished:other_user", "signedin:signed_in")
		}},
		{"a denial that names no screen is of the one that was wanted", func(p *page) {
			p.on(session.ScreenWanted{Screen: "editProfile"})
			p.on(session.ScreenDenied{}, "ask:denied(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:denied", "show(editProfile)")
		}},
		{"a denied screen is not drawn for a user who has gone elsewhere", func(p *page) {
			p.on(session.ScreenDenied{Screen: "editProfile"}, "ask:denied(alice-1)")
			p.on(session.ScreenWanted{Screen: "publicProfile"})
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:denied")
		}},
		{"a denied screen is left to the page where nothing is to be sent again", func(p *page) {
			p.policy.Resubmit = false
			p.on(session.ScreenDenied{Screen: "editProfile"}, "ask:denied(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:denied", "unfinished:resubmit_off")
		}},
		{"the screen that was wanted long ago is not drawn for a later denial", func(p *page) {
			p.on(session.ScreenWanted{Screen: "editProfile"})
			p.on(session.ScreenShown{Screen: "editProfile"})
			p.pass(time.Minute)
			p.on(session.ScreenDenied{}, "ask:denied(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:denied")
		}},
		{"a second user's screen is drawn, although the first one's was", func(p *page) {
			p.on(session.ScreenDenied{Screen: "editProfile"}, "ask:denied(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:denied", "show(editProfile)")
			p.pass(2 * time.Second)
			p.otherTab("bob-1", life)
			p.on(session.StorageChanged{}, "identitychanged:other_user", "signedin:signed_in")
			p.pass(urgentFloor)
			p.on(session.ScreenDenied{Screen: "editProfile"}, "ask:denied(bob-1)")
			p.yes("bob-2", "mark", "adopt(bob-2)", "renewed:denied", "show(editProfile)")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPage(t)
			p.active("alice-1")
			tc.play(p)
		})
	}
}

// blank is a dead token that the UI met when it loaded a screen.
func blank(screen string) session.DeadToken {
	return session.DeadToken{Why: session.WhySaveFailed, Screen: screen, Blank: true}
}

// refreshed is single sign-on that replaces the token.
func (p *page) refreshed(token string) {
	p.t.Helper()
	p.writes(token)
	p.on(session.TokenSeen{Token: tok(token), UUID: uuidOf(token), Login: true, Refreshed: true},
		"cancel", "open("+token+","+uuidOf(token)+")")
}

// Limits are the session's, and only the server moves one that has passed.
func TestLimitsOfASession(t *testing.T) {
	for _, tc := range []struct {
		name string
		play func(p *page)
	}{
		{"a key after a laptop slept past the idle limit asks the server", func(p *page) {
			p.idle = 10 * time.Minute
			p.active("alice-1")
			p.sleep(20 * time.Minute)
			p.on(session.UserActive{}, "ask:wake(alice-1)")
			p.no(noSession, "expired:idle_limit", "mark:idle_limit", "drop")
		}},
		{"who chooses to stay after the limit is told by the server's word", func(p *page) {
			p.policy.IdleWarning = time.Minute
			p.idle = 10 * time.Minute
			p.active("alice-1")
			p.sleep(20 * time.Minute)
			p.on(session.StayAsked{}, "ask:request(alice-1)")
			p.life = 40 * time.Minute
			p.yes("alice-1", "mark", "stayed:request")
			p.pass(time.Minute)
			p.on(session.Wanted{ID: 1, Fresh: true}, "ask:request(alice-1)")
			p.yes("alice-1", "mark", "settle[1]=alice-1") // not told again
		}},
		{"input moves the limit by this session's word, not by the last one's", func(p *page) {
			p.idle = time.Hour
			p.active("alice-1")
			p.idle = 10 * time.Minute
			p.login("bob-1", "open(bob-1,uuid-bob)")
			p.yes("bob-1", "mark", "signedin:signed_in")
			p.pass(time.Minute)
			p.on(session.UserActive{}, "activity")
			if left := p.state.View().Idle.Sub(p.now); left != 10*time.Minute {
				p.t.Errorf("believes in %v; the server gives 10 minutes", left)
			}
		}},
		{"a tab that takes up another's token takes up its limits", func(p *page) {
			p.active("alice-1")
			p.otherTab("alice-2", life)
			p.store.Mark.Idle, p.store.Mark.Absolute = p.now.Add(10*time.Minute).Wall(), p.now.Add(20*time.Minute).Wall()
			p.on(session.StorageChanged{})
			v := p.state.View()
			if v.Idle.Sub(p.now) != 10*time.Minute || v.Absolute.Sub(p.now) != 20*time.Minute {
				p.t.Errorf("believes in %v and %v", v.Idle.Sub(p.now), v.Absolute.Sub(p.now))
			}
			p.pass(5 * time.Minute)
			p.on(session.UserActive{}, "activity")
			if left := p.state.View().Idle.Sub(p.now); left != 10*time.Minute {
				p.t.Errorf("after input it believes in %v; the server gives 10 minutes", left)
			}
		}},
		{"a limit that has moved is warned of again when it is near", func(p *page) {
			p.policy.IdleWarning = 2 * time.Minute
			p.active("alice-1")
			asked := func(want ...string) {
				p.pass(time.Minute)
				p.on(session.Wanted{ID: 1, Fresh: true}, "ask:request(alice-1)")
				p.yes("alice-1", append(append([]string{"mark"}, want...), "settle[1]=alice-1")...)
			}
			for range 2 {
				p.idle, p.absolute = time.Minute, time.Minute
				asked("warning:idle_limit", "warning:absolute_limit")
				p.idle, p.absolute = time.Hour, time.Hour
				asked()
			}
		}},
		{"the next session's limits are warned of, and not the last one's", func(p *page) {
			p.policy.IdleWarning = 2 * time.Minute
			p.absolute = 6 * time.Minute
			p.active("alice-1")
			p.store.Token, p.store.Expires = session.Token{}, session.Instant{}
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
			p.yes("", "mark:ended")
			p.absolute = 0
			p.login("bob-1", "unmark", "open(bob-1,uuid-bob)")
			p.yes("bob-1", "mark", "signedin:signed_in")
			p.pass(5 * time.Minute)
			p.on(session.Ticked{})
			p.absolute = time.Minute
			p.login("bob-2", "open(bob-2,uuid-bob)")
			p.yes("bob-2", "mark", "warning:absolute_limit")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.play(newPage(t)) })
	}
}
