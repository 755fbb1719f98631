package session

import "time"

// account is the browser's session as this tab knows it.
type account struct {
	session  session
	expect   expectation
	exchange exchange
	ends     ends
	keeping  keeping
	// skew is how far the server's clock is ahead.
	skew time.Duration
}

// moment is what an account is told at once: the time, storage, what the page
// wants, and whether the user or the page waits for a token.
type moment struct {
	now    Instant
	snap   Snapshot
	policy Policy
	// waits: the user or the page waits for a token.
	waits bool
}

// signal is what the account has decided about the work that waits for it.
type signal struct {
	what   signalKind
	why    Why
	reject Rejection
	at     Instant
}

type signalKind uint8

const (
	signalGood     signalKind = iota // there is a good token: finish everything
	signalAnother                    // the person or the token is another: forget
	signalOver                       // there is no session: hand back
	signalRejected                   // who asked for a token gets none
	signalPutOff                     // the next call is made at a moment, no sooner
	signalEnded                      // the server knows of the sign-out, or does not
)

// dealing is one occasion on which the account changes. It collects what is to
// be done, and what it means for the work that waits; of that work it knows
// nothing.
type dealing struct {
	account
	*moment
	*effects
	signals []signal
}

// urgent reports whether the user or the page waits and the token is dead: then
// the server is asked at once.
func (d *dealing) urgent() bool { return d.waits && !d.session.alive(d.now) }

func (d *dealing) signal(s signal) { d.signals = append(d.signals, s) }

// observe compares storage with what is expected of it, and acts on it.
func (d *dealing) observe() {
	d.exchange.heard(&d.snap.Mark, d.now)
	if d.snap.Mark.Written.After(d.expect.lastMarkAt) {
		d.exchange.pace.answered(&d.snap.Mark, d.now)
	}
	f := d.find()
	d.expect.seen(f, d.session.token, &d.snap, d.now)
	switch f {
	case unreadable, same, notWritten, goneAsExpected, goneForNow:
	case newerOfOurs:
		d.takeUp(WhyWake)
	case foreign:
		d.meetForeign()
	case otherUser:
		d.end(NoticeIdentityChanged, WhyOtherUser)
		d.expect.lastMarkAt = Instant{} // that mark is of the next session
		d.observe()
	case overElsewhere:
		d.follow()
	case goneUnexplained:
		d.end(NoticeSignedOut, WhyElsewhere)
	case newSession:
		d.exchange.restored, d.expect.hadSession = false, true
		d.restore(WhyWake)
	}
}

// observeFailure is the same when the UI has met a dead token, which it may
// have removed itself.
func (d *dealing) observeFailure() {
	f := d.find()
	said := f == overElsewhere || f == otherUser || f == newSession
	if d.snap.Readable && d.snap.Token.Empty() && !said {
		d.expect.without()
		return
	}
	d.observe()
}

func (d *dealing) find() finding {
	return classify(&d.expect, &d.session, &d.exchange, &d.snap, d.now)
}

// adopt gives the token to the UI, if it is kept there now.
func (d *dealing) adopt() {
	if !d.keeping.inStorage() {
		d.expect.without()
		return
	}
	d.expect.given(&d.snap, d.now)
	d.do(Adopt{Token: d.session.token})
}

// bring gives the UI a token that it has no more, and needs now.
func (d *dealing) bring() {
	if d.keeping.inUse && d.expect.noToken && d.session.alive(d.now) {
		d.adopt()
	}
}

// screenWanted gives the UI the token before it looks for one.
func (d *dealing) screenWanted(screen string) {
	if d.keeping.want(screen) {
		d.bring()
	}
}

// screenShown takes the token back when another screen is shown after the one
// that needed it.
func (d *dealing) screenShown(screen string) {
	if d.keeping.show(screen) {
		d.withdraw()
	}
}

// withdraw takes the token out of storage, but not what others wrote.
func (d *dealing) withdraw() {
	if !d.keeping.always && d.session.confirmed() && !d.expect.noToken {
		d.expect.without()
		d.do(Withdraw{})
	}
}

// writeMark marks the token as one of ours.
func (d *dealing) writeMark() {
	d.expect.marked(d.now)
	d.do(SetMark{d.session.mark(d.now)})
}

// times tells when the account has something to do.
func (a *account) times(urgent bool, now Instant, p *Policy, at func(Instant)) {
	if a.expect.unsure() {
		at(a.expect.missingAt.Add(missingGrace))
		return
	}
	a.exchange.times(urgent, at)
	if a.expect.writing(now) {
		at(a.expect.givenAt.Add(writeGrace)) // to look again at what was excused
	}
	if !a.session.confirmed() || a.exchange.wanted().Kind != NoCall {
		return
	}
	retries := a.exchange.retry.Kind != NoCall
	if !retries {
		at(a.session.due)
	}
	a.session.limits.times(p.IdleWarning, func(limit Instant) {
		if !retries || !limit.Reached(now) {
			at(limit)
		}
	})
}

// first is the first that is not empty.
func first[T comparable](values ...T) T {
	var none T
	for _, v := range values {
		if v != none {
			return v
		}
	}
	return none
}
