package session

// How a session begins for this tab: with what storage holds, with a login,
// with a token that appears, or with the server's word for a cookie.

func (d *dealing) started(seed uint64) {
	d.account = account{
		expect:   begun(&d.snap, d.policy.OnDemand),
		keeping:  keeping{always: !d.policy.OnDemand},
		exchange: exchange{seq: d.exchange.seq, pace: pace{chance: seed | 1}},
	}
	d.exchange.heard(&d.snap.Mark, d.now)
	switch {
	case d.snap.Token.Empty() && d.snap.Mark.Ending:
		// The last page was left before the server heard of the sign-out.
		d.session.over = true
		d.exchange.signOut(WhySignedOut, d.now, d.effects)
	case d.snap.Token.Empty():
		d.restore(WhyStart)
	case d.snap.tokenMarked():
		d.takeUp(WhyStart)
		d.withdraw() // what a page that crashed has left there
	default:
		d.report(Call{Token: d.snap.Token}, d.session.unconfirmed(d.snap.Token))
	}
}

// tokenMeaning is what it means that the UI tells of a token.
type tokenMeaning uint8

const (
	tokenKnown     tokenMeaning = iota // ours, or told before, or too late
	tokenMarked                        // the mark is of this token
	tokenLogin                         // a person has just signed in with it
	tokenRefreshed                     // it replaces the one of the person who is signed in
	tokenUnknown                       // only Capture knows its user
	tokenLate                          // it replaces one of a person who has signed out
)

func (ev *TokenSeen) meaning(a *account, snap *Snapshot) tokenMeaning {
	s := &a.session
	switch {
	case ev.Token.Empty():
		return tokenKnown
	case ev.Token == s.token && ev.repeats(a):
		return tokenKnown // our own createCaptureSession, or the second event of one login
	case ev.Login:
		return ev.loginMeaning(a, snap)
	case ev.Token == s.dead, ev.Token == a.expect.endedToken:
		return tokenKnown
	case snap.Readable && snap.Token != ev.Token:
		return tokenKnown // storage has moved on since, to a sign-out perhaps
	case snap.tokenMarked() && snap.Readable:
		return tokenMarked
	}
	return tokenUnknown
}

// loginMeaning tells a person's login from single sign-on, which replaces the
// token of one who is signed in, and signs no one in who has just signed out.
func (ev *TokenSeen) loginMeaning(a *account, snap *Snapshot) tokenMeaning {
	switch {
	case !ev.Refreshed:
		return tokenLogin
	case a.session.over && a.ends.by == NoticeSignedOut && !snap.tokenMarked():
		return tokenLate
	case a.session.confirmed():
		return tokenRefreshed
	}
	return tokenLogin
}

// repeats reports whether the session knows already what the event tells of its
// token: not if that was only seen in storage, a moment before a login is told.
func (ev *TokenSeen) repeats(a *account) bool {
	if ev.Login && a.exchange.fresh() {
		return false
	}
	return a.session.confirmed() || a.exchange.reports()
}

func (d *dealing) tokenSeen(ev *TokenSeen) {
	call := Call{Token: ev.Token, UUID: ev.UUID}
	switch ev.meaning(&d.account, &d.snap) {
	case tokenKnown:
		if ev.Login && ev.Token == d.session.token {
			d.session.was = "" // a person signed in with it: earlier users do not matter
		}
	case tokenMarked:
		d.takeUp(WhyStart)
	case tokenLogin:
		d.ends = ends{}
		d.report(call, session{token: ev.Token})
	case tokenRefreshed:
		// What waits goes on waiting: it is finished if the server says that
		// the person is the same.
		d.replace(d.session.unconfirmed(ev.Token))
		d.open(call)
	case tokenLate:
		d.drop() // a sign-out always wins
	case tokenUnknown:
		d.report(call, d.session.unconfirmed(ev.Token))
	}
}

// codeSeen reports a login by its one-time code, once: a second post could only
// be refused, and the two events of one login carry the same code. What storage
// holds is the last session's; it is neither used nor wiped.
func (d *dealing) codeSeen(ev *CodeSeen) {
	if ev.Code.Empty() || ev.Code == d.exchange.code {
		return
	}
	d.exchange.code, d.ends = ev.Code, ends{}
	call := Call{Code: ev.Code, RedirectURI: ev.RedirectURI}
	if !ev.Posted {
		d.report(call, session{token: d.snap.Token})
		return
	}
	d.renounce(session{token: d.snap.Token})
	d.exchange.plan(Call{Kind: CallToken, Why: WhyStart}, d.now.Add(handOffPatience))
}

// handedOff takes the answer to a code that the loader has posted.
func (d *dealing) handedOff(answer *Answer) {
	if d.exchange.code.Empty() || d.session.confirmed() || d.session.over {
		return
	}
	d.exchange.dropped(d.effects)
	d.settled(&Call{Kind: CallOpen, Why: WhyStart, Code: d.exchange.code}, answer)
}

// report tells the server of a token or code that is not ours: Capture knows
// its user.
func (d *dealing) report(call Call, s session) {
	d.renounce(s)
	d.open(call)
}

func (d *dealing) open(call Call) {
	call.Kind, call.Why = CallOpen, WhyStart
	d.exchange.send(call, d.now, d.effects)
}

// renounce gives up what was before a login: whatever the user did was done
// with another token, perhaps as another user.
func (d *dealing) renounce(s session) {
	if d.session.who != "" || d.session.token != s.token {
		d.signal(signal{what: signalAnother, why: WhyNewToken})
	}
	d.replace(s)
}

// replace goes on with another session, which the server has yet to confirm.
func (d *dealing) replace(s session) {
	if d.snap.Mark.Over() {
		d.do(SetMark{d.snap.Mark.trouble()}) // that end was before
	}
	d.session = s
	d.expect.told(s.token, &d.snap, d.now)
	d.exchange.cookie = cookie{}
	d.exchange.pace.succeeded()
}

// meetForeign takes note of a token that others wrote. The tab where it came
// from reports it first; only if none does it is ours to report.
func (d *dealing) meetForeign() {
	d.signal(signal{what: signalAnother, why: WhyNewToken})
	d.exchange.dropped(d.effects)
	d.session = d.session.unconfirmed(d.snap.Token)
	d.expect.found(&d.snap, false)
	wait := d.exchange.pace.spread(foreignGrace)
	d.exchange.pace.succeeded()
	d.exchange.cookie = cookie{}
	call := Call{Kind: CallOpen, Why: WhyWake, Token: d.snap.Token}
	d.exchange.plan(call, d.now.Add(wait))
}

// takeUp goes on with a token that has this browser's mark: another tab
// renewed or signed in, or this page has just begun.
func (d *dealing) takeUp(why Why) {
	if p := d.session.person(); p != "" && p != d.snap.Mark.Who {
		d.end(NoticeIdentityChanged, WhyOtherUser)
	}
	if renewal := d.session.who == d.snap.Mark.Who || d.session.token == d.snap.Token; !renewal {
		// The user of the token before is not known: what waits may be
		// another's.
		d.signal(signal{what: signalAnother, why: WhyNewToken})
	}
	d.exchange.superseded(d.effects)
	d.session = d.session.takenUp(&d.snap, d.now, &d.policy)
	d.expect.found(&d.snap, true)
	d.exchange.pace.succeeded()
	d.exchange.pace.heard(&d.snap.Mark, d.now)
	d.ends = ends{}
	if d.session.token == d.session.dead || d.session.due.Reached(d.now) {
		d.ask(why)
		return
	}
	if d.snap.uiBlind(d.now) {
		d.adopt()
	}
	d.signal(signal{what: signalGood})
}

// restore asks, once a page, whether the server knows this browser. It reports
// whether it asked.
func (d *dealing) restore(why Why) bool {
	if d.exchange.restored {
		return false
	}
	d.exchange.restored = true
	d.session = session{}
	d.expect.without()
	if !d.exchange.restore(why, d.now, d.effects) {
		d.putOff()
	}
	return true
}
