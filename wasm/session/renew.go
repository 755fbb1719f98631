package session

// How a session goes on: when the server is asked, and what its answer means.

// ask asks for a token as soon as the pace allows.
func (d *dealing) ask(why Why) {
	if d.exchange.cookie.lost {
		d.withoutCookie()
		return
	}
	if !d.exchange.ask(d.session.tokenCall(why), d.urgent(), d.now, d.effects) {
		d.putOff()
	}
}

// withoutCookie goes on where the server cannot be asked: as long as the token
// lives.
func (d *dealing) withoutCookie() {
	if d.session.alive(d.now) {
		d.signal(signal{what: signalPutOff, at: d.session.expires})
		return
	}
	d.expire(WhyCookieRefused)
}

// putOff signals that the next call is planned for later.
func (d *dealing) putOff() {
	if d.exchange.retry.Kind != NoCall {
		d.signal(signal{what: signalPutOff, at: d.exchange.retryAt})
	}
}

// held gets a token for a form that waits for one.
func (d *dealing) held() {
	switch {
	case d.session.alive(d.now):
		d.signal(signal{what: signalGood})
	case d.session.over && d.ends.by != NoticeExpired:
		d.signal(signal{what: signalAnother, why: WhySignedOut})
	case !d.session.confirmed() && d.exchange.idle() || d.session.over:
		d.signal(signal{what: signalOver, why: WhySessionEnded})
	default:
		d.hurry(WhyDue)
	}
}

// woke hears that the page is looked at again.
func (d *dealing) woke() {
	d.bring()
	d.exchange.hurried(d.urgent(), d.now)
}

// hurry asks for a user or a page that waits: by the call under way, by the
// planned one, or by one of their own.
func (d *dealing) hurry(why Why) {
	switch {
	case d.exchange.wanted().Kind != NoCall:
	case d.exchange.retry.Kind != NoCall:
		d.exchange.hurried(d.urgent(), d.now)
		if !d.repeat() {
			d.putOff()
		}
	default:
		d.ask(why)
	}
}

// repeat makes the planned call if it is time.
func (d *dealing) repeat() bool {
	return d.exchange.due(&d.session, d.now, d.effects)
}

// learnDead notes that a token is dead before it looks at storage: it may be
// another tab's, that this one is about to take up.
func (d *dealing) learnDead(token Token, why Why, what failure) {
	if what != failureLate && d.snap.Mark.Of(token) && token == d.snap.Token {
		d.session.refused(token, why)
	}
	d.observeFailure()
}

// met hears that something of the user met a dead token.
func (d *dealing) met(token Token, screen string, why Why, what failure) {
	d.keeping.need(screen, true)
	if what == failureLate && d.session.alive(d.now) {
		d.signal(signal{what: signalGood}) // that was about the token before
		return
	}
	d.dead(token, why)
}

// denied hears that the UI refused a screen.
func (d *dealing) denied(screen string, unseen bool) {
	d.keeping.need(screen, false)
	if unseen && d.session.alive(d.now) && latest(&d.session, &d.snap) {
		d.adopt() // the token was not refused: the UI did not see it
		d.signal(signal{what: signalGood})
		return
	}
	d.dead(d.session.token, WhyDenied)
}

// dead acts on a token that was met as dead.
func (d *dealing) dead(token Token, why Why) {
	s := &d.session
	switch {
	case s.over:
		d.signal(signal{what: signalOver, why: WhySessionEnded})
	case !s.confirmed() && d.exchange.idle():
		// The token is not confirmed. It may belong to another user than the
		// cookie: nothing is restored over it.
		if !s.token.Empty() || !d.restore(why) {
			d.signal(signal{what: signalOver, why: WhySessionEnded})
		}
	case !s.confirmed():
		if token == s.token {
			s.refused(token, why)
		}
		d.hurry(why) // the answer restores, or says that there is nothing
	case token != s.token && s.alive(d.now) && !d.missing():
		// It failed with a token that has been replaced since.
		if d.snap.Readable && d.snap.Token != s.token {
			d.adopt() // the UI has not written ours
		}
		d.signal(signal{what: signalGood})
	default:
		if token == s.token || d.exchange.idle() {
			s.refused(s.token, why)
		}
		d.hurry(why) // the answer under way will show whether the server knew
	}
}

// missing reports whether the UI's token is gone, because of the UI itself or
// of a sign-out that it has yet to report. Only the server's answer brings one
// back.
func (d *dealing) missing() bool {
	return d.snap.Readable && d.snap.Token.Empty() && d.keeping.inStorage()
}

// tick does what has come due.
func (d *dealing) tick(why Why) {
	d.exchange.bounded(d.urgent(), d.now, d.effects)
	switch {
	case d.expect.unsure() || d.exchange.wanted().Kind != NoCall:
	case d.exchange.retry.Kind != NoCall:
		if !d.repeat() && d.session.confirmed() {
			d.session.limits.warn(d.policy.IdleWarning, d.now, d.effects) // the server cannot say now
		}
	case !d.session.confirmed():
	case d.session.due.Reached(d.now):
		d.ask(why)
	case d.session.limits.due(d.policy.IdleWarning, d.now):
		d.ask(WhyWake) // another tab may have moved the limit: the server knows
	}
}

// wanted gets a token for the page's own code.
func (d *dealing) wanted() {
	s := &d.session
	switch {
	case s.over, !s.confirmed() && d.exchange.idle() && (!s.token.Empty() || !d.restore(WhyRequest)):
		d.signal(signal{what: signalRejected, reject: RejectSignedOut})
	default:
		d.hurry(WhyRequest)
	}
}

// active hears that the user is there.
func (d *dealing) active() {
	if !d.session.confirmed() {
		return
	}
	d.session.limits.active(d.now, d.effects)
	if d.session.limits.passed(d.now) && d.exchange.idle() {
		d.ask(WhyWake) // only the server moves a limit that has passed
	}
}

// stay hears that the user chose to stay.
func (d *dealing) stay() {
	if !d.session.confirmed() {
		return
	}
	if d.session.limits.stay(d.now, d.effects) {
		d.hurry(WhyRequest)
	}
}

// lockAcquired looks at storage once more, now that this tab holds the lock.
func (d *dealing) lockAcquired(seq uint64) {
	d.observe()
	d.exchange.lockAcquired(seq, d.urgent(), d.now)
	d.putOff()
}

// noTokenSeen hears that the UI found no token when it started.
func (d *dealing) noTokenSeen() {
	s := &d.session
	switch f := d.find(); {
	case s.over || d.snap.Readable && !d.snap.Token.Empty():
		// The person signed out, or a token has come since.
	case f == overElsewhere || f == otherUser:
		d.observe()
	case s.alive(d.now) && d.exchange.idle() && latest(s, &d.snap):
		d.adopt() // the UI went by its own idea of the token's end
	case d.exchange.wanted().Kind != NoCall || d.exchange.reports():
		d.expect.without()
	case s.confirmed():
		d.expect.without()
		d.ask(WhyStart)
	default:
		d.restore(WhyStart)
	}
}

// answered takes the server's answer, if it is still for this session.
func (d *dealing) answered(ev *Answered) {
	wanted := d.exchange.answered(ev.Call.Seq, d.now, d.effects)
	switch {
	case !wanted:
	case ev.Call.Kind == CallEnd:
		d.endAnswered(ev)
	case !ev.Answer.OK || d.snap.Token != ev.Answer.Grant.Token:
		before := d.session.token
		d.observe()
		switch {
		case d.session.over || d.session.token != before || d.exchange.wanted().Kind != NoCall:
			// Storage has moved on: this answer is for another time.
		case d.expect.unsure() && ev.Answer.OK && ev.Call.Code.Empty():
			// It may be for a person who has left.
			d.exchange.plan(ev.Call, d.now.Add(floor))
			d.putOff()
		default:
			d.settled(&ev.Call, &ev.Answer)
		}
	default:
		d.settled(&ev.Call, &ev.Answer)
	}
}

// settled acts on an answer.
func (d *dealing) settled(call *Call, answer *Answer) {
	if answer.OK {
		d.granted(call, &answer.Grant)
	} else {
		d.refused(call, answer)
	}
}

func (d *dealing) granted(call *Call, g *Grant) {
	if p := d.session.person(); p != "" && p != g.who() {
		d.end(NoticeIdentityChanged, WhyOtherUser)
		if call.Kind != CallOpen {
			return // the cookie is theirs; their token will be seen in storage
		}
		d.replace(session{token: g.Token}) // they have signed in here
	}
	d.exchange.cookie.after(call.Kind, d.now)
	d.skew = g.skew(d.skew, d.now)
	if g.Token == d.session.dead {
		d.grantedDead(call, g)
		return
	}
	held := d.session.token
	if d.snap.Readable && d.keeping.inStorage() {
		held = d.snap.Token
	}
	fresh := g.Token != held
	d.session = d.session.granted(g, fresh, d.now, &d.policy)
	d.exchange.pace.succeeded()
	d.ends = ends{}
	// The mark goes first: a tab that sees the token must find its mark.
	d.writeMark()
	if fresh || d.snap.Readable && (d.snap.Expires.IsZero() || d.snap.Expires.Reached(d.now)) {
		d.adopt()
	}
	if fresh {
		d.tell(Notice{Name: NoticeRenewed, Why: call.Why, ExpiresIn: g.ExpiresIn})
	}
	d.session.limits.stayed(d.now, d.effects)
	d.session.limits.warn(d.policy.IdleWarning, d.now, d.effects)
	d.signal(signal{what: signalGood})
}

// grantedDead handles a grant of a token that the UI has met as dead. If the
// server was told so, its answer is a fault. Else the answer confirms the user
// and the session; the mark keeps that for the next page.
func (d *dealing) grantedDead(call *Call, g *Grant) {
	if call.Why.Refusal() && call.Token == g.Token {
		d.refused(call, &Answer{Why: WhyServer})
		return
	}
	dead, why := d.session.dead, d.session.deadWhy
	d.session = d.session.granted(g, false, d.now, &d.policy)
	d.session.refused(dead, why)
	d.writeMark()
	d.ask(why)
}

func (d *dealing) refused(call *Call, answer *Answer) {
	switch d.judge(call, answer) {
	case verdictWait:
		d.failed(call, answer)
	case verdictCodeSpent:
		d.tell(Notice{Name: NoticeRenewError, Why: answer.Why})
		d.exchange.restored = false
		d.restore(WhyStart)
	case verdictNoSession:
		d.noSession(answer)
	case verdictReopen:
		reopen := Call{Kind: CallOpen, Why: call.Why, Token: d.session.token}
		d.exchange.send(reopen, d.now, d.effects)
	case verdictNoCookie:
		d.exchange.cookie.lost = true
		d.session.due = d.session.expires
		d.tell(Notice{Name: NoticeRenewError, Why: WhyCookieRefused})
		d.withoutCookie()
	case verdictOver:
		d.expire(d.session.limits.endReason(answer.Why, d.now))
	}
}

// failed plans another attempt, and tells the other tabs and the page.
func (d *dealing) failed(call *Call, answer *Answer) {
	var dies Instant
	if d.session.alive(d.now) {
		dies = d.session.expires
	}
	at := d.exchange.pace.failed(answer, dies, d.now)
	d.exchange.plan(*call, at)
	if d.snap.Readable {
		d.do(SetMark{d.exchange.pace.mark(d.snap.Mark)})
	}
	if call.Kind != CallEnd {
		d.tell(Notice{Name: NoticeRenewError, Why: answer.Why, RetryIn: at.Until(d.now)})
		d.putOff()
	}
}

// noSession acts on the answer for an anonymous visitor, or for one with a
// session that has ended meanwhile.
func (d *dealing) noSession(answer *Answer) {
	reject := RejectUnavailable
	if answer.Final {
		reject = RejectSignedOut
		if d.expect.hadSession {
			d.expect.hadSession = false
			d.do(SetMark{})
		}
	}
	d.session = session{}
	if answer.Why == WhyGrantRefused || answer.Why == WhyMismatch {
		d.tell(Notice{Name: NoticeRenewError, Why: answer.Why})
	}
	d.signal(signal{what: signalOver, why: answer.Why, reject: reject})
}
