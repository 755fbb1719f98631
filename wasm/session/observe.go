package session

import "time"

const (
	// foreignGrace lets the tab that wrote an unknown token report it first.
	foreignGrace = 3 * time.Second
	// writeGrace is how long the UI may take to write a token it was given.
	writeGrace = 5 * time.Second
	// missingGrace is how long a token may be gone, with its mark still there,
	// before that is a sign-out. A page's own code may log out on a dead token:
	// in that time its mark says that the session goes on.
	missingGrace = 800 * time.Millisecond
)

// expectation is what this tab believes that storage holds, and why it may be
// right when it looks otherwise.
type expectation struct {
	// noToken: the UI's storage holds none, so that its absence is not a
	// sign-out.
	noToken bool
	// replacedToken is what storage held when the UI got ours, at givenAt.
	// Until the UI has written, and where it cannot, that token is still there.
	replacedToken Token
	givenAt       Instant
	// missingAt is when the token was first missed without an explanation, and
	// lastMarkAt when the mark was written that stood beside it.
	missingAt, lastMarkAt Instant
	// earlierEnd is the end of a session that was over before this one.
	earlierEnd Instant
	// uiExpires is the UI's own idea of the token's end.
	uiExpires Instant
	// endedToken is of the session that ended here, or was refused: while it is
	// in storage, it is not a new one.
	endedToken Token
	// hadSession: this browser has had a session of ours. A page without a
	// token is then probably not an anonymous visitor's.
	hadSession bool
	// onDemand: tokens come and go; only the mark tells of a sign-out.
	onDemand bool
}

// finding is what a look at storage means.
type finding uint8

// The findings.
const (
	unreadable      finding = iota // storage is denied: nothing can be said
	same                           // as expected
	notWritten                     // the UI has not written what it was given
	newerOfOurs                    // another tab renewed or signed in, and wrote its mark
	foreign                        // a token without a mark
	goneAsExpected                 // no token, and there is a reason
	goneForNow                     // no token and no reason yet
	goneUnexplained                // no token, and no reason came in time: a sign-out
	overElsewhere                  // the mark says that the session is over
	otherUser                      // the mark says that another user is signed in
	newSession                     // the mark tells of a session; its token is kept elsewhere
)

// classify compares storage with what is expected of it. It decides nothing.
func classify(e *expectation, s *session, x *exchange, snap *Snapshot, now Instant) finding {
	marked, person := snap.tokenMarked(), s.person()
	switch {
	case !snap.Readable:
		return unreadable
	case snap.Token.Empty():
		return classifyEmpty(e, s, x, snap, now)
	case marked && person != "" && snap.Mark.Who != person:
		return otherUser
	case snap.Token == s.token && !(marked && !s.confirmed() && x.willReport()):
		return same
	case snap.Token == e.replacedToken && !s.over:
		return notWritten
	}
	return e.classifyToken(s, marked, snap)
}

// classifyToken says what a token is that is not the expected one.
func (e *expectation) classifyToken(s *session, marked bool, snap *Snapshot) finding {
	ended := snap.Token == e.endedToken
	switch {
	case ended && snap.Mark.Written == e.lastMarkAt:
		return same // what is left of the session that ended
	case marked:
		return newerOfOurs
	case ended || snap.Token == s.dead:
		return same
	}
	return foreign
}

// classifyEmpty explains why there is no token.
func classifyEmpty(e *expectation, s *session, x *exchange, snap *Snapshot, now Instant) finding {
	mark, person := &snap.Mark, s.person()
	switch {
	case s.over && mark.Fingerprint != "" && mark.Written != e.lastMarkAt:
		return newSession // it was written after the end
	case s.over || s.token.Empty() && !x.restores():
		return same
	case mark.Over() && mark.Written != e.earlierEnd:
		return overElsewhere
	case person != "" && mark.Who != "" && mark.Who != person:
		return otherUser
	case s.token.Empty():
		return goneAsExpected
	}
	return e.classifyGone(mark, now)
}

// classifyGone looks for a reason why the token is gone.
func (e *expectation) classifyGone(mark *Mark, now Instant) finding {
	switch {
	case e.noToken || e.onDemand || reached(e.uiExpires, now):
		return goneAsExpected // the UI clears a token that it believes has expired
	case e.writing(now):
		return notWritten
	case mark.Fingerprint == "":
		return goneUnexplained
	case mark.Written != e.lastMarkAt:
		return goneAsExpected // another tab says that the session goes on
	case !e.missingAt.IsZero() && now.Since(e.missingAt) >= missingGrace:
		return goneUnexplained
	}
	return goneForNow
}

// writing reports whether the UI may still be busy writing a token.
func (e *expectation) writing(now Instant) bool {
	return !e.givenAt.IsZero() && now.Since(e.givenAt) < writeGrace
}

// unsure reports whether it is still to be seen why the token is gone.
func (e *expectation) unsure() bool { return !e.missingAt.IsZero() }

// seen takes note of a look at storage.
func (e *expectation) seen(f finding, token Token, snap *Snapshot, now Instant) {
	if f == goneForNow {
		if e.missingAt.IsZero() {
			e.missingAt = now
		}
		return
	}
	e.missingAt = Instant{}
	switch f {
	case same:
		if !snap.Token.Empty() && snap.Token == token {
			// The UI has it.
			e.noToken, e.givenAt, e.replacedToken = false, Instant{}, Token{}
			e.lastMarkAt, e.uiExpires = snap.Mark.Written, snap.Expires
		}
	case goneAsExpected:
		e.noToken = true
	}
}

// begun is what a page expects when it starts.
func begun(snap *Snapshot, onDemand bool) expectation {
	e := expectation{
		uiExpires: snap.Expires, hadSession: snap.Mark.Fingerprint != "", onDemand: onDemand,
		noToken: snap.Token.Empty(),
	}
	if snap.Mark.Over() {
		e.earlierEnd = snap.Mark.Written
	}
	return e
}

// found expects the token that is in storage.
func (e *expectation) found(snap *Snapshot, marked bool) {
	e.noToken, e.uiExpires, e.endedToken = false, snap.Expires, Token{}
	e.givenAt, e.replacedToken, e.missingAt = Instant{}, Token{}, Instant{}
	e.lastMarkAt, e.hadSession = snap.Mark.Written, e.hadSession || marked
}

// told expects a token that the UI tells of, perhaps before it writes it.
func (e *expectation) told(token Token, snap *Snapshot, now Instant) {
	if snap.Token == token {
		e.found(snap, false)
	} else {
		e.given(snap, now)
	}
}

// given expects the token that the UI has just been given.
func (e *expectation) given(snap *Snapshot, now Instant) {
	e.noToken, e.givenAt, e.missingAt, e.endedToken = false, now, Instant{}, Token{}
	if !snap.Token.Empty() || e.replacedToken.Empty() {
		e.replacedToken = snap.Token
	}
}

// without expects no token.
func (e *expectation) without() {
	e.noToken, e.givenAt, e.missingAt = true, Instant{}, Instant{}
}

// marked notes the mark that this tab has just written.
func (e *expectation) marked(at Instant) { e.lastMarkAt, e.hadSession = at.Wall(), true }

// ended expects nothing more of a session.
func (e *expectation) ended(token Token, snap *Snapshot) {
	if token.Empty() {
		token = e.endedToken
	}
	*e = expectation{
		noToken: true, endedToken: token, onDemand: e.onDemand, earlierEnd: e.earlierEnd,
		lastMarkAt: snap.Mark.Written,
	}
}

// mine reports whether nothing in storage belongs to another person than the
// user of this page's session.
func mine(s *session, snap *Snapshot) bool {
	return snap.Token.Empty() || snap.Token == s.token ||
		snap.Mark.Of(snap.Token) && (s.person() == "" || snap.Mark.Who == s.person())
}

// latest reports whether our token is the last that was written, so that it
// may be given to the UI again.
func latest(s *session, snap *Snapshot) bool { return !snap.Readable || snap.Mark.Of(s.token) }
