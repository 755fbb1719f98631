package session_test

import (
	"slices"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// firstDue is when a token of an hour is renewed: two minutes before its end,
// and a second later for the whole seconds of the wire.
const firstDue = life - 2*time.Minute + time.Second

func TestNext(t *testing.T) {
	for _, tc := range []struct {
		name string
		play func(p *page)
	}{
		// --- What the loader is told ---------------------------------------------
		{"the loader is told who is signed in, and nothing twice", func(p *page) {
			p.start("ask:start()")
			p.told(session.Unknown, "")
			p.no(noCookie)
			p.told(session.No, "")
			p.login("alice-1", "open(alice-1,uuid-alice)")
			p.yes("alice-1", "mark", "signedin:signed_in")
			p.told(session.Yes, "uuid-alice")
			p.on(session.UserActive{}, "activity")
			for _, effect := range p.effects {
				if _, published := effect.(session.Publish); published {
					p.t.Error("it is told again")
				}
			}
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
			p.told(session.No, "")
		}},
		// --- A page that is left -----------------------------------------------
		{"a page that is left waits for no other tab with a sign-out", func(p *page) {
			p.active("alice-1")
			p.queued = true
			p.store.Token = session.Token{}
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
			p.on(session.Left{}, "overtake")
			p.on(session.Left{})
		}},
		{"a page that is left waits for no login with the sign-out that came after it", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.login("alice-1", "open(alice-1,uuid-alice)")
			p.store.Token = session.Token{}
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending")
			p.on(session.Left{}, "cancel", "end:signed_out", "overtake")
		}},
		{"a login that waits for a sign-out is not reported when its user signs out as well", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
			p.login("bob-1", "unmark")
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending")
			p.yes("", "mark:ended")
		}},
		// --- A login ---------------------------------------------------------
		{"the UI tells of another tab's token before storage does: taken up", func(p *page) {
			p.active("alice-1")
			p.otherTab("alice-2", life)
			p.on(session.TokenSeen{Token: tok("alice-2")})
			p.phase(session.Active)
			p.otherTab("bob-1", life)
			p.on(session.TokenSeen{Token: tok("bob-1")}, "identitychanged:other_user", "signedin:signed_in")
			p.phase(session.Active)
		}},
		{"a login is reported, and then there is a session", func(p *page) {
			p.start("ask:start()")
			p.phase(session.Restoring)
			p.no(noCookie)
			p.phase(session.SignedOut)
			p.login("alice-1", "open(alice-1,uuid-alice)")
			p.phase(session.Opening)
			p.yes("alice-1", "mark", "signedin:signed_in")
			p.phase(session.Active)
		}},
		{"one login told twice is reported once: session created first", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.writes("alice-1")
			p.on(session.TokenSeen{Token: tok("alice-1")}, "open(alice-1,)")
			p.login("alice-1")
			p.yes("alice-1", "mark", "signedin:signed_in")
		}},
		{"one login told twice is reported once: login success first", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.login("alice-1", "open(alice-1,uuid-alice)")
			p.on(session.TokenSeen{Token: tok("alice-1")})
			p.yes("alice-1", "mark", "signedin:signed_in")
			p.on(session.TokenSeen{Token: tok("alice-1")})
		}},
		{"a login seen in storage a moment before the UI tells of it", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.writes("alice-1")
			p.on(session.Ticked{})
			p.phase(session.Waiting)
			p.login("alice-1", "open(alice-1,uuid-alice)")
			p.yes("alice-1", "mark", "signedin:signed_in")
		}},
		{"a late 401 to the first question is ignored when a login came in between", func(p *page) {
			p.start("ask:start()")
			early := p.call()
			p.login("alice-1", "cancel", "open(alice-1,uuid-alice)")
			p.answer(early, noCookie)
			p.phase(session.Opening)
			p.yes("alice-1", "mark")
			p.answer(early, noCookie)
			p.phase(session.Active)
		}},
		{"a login report that fails for now is repeated while that token stands", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.login("alice-1", "open(alice-1,uuid-alice)")
			p.no(unreachable, "mark:failed", "renewerror:offline")
			p.phase(session.Waiting)
			p.retry(400*time.Millisecond, 600*time.Millisecond, "open(alice-1,uuid-alice)")
			p.no(portal, "mark:failed", "renewerror:unintelligible")
			p.retry(800*time.Millisecond, 1200*time.Millisecond, "open(alice-1,uuid-alice)")
			p.yes("alice-1", "mark", "signedin:signed_in")
		}},
		{"a login report that failed for now ends with its token", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.login("alice-1", "open(alice-1,uuid-alice)")
			p.no(unreachable, "mark:failed", "renewerror:offline")
			p.writes("")
			p.on(session.StorageChanged{}, "signedout:elsewhere")
		}},
		{"a dead token without a session ends like every other, and the user can sign in", func(p *page) {
			p.writes("stray-1")
			p.start("open(stray-1,)")
			p.fails(1, "stray-1")
			p.no(notVouched, "expired:grant_refused", "mark:grant_refused", "drop",
				"unfinished:grant_refused", "forget(1)")
			p.phase(session.Ended)
			p.on(session.TokenSeen{Token: tok("stray-1")}) // told late
			p.writes("stray-1")
			p.on(session.StorageChanged{}) // or not cleared
			p.on(session.Wanted{ID: 1}, "reject[1]:signed_out")
			p.on(session.Wanted{ID: 2, Fresh: true}, "reject[2]:signed_out")
			p.login("alice-1", "unmark", "open(alice-1,uuid-alice)")
			p.yes("alice-1", "mark", "signedin:signed_in")
		}},
		{"a claim that Capture contradicts opens nothing", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.login("alice-1", "open(alice-1,uuid-alice)")
			p.no(notTheirs, "expired:identity_mismatch", "mark:identity_mismatch", "drop")
			p.phase(session.Ended)
		}},
		{"a token found at the start without a session of ours is reported, never wiped", func(p *page) {
			p.writes("alice-1")
			p.start("open(alice-1,)")
			p.on(session.TokenSeen{Token: tok("alice-1")})
			p.yes("alice-1", "mark")
		}},
		{"single sign-on replaces the token: adopted and reported", func(p *page) {
			p.active("alice-1")
			p.login("alice-2", "open(alice-2,uuid-alice)")
			p.yes("alice-2", "mark")
			p.phase(session.Active)
		}},

		// --- Renewing ----------------------------------------------------------
		{"due, asked, renewed", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.phase(session.Renewing)
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
			p.phase(session.Active)
			if n := p.notice(session.NoticeRenewed); n.ExpiresIn != life {
				p.t.Errorf("renewed for %v", n.ExpiresIn)
			}
			p.on(session.TokenSeen{Token: tok("alice-2")}) // our own createCaptureSession
			p.on(session.Ticked{})
			p.pass(time.Minute)
			p.on(session.Ticked{})
			p.due(firstDue-time.Minute, "ask:due(alice-2)")
		}},
		{"due and answered with the same token: no event, planned anew", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.life = 30 * time.Minute // an hour's token, half of it left
			p.yes("alice-1", "mark")
			p.due(28*time.Minute+time.Second, "ask:due(alice-1)")
		}},
		{"a page margin wider than the server's is calm", func(p *page) {
			p.policy.Margin = 20 * time.Minute
			p.active("alice-1")
			p.due(life-20*time.Minute+time.Second-time.Minute, "ask:due(alice-1)")
			p.life = 20*time.Minute - time.Second
			p.yes("alice-1", "mark") // not due yet by the server's margin
			p.due(18*time.Minute, "ask:due(alice-1)")
			p.life = life
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
		}},
		{"a margin is never more than a third of a life", func(p *page) {
			p.policy.Margin = 24 * time.Hour
			p.active("alice-1")
			p.due(40*time.Minute+time.Second-time.Minute, "ask:due(alice-1)")
		}},
		{"the UI's date is missing while the token is the same: told again, no event", func(p *page) {
			p.active("alice-1")
			p.store.Expires = session.Instant{}
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.life = 30 * time.Minute
			p.yes("alice-1", "mark", "adopt(alice-1)")
		}},
		{"the UI's date is past while the token is the same: told again, no event", func(p *page) {
			p.active("alice-1")
			p.store.Expires = p.now.Wall().Add(-time.Hour)
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.life = 30 * time.Minute
			p.yes("alice-1", "mark", "adopt(alice-1)")
		}},
		{"a healthy token: twenty tab switches and a flapping network do nothing", func(p *page) {
			p.active("alice-1")
			for range 20 {
				p.pass(time.Second)
				p.on(session.Woke{})
				p.on(session.StorageChanged{})
				p.on(session.Ticked{})
			}
		}},

		// --- A token that is refused --------------------------------------------
		{"a failed save forces a renewal, and is repeated once", func(p *page) {
			p.active("alice-1")
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:savefailed", "repeat(1)")
		}},
		{"an expired token forces a renewal", func(p *page) {
			p.active("alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired, Handlers: 7}, "ask:expired(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired", "swallow(7)")
		}},
		{"an invalid token forces a renewal", func(p *page) {
			p.active("alice-1")
			p.on(session.DeadToken{Why: session.WhyInvalid, Handlers: 7}, "ask:invalid(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:invalid", "swallow(7)")
		}},
		{"both events of one failure are one action: during the renewal", func(p *page) {
			p.active("alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired, Screen: screen(1), Handlers: 7}, "ask:expired(alice-1)")
			p.fails(1, "alice-1")
			p.fails(1, "alice-1")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired", "swallow(7)", "repeat(1)")
		}},
		{"both events of one failure are one action: after the renewal", func(p *page) {
			p.active("alice-1")
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:savefailed", "repeat(1)")
			// The same failure, told once more in another way.
			p.on(session.DeadToken{Why: session.WhyExpired, Handlers: 7}, "swallow(7)")
		}},
		{"an action that failed with the token before is repeated with the new one at once", func(p *page) {
			p.active("alice-1")
			p.pass(firstDue - time.Minute)
			p.submits(3, "alice-1")
			p.on(session.Ticked{}, "ask:due(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
			p.fails(3, "alice-1", "repeat(3)")
		}},
		{"several actions fail together: one renewal, each once, in order", func(p *page) {
			p.active("alice-1")
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.fails(2, "alice-1")
			p.fails(1, "alice-1")
			p.fails(3, "alice-1")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:savefailed", "repeat(1)", "repeat(2)", "repeat(3)")
		}},
		{"without resubmission the values stay", func(p *page) {
			p.policy.Resubmit = false
			p.active("alice-1")
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:savefailed", "unfinished:resubmit_off", "forget(1)")
		}},
		{"refused again with a fresh token: stop, and tell", func(p *page) {
			p.active("alice-1")
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:savefailed", "repeat(1)")
			p.on(session.DeadToken{Why: session.WhySaveFailed, Screen: screen(1), Handlers: 7},
				"unfinished:refused_again", "forget(1)", "renewerror:refused_again", "deliver(7)")
			p.phase(session.Active)
		}},
		{"refused while the renewal of a due token is under way: the answer decides", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.fails(1, "alice-1")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due", "repeat(1)")
		}},
		{"refused while asking, and answered with the dead token: asked again, saying so", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.fails(1, "alice-1")
			p.pass(2 * time.Second)
			p.yes("alice-1", "mark", "ask:savefailed(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:savefailed", "repeat(1)")
		}},
		{"the server was told and insists on the dead token: a temporary failure", func(p *page) {
			p.active("alice-1")
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.yes("alice-1", "mark:failed", "renewerror:server")
			p.phase(session.Waiting)
			p.retry(400*time.Millisecond, 600*time.Millisecond, "ask:savefailed(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:savefailed", "repeat(1)")
		}},
		{"refused while the login is being reported: renewed as soon as it is", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.login("alice-1", "open(alice-1,uuid-alice)")
			p.fails(1, "alice-1")
			p.pass(2 * time.Second)
			p.yes("alice-1", "mark", "ask:savefailed(alice-1)", "signedin:signed_in")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:savefailed", "repeat(1)")
		}},
		{"a token just forced and refused is asked about at most once in two seconds", func(p *page) {
			p.active("alice-1")
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:savefailed", "repeat(1)")
			p.pass(time.Second)
			p.on(session.Ticked{})
			p.fails(5, "alice-2")
			p.phase(session.Waiting)
			p.due(time.Second, "ask:savefailed(alice-2)")
		}},
		{"access denied: restored once, then left to the site", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.on(session.ScreenDenied{Handlers: 7}, "deliver(7)")
			p.on(session.ScreenDenied{Handlers: 8}, "deliver(8)")
		}},
		{"access denied while the first question is under way: its answer restores", func(p *page) {
			p.start("ask:start()")
			p.on(session.ScreenDenied{Screen: "editProfile", Handlers: 7})
			p.yes("alice-1", "mark", "adopt(alice-1)", "renewed:start", "swallow(7)", "show(editProfile)")
		}},
		{"access denied though the token is good: the UI is told of it, the server is not asked", func(p *page) {
			p.active("alice-1")
			p.store.Expires = p.now.Wall().Add(-time.Second)
			p.on(session.ScreenDenied{Handlers: 7}, "adopt(alice-1)", "swallow(7)")
			p.phase(session.Active)
		}},

		{"the UI removes a token that Capture refused: not a sign-out", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.on(session.DeadToken{Why: session.WhyExpired, Handlers: 7}, "ask:expired(alice-1)")
			p.on(session.Ticked{})
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired", "swallow(7)")
		}},
		{"an action failed with another tab's newer token, before this one knew of it", func(p *page) {
			p.active("alice-1")
			p.otherTab("alice-2", life)
			p.pass(urgentFloor)
			p.fails(1, "alice-2", "ask:savefailed(alice-2)")
			p.yes("alice-3", "mark", "adopt(alice-3)", "renewed:savefailed", "repeat(1)")
		}},
		// --- A page without a token ------------------------------------------------
		{"an anonymous visitor: one question, no event", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.on(session.NoTokenSeen{})
			p.on(session.Woke{})
			p.on(session.Ticked{})
			p.on(session.StorageChanged{})
			p.on(session.Wanted{ID: 1}, "reject[1]:signed_out")
			p.on(session.Wanted{ID: 2, Fresh: true}, "reject[2]:signed_out")
			p.phase(session.SignedOut)
			if !p.state.WakeAt.IsZero() {
				p.t.Error("wakes without a session")
			}
		}},
		{"an anonymous visitor and no server: not asked again", func(p *page) {
			p.start("ask:start()")
			p.on(session.Wanted{ID: 1})
			p.no(unreachable, "reject[1]:unavailable")
			p.phase(session.SignedOut)
			p.on(session.Woke{})
		}},
		{"no token found and a living server session: restored silently", func(p *page) {
			p.start("ask:start()")
			p.on(session.NoTokenSeen{})
			p.yes("alice-1", "mark", "adopt(alice-1)", "renewed:start")
			p.phase(session.Active)
		}},
		{"no token found while ours is good: the UI is told of it", func(p *page) {
			p.active("alice-1")
			p.store.Token, p.store.Expires = session.Token{}, session.Instant{}
			p.on(session.NoTokenSeen{}, "adopt(alice-1)")
		}},
		{"a browser that had a session is asked for again when the server cannot answer", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.start("ask:start()")
			p.no(unreachable, "mark:failed", "renewerror:offline")
			p.phase(session.Waiting)
			p.retry(400*time.Millisecond, 600*time.Millisecond, "ask:start()")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:start")
		}},
		{"a browser with a session that has ended meanwhile is an anonymous visitor's", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.start("ask:start()")
			p.no(noSession, "unmark")
			p.phase(session.SignedOut)
		}},
		{"storage that cannot be read means nothing", func(p *page) {
			p.active("alice-1")
			p.store = session.Snapshot{}
			p.on(session.StorageChanged{})
			p.on(session.Woke{})
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
			p.phase(session.Active)
		}},

		// --- Signing out -------------------------------------------------------------
		{"a sign-out reaches the server", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
			p.phase(session.Ended)
			p.yes("", "mark:ended")
			p.on(session.SignedOutSeen{}) // a handler's second one
			p.on(session.SignedOutSeen{Cause: session.CauseReaction})
		}},
		{"a sign-out beats the answer under way: to a renewal", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			renewal := p.call()
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "cancel", "end:signed_out")
			p.answer(renewal, p.grant("alice-2"))
			p.phase(session.Ended)
		}},
		{"a sign-out beats the answer under way: a session opened after it is ended too", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.login("alice-1", "open(alice-1,uuid-alice)")
			open := p.call()
			p.writes("")
			// The DELETE goes with the cookie that the login brings.
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending")
			p.answer(open, p.grant("alice-1"), "end:signed_out")
			p.phase(session.Ended)
			p.yes("", "mark:ended")
		}},
		{"a sign-out with a failed DELETE is repeated, and survives a reload", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
			p.no(unreachable, "mark:ending")
			p.retry(400*time.Millisecond, 600*time.Millisecond, "end:signed_out")
			p.no(unreachable, "mark:ending")
			if !p.store.Mark.Ending {
				p.t.Error("the mark has forgotten the sign-out")
			}
			p.start("end:signed_out")
			p.phase(session.Ended)
			p.no(noCookie, "mark:ended")
			p.start("ask:start()")
		}},
		{"a login follows a sign-out that has not reached the server", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
			p.no(unreachable, "mark:ending")
			p.login("bob-1", "mark:failed", "open(bob-1,uuid-bob)")
			p.yes("bob-1", "mark", "signedin:signed_in")
			p.phase(session.Active)
			p.pass(time.Minute)
			p.on(session.Ticked{})
		}},
		{"end() signs out here and on the server", func(p *page) {
			p.active("alice-1")
			p.on(session.EndAsked{}, "signedout:end", "mark:ending", "end:end", "drop")
			p.on(session.SignedOutSeen{Cause: session.CauseReaction}) // our own endCaptureSession
			p.yes("", "mark:ended")
			p.on(session.EndAsked{})
		}},
		{"end() without a user signed in ends what a cookie may stand for, silently", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.on(session.EndAsked{}, "mark:ending", "end:end")
			p.yes("", "mark:ended")
		}},
		{"a late event of the UI after a sign-out revives nothing", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
			p.on(session.TokenSeen{Token: tok("alice-2")})
			p.phase(session.Ended)
		}},
		{"a sign-out seen in storage before the UI tells of it reaches the server all the same", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.on(session.Ticked{})
			p.due(800*time.Millisecond, "signedout:elsewhere")
			p.on(session.SignedOutSeen{}, "mark:ending", "end:signed_out")
			p.yes("", "mark:ended")
			p.on(session.SignedOutSeen{})
		}},
		{"a page that logs out when it hears of an expiry leaves the reason for the other tabs", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.no(noSession, "expired:session_ended", "mark:session_ended", "drop")
			p.on(session.SignedOutSeen{Cause: session.CauseOwn})
			p.on(session.SignedOutSeen{})
		}},
		{"a sign-out that has not reached the server does not end a login since", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
			p.no(unreachable, "mark:ending")
			p.otherTab("bob-1", life)
			p.pass(time.Minute)
			p.on(session.Ticked{}, "signedin:signed_in")
			p.phase(session.Active)
			if v := p.state.View(); v.Retry.Kind != session.NoCall || v.Call.Kind != session.NoCall {
				p.t.Error("still means to end it")
			}
		}},
		{"a second sign-out in an ended page reaches the server after a login in another tab", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
			p.yes("", "mark:ended")
			p.otherTab("bob-1", life)
			p.on(session.StorageChanged{}, "signedin:signed_in")
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
		}},
		{"a token of single sign-on that comes late does not undo a sign-out", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
			p.writes("alice-2")
			late := session.TokenSeen{Token: tok("alice-2"), UUID: uuidOf("alice-2"), Login: true, Refreshed: true}
			p.on(late, "drop")
			p.on(session.SignedOutSeen{Cause: session.CauseOwn})
			p.yes("", "mark:ended")
			p.writes("alice-2")
			p.on(late, "drop")
			p.phase(session.Ended)
			p.on(session.SignedOutSeen{Cause: session.CauseOwn})
			p.login("alice-3", "unmark", "open(alice-3,uuid-alice)") // the person's own
			p.yes("alice-3", "mark", "signedin:signed_in")
		}},
		{"after an expiry a token of single sign-on is a login", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.no(noSession, "expired:session_ended", "mark:session_ended", "drop")
			p.writes("alice-2")
			p.on(session.TokenSeen{Token: tok("alice-2"), Login: true, Refreshed: true}, "unmark", "open(alice-2,)")
			p.yes("alice-2", "mark", "signedin:signed_in")
		}},
		{"the answer to a sign-out does not remove the mark of a login since", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
			p.writes("bob-1") // in another tab
			p.store.Mark = session.Mark{Fingerprint: tok("bob-1").Fingerprint(), Who: "bob"}
			p.yes("")
			p.phase(session.Ended)
			p.on(session.StorageChanged{}, "ask:wake(bob-1)", "signedin:signed_in") // a mark without times
		}},
		{"a page's own logout on a dead token is not the person's: the answer restores", func(p *page) {
			p.active("alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired}, "ask:expired(alice-1)")
			p.writes("")
			p.on(session.SignedOutSeen{Cause: session.CauseReaction}, "mark")
			p.on(session.Ticked{})
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired")
			p.phase(session.Active)
		}},
		{"a page's own logout on a dead token is not the person's: given again", func(p *page) {
			p.active("alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired}, "ask:expired(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired")
			p.pass(time.Second)
			p.writes("")
			p.on(session.SignedOutSeen{Cause: session.CauseReaction}, "mark", "adopt(alice-2)")
			p.phase(session.Active)
		}},
		{"a page's own logout while another tab has renewed: the former token is not given again", func(p *page) {
			p.active("alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired}, "ask:expired(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired")
			p.pass(time.Second)
			p.otherTab("alice-3", life)
			p.writes("")
			p.on(session.SignedOutSeen{Cause: session.CauseReaction}, "mark")
			p.phase(session.Waiting) // for the floor, then for the server's word
		}},
		{"a page's own logout after a sign-out elsewhere restores nothing", func(p *page) {
			p.active("alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired}, "ask:expired(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired")
			p.pass(time.Second)
			p.writes("")
			p.store.Mark = session.Mark{Written: p.now.Wall()}
			p.on(session.SignedOutSeen{Cause: session.CauseReaction}, "signedout:signed_out",
				"mark:ending", "end:signed_out")
		}},
		{"the cause of a logout counts, and not the clock: a slow handler's is no sign-out", func(p *page) {
			p.active("alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired}, "ask:expired(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired")
			p.pass(5 * time.Minute)
			p.writes("")
			p.on(session.SignedOutSeen{Cause: session.CauseReaction}, "mark", "adopt(alice-2)")
		}},
		{"the cause of a logout counts, and not the clock: a person's right after a token event is one", func(p *page) {
			p.active("alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired}, "ask:expired(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired")
			p.pass(time.Millisecond)
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
		}},
		{"a real sign-out right after a token event wins", func(p *page) {
			p.active("alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired}, "ask:expired(alice-1)")
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "cancel", "end:signed_out")
		}},

		// --- Trouble -----------------------------------------------------------------
		{"failures are repeated ever more rarely", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.life = 3 * time.Hour // or its end would bring an attempt forward
			p.yes("alice-1", "mark")
			p.pass(p.state.WakeAt.Sub(p.now))
			p.on(session.Ticked{}, "ask:due(alice-1)")
			p.sleep(time.Hour)
			for _, wait := range []time.Duration{500, 1000, 2000, 4000, 8000, 15_000, 30_000,
				60_000, 120_000, 300_000, 300_000} {
				p.no(unreachable, "mark:failed", "renewerror:offline")
				p.phase(session.Waiting)
				failed := p.now
				told := p.notice(session.NoticeRenewError).RetryIn
				p.retry(wait*time.Millisecond*8/10, wait*time.Millisecond*12/10, "ask:due(alice-1)")
				if waited := p.now.Sub(failed); (waited - told).Abs() > time.Millisecond {
					p.t.Errorf("told of a retry in %v, made it after %v", told, waited)
				}
			}
			p.life = life
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
			p.on(session.Ticked{})
			p.due(firstDue, "ask:due(alice-2)")
			p.no(unreachable, "mark:failed", "renewerror:offline")
			p.retry(400*time.Millisecond, 600*time.Millisecond, "ask:due(alice-2)") // from the beginning
		}},
		{"Retry-After is honoured, and coming back does not hurry past it", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.no(tooMany(50*time.Second), "mark:failed", "renewerror:rate_limited")
			if n := p.notice(session.NoticeRenewError); n.RetryIn != 50*time.Second {
				p.t.Errorf("retries in %v", n.RetryIn)
			}
			p.pass(30 * time.Second)
			p.on(session.Woke{})
			p.on(session.Wanted{ID: 1, Fresh: true}, "settle[1]=alice-1")
			p.fails(1, "alice-1")
			p.on(session.Wanted{ID: 2}, "reject[2]:unavailable")
			p.due(20*time.Second, "ask:savefailed(alice-1)")
		}},
		{"Retry-After holds for other tabs and for the next page", func(p *page) {
			p.active("alice-1")
			mark := p.store.Mark
			mark.NotBefore = p.now.Add(time.Minute).Wall()
			p.store.Mark = mark
			p.on(session.StorageChanged{})
			p.fails(1, "alice-1")
			p.phase(session.Waiting)
			p.pass(30 * time.Second)
			p.start()
			p.phase(session.Active)
			p.fails(1, "alice-1")
			p.due(30*time.Second, "ask:savefailed(alice-1)")
		}},
		{"Retry-After that came to the tab before this one had the lock", func(p *page) {
			p.active("alice-1")
			p.queued = true
			p.on(session.Wanted{ID: 1, Fresh: true}, "ask:request(alice-1)")
			seq := p.call().Seq
			p.on(session.LockAcquired{Seq: seq + 1})
			p.phase(session.Renewing)
			p.store.Mark.NotBefore = p.now.Add(time.Minute).Wall()
			p.on(session.LockAcquired{Seq: seq}, "settle[1]=alice-1")
			p.phase(session.Waiting)
			p.due(time.Minute, "ask:request(alice-1)")
			p.on(session.LockAcquired{Seq: p.call().Seq})
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:request")
		}},
		{"Retry-After holds for the next page that finds its token due", func(p *page) {
			p.active("alice-1")
			p.pass(life - time.Minute)
			p.store.Mark.NotBefore = p.now.Add(30 * time.Second).Wall()
			p.start()
			p.phase(session.Waiting)
			p.due(30*time.Second, "ask:start(alice-1)")
		}},
		{"Retry-After without a session holds for the next page, too", func(p *page) {
			p.store.Mark = session.Mark{NotBefore: p.now.Add(time.Minute).Wall()}
			p.start()
			p.phase(session.Waiting)
			p.due(time.Minute, "ask:start()")
		}},
		{"a Retry-After that no server can have asked for is ignored: the clock was moved", func(p *page) {
			p.active("alice-1")
			p.store.Mark.NotBefore = p.now.Add(time.Hour).Wall()
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
		}},
		{"an absurd Retry-After is capped", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.no(tooMany(365*24*time.Hour), "mark:failed", "renewerror:rate_limited")
			p.due(time.Minute, "ask:due(alice-1)")
		}},
		{"a small Retry-After is honoured as well", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.no(tooMany(3*time.Second), "mark:failed", "renewerror:rate_limited")
			p.due(3*time.Second, "ask:due(alice-1)")
		}},
		{"offline for long, then back: soon", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			for range 5 {
				p.no(unreachable, "mark:failed", "renewerror:offline")
				p.pass(p.state.WakeAt.Sub(p.now))
				p.on(session.Ticked{}, "ask:due(alice-1)")
			}
			p.no(unreachable, "mark:failed", "renewerror:offline")
			p.pass(9 * time.Second) // of some 15
			p.on(session.Woke{}, "ask:due(alice-1)")
		}},
		{"back at once after a failure: the pace stands", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			for range 6 {
				p.no(unreachable, "mark:failed", "renewerror:offline")
				p.pass(p.state.WakeAt.Sub(p.now))
				p.on(session.Ticked{}, "ask:due(alice-1)")
			}
			p.no(unreachable, "mark:failed", "renewerror:offline")
			p.pass(3 * time.Second)
			p.on(session.Woke{})
			p.due(5*time.Second, "ask:due(alice-1)")
		}},
		{"a network that flaps is asked no more than the floor allows", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			asked := 0
			for range 60 {
				if p.call().Kind != session.NoCall {
					p.no(unreachable, "mark:failed", "renewerror:offline")
					asked++
				}
				p.pass(time.Second)
				p.step(session.Woke{})
			}
			if asked > 11 { // 0.5, 1, 2 and 4 s apart, then the floor
				p.t.Errorf("asked %d times in a minute", asked)
			}
		}},
		{"a waiting page with a good token still gives it", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.on(session.Wanted{ID: 1})
			p.no(unreachable, "mark:failed", "renewerror:offline", "settle[1]=alice-1")
			p.on(session.Wanted{ID: 2}, "settle[2]=alice-1")
		}},
		{"a waiting page with a dead token says so", func(p *page) {
			p.active("alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired}, "ask:expired(alice-1)")
			p.on(session.Wanted{ID: 1})
			p.no(unreachable, "mark:failed", "renewerror:offline") // soon again: they wait
			p.on(session.Wanted{ID: 2})
			for range 2 {
				p.pass(p.state.WakeAt.Sub(p.now))
				p.on(session.Ticked{}, "ask:expired(alice-1)")
				p.no(unreachable, "mark:failed", "renewerror:offline")
			}
			p.retry(1600*time.Millisecond, 2400*time.Millisecond, "ask:expired(alice-1)")
			p.no(unreachable, "mark:failed", "renewerror:offline", "reject[1 2]:unavailable")
		}},
		{"the cookie is gone and the token stands: reported anew", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.no(noCookie, "open(alice-1,)")
			p.yes("alice-1", "mark")
			p.phase(session.Active)
		}},
		{"the cookie is gone and so is the token: the session is over", func(p *page) {
			p.active("alice-1")
			p.store.Expires = p.now.Wall()
			p.on(session.Ticked{})
			p.store.Token, p.store.Expires = session.Token{}, session.Instant{} // the UI clears what it thinks dead
			p.on(session.Ticked{})
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.no(noCookie, "expired:session_ended", "mark:session_ended", "drop")
		}},
		{"the cookie is gone and the token is known to be dead: the session is over", func(p *page) {
			p.active("alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired, Handlers: 7}, "ask:expired(alice-1)")
			p.no(noCookie, "expired:session_ended", "mark:session_ended", "drop", "deliver(7)")
		}},
		{"a final no ends the session once, and the handlers hear of it", func(p *page) {
			p.active("alice-1")
			p.submits(1, "alice-1")
			p.on(session.DeadToken{Why: session.WhySaveFailed, Screen: screen(1), Handlers: 7},
				"ask:savefailed(alice-1)")
			p.on(session.Wanted{ID: 1})
			p.no(noSession, "expired:session_ended", "mark:session_ended", "drop", "deliver(7)",
				"back(1)", "reject[1]:signed_out")
			p.phase(session.Ended)
			p.on(session.SignedOutSeen{Cause: session.CauseReaction}) // our own endCaptureSession
			p.on(session.DeadToken{Why: session.WhyExpired, Handlers: 8}, "deliver(8)")
			p.on(session.Wanted{ID: 2}, "reject[2]:signed_out")
			p.login("alice-9", "unmark", "open(alice-9,uuid-alice)")
			p.yes("alice-9", "mark", "signedin:signed_in")
		}},
		{"a final no in another tab ends this page for the same reason, once", func(p *page) {
			p.active("alice-1")
			p.submits(1, "alice-1")
			p.on(session.DeadToken{Why: session.WhySaveFailed, Screen: screen(1), Handlers: 7},
				"ask:savefailed(alice-1)")
			p.writes("")
			p.store.Mark = session.Mark{Written: p.now.Wall(), Why: session.WhyIdleLimit}
			p.on(session.StorageChanged{}, "cancel", "expired:idle_limit", "deliver(7)", "back(1)")
			p.on(session.StorageChanged{})
			p.phase(session.Ended)
		}},

		// --- Actions that are held ----------------------------------------------------
		{"what is submitted with a dead token is held, and sent after the renewal", func(p *page) {
			p.active("alice-1")
			p.sleep(life)
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.holds(2, "holding:expired")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due", "released:renewed",
				"repeat(1)", "released:renewed", "repeat(2)")
		}},
		{"what was held while another tab renewed is sent at once", func(p *page) {
			p.active("alice-1")
			p.sleep(life)
			p.otherTab("alice-2", life)
			p.holds(1, "holding:expired", "released:renewed", "repeat(1)")
			p.phase(session.Active)
		}},
		{"what is held brings the next attempt forward", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.no(unreachable, "mark:failed", "renewerror:offline")
			p.pass(life)
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due", "released:renewed", "repeat(1)")
		}},
		{"what is held is let go at the bound, and the page is told", func(p *page) {
			p.active("alice-1")
			p.sleep(life)
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.due(10*time.Second, "released:held_too_long", "handback(1)", "back(1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
		}},
		{"what is held while there is no network waits for it", func(p *page) {
			p.active("alice-1")
			p.sleep(life)
			p.store.Offline = true
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.no(unreachable, "mark:failed", "renewerror:offline")
			p.pass(4 * time.Minute)
			p.on(session.Ticked{}, "ask:due(alice-1)")
			p.no(unreachable, "mark:failed", "renewerror:offline")
			p.store.Offline = false
			p.pass(floor)
			p.on(session.Woke{}, "ask:due(alice-1)")
			p.due(10*time.Second, "released:held_too_long", "handback(1)", "back(1)")
		}},
		{"what is held while there is no network does not wait for ever", func(p *page) {
			p.active("alice-1")
			p.sleep(life)
			p.store.Offline = true
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.no(unreachable, "mark:failed", "renewerror:offline")
			p.pass(5 * time.Minute)
			p.on(session.Ticked{}, "ask:due(alice-1)")
			p.due(5*time.Second, "released:offline", "unfinished:offline", "forget(1)")
		}},
		{"a page that stood still hears first what came meanwhile", func(p *page) {
			p.active("alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired, Handlers: 7}, "ask:expired(alice-1)")
			p.pass(time.Minute) // in a dialog of the browser
			p.on(session.Ticked{})
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired", "swallow(7)")
		}},
		{"a page that stands still again and again keeps no handler for ever", func(p *page) {
			p.active("alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired, Handlers: 7}, "ask:expired(alice-1)")
			p.pass(time.Minute)
			p.on(session.Ticked{})
			p.pass(time.Minute)
			p.on(session.Ticked{}, "deliver(7)")
		}},
		{"what is held is let go when the session is over", func(p *page) {
			p.active("alice-1")
			p.sleep(life)
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.no(noSession, "expired:session_ended", "mark:session_ended", "drop",
				"released:session_ended", "handback(1)", "back(1)")
			p.holds(2, "holding:expired", "released:session_ended", "handback(2)",
				"back(2)") // no session to hold it for
		}},
		{"what is held is never sent as another user, nor after a sign-out", func(p *page) {
			p.active("alice-1")
			p.sleep(life)
			p.holds(1, "holding:expired", "ask:due(alice-1)")
			p.login("bob-1", "cancel", "open(bob-1,uuid-bob)", "released:new_token",
				"unfinished:new_token", "forget(1)")
			p.yes("bob-1", "mark", "signedin:signed_in")
			p.pass(life)
			p.holds(2, "holding:expired", "ask:due(bob-1)")
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "cancel",
				"end:signed_out", "released:signed_out", "unfinished:signed_out", "forget(2)")
			p.holds(3, "holding:expired", "released:signed_out", "unfinished:signed_out", "forget(3)")
		}},

		// --- Handlers that are held ---------------------------------------------------
		{"held handlers are delivered when a temporary failure outlasts the bound", func(p *page) {
			p.active("alice-1")
			p.submits(1, "alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired, Screen: screen(1), Handlers: 7}, "ask:expired(alice-1)")
			p.pass(4 * time.Second)
			p.no(tooMany(time.Minute), "mark:failed", "renewerror:rate_limited")
			p.due(6*time.Second, "deliver(7)", "back(1)") // one outcome: the page has been told
			p.due(54*time.Second, "ask:expired(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired")
		}},
		{"held handlers are delivered at the bound while the server is silent", func(p *page) {
			p.active("alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired, Handlers: 7}, "ask:expired(alice-1)")
			p.due(10*time.Second, "deliver(7)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:expired")
		}},

		// --- Limits -------------------------------------------------------------------
		{"the idle limit passes: the server is asked and says so", func(p *page) {
			p.idle = 30 * time.Minute
			p.active("alice-1")
			p.due(29*time.Minute+time.Second, "ask:wake(alice-1)")
			p.no(noSession, "expired:idle_limit", "mark:idle_limit", "drop")
		}},
		{"the absolute limit passes: the server is asked and says so", func(p *page) {
			p.idle, p.absolute = 10*time.Minute, 10*time.Minute
			p.active("alice-1")
			p.idle = 40 * time.Minute
			p.due(9*time.Minute+time.Second, "ask:wake(alice-1)")
			p.no(noSession, "expired:absolute_limit", "mark:absolute_limit", "drop")
		}},
		{"a session that ended for no limit is no limit's", func(p *page) {
			p.idle, p.absolute = 30*time.Minute, 12*time.Hour
			p.active("alice-1")
			p.on(session.Wanted{ID: 1, Fresh: true}, "ask:request(alice-1)")
			p.no(noSession, "expired:session_ended", "mark:session_ended", "drop", "reject[1]:signed_out")
		}},
		{"a user was active in another tab: the limit has moved", func(p *page) {
			p.idle = 30 * time.Minute
			p.active("alice-1")
			p.due(29*time.Minute+time.Second, "ask:wake(alice-1)")
			p.life, p.idle = 29*time.Minute, 20*time.Minute
			p.yes("alice-1", "mark")
			p.due(20*time.Minute+time.Second, "ask:wake(alice-1)")
		}},
		{"a warning before the idle limit, by the server's word, once", func(p *page) {
			p.policy.IdleWarning = 2 * time.Minute
			p.idle = 30 * time.Minute
			p.active("alice-1")
			p.due(27*time.Minute, "ask:wake(alice-1)")
			p.life, p.idle = 32*time.Minute, 2*time.Minute
			p.yes("alice-1", "mark", "warning:idle_limit")
			if n := p.notice(session.NoticeWarning); n.Limit != "idle" || n.ExpiresIn != 2*time.Minute {
				p.t.Errorf("warning of %s in %v", n.Limit, n.ExpiresIn)
			}
			p.due(2*time.Minute+time.Second, "ask:wake(alice-1)")
			p.no(noSession, "expired:idle_limit", "mark:idle_limit", "drop")
		}},
		{"a warning while the server cannot be asked, by its last word", func(p *page) {
			p.policy.IdleWarning = time.Minute
			p.idle = 20 * time.Minute
			p.active("alice-1")
			p.pass(17*time.Minute + 30*time.Second)
			p.on(session.Wanted{ID: 1, Fresh: true}, "ask:request(alice-1)")
			p.no(tooMany(time.Minute), "mark:failed", "renewerror:rate_limited", "settle[1]=alice-1")
			p.due(30*time.Second, "warning:idle_limit")
			if n := p.notice(session.NoticeWarning); n.ExpiresIn != time.Minute {
				p.t.Errorf("warned of %v", n.ExpiresIn)
			}
			p.due(30*time.Second, "ask:request(alice-1)")
			p.no(tooMany(time.Minute), "mark:failed", "renewerror:rate_limited")
			p.due(31 * time.Second) // the limit, of which only the server can say
			p.due(29*time.Second, "ask:request(alice-1)")
		}},
		{"a warning before the absolute limit", func(p *page) {
			p.policy.IdleWarning = 2 * time.Minute
			p.absolute = 30 * time.Minute
			p.active("alice-1")
			p.due(27*time.Minute, "ask:wake(alice-1)")
			p.life, p.absolute = 32*time.Minute, 2*time.Minute
			p.yes("alice-1", "mark", "warning:absolute_limit")
			if n := p.notice(session.NoticeWarning); n.Limit != "absolute" || n.ExpiresIn != 2*time.Minute {
				p.t.Errorf("warning of %s in %v", n.Limit, n.ExpiresIn)
			}
		}},
		{"the user stays", func(p *page) {
			p.policy.IdleWarning = 2 * time.Minute
			p.idle = 30 * time.Minute
			p.active("alice-1")
			p.due(27*time.Minute, "ask:wake(alice-1)")
			p.life, p.idle = 32*time.Minute, 2*time.Minute
			p.yes("alice-1", "mark", "warning:idle_limit")
			p.on(session.StayAsked{}, "activity", "stayed:request")
			p.due(28*time.Minute, "ask:wake(alice-1)") // and is warned again, when it is time
		}},
		{"activity is reported at most once a minute, and staying always", func(p *page) {
			p.idle = 30 * time.Minute
			p.active("alice-1")
			p.on(session.UserActive{}, "activity")
			p.on(session.UserActive{})
			p.pass(59 * time.Second)
			p.on(session.UserActive{})
			p.on(session.StayAsked{}, "activity", "stayed:request")
			p.pass(time.Minute)
			p.on(session.UserActive{}, "activity")
		}},
		{"activity is reported often enough for a short idle limit", func(p *page) {
			p.idle = 100 * time.Second
			p.active("alice-1")
			p.on(session.UserActive{}, "activity")
			p.pass(10 * time.Second)
			p.on(session.UserActive{}, "activity")
		}},
		{"activity without a session is not reported", func(p *page) {
			p.start("ask:start()")
			p.on(session.UserActive{})
			p.no(noCookie)
			p.on(session.StayAsked{})
		}},

		// --- Other tabs ------------------------------------------------------------------
		{"another tab has renewed: taken over without a call", func(p *page) {
			p.active("alice-1")
			p.otherTab("alice-2", life)
			p.on(session.StorageChanged{})
			p.phase(session.Active)
			p.due(firstDue, "ask:due(alice-2)")
		}},
		{"another tab has renewed while this one asks: what waited goes on, the answer is late", func(p *page) {
			p.active("alice-1")
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			call := p.call()
			p.on(session.Wanted{ID: 1})
			p.otherTab("alice-2", life)
			p.on(session.StorageChanged{}, "cancel", "repeat(1)", "settle[1]=alice-2")
			p.answer(call, p.grant("alice-2"))
			p.phase(session.Active)
		}},
		{"an answer that comes after another tab's newer token does not overwrite it", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.otherTab("alice-3", life)
			p.yes("alice-2")
			p.phase(session.Active)
			p.on(session.Wanted{ID: 1}, "settle[1]=alice-3")
		}},
		{"another tab has signed in: this one goes on with it", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.otherTab("alice-1", life)
			p.on(session.StorageChanged{}, "signedin:signed_in")
			p.phase(session.Active)
		}},
		{"another tab renewed with a token that is due again: asked", func(p *page) {
			p.active("alice-1")
			p.otherTab("alice-2", life)
			p.pass(firstDue + time.Minute)
			p.on(session.Woke{}, "ask:wake(alice-2)")
		}},
		{"an unknown token in storage: the tab it came from reports it first", func(p *page) {
			p.active("alice-1")
			p.writes("alice-5")
			p.on(session.StorageChanged{})
			p.phase(session.Waiting)
			p.otherTab("alice-5", life)
			p.on(session.StorageChanged{})
			p.phase(session.Active)
		}},
		{"an unknown token in storage, without an event of the UI", func(p *page) {
			p.active("alice-1")
			p.writes("alice-5")
			p.on(session.StorageChanged{})
			p.retry(2400*time.Millisecond, 3600*time.Millisecond, "open(alice-5,)")
			p.yes("alice-5", "mark")
		}},
		{"an unknown token in storage, and the page's code asks: it does not wait", func(p *page) {
			p.active("alice-1")
			p.writes("alice-5")
			p.on(session.StorageChanged{})
			p.on(session.Wanted{ID: 1}, "open(alice-5,)")
			p.yes("alice-5", "mark", "settle[1]=alice-5")
		}},
		{"an unknown token after failures is still reported anew by a login", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.no(unreachable, "mark:failed", "renewerror:offline")
			p.writes("bob-1")
			p.on(session.Ticked{})
			p.login("bob-1", "open(bob-1,uuid-bob)")
			p.yes("bob-1", "mark", "signedin:signed_in")
			p.phase(session.Active)
		}},
		{"the token is removed elsewhere: signed out here, no DELETE", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.on(session.StorageChanged{})
			p.due(800*time.Millisecond, "signedout:elsewhere")
			p.phase(session.Ended)
			p.on(session.Woke{})
			p.on(session.Ticked{})
		}},
		{"another tab's own logout on a dead token is no sign-out: its mark says that it goes on", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.on(session.StorageChanged{})
			p.pass(300 * time.Millisecond)
			p.store.Mark.Written = p.now.Wall()
			p.on(session.StorageChanged{})
			p.on(session.Ticked{})
			p.pass(time.Minute)
			p.on(session.Ticked{})
			p.otherTab("alice-2", life)
			p.on(session.StorageChanged{})
			p.phase(session.Active)
		}},
		{"end() after the token was removed elsewhere reaches the server, once", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.on(session.Ticked{})
			p.due(800*time.Millisecond, "signedout:elsewhere")
			p.on(session.EndAsked{}, "mark:ending", "end:end")
			p.yes("", "mark:ended")
			p.on(session.EndAsked{})
		}},
		{"end() does not end the session of another user who has signed in since", func(p *page) {
			p.active("alice-1")
			p.otherTab("bob-1", life)
			p.on(session.EndAsked{}, "identitychanged:other_user", "signedin:signed_in")
			p.phase(session.Active)
		}},
		{"our own endCaptureSession is no sign-out, also right after a click", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.no(noSession, "expired:session_ended", "mark:session_ended", "drop")
			p.on(session.SignedOutSeen{})
		}},
		{"a sign-out right after a login is one, whatever we ended before", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.no(noSession, "expired:session_ended", "mark:session_ended", "drop")
			p.login("alice-2", "unmark", "open(alice-2,uuid-alice)")
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending")
			p.yes("alice-2", "end:signed_out")
		}},
		{"what waits for a token of an unknown user is not done as another user", func(p *page) {
			p.writes("alice-1")
			p.start("open(alice-1,)")
			p.fails(1, "alice-1")
			p.otherTab("bob-1", life)
			p.on(session.StorageChanged{}, "cancel", "unfinished:new_token", "forget(1)")
			p.phase(session.Active)
		}},
		{"a login that the UI tells of before it writes the token is not ended by the sign-out before", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
			p.yes("", "mark:ended")
			p.on(session.TokenSeen{Token: tok("alice-2"), UUID: uuidOf("alice"), Login: true},
				"unmark", "open(alice-2,uuid-alice)")
			p.on(session.StorageChanged{})
			p.writes("alice-2")
			p.yes("alice-2", "mark", "signedin:signed_in")
			p.phase(session.Active)
		}},
		{"who asks for a token that is missing is not kept waiting", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.on(session.StorageChanged{})
			p.on(session.Wanted{ID: 1, Fresh: true}, "ask:request(alice-1)")
			p.yes("alice-2", "settle[1]=alice-1")
			p.due(800*time.Millisecond, "signedout:elsewhere")
		}},
		{"a page that only asked whether there is a session says nothing of another tab's sign-out", func(p *page) {
			p.store.Mark = session.Mark{NotBefore: p.now.Add(time.Minute).Wall()}
			p.start()
			p.phase(session.Waiting)
			p.store.Mark = session.Mark{Written: p.now.Wall()}
			p.on(session.Wanted{ID: 1}, "reject[1]:unavailable")
			p.on(session.StorageChanged{})
			p.phase(session.SignedOut)
		}},
		{"a token that was missing for a moment was not removed", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.on(session.StorageChanged{})
			p.pass(500 * time.Millisecond)
			p.writes("alice-1")
			p.on(session.StorageChanged{})
			p.pass(time.Minute)
			p.writes("")
			p.on(session.StorageChanged{})
			p.due(800*time.Millisecond, "signedout:elsewhere")
		}},
		{"the end of an earlier session is no sign-out of a page that begins", func(p *page) {
			p.store.Mark = session.Mark{Written: p.now.Wall()}
			p.pass(time.Hour)
			p.start("ask:start()")
			p.on(session.StorageChanged{})
			p.no(noCookie)
			p.phase(session.SignedOut)
		}},
		{"the token is removed elsewhere while this page asks: nothing is adopted", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.writes("")
			p.yes("alice-2")
			p.due(800*time.Millisecond, "signedout:elsewhere")
		}},
		{"a sign-out elsewhere right after this page's renewal is one", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
			p.pass(100 * time.Millisecond)
			p.writes("")
			p.store.Mark = session.Mark{Ending: true, Written: p.now.Wall()}
			p.on(session.StorageChanged{}, "signedout:elsewhere")
		}},
		{"a sign-out elsewhere is one also when the server has heard of it already", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
			p.writes("")
			p.store.Mark = session.Mark{Written: p.now.Wall()}
			p.on(session.StorageChanged{}, "signedout:elsewhere")
		}},
		{"a sign-out elsewhere is one also when the UI had cleared its token before", func(p *page) {
			p.active("alice-1")
			p.store.Expires = p.now.Wall()
			p.on(session.Ticked{})
			p.store.Token, p.store.Expires = session.Token{}, session.Instant{}
			p.on(session.Ticked{})
			p.phase(session.Active)
			p.store.Mark = session.Mark{Ending: true, Written: p.now.Wall()}
			p.on(session.NoTokenSeen{}, "signedout:elsewhere")
		}},
		{"access denied after a sign-out elsewhere revives nothing", func(p *page) {
			p.active("alice-1")
			p.writes("")
			p.store.Mark = session.Mark{Ending: true, Written: p.now.Wall()}
			p.on(session.ScreenDenied{Handlers: 7}, "signedout:elsewhere", "deliver(7)")
		}},
		{"the UI that takes its time to write a token is not a sign-out", func(p *page) {
			p.active("alice-1")
			p.blocked = true
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
			p.on(session.Ticked{}) // storage still holds the former one
			p.store.Token, p.store.Expires = session.Token{}, session.Instant{}
			p.on(session.Ticked{})
			p.phase(session.Active)
			p.due(5 * time.Second) // but not for ever
			p.due(800*time.Millisecond, "signedout:elsewhere")
		}},
		{"the UI's own clearing of a token it thinks expired is not a sign-out", func(p *page) {
			p.active("alice-1")
			p.store.Expires = p.now.Wall().Add(time.Minute)
			p.on(session.Ticked{})
			p.pass(2 * time.Minute)
			p.store.Token, p.store.Expires = session.Token{}, session.Instant{}
			p.on(session.StorageChanged{})
			p.phase(session.Active)
			p.due(firstDue-3*time.Minute, "ask:due(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
		}},
		{"another user signed in, in another tab: nothing is finished as them, and the tab goes on", func(p *page) {
			p.active("alice-1")
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.otherTab("bob-1", life)
			p.on(session.StorageChanged{}, "cancel", "identitychanged:other_user",
				"unfinished:other_user", "forget(1)", "signedin:signed_in")
			p.phase(session.Active)
			p.on(session.StorageChanged{})
		}},
		{"another tab has found out that the token in storage is another user's", func(p *page) {
			p.active("alice-1")
			p.writes("bob-1")
			p.on(session.StorageChanged{})
			p.retry(2400*time.Millisecond, 3600*time.Millisecond, "open(bob-1,)")
			open := p.call()
			p.otherTab("bob-1", life)
			p.on(session.StorageChanged{}, "cancel", "identitychanged:other_user", "signedin:signed_in")
			p.answer(open, p.grant("bob-1")) // their session goes on
		}},
		{"this tab finds out that the token in storage is another user's: their session goes on", func(p *page) {
			p.active("alice-1")
			p.writes("bob-1")
			p.on(session.StorageChanged{})
			p.retry(2400*time.Millisecond, 3600*time.Millisecond, "open(bob-1,)")
			p.yes("bob-1", "identitychanged:other_user", "mark", "signedin:signed_in")
			p.phase(session.Active)
			p.due(firstDue, "ask:due(bob-1)")
			p.yes("bob-2", "mark", "adopt(bob-2)", "renewed:due")
		}},
		{"the server answers for another user: nothing is adopted", func(p *page) {
			p.active("alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired, Handlers: 7}, "ask:expired(alice-1)")
			p.yes("bob-1", "identitychanged:other_user", "swallow(7)")
			p.phase(session.Ended)
			p.on(session.StorageChanged{}) // what is left of the old session is not a new one
			p.phase(session.Ended)
		}},
		{"a sign-out after a session that was another user's reaches the server", func(p *page) {
			p.active("alice-1")
			p.otherTab("bob-1", life)
			p.on(session.StorageChanged{}, "identitychanged:other_user", "signedin:signed_in")
			p.writes("")
			p.on(session.SignedOutSeen{}, "signedout:signed_out", "mark:ending", "end:signed_out")
		}},
		{"another user signs in on this very page: told in either order it is a login", func(p *page) {
			p.active("alice-1")
			p.writes("bob-1")
			p.on(session.TokenSeen{Token: tok("bob-1")}, "open(bob-1,)")
			p.login("bob-1")
			p.yes("bob-1", "mark", "signedin:signed_in")
			p.phase(session.Active)
		}},
		{"another user signs in on this very page, seen in storage first", func(p *page) {
			p.active("alice-1")
			p.writes("bob-1")
			p.on(session.Ticked{})
			p.login("bob-1", "open(bob-1,uuid-bob)")
			p.yes("bob-1", "mark", "signedin:signed_in")
			p.phase(session.Active)
		}},
		{"an action of one user is not repeated as another", func(p *page) {
			p.active("alice-1")
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.login("bob-1", "cancel", "open(bob-1,uuid-bob)", "unfinished:new_token", "forget(1)")
			p.yes("bob-1", "mark", "signedin:signed_in")
		}},

		// --- Clocks, lives, marks ----------------------------------------------------------
		{"a page that starts again after a crash goes on without a call", func(p *page) {
			p.active("alice-1")
			p.start()
			p.phase(session.Active)
			p.on(session.TokenSeen{Token: tok("alice-1")})
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
		}},
		{"a page that starts with a due token asks", func(p *page) {
			p.active("alice-1")
			p.pass(firstDue)
			p.start("ask:start(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:start")
		}},
		{"a page that starts in another user's browser session knows no user yet", func(p *page) {
			p.active("alice-1")
			p.otherTab("bob-1", life)
			p.start()
			p.phase(session.Active)
		}},
		{"a mark written in the future is not believed", func(p *page) {
			p.active("alice-1")
			p.store.Mark.Written = p.now.Wall().Add(time.Hour)
			p.start("ask:start(alice-1)")
			p.life = 50 * time.Minute
			p.yes("alice-1", "mark")
		}},
		{"a mark that promises more than a life is not believed", func(p *page) {
			p.active("alice-1")
			p.store.Mark.Expires = p.now.Wall().Add(2 * life)
			p.start("ask:start(alice-1)")
		}},
		{"the clock steps forward an hour: the server is asked, and its word holds", func(p *page) {
			p.active("alice-1")
			p.stepClock(time.Hour)
			p.on(session.Ticked{}, "ask:due(alice-1)")
			p.life = life - time.Minute
			p.yes("alice-1", "mark", "adopt(alice-1)") // by its date the UI thinks it dead
			p.on(session.Ticked{})
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
		}},
		{"the clock steps back an hour: renewed in time", func(p *page) {
			p.active("alice-1")
			p.stepClock(-time.Hour)
			p.on(session.Ticked{})
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
		}},
		{"the clock steps back an hour after another tab's renewal was taken over: renewed in time", func(p *page) {
			p.active("alice-1")
			p.otherTab("alice-2", life)
			p.on(session.StorageChanged{})
			p.stepClock(-time.Hour)
			p.on(session.Ticked{})
			p.due(firstDue, "ask:due(alice-2)")
		}},
		{"a laptop sleeps past the token's end: asked on waking", func(p *page) {
			p.active("alice-1")
			p.sleep(2 * time.Hour)
			p.on(session.Woke{}, "ask:wake(alice-1)")
			p.on(session.Wanted{ID: 1})
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:wake", "settle[1]=alice-2")
		}},
		{"a laptop sleeps past the token's end: a good token is never a dead one", func(p *page) {
			p.active("alice-1")
			p.sleep(2 * time.Hour)
			p.on(session.Wanted{ID: 1}, "ask:request(alice-1)")
			p.no(unreachable, "mark:failed", "renewerror:offline")
			for _, then := range [][]string{nil, nil, {"reject[1]:unavailable"}} {
				p.pass(p.state.WakeAt.Sub(p.now))
				p.on(session.Ticked{}, "ask:request(alice-1)")
				p.no(unreachable, append([]string{"mark:failed", "renewerror:offline"}, then...)...)
			}
		}},
		{"a laptop slept, and the server is in trouble: asked once more before the token dies", func(p *page) {
			p.active("alice-1")
			p.sleep(life - time.Minute - 12*time.Second)
			p.on(session.Woke{}, "ask:wake(alice-1)")
			for _, wait := range []time.Duration{500, 1000, 2000} {
				p.no(unreachable, "mark:failed", "renewerror:offline")
				p.retry(wait*time.Millisecond*8/10, wait*time.Millisecond*12/10, "ask:wake(alice-1)")
			}
			p.no(unreachable, "mark:failed", "renewerror:offline")
			p.retry(3200*time.Millisecond, 4800*time.Millisecond, "ask:wake(alice-1)")
			p.no(unreachable, "mark:failed", "renewerror:offline")
			p.retry(1999*time.Millisecond, 2001*time.Millisecond, "ask:wake(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:wake")
		}},
		{"a token that lives five seconds is calm", func(p *page) {
			p.life = 5 * time.Second
			p.active("alice-1")
			p.on(session.Ticked{}, "ask:due(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
			p.due(4500 * time.Millisecond) // due, but the floor
			p.due(3500*time.Millisecond, "ask:due(alice-2)")
		}},
		{"a token that lives twenty seconds is renewed in time", func(p *page) {
			p.life = 20 * time.Second
			p.active("alice-1")
			p.on(session.Ticked{}, "ask:due(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
			p.pass(6 * time.Second)
			p.on(session.Ticked{})
			p.due(11*time.Second, "ask:due(alice-2)")
		}},
		{"a token that lives thirty days is renewed two minutes before its end", func(p *page) {
			p.life = 30 * 24 * time.Hour
			p.active("alice-1")
			p.due(p.life-2*time.Minute+time.Second-time.Minute, "ask:due(alice-1)")
		}},
		{"a token of no life is asked for as often as the floor allows", func(p *page) {
			p.life = 0
			p.active("alice-1")
			p.on(session.Ticked{}, "ask:due(alice-1)")
			for range 3 {
				p.yes("alice-1", "mark")
				p.on(session.Ticked{})
				p.due(floor, "ask:due(alice-1)")
			}
		}},

		// --- token() and renew() ---------------------------------------------------------------
		{"token() with a good token is answered at once", func(p *page) {
			p.active("alice-1")
			p.on(session.Wanted{ID: 1}, "settle[1]=alice-1")
		}},
		{"renew() asks, and gives what there is", func(p *page) {
			p.active("alice-1")
			p.on(session.Wanted{ID: 1, Fresh: true}, "ask:request(alice-1)")
			p.on(session.Wanted{ID: 2}, "settle[2]=alice-1")
			p.yes("alice-1", "mark", "settle[1]=alice-1")
			p.on(session.Wanted{ID: 3, Fresh: true}, "settle[3]=alice-1") // the floor
			p.due(floor, "ask:request(alice-1)")
		}},
		{"token() while a page restores", func(p *page) {
			p.start("ask:start()")
			p.on(session.Wanted{ID: 1})
			p.on(session.Wanted{ID: 2, Fresh: true})
			p.no(noCookie, "reject[1 2]:signed_out")
		}},
		{"token() while a login is reported", func(p *page) {
			p.start("ask:start()")
			p.no(noCookie)
			p.login("alice-1", "open(alice-1,uuid-alice)")
			p.on(session.Wanted{ID: 1})
			p.no(notVouched, "expired:grant_refused", "mark:grant_refused", "drop", "reject[1]:signed_out")
		}},
		{"token() in a page that waits asks when it may", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.no(unreachable, "mark:failed", "renewerror:offline")
			p.pass(4 * time.Second)
			p.on(session.Wanted{ID: 1}, "ask:due(alice-1)")
			p.no(unreachable, "mark:failed", "renewerror:offline", "settle[1]=alice-1")
			p.on(session.Wanted{ID: 2}, "settle[2]=alice-1") // too soon to ask
			p.pass(floor)
			p.on(session.Wanted{ID: 3}, "ask:due(alice-1)")
			p.no(noSession, "expired:session_ended", "mark:session_ended", "drop", "reject[3]:signed_out")
		}},
		{"stop() settles and lets go of everything", func(p *page) {
			p.active("alice-1")
			p.submits(1, "alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired, Screen: screen(1), Handlers: 7}, "ask:expired(alice-1)")
			p.on(session.Wanted{ID: 1})
			p.on(session.Wanted{ID: 2, Fresh: true})
			call := p.call()
			p.on(session.Stopped{}, "deliver(7)", "back(1)", "reject[1 2]:stopped")
			p.answer(call, p.grant("alice-2"))
			if !p.state.WakeAt.IsZero() {
				p.t.Error("a stopped page wants to wake")
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.play(newPage(t))
		})
	}
}

// otherTab is another tab that puts a token and its mark into storage.
func (p *page) otherTab(token string, life time.Duration) {
	p.writes(token)
	wall := p.now.Wall()
	p.store.Mark = session.Mark{
		Fingerprint: tok(token).Fingerprint(), Who: tok(uuidOf(token)).Fingerprint(),
		Written: wall, Expires: wall.Add(life), Life: life,
	}
}

// told says what the loader was told last of the user.
func (p *page) told(signedIn session.Tristate, uuid string) {
	p.t.Helper()
	for _, effect := range slices.Backward(p.effects) {
		if publish, ok := effect.(session.Publish); ok {
			if publish.SignedIn != signedIn || publish.UUID != uuid {
				p.t.Fatalf("told %v, %q; want %v, %q", publish.SignedIn, publish.UUID, signedIn, uuid)
			}
			return
		}
	}
	p.t.Fatal("the loader was told nothing")
}

// Pages that open together must not act together.
func TestWaitsAreSpread(t *testing.T) {
	var waits []time.Duration
	for seed := range uint64(200) {
		p := newPage(t)
		p.writes("alice-1")
		p.on(session.Started{Seed: seed * 0x9e3779b97f4a7c15}, "open(alice-1,)")
		for range 5 {
			p.no(unreachable, "mark:failed", "renewerror:offline")
			p.pass(p.state.WakeAt.Sub(p.now))
			p.on(session.Ticked{}, "open(alice-1,)")
		}
		p.no(unreachable, "mark:failed", "renewerror:offline")
		wait := p.state.WakeAt.Sub(p.now)
		if wait < 12*time.Second || wait > 18*time.Second {
			t.Fatalf("seed %d: the sixth wait is %v; want 15s ± 20 %%", seed, wait)
		}
		waits = append(waits, wait)
	}
	if least, most := slices.Min(waits), slices.Max(waits); most-least < 5*time.Second {
		t.Errorf("the waits lie between %v and %v: not spread", least, most)
	}
}
