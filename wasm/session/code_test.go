package session_test

import (
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// signsInByCode is a person signing in where responseType is code.
func (p *page) signsInByCode(code string, want ...string) {
	p.t.Helper()
	p.on(session.CodeSeen{Code: tok(code), RedirectURI: "https://site/"}, want...)
}

// loaderPosts is the loader posting a code itself, before the module tells of it.
func (p *page) loaderPosts(code string, want ...string) {
	p.t.Helper()
	p.on(session.CodeSeen{Code: tok(code), RedirectURI: "https://site/", Posted: true}, want...)
}

// activeByCode makes a page with a session that began with a code. In storage
// is what the policy wants there.
func (p *page) activeByCode(token string) {
	p.t.Helper()
	p.start("ask:start()")
	p.no(noCookie)
	p.signsInByCode("code-1", "exchange(code-1,https://site/)")
	if p.policy.OnDemand {
		p.yes(token, "mark", "renewed:start", "signedin:signed_in")
	} else {
		p.yes(token, "mark", "adopt("+token+")", "renewed:start", "signedin:signed_in")
	}
	p.phase(session.Active)
	p.pass(time.Minute)
}

// denied is the UI refusing a screen that needs a session.
func (p *page) denied(screen string, want ...string) {
	p.t.Helper()
	p.on(session.ScreenDenied{Screen: screen}, want...)
}

func TestCode(t *testing.T) {
	for _, tc := range []struct {
		name string
		play func(p *page)
	}{
		{"a code is posted once, however many events tell of it", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.signsInByCode("code-1", "exchange(code-1,https://site/)")
			p.signsInByCode("code-1")
			p.yes("alice-1", "mark", "adopt(alice-1)", "renewed:start", "signedin:signed_in")
			p.signsInByCode("code-1")
			p.phase(session.Active)
		}},
		{"a late 401 to the first question is ignored when a code came in between", func(p *page) {
			p.start("ask:start()")
			early := p.call()
			p.signsInByCode("code-1", "cancel", "exchange(code-1,https://site/)")
			p.answer(early, noCookie)
			p.yes("alice-1", "mark", "adopt(alice-1)", "renewed:start")
		}},
		{"a lost exchange is not repeated; what came of it is asked for once", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.signsInByCode("code-1", "exchange(code-1,https://site/)")
			p.no(unreachable, "renewerror:offline", "ask:start()")
			p.no(noCookie)
			p.phase(session.SignedOut)
			p.pass(time.Hour)
			p.on(session.Ticked{})
			p.on(session.Woke{})
			p.signsInByCode("code-1")
		}},
		{"a lost exchange that made a session all the same is found", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.signsInByCode("code-1", "exchange(code-1,https://site/)")
			p.no(portal, "renewerror:unintelligible", "ask:start()")
			p.yes("alice-1", "mark", "adopt(alice-1)", "renewed:start", "signedin:signed_in")
		}},
		{"a code that was used has perhaps made a session before", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.signsInByCode("code-1", "exchange(code-1,https://site/)")
			p.no(session.Answer{Why: session.WhyCodeUsed, Final: true}, "renewerror:code_used", "ask:start()")
			p.yes("alice-1", "mark", "adopt(alice-1)", "renewed:start", "signedin:signed_in")
		}},
		{"a refused code leaves the page signed out", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.signsInByCode("code-1", "exchange(code-1,https://site/)")
			p.no(notVouched, "renewerror:grant_refused")
			p.phase(session.SignedOut)
		}},
		{"a screen that was denied before the exchange was answered is shown after it", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.signsInByCode("code-1", "exchange(code-1,https://site/)")
			p.denied("editProfile")
			p.yes("alice-1", "mark", "adopt(alice-1)", "renewed:start", "show(editProfile)", "signedin:signed_in")
		}},
		{"a sign-out beats an exchange under way, and ends what comes of it", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.signsInByCode("code-1", "exchange(code-1,https://site/)")
			exchange := p.call()
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending")
			p.answer(exchange, p.grant("alice-1"), "end:signed_out")
			p.phase(session.Ended)
			p.yes("", "mark:ended")
		}},
		{"one user's form is not sent as the next one's", func(p *page) {
			p.activeByCode("alice-1")
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.no(unreachable, "mark:failed", "renewerror:offline")
			p.signsInByCode("code-2", "exchange(code-2,https://site/)", "unfinished:new_token", "forget(1)")
			p.yes("bob-1", "mark", "adopt(bob-1)", "renewed:start", "signedin:signed_in")
		}},
		{"a sign-out that the loader has seen through is told once", func(p *page) {
			p.store.Mark = session.Mark{Ending: true, Written: p.now.Wall()}
			p.start("end:signed_out")
			p.on(session.SignedOutSeen{Told: true}, "signedout:signed_out")
			p.on(session.SignedOutSeen{Told: true})
			p.yes("", "mark:ended")
		}},
		{"a sign-out that the loader has seen through does not end a login that came after it", func(p *page) {
			p.store.Mark = session.Mark{Ending: true, Written: p.now.Wall()}
			p.writes("alice-1")
			p.start("unmark", "open(alice-1,)")
			p.on(session.SignedOutSeen{Told: true})
			p.login("alice-1")
			p.yes("alice-1", "mark")
			p.phase(session.Active)
		}},
		{"who signs in again after a sign-out is signed in", func(p *page) {
			p.activeByCode("alice-1")
			p.store.Token = session.Token{}
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
			p.yes("", "mark:ended")
			p.signsInByCode("code-2", "unmark", "exchange(code-2,https://site/)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:start", "signedin:signed_in")
			p.phase(session.Active)
		}},
		{"a code that the loader has posted is not posted again, and its answer is taken once", func(p *page) {
			p.start("ask:start()")
			p.loaderPosts("code-1")
			p.on(session.HandedOff{Answer: p.grant("alice-1")}, "cancel", "mark", "adopt(alice-1)", "renewed:start")
			p.on(session.HandedOff{Answer: p.grant("alice-2")})
			p.signsInByCode("code-1")
			p.phase(session.Active)
		}},
		{"what came of a code that the loader has posted is asked for when no answer comes", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.loaderPosts("code-1")
			p.due(5*time.Second, "ask:start()")
			p.on(session.HandedOff{Answer: p.grant("alice-1")}, "cancel",
				"mark", "adopt(alice-1)", "renewed:start", "signedin:signed_in")
		}},
		{"a refusal of a code that the loader has posted is told, and not asked about again", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.loaderPosts("code-1")
			p.on(session.HandedOff{Answer: notVouched}, "renewerror:grant_refused")
			p.phase(session.SignedOut)
		}},
		{"an answer that comes after a sign-out, or to no code, signs no one in", func(p *page) {
			p.start("ask:start()")
			p.on(session.HandedOff{Answer: p.grant("alice-1")})
			p.no(noCookie)
			p.loaderPosts("code-1")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
			p.on(session.HandedOff{Answer: p.grant("alice-1")})
			p.phase(session.Ended)
		}},
		{"one user's form is not sent as the next one's, whose code the loader has posted", func(p *page) {
			p.activeByCode("alice-1")
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.loaderPosts("code-2", "unfinished:new_token", "forget(1)")
		}},
		{"what the last session left in storage is not taken for the new one's", func(p *page) {
			p.activeByCode("alice-1")
			p.signsInByCode("code-2", "exchange(code-2,https://site/)")
			p.on(session.StorageChanged{})
			p.phase(session.Opening)
			p.yes("bob-1", "mark", "adopt(bob-1)", "renewed:start", "signedin:signed_in")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.play(newPage(t)) })
	}
}

func TestOnDemand(t *testing.T) {
	for _, tc := range []struct {
		name string
		play func(p *page)
	}{
		{"a login puts no token into storage, and a renewal none", func(p *page) {
			p.activeByCode("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.yes("alice-2", "mark", "renewed:due")
			if !p.store.Token.Empty() {
				t.Error("a token is in storage")
			}
		}},
		{"the same token again is no event", func(p *page) {
			p.activeByCode("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.yes("alice-1", "mark")
		}},
		{"it is there while a screen needs it", func(p *page) {
			p.activeByCode("alice-1")
			p.denied("editProfile", "adopt(alice-1)", "show(editProfile)")
			p.on(session.ScreenShown{Screen: "accessDenied"}) // told late
			p.on(session.ScreenShown{Screen: "editProfile"})
			p.on(session.ScreenShown{Screen: "publicProfile"}, "withdraw")
			p.on(session.ScreenShown{Screen: "publicProfile"})
			// Now it is known to need one: the UI finds it there.
			p.on(session.ScreenWanted{Screen: "editProfile"}, "adopt(alice-1)")
			p.on(session.ScreenShown{Screen: "editProfile"})
			p.on(session.ScreenWanted{Screen: "publicProfile"})
			p.on(session.ScreenShown{Screen: "publicProfile"}, "withdraw")
		}},
		{"a renewal while it is needed reaches the UI", func(p *page) {
			p.activeByCode("alice-1")
			p.denied("editProfile", "adopt(alice-1)", "show(editProfile)")
			p.on(session.ScreenShown{Screen: "editProfile"})
			p.due(5 * time.Second) // looks once more at what the UI wrote
			p.due(firstDue-time.Minute-5*time.Second, "ask:due(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
			p.on(session.ScreenShown{Screen: "publicProfile"}, "withdraw")
		}},
		{"a page that is left leaves none behind, and has it when it comes back", func(p *page) {
			p.activeByCode("alice-1")
			p.denied("editProfile", "adopt(alice-1)", "show(editProfile)")
			p.on(session.ScreenShown{Screen: "editProfile"})
			p.on(session.Left{}, "withdraw")
			p.pass(time.Minute)
			p.on(session.Woke{}, "adopt(alice-1)")
			p.on(session.Woke{})
		}},
		{"what a page that crashed left behind is taken away", func(p *page) {
			p.activeByCode("alice-1")
			p.denied("editProfile", "adopt(alice-1)", "show(editProfile)")
			p.start("withdraw")
			p.phase(session.Active)
		}},
		{"a tab whose session has ended takes up the next one, though no token is in storage", func(p *page) {
			p.activeByCode("alice-1")
			p.store.Mark = session.Mark{Ending: true, Written: p.now.Wall()}
			p.on(session.StorageChanged{}, "signedout:elsewhere")
			p.pass(time.Minute)
			p.store.Mark = session.Mark{
				Fingerprint: tok("alice-3").Fingerprint(), Who: "alice", Written: p.now.Wall(),
				Expires: p.now.Add(time.Hour).Wall(), Life: time.Hour,
			}
			p.on(session.StorageChanged{}, "ask:wake()")
			p.yes("alice-3", "mark", "renewed:wake", "signedin:signed_in")
			p.phase(session.Active)
		}},
		{"so it does when the clock was set back meanwhile", func(p *page) {
			p.activeByCode("alice-1")
			p.store.Mark = session.Mark{Ending: true, Written: p.now.Wall()}
			p.on(session.StorageChanged{}, "signedout:elsewhere")
			p.stepClock(-time.Hour)
			p.store.Mark = session.Mark{
				Fingerprint: tok("alice-3").Fingerprint(), Who: "alice", Written: p.now.Wall(),
				Expires: p.now.Add(time.Hour).Wall(), Life: time.Hour,
			}
			p.on(session.StorageChanged{}, "ask:wake()")
			p.yes("alice-3", "mark", "renewed:wake", "signedin:signed_in")
		}},
		{"the token of another tab comes and goes, and is no sign-out", func(p *page) {
			p.activeByCode("alice-1")
			p.writes("alice-1")
			p.on(session.StorageChanged{})
			p.writes("")
			p.on(session.StorageChanged{})
			p.phase(session.Active)
		}},
		{"a sign-out in another tab is told by the mark", func(p *page) {
			p.activeByCode("alice-1")
			p.store.Mark = session.Mark{Ending: true, Written: p.now.Wall()}
			p.on(session.StorageChanged{}, "signedout:elsewhere")
		}},
		{"a token that is none of ours is never taken away", func(p *page) {
			p.writes("bob-1")
			p.start("open(bob-1,)")
			p.on(session.Left{})
			p.no(notVouched, "expired:grant_refused", "mark:grant_refused", "drop")
			p.on(session.Left{})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPage(t)
			p.policy.OnDemand = true
			tc.play(p)
		})
	}
}
