package session

import "time"

// How a session ends, and how this tab goes on.

// end ends the session for this page and says so, once.
func (d *dealing) end(by NoticeName, why Why) {
	d.exchange.dropped(d.effects)
	if !d.ends.told {
		d.tell(Notice{Name: by, Why: why})
	}
	d.expect.ended(d.session.token, &d.snap)
	d.session = session{over: true}
	lost := d.ends.signOutLost
	d.ends.ended(by)
	if lost {
		d.tellServer(WhySignedOut)
	}
	// The page's handlers of dead tokens hear of an expiry only: after a
	// sign-out they would act on the next session.
	d.signal(signal{what: signalAnother, why: why})
	d.signal(signal{what: signalRejected, reject: RejectSignedOut})
}

// expire ends it because the server, or the browser, says that it is no use any
// more: for all tabs, and in the UI.
func (d *dealing) expire(why Why) {
	d.signal(signal{what: signalOver, why: why})
	d.end(NoticeExpired, why)
	d.do(SetMark{Mark{Written: d.now.Wall(), Why: why}})
	d.drop() // or the next page finds the remains and takes them for a session
}

// follow ends the session as it ended elsewhere, for the same reason.
func (d *dealing) follow() {
	why := d.snap.Mark.Why
	switch {
	case d.session.token.Empty() && !d.expect.hadSession:
		// It was not this page's: it only asked whether there is one.
		d.exchange.dropped(d.effects)
		d.session = session{}
		d.signal(signal{what: signalOver, why: WhyElsewhere, reject: RejectSignedOut})
	case why != NoWhy:
		d.signal(signal{what: signalOver, why: why})
		d.end(NoticeExpired, why)
	default:
		d.end(NoticeSignedOut, WhyElsewhere)
	}
	d.expect.earlierEnd = d.snap.Mark.Written
}

func (d *dealing) signedOutSeen(ev *SignedOutSeen) {
	switch d.ends.meaning(ev, d.find(), d.session.over, &d.snap) {
	case signOutKnown:
		d.ends.dropping = false
	case signOutToldOnly:
		d.ends.ended(NoticeSignedOut)
		d.tell(Notice{Name: NoticeSignedOut, Why: WhySignedOut})
	case signOutLate:
		d.tellServer(WhySignedOut)
		if !d.snap.Token.Empty() {
			d.drop() // written by another tab that did not know
		}
	case signOutReaction:
		d.goOn()
	case signOutPerson:
		d.signOut(WhySignedOut, true, d.snap.Token)
	}
}

// endAsked is the page's end(). It reports whether the server has yet to be
// told.
func (d *dealing) endAsked() {
	switch f := d.find(); {
	case f == otherUser:
		d.observe() // it is another user's session by now
	case !d.session.over:
		d.signOut(WhyEnd, mine(&d.session, &d.snap), first(d.session.token, d.snap.Token))
	case d.ends.serverNotTold && d.ends.by == NoticeSignedOut && d.snap.Token.Empty():
		d.tellServer(WhyEnd)
	}
	if !d.exchange.signsOut() {
		d.signal(signal{what: signalEnded})
	}
}

// signOut is a person's own doing: it beats any answer still under way, and is
// not over until the server knows. left is the token that the UI may still
// have: written by another tab that did not know yet. own says whether what
// storage holds is to go, too.
func (d *dealing) signOut(why Why, own bool, left Token) {
	anonymous := d.phase() == SignedOut && d.session.token.Empty()
	var asked effects
	d.exchange.signOut(why, d.now, &asked)
	if anonymous {
		d.session = session{over: true} // a cookie may be here all the same
	} else {
		d.end(NoticeSignedOut, why)
	}
	d.ends.serverNotTold = false
	if own {
		d.mark(Mark{Ending: true, Written: d.now.Wall()})
	}
	for _, effect := range asked {
		d.do(effect)
	}
	if own && !left.Empty() {
		d.drop()
	}
}

// tellServer tells the server of a sign-out that the page knows of already.
func (d *dealing) tellServer(why Why) {
	d.ends.serverNotTold = false
	d.mark(Mark{Ending: true, Written: d.now.Wall()})
	d.exchange.signOut(why, d.now, d.effects)
}

func (d *dealing) mark(m Mark) {
	d.expect.lastMarkAt = m.Written
	d.do(SetMark{m})
}

// drop ends the UI's own session. If that has a token the UI will tell of it.
func (d *dealing) drop() {
	d.ends.dropping = !d.snap.Token.Empty()
	d.do(Drop{})
}

func (d *dealing) endAnswered(ev *Answered) {
	if next := !d.session.over || d.exchange.retry.Kind != NoCall; next {
		d.ends.signOutLost = !ev.Answer.OK && !ev.Answer.Final
		d.signal(signal{what: signalEnded})
		return
	}
	if !ev.Answer.OK && !ev.Answer.Final {
		d.failed(&ev.Call, &ev.Answer)
		d.signal(signal{what: signalEnded, reject: RejectUnavailable})
		return
	}
	d.exchange.pace.succeeded()
	if d.snap.Mark.Ending {
		// Not over the mark of a user who has signed in since. What stays tells
		// tabs that look late.
		d.mark(Mark{Written: d.now.Wall()})
	}
	d.signal(signal{what: signalEnded})
}

// goOn keeps the session although the page's own code has ended the UI's, in
// reaction to a dead token: the answer under way restores it, and a token that
// is good is given again.
func (d *dealing) goOn() {
	if d.session.token.Empty() && d.exchange.idle() {
		return
	}
	d.expect.without()
	if mark := d.snap.Mark; mark.Fingerprint != "" {
		// Another tab that misses the token must see that it goes on.
		at := d.now.Wall()
		if at == mark.Written {
			at = at.Add(time.Millisecond)
		}
		mark.Written = at
		d.mark(mark)
	}
	switch {
	case !d.session.alive(d.now) || !d.exchange.idle():
	case latest(&d.session, &d.snap):
		d.adopt()
	default:
		d.ask(WhyStart)
	}
}

// left makes sure, on a page that is being left, of what others must know.
func (d *dealing) left() {
	d.withdraw()
	d.exchange.left(d.now, d.effects)
}
