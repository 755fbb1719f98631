package session

import (
	"slices"
	"time"
)

// Next is the whole behaviour: what a page in state s does when ev happens at
// now. It changes nothing it is given.
func Next(s State, ev Event, now Instant, p Policy) (State, []Effect) {
	x := &step{State: s, now: now, policy: p}
	switch ev := ev.(type) {
	case Started:
		x.started(ev)
	case TokenSeen:
		x.tokenSeen(ev)
	case CodeSeen:
		x.codeSeen(ev)
	case ScreenWanted:
		x.screenWanted(ev.Screen)
	case ScreenShown:
		x.screenShown(ev.Screen)
	case Left:
		x.withdraw()
	case NoTokenSeen:
		x.noTokenSeen(ev)
	case Refused:
		x.refused(ev)
	case Submitted:
		x.submitted(ev)
	case SignedOutSeen:
		x.signedOutSeen(ev)
	case StorageChanged:
		x.reconcile(ev.Snapshot)
	case TurnCame:
		x.turnCame(ev)
	case Woke:
		x.reconcile(ev.Snapshot)
		x.cameBack()
		x.hurry()
		x.tick(WhyWake)
	case Ticked:
		x.reconcile(ev.Snapshot)
		x.tick(WhyDue)
	case Answered:
		x.answered(ev)
	case Wanted:
		x.wanted(ev)
	case UserActive:
		x.userActive(ev)
	case EndAsked:
		x.endAsked(ev.Snapshot)
	case Stopped:
		x.stopped()
	}
	x.schedule()
	return x.State, x.effects
}

// step is one run of Next.
type step struct {
	State
	now     Instant
	policy  Policy
	effects []Effect
}

func (x *step) do(e Effect) { x.effects = append(x.effects, e) }

func (x *step) tell(n Notice) { x.do(Tell{Notice: n}) }

// --- Beginning ---------------------------------------------------------

func (x *step) started(ev Started) {
	x.State = State{Seed: ev.Seed | 1, LocalExpires: ev.Expires, HadSession: ev.Mark.Fingerprint != ""}
	if ev.Mark.Over() {
		x.Past = ev.Mark.Written
	}
	x.heed(ev.Snapshot)
	switch {
	case ev.Token.Empty() && ev.Mark.Ending:
		// The last page was left before the server heard of the sign-out.
		x.Phase = Ended
		x.send(Call{Kind: CallEnd, Why: WhySignedOut})
	case ev.Token.Empty():
		x.restore(WhyStart)
	case ev.Mark.Of(ev.Token) && !ev.Mark.Ending:
		x.takeOver(ev.Snapshot, WhyStart)
		x.withdraw() // what a page that crashed has left there
	default:
		x.report(ev.Token, "", ev.Snapshot)
	}
}

// restore asks, once a page, whether the server knows this browser. It
// reports whether it asked.
func (x *step) restore(why Why) bool {
	if x.Restored {
		return false
	}
	x.Restored = true
	x.Token, x.Absent = Token{}, true
	x.ask(why, true)
	return true
}

// takeOver goes on with a token that this browser's mark vouches for.
func (x *step) takeOver(snap Snapshot, why Why) {
	mark := snap.Mark
	if x.Who != "" && mark.Who != "" && x.Who != mark.Who {
		x.finish(NoticeIdentityChanged, WhyOtherUser)
		return
	}
	if x.Who == "" && snap.Token != x.Token {
		// What waits was done with a token of nobody knows whom.
		x.giveUp(false)
	}
	x.abandonCall()
	x.Token, x.Absent, x.LocalExpires, x.HadSession = snap.Token, false, snap.Expires, true
	x.AdoptedAt, x.Seen = Instant{}, mark.Written
	x.Who, x.Life = mark.Who, mark.Life
	x.Idle, x.Absolute = x.onBothClocks(mark.Idle), x.onBothClocks(mark.Absolute)
	x.IdleLife = max(x.IdleLife, mark.Idle.Sub(mark.Written))
	x.Expires = x.onBothClocks(mark.Expires)
	x.Due = x.Expires.Add(x.askSlack() - x.margin())
	x.Phase, x.Failures, x.NotBefore = Active, 0, Instant{}
	x.heed(snap)
	wall := x.now.Wall()
	if believable := !mark.Written.After(wall) && mark.Expires.Sub(wall) <= mark.Life; !believable {
		// Written in the future, or living longer than it ever could: the
		// clock was moved. The server knows.
		x.Expires, x.Due = Instant{}, x.now
	}
	if x.Token == x.Refused || x.Due.Reached(x.now) {
		x.ask(why, false)
		return
	}
	if x.uiBlind(snap) {
		x.adopt()
	}
	x.succeed()
}

// codeSeen reports a login by its one-time code, once: a second post could
// only be refused, and the two events of one login carry the same code.
func (x *step) codeSeen(ev CodeSeen) {
	if ev.Code.Empty() || ev.Code == x.Code {
		return
	}
	if x.Who != "" {
		x.giveUp(false) // what was done before was perhaps another user's
	}
	if ev.Mark.Over() {
		x.do(SetMark{}) // that was before
	}
	// What storage holds is the last session's. It is neither used nor wiped.
	x.Token, x.Absent = ev.Snapshot.Token, ev.Snapshot.Token.Empty()
	x.Expires, x.Due, x.Life = Instant{}, Instant{}, 0
	x.Who, x.Refused, x.Failures, x.NotBefore = "", Token{}, 0, Instant{}
	x.Code = ev.Code
	x.send(Call{Kind: CallOpen, Why: WhyStart, Code: ev.Code, RedirectURI: ev.RedirectURI})
}

// --- Policy.OnDemand -------------------------------------------------------

// screenWanted gives the UI the token before it looks for one.
func (x *step) screenWanted(screen string) {
	if x.policy.OnDemand && slices.Contains(x.Needs, screen) {
		x.InUse, x.Shown = true, false
		if x.Absent && x.Alive(x.now) {
			x.adopt()
		}
	}
}

// screenShown takes the token back when another screen is shown after the one
// that needed it.
func (x *step) screenShown(screen string) {
	if slices.Contains(x.Needs, screen) {
		x.Shown = true
	} else if x.Shown {
		x.withdraw()
		x.InUse, x.Shown = false, false
	}
}

// withdraw takes the token out of storage, but not what somebody else wrote.
func (x *step) withdraw() {
	if x.policy.OnDemand && x.holds() && x.Phase != Opening && !x.Absent {
		x.Absent, x.AdoptedAt = true, Instant{}
		x.do(Withdraw{})
	}
}

// cameBack gives the token back to a page that was only put aside.
func (x *step) cameBack() {
	if x.policy.OnDemand && x.InUse && x.Absent && x.Phase == Active && x.Alive(x.now) {
		x.adopt()
	}
}

// onBothClocks ties a moment read from storage to the monotonic clock, so
// that a wall clock set back later does not put it off.
func (x *step) onBothClocks(at Instant) Instant {
	if at.IsZero() {
		return at
	}
	return x.now.Add(at.Sub(x.now))
}

// report tells the server of a token that is not ours, so that Capture can
// say whose it is.
func (x *step) report(token Token, uuid string, snap Snapshot) {
	if snap.Token == token && snap.Mark.Over() {
		x.do(SetMark{}) // that was before
	}
	if token != x.Token {
		// Whatever the user did before was done with another token, perhaps as
		// another user.
		x.giveUp(false)
	}
	x.Token, x.Absent, x.AdoptedAt = token, false, Instant{}
	if snap.Token != token {
		x.AdoptedAt, x.Former = x.now, snap.Token // the UI may tell before it writes
	}
	x.Expires, x.Due, x.Life = Instant{}, Instant{}, 0
	x.Refused, x.Failures, x.NotBefore = Token{}, 0, Instant{}
	x.send(Call{Kind: CallOpen, Why: WhyStart, Token: token, UUID: uuid})
}

// --- What the UI tells --------------------------------------------------

func (x *step) tokenSeen(ev TokenSeen) {
	if ev.Login && ev.Token == x.Token && (x.Call.Kind == CallOpen || x.Retry.Kind == CallOpen) {
		// We knew the token before we knew that a person signed in with it, so
		// it is no matter whose the session was until now.
		x.Who = ""
	}
	switch {
	case ev.Token.Empty():
	case ev.Token == x.Token && ev.Login && x.Retry.Kind == CallOpen && x.Failures == 0:
		// We saw it in storage a moment before the UI told us.
		x.report(ev.Token, ev.UUID, ev.Snapshot)
	case ev.Token == x.Token && x.holds():
		// Our own createCaptureSession, or the second event of one login.
	case !ev.Login && ev.Token == x.Refused:
	case !ev.Login && ev.Readable && ev.Snapshot.Token != ev.Token:
		// A late event: storage has moved on since, to a sign-out perhaps.
	case !ev.Login && ev.Mark.Of(ev.Token):
		x.takeOver(ev.Snapshot, WhyStart)
	default:
		if ev.Login {
			x.Who = ""
			if ev.Mark.Over() && ev.Snapshot.Token != ev.Token {
				x.do(SetMark{}) // that was before; the UI has yet to write the token
			}
		}
		x.LocalExpires = ev.Expires
		x.report(ev.Token, ev.UUID, ev.Snapshot)
	}
}

// holds reports whether x.Token is one that a session stands behind, or that
// is being reported.
func (x *step) holds() bool {
	return x.Phase == Opening || x.Phase == Active || x.Phase == Renewing || x.Phase == Waiting
}

func (x *step) noTokenSeen(ev NoTokenSeen) {
	switch {
	case x.Phase == Ended || ev.Readable && !ev.Token.Empty():
		// The person signed out, or a token has come since.
	case x.overElsewhere(ev.Snapshot):
		x.follow(ev.Mark)
	case x.Phase == Active && x.Alive(x.now) && x.latest(ev.Snapshot):
		// The UI went by its own idea of the token's end.
		x.adopt()
	case x.Call.Kind != NoCall || x.Retry.Kind == CallOpen:
		x.Absent = true
	case x.Phase == Active || x.Phase == Waiting:
		x.Absent = true
		x.ask(WhyStart, false)
	default:
		x.restore(WhyStart)
	}
}

func (x *step) refused(ev Refused) {
	x.RefusedAt = x.now
	failed := ev.Token
	if failed.Empty() {
		failed = x.Token
	}
	first := failed != x.Refused
	unseen := ev.Why == WhyDenied && x.uiBlind(ev.Snapshot)
	if ev.Readable && ev.Snapshot.Token.Empty() && !x.overElsewhere(ev.Snapshot) {
		x.Absent = true // the UI may have removed the dead token itself
	} else {
		if ev.Mark.Of(failed) && failed == ev.Snapshot.Token && !unseen {
			x.refuse(failed, ev.Why) // it may be another tab's, that we are about to take over
		}
		x.reconcile(ev.Snapshot)
	}
	if ev.Hold != 0 {
		x.Held = append(slices.Clip(x.Held), Held{ID: ev.Hold, Since: x.now})
	}
	switch known := ev.Action.ID == 0 || slices.Contains(x.Resumed, ev.Action.ID) ||
		slices.ContainsFunc(x.Actions, func(a Action) bool { return a.ID == ev.Action.ID }); {
	case ev.Action.Again:
		// A token just renewed was refused too. Stop: the values stay on screen.
		x.do(Abandon{Action: ev.Action})
		if !known {
			x.remember(ev.Action)
			x.tell(Notice{Name: NoticeRenewError, Why: WhyRefusedAgain})
		}
		x.giveUp(true)
		return
	case !known:
		x.Actions = append(slices.Clip(x.Actions), ev.Action)
	}
	if screen := ev.Action.Screen; x.policy.OnDemand && screen != "" {
		x.InUse, x.Shown = true, ev.Why != WhyDenied
		if !slices.Contains(x.Needs, screen) {
			x.Needs = append(slices.Clip(x.Needs), screen)
		}
	}
	if unseen && x.Alive(x.now) && x.latest(ev.Snapshot) && (x.Phase == Active || x.Phase == Renewing || x.Phase == Waiting) {
		// Nobody refused the token: the UI did not see it.
		x.adopt()
		x.succeed()
		return
	}
	switch x.Phase {
	case Ended:
		x.giveUp(true)
	case SignedOut:
		// A token that nobody vouches for may be another user's than the
		// cookie: nothing is restored over it.
		if !x.Token.Empty() || !x.restore(ev.Why) {
			x.giveUp(true)
		}
	case Restoring, Opening:
		if failed == x.Token {
			x.refuse(failed, ev.Why)
		}
	case Active:
		if failed != x.Token && x.Alive(x.now) {
			// It failed with a token that has been replaced since.
			x.succeed()
			return
		}
		x.refuse(x.Token, ev.Why)
		x.ask(ev.Why, first)
	case Renewing, Waiting:
		if failed != x.Token {
			return
		}
		x.refuse(failed, ev.Why)
		switch {
		case x.Phase == Renewing: // the answer will show whether it knew
		case x.Retry.Kind == CallOpen:
			x.hurry()
		default:
			x.ask(ev.Why, first)
		}
	}
}

// submitted finishes what was held back as soon as there is a good token.
func (x *step) submitted(ev Submitted) {
	x.reconcile(ev.Snapshot)
	x.Actions = append(slices.Clip(x.Actions), ev.Action)
	switch {
	case x.Phase == Active && x.Alive(x.now):
		x.succeed()
	case x.Phase == Active:
		x.ask(WhyDue, false)
	case x.Phase == Waiting:
		x.hurry()
		x.repeat()
	case !x.holds():
		x.giveUp(x.EndedBy == "" || x.EndedBy == NoticeExpired)
	}
}

// refuse notes that a token is dead.
func (x *step) refuse(token Token, why Why) { x.Refused, x.RefusedWhy = token, why }

// uiBlind reports whether the UI believes that there is no token.
func (x *step) uiBlind(snap Snapshot) bool {
	return snap.Readable && (snap.Token.Empty() || snap.Expires.IsZero() || snap.Expires.Reached(x.now))
}

// latest reports whether our token is the last that was written, so that it
// may be given to the UI again.
func (x *step) latest(snap Snapshot) bool { return !snap.Readable || snap.Mark.Of(x.Token) }

func (x *step) signedOutSeen(ev SignedOutSeen) {
	if ev.Told {
		switch {
		case !ev.Snapshot.Token.Empty() || x.EndedBy != "":
			// Somebody has signed in since, or the page knows.
		case x.Phase == Ended:
			x.EndedBy = NoticeSignedOut
			x.tell(Notice{Name: NoticeSignedOut, Why: WhySignedOut})
		default:
			x.signOut(WhySignedOut, ev.Snapshot, true)
		}
		return
	}
	if !x.DroppedAt.IsZero() && x.now.Sub(x.DroppedAt) < logoutBound && (x.Dropping && x.Phase == Ended || !ev.Gesture) {
		// Our own endCaptureSession, or a page's that does the same when told.
		x.Dropping = false
		return
	}
	if x.Phase == Ended {
		// Most likely a handler's second one. But we may have seen this very
		// sign-out in storage before the UI told of it.
		if x.Unheard && (ev.Gesture || ev.Snapshot.Token.Empty()) {
			x.end(WhySignedOut, ev.Snapshot, true)
		}
		return
	}
	if !ev.Gesture && !x.RefusedAt.IsZero() && x.now.Sub(x.RefusedAt) < logoutBound && !x.overElsewhere(ev.Snapshot) {
		// A page that logs out on a token event: the user did not. The answer
		// under way restores them; one that has come is given again.
		x.Absent = true
		if ev.Mark.Fingerprint != "" {
			x.goOn(ev.Mark)
		}
		switch {
		case x.Phase != Active || !x.Alive(x.now):
		case x.latest(ev.Snapshot):
			x.adopt()
		default:
			x.ask(WhyStart, false)
		}
		return
	}
	x.signOut(WhySignedOut, ev.Snapshot, x.mine(ev.Snapshot) || ev.Gesture)
}

func (x *step) endAsked(snap Snapshot) {
	switch {
	case x.Phase != Ended && x.Who != "" && snap.Mark.Of(snap.Token) && snap.Mark.Who != x.Who:
		x.finish(NoticeIdentityChanged, WhyOtherUser) // it is somebody else's session by now
	case x.Phase != Ended:
		x.signOut(WhyEnd, Snapshot{Token: x.Token}, true)
	case x.Unheard && x.EndedBy == NoticeSignedOut && snap.Token.Empty():
		// The token was removed somewhere, which the server does not know.
		x.end(WhyEnd, snap, true)
	}
}

// signOut is a person's own doing: it beats any answer still under way, and
// is not over until the server knows.
func (x *step) signOut(why Why, snap Snapshot, mine bool) {
	if x.Phase == SignedOut && x.Token.Empty() {
		x.Phase = Ended // nobody was here, but a cookie may be
	} else {
		x.finish(NoticeSignedOut, why)
	}
	x.end(why, snap, mine)
}

// mine reports whether storage holds nothing that is somebody else's than the
// person's whose session this page has.
func (x *step) mine(snap Snapshot) bool {
	return snap.Token.Empty() || snap.Token == x.Token || snap.Mark.Of(snap.Token) && (x.Who == "" || snap.Mark.Who == x.Who)
}

// end tells the server of a sign-out, and, where storage is ours to write,
// the other tabs and the next page. A token that is still there was written
// by another tab that did not know yet.
func (x *step) end(why Why, snap Snapshot, mine bool) {
	x.Unheard = false
	if mine {
		x.do(SetMark{Mark: Mark{Ending: true, Written: x.now.Wall()}})
	}
	x.send(Call{Kind: CallEnd, Why: why})
	if mine && !snap.Token.Empty() {
		x.drop(snap)
	}
}

// --- Storage -------------------------------------------------------------

// reconcile compares what storage holds with what we believe.
func (x *step) reconcile(snap Snapshot) {
	x.heed(snap)
	if x.Phase == Ended && (!snap.Token.Empty() || snap.Mark.Fingerprint != "") {
		// Somebody has signed in since. What was told of a sign-out does not
		// cover the next session, and what is still to be told would end it: the
		// login ends the one before.
		x.Unheard, x.Retry, x.RetryAt = true, Call{}, Instant{}
	}
	if !snap.Readable || x.Phase == Ended {
		x.MissingAt = Instant{} // nothing can be said of the token
		return
	}
	if !snap.Token.Empty() {
		x.MissingAt, x.Seen = Instant{}, snap.Mark.Written
	}
	switch {
	case x.overElsewhere(snap):
		x.follow(snap.Mark)
	case snap.Token == x.Token && snap.Mark.Of(x.Token) && x.Who != "" && snap.Mark.Who != x.Who:
		x.finish(NoticeIdentityChanged, WhyOtherUser) // as another tab has found out
	case snap.Token == x.Token:
		x.LocalExpires = snap.Expires
		if !snap.Token.Empty() {
			x.Absent, x.AdoptedAt = false, Instant{} // the UI has it
		}
		if x.Phase == Waiting && x.Retry.Kind == CallOpen && snap.Mark.Of(snap.Token) {
			x.takeOver(snap, WhyWake) // another tab has reported it
		}
	case x.adopting() && (snap.Token.Empty() || snap.Token == x.Former):
		// The UI has been given the token and has not written it yet.
	case snap.Token.Empty() && (x.Absent || x.policy.OnDemand):
		// With OnDemand a token comes and goes; a sign-out is told by the mark.
		x.Absent = true
	case snap.Token.Empty() && !x.LocalExpires.IsZero() && x.LocalExpires.Reached(x.now):
		x.Absent = true // the UI clears a token that it believes has expired
	case snap.Token.Empty() && x.holds():
		x.missing(snap)
	case snap.Token.Empty():
	case snap.Mark.Of(snap.Token) && !snap.Mark.Ending:
		x.takeOver(snap, WhyWake) // another tab has renewed, or signed in
	case snap.Token == x.Refused:
	default:
		// Somebody else wrote a token. The tab where it came from reports it
		// first; only if none does it is ours to report.
		x.giveUp(false)
		x.abandonCall()
		x.Token, x.Absent, x.LocalExpires, x.AdoptedAt = snap.Token, false, snap.Expires, Instant{}
		x.Expires, x.Due, x.Life, x.Failures = Instant{}, Instant{}, 0, 0
		x.wait(Call{Kind: CallOpen, Why: WhyWake, Token: snap.Token}, x.spread(foreignGrace))
	}
}

// heed takes what storage says besides the token: for how long the server
// wants to be left alone, which is for all tabs and for the next page. More
// than it may ask for was written by another clock.
func (x *step) heed(snap Snapshot) {
	if x.Offline && !snap.Offline {
		x.holdAnew()
	}
	x.Offline = snap.Offline
	at := x.onBothClocks(snap.Mark.NotBefore)
	if !at.IsZero() && !at.Reached(x.now) && at.Sub(x.now) <= maxRetryAfter && at.After(x.NotBefore) {
		x.NotBefore = at
	}
}

// holdAnew gives actions that were held without a network the whole time to
// be finished with one.
func (x *step) holdAnew() {
	x.Actions = slices.Clone(x.Actions)
	for i := range x.Actions {
		if !x.Actions[i].Held.IsZero() {
			x.Actions[i].Held = x.now
		}
	}
}

// overElsewhere reports whether the mark says, since this page began, that the
// session is over, or that somebody else has been here. A token that is merely
// gone may have been cleared by the UI, or by a page's own handlers, and
// excuses of that kind must not hide a sign-out.
func (x *step) overElsewhere(snap Snapshot) bool {
	over := snap.Mark.Over() && snap.Mark.Written != x.Past
	left := over || x.Who != "" && snap.Mark.Who != "" && snap.Mark.Who != x.Who
	return snap.Readable && snap.Token.Empty() && left && (x.holds() || x.Phase == Restoring)
}

// follow ends the session as it ended elsewhere, for the same reason.
func (x *step) follow(mark Mark) {
	switch {
	case x.Token.Empty() && !x.HadSession:
		// It was not this page's: it only asked whether there is one.
		x.abandonCall()
		x.Phase = SignedOut
		x.giveUp(true)
		x.settle(RejectSignedOut)
	case mark.Why != "":
		x.finish(NoticeExpired, mark.Why)
	default:
		x.finish(NoticeSignedOut, WhyElsewhere)
	}
}

// missing decides about a token that is gone while no mark says that the
// session is over. A mark renewed since says that it goes on.
func (x *step) missing(snap Snapshot) {
	switch {
	case snap.Mark.Fingerprint == "":
		x.finish(NoticeSignedOut, WhyElsewhere)
	case snap.Mark.Written != x.Seen:
		x.Absent, x.MissingAt = true, Instant{}
	case x.MissingAt.IsZero():
		x.MissingAt = x.now
	case x.now.Sub(x.MissingAt) >= missingGrace:
		x.finish(NoticeSignedOut, WhyElsewhere)
	}
}

// unsure reports whether it is still to be seen why the token is gone.
func (x *step) unsure() bool { return !x.MissingAt.IsZero() && !x.Absent }

// goOn renews a mark, which tells other tabs that the session goes on although
// its token has gone.
func (x *step) goOn(mark Mark) {
	at := x.now.Wall()
	if at == mark.Written {
		at = at.Add(time.Millisecond)
	}
	mark.Written, x.Seen = at, at
	x.do(SetMark{Mark: mark})
}

// --- Time ----------------------------------------------------------------

// tick does what has come due.
func (x *step) tick(why Why) {
	x.releaseLate()
	switch {
	case x.unsure():
	case x.Call.Kind != NoCall:
	case x.Retry.Kind != NoCall:
		if !x.repeat() {
			x.warn() // the server cannot say now
		}
	case x.Phase != Active:
	case x.Due.Reached(x.now):
		x.ask(why, false)
	case x.limitAsks():
		// Another tab may have moved the limit: the server knows.
		x.ask(WhyWake, false)
	}
}

// hurry brings a planned repetition forward, no nearer than the floor and
// what the server asked for allow.
func (x *step) hurry() {
	if x.Retry.Kind == NoCall {
		return
	}
	if soonest := x.soonest(); soonest.Before(x.RetryAt) {
		x.RetryAt = soonest
	}
}

// repeat makes the planned call, and reports whether it did. Its moment may
// have come by either clock, so that a laptop that slept does not go on
// waiting; but a clock that is set must not undercut the floor.
func (x *step) repeat() bool {
	if !x.RetryAt.Reached(x.now) {
		return false
	}
	call := x.Retry
	report := call.Kind == CallOpen && x.Failures == 0 // not an attempt again
	if soonest := x.soonest(); !report && soonest.After(x.now) {
		x.RetryAt = soonest
		return false
	}
	if call.Kind == CallToken {
		call = x.tokenCall(call.Why)
	}
	x.send(call)
	return true
}

// soonest is when the floor and the server's wishes allow another attempt.
func (x *step) soonest() Instant {
	at := x.now
	if next := x.LastCall.Add(floor); !x.LastCall.IsZero() && next.After(at) {
		at = next
	}
	return x.asked(at)
}

// asked puts a moment off as long as the server asked for.
func (x *step) asked(at Instant) Instant {
	if !x.NotBefore.Reached(x.now) && x.NotBefore.After(at) {
		return x.NotBefore
	}
	return at
}

// limitAsks reports whether a limit has passed or a warning is due.
func (x *step) limitAsks() bool {
	for _, at := range x.limitTimes() {
		if at.Reached(x.now) {
			return true
		}
	}
	return false
}

// limitTimes lists when the limits ask for attention.
func (x *step) limitTimes() []Instant {
	var times []Instant
	add := func(limit Instant, warned bool) {
		if limit.IsZero() {
			return
		}
		if x.policy.IdleWarning > 0 && !warned {
			times = append(times, limit.Add(-x.policy.IdleWarning))
		}
		times = append(times, limit.Add(limitSlack))
	}
	add(x.Idle, x.WarnedIdle)
	add(x.Absolute, x.WarnedAbs)
	return times
}

// releaseLate lets go of handlers and actions that have waited long enough
// for a temporary failure to pass.
func (x *step) releaseLate() {
	var kept []Held
	for _, h := range x.Held {
		if x.now.Sub(h.Since) >= guardBound {
			x.do(Release{ID: h.ID, Deliver: true})
		} else {
			kept = append(kept, h)
		}
	}
	x.Held = kept
	var waiting []Action
	for _, a := range x.Actions {
		if a.Held.IsZero() || x.Offline || x.now.Sub(a.Held) < guardBound {
			waiting = append(waiting, a)
			continue
		}
		x.do(Resume{Action: a})
		x.tell(Notice{Name: NoticeRenewError, Why: WhyHeldTooLong})
	}
	x.Actions = waiting
}

// schedule sets WakeAt to whatever is next.
func (x *step) schedule() {
	var next Instant
	consider := func(at Instant) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if x.Call.Kind == NoCall {
		if x.Retry.Kind != NoCall {
			consider(x.RetryAt)
			for _, at := range x.limitTimes() {
				if at.After(x.now) && !at.Reached(x.now) {
					consider(at)
				}
			}
		} else if x.Phase == Active {
			consider(x.Due)
			for _, at := range x.limitTimes() {
				consider(at)
			}
		}
	}
	for _, h := range x.Held {
		consider(h.Since.Add(guardBound))
	}
	for _, a := range x.Actions {
		if !a.Held.IsZero() && !x.Offline {
			consider(a.Held.Add(guardBound))
		}
	}
	if x.unsure() {
		next = x.MissingAt.Add(missingGrace)
	}
	if x.adopting() {
		consider(x.AdoptedAt.Add(adoptGrace)) // to look again at what was excused
	}
	x.WakeAt = next
}

// --- Calls ---------------------------------------------------------------

// ask asks for a token: when the floor allows, or at once if it is the first
// time for this one and no other was refused just now as well.
func (x *step) ask(why Why, first bool) {
	call := x.tokenCall(why)
	soonest := x.soonest()
	if first && (x.ForcedAt.IsZero() || x.now.Sub(x.ForcedAt) >= floor) {
		soonest = x.asked(x.now)
	}
	if soonest.After(x.now) {
		x.wait(call, soonest.Sub(x.now))
		x.settleHeld() // who asked for a token is not kept as long as that
		return
	}
	x.send(call)
}

// turnCame looks whether a call that waited for its turn is still to be made.
// It is not if the one before has renewed, or heard that the server wants to be
// left alone.
func (x *step) turnCame(ev TurnCame) {
	x.reconcile(ev.Snapshot)
	if x.Call.Kind != CallToken || x.Call.Seq != ev.Seq {
		return
	}
	if at := x.asked(x.now); at.After(x.now) {
		call := x.Call
		x.Call = Call{}
		x.wait(call, at.Sub(x.now))
		x.settleHeld()
	}
}

func (x *step) tokenCall(why Why) Call {
	if x.Token == x.Refused && !x.Token.Empty() {
		why = x.RefusedWhy
	}
	return Call{Kind: CallToken, Why: why, Token: x.Token}
}

func (x *step) wait(call Call, d time.Duration) {
	x.Phase = Waiting
	x.Retry, x.RetryAt = call, x.now.Add(d)
}

func (x *step) send(call Call) {
	x.Seq++
	call.Seq = x.Seq
	x.Call, x.LastCall = call, x.now
	x.Retry, x.RetryAt = Call{}, Instant{}
	if call.Why.Refusal() {
		x.ForcedAt = x.now
	}
	switch {
	case call.Kind == CallOpen:
		x.Phase = Opening
	case call.Kind == CallToken && call.Token.Empty():
		x.Phase = Restoring
	case call.Kind == CallToken:
		x.Phase = Renewing
	}
	x.do(Ask{Call: call})
}

// abandonCall makes the answer under way come too late.
func (x *step) abandonCall() {
	x.Seq++
	x.Call, x.Retry, x.RetryAt = Call{}, Call{}, Instant{}
}

func (x *step) answered(ev Answered) {
	if ev.Call.Seq != x.Call.Seq || x.Call.Kind == NoCall {
		x.unopen(ev)
		return
	}
	call := x.Call
	x.Call = Call{}
	if call.Kind == CallEnd {
		x.endAnswered(call, ev)
		return
	}
	if !ev.Answer.OK || ev.Snapshot.Token != ev.Answer.Grant.Token {
		before := x.Token
		x.reconcile(ev.Snapshot)
		if x.Phase == Ended || x.Token != before || x.Call.Kind != NoCall {
			x.unopen(ev)
			return // storage has moved on: this answer is for another time
		}
		if x.unsure() && ev.Answer.OK && call.Code.Empty() {
			// It may be for a person who has left.
			x.Failures++
			x.wait(call, floor)
			x.settleHeld()
			return
		}
	}
	if ev.Answer.OK {
		x.granted(call, ev.Answer.Grant, ev.Snapshot)
	} else {
		x.denied(call, ev.Answer, ev.Snapshot)
	}
}

// unopen ends a session that came to be after the page had ended; but not
// when a token was merely removed, which says nothing of the session, nor when
// it is of the person who is signed in now.
func (x *step) unopen(ev Answered) {
	removed := x.Unheard && x.EndedBy == NoticeSignedOut && !ev.Mark.SignedOut()
	theirs := ev.Mark.Fingerprint != "" && ev.Mark.Who == NewToken(ev.Answer.Grant.UUID).Fingerprint()
	if x.Phase == Ended && ev.Call.Kind == CallOpen && ev.Answer.OK && !removed && !theirs {
		x.end(WhySignedOut, ev.Snapshot, ev.Snapshot.Token.Empty() && ev.Mark.Fingerprint == "")
	}
}

func (x *step) endAnswered(call Call, ev Answered) {
	if ev.Answer.OK || ev.Answer.Final {
		x.Failures = 0
		if ev.Mark.Ending {
			// Not over the mark of somebody who has signed in since. What stays
			// tells tabs that look late.
			x.do(SetMark{Mark: Mark{Written: x.now.Wall()}})
		}
		return
	}
	x.Failures++
	x.Retry, x.RetryAt = call, x.now.Add(x.retryWait(ev.Answer, ev.Mark))
}

func (x *step) granted(call Call, g Grant, snap Snapshot) {
	who := NewToken(g.UUID).Fingerprint()
	if x.Who != "" && x.Who != who {
		x.finish(NoticeIdentityChanged, WhyOtherUser)
		return
	}
	if g.Token == x.Refused {
		if call.Why.Refusal() && call.Token == g.Token {
			// It was told, and still gives the same: it does not know better now.
			x.denied(call, Answer{Why: WhyServer}, snap)
			return
		}
		// Dead as it is, it is known now whose it is and that a session stands
		// behind it. The next page needs to know, should this one be left.
		if g.Token != x.Token {
			x.Life = 0
		}
		x.Token, x.Who, x.HadSession = g.Token, who, true
		x.plan(g, false)
		x.vouch()
		x.ask(x.RefusedWhy, true)
		return
	}
	held := x.Token
	if snap.Readable && (x.InUse || !x.policy.OnDemand) {
		held = snap.Token
	}
	fresh := g.Token != held
	x.Former = Token{}
	if g.Token != x.Token {
		x.Life, x.Former = 0, held
	}
	x.Token, x.Who, x.HadSession = g.Token, who, true
	x.Phase, x.Failures, x.NotBefore = Active, 0, Instant{}
	x.Refused, x.RefusedWhy = Token{}, ""
	x.plan(g, fresh)
	// The mark goes first: a tab that sees the token must find it vouched for.
	x.vouch()
	if fresh || snap.Readable && (snap.Expires.IsZero() || snap.Expires.Reached(x.now)) {
		x.adopt()
	}
	if fresh {
		x.tell(Notice{Name: NoticeRenewed, Why: call.Why, ExpiresIn: g.ExpiresIn})
	}
	x.warn()
	x.succeed()
}

// plan settles when the token is due. The server decides what is due by its
// own margin; a page with a wider one that was given the same token again asks
// next when the server will have a new one.
func (x *step) plan(g Grant, fresh bool) {
	x.Life = max(x.Life, g.ExpiresIn)
	x.Expires = x.now.Add(g.ExpiresIn)
	x.Due = x.Expires.Add(x.askSlack() - x.margin())
	if !fresh && x.Due.Reached(x.now) {
		x.Due = x.Expires.Add(x.askSlack() - serverMargin(x.Life))
	}
	if soonest := x.now.Add(floor); x.Due.Reached(x.now) && soonest.Before(x.Expires) {
		x.Due = soonest
	}
	x.Idle, x.Absolute = Instant{}, Instant{}
	if g.IdleExpiresIn > 0 {
		x.Idle, x.IdleLife = x.now.Add(g.IdleExpiresIn), max(x.IdleLife, g.IdleExpiresIn)
		x.WarnedIdle = x.WarnedIdle && g.IdleExpiresIn <= x.policy.IdleWarning
	}
	if g.AbsoluteExpiresIn > 0 {
		x.Absolute = x.now.Add(g.AbsoluteExpiresIn)
	}
}

// vouch marks the token as one of ours.
func (x *step) vouch() {
	x.Seen = x.now.Wall()
	x.do(SetMark{Mark: Mark{
		Fingerprint: x.Token.Fingerprint(), Who: x.Who, Written: x.Seen, Life: x.Life,
		Expires: x.Expires.Wall(), Idle: x.Idle.Wall(), Absolute: x.Absolute.Wall(),
	}})
}

// serverMargin is the margin of both halves unless the page sets its own.
func serverMargin(life time.Duration) time.Duration { return min(defaultMargin, life/5) }

func (x *step) margin() time.Duration {
	margin := x.policy.Margin
	if margin <= 0 {
		margin = serverMargin(x.Life)
	}
	return min(margin, x.Life/3)
}

// askSlack makes up for the whole seconds of the wire, so that we do not ask
// just before the server finds the token due.
func (x *step) askSlack() time.Duration { return min(time.Second, x.margin()/2) }

func (x *step) denied(call Call, answer Answer, snap Snapshot) {
	switch {
	case !call.Code.Empty() && (!answer.Final || answer.Why == WhyCodeUsed):
		// It cannot be posted again, but a session may have come of it: of a
		// post whose answer was lost, or of the one before.
		x.tell(Notice{Name: NoticeRenewError, Why: answer.Why})
		x.Phase, x.Restored = SignedOut, false
		x.restore(WhyStart)
	case !answer.Final && x.Phase == Restoring && !x.HadSession:
		// Most likely an anonymous visitor: not worth a second question.
		x.Phase = SignedOut
		x.giveUp(true)
		x.settle(RejectUnavailable)
	case !answer.Final:
		x.Failures++
		d := x.retryWait(answer, snap.Mark)
		x.wait(call, d)
		x.tell(Notice{Name: NoticeRenewError, Why: answer.Why, RetryIn: d})
		x.settleHeld()
	case call.Kind == CallOpen && (x.Who == "" || x.Expires.IsZero()):
		// Nobody vouches for a token that was never ours: leave it to the UI.
		x.Phase, x.Refused, x.RefusedWhy = SignedOut, x.Token, WhyInvalid
		x.tell(Notice{Name: NoticeRenewError, Why: answer.Why})
		x.giveUp(true)
		x.settle(RejectSignedOut)
	case call.Kind == CallToken && call.Token.Empty() && x.Who == "":
		x.Phase = SignedOut
		if x.HadSession {
			x.HadSession = false
			x.do(SetMark{})
		}
		x.giveUp(true)
		x.settle(RejectSignedOut)
	case call.Kind == CallToken && answer.Missing && !x.Token.Empty() && x.Token != x.Refused &&
		(!snap.Readable || snap.Token == x.Token):
		// The cookie is gone, the person is not: the UI still has their token.
		x.send(Call{Kind: CallOpen, Why: call.Why, Token: x.Token})
	default:
		drop := !x.Token.Empty()
		why := x.endReason(answer.Why)
		x.finish(NoticeExpired, why)
		x.do(SetMark{Mark: Mark{Written: x.now.Wall(), Why: why}}) // for the other tabs
		if drop {
			// Or the next page finds the remains and takes them for a session.
			x.drop(snap)
		}
	}
}

// endReason names the limit that was reached, if one was.
func (x *step) endReason(why Why) Why {
	switch {
	case why != WhySessionEnded:
	case !x.Absolute.IsZero() && x.Absolute.Reached(x.now):
		return WhyAbsoluteLimit
	case !x.Idle.IsZero() && x.Idle.Reached(x.now):
		return WhyIdleLimit
	}
	return why
}

// retryWait is how long to wait after the failures so far. What the server
// asks for is told to the other tabs and to the next page.
func (x *step) retryWait(answer Answer, mark Mark) time.Duration {
	d := x.spread(backoff[min(x.Failures, len(backoff))-1])
	if after := min(answer.RetryAfter, maxRetryAfter); after > 0 {
		x.NotBefore = x.now.Add(after)
		mark.NotBefore = x.NotBefore.Wall()
		x.do(SetMark{Mark: mark})
	}
	return max(d, floor, x.asked(x.now).Sub(x.now))
}

// spread moves d by up to ±20 %, so that pages do not act in step.
func (x *step) spread(d time.Duration) time.Duration {
	// xorshift64 (Marsaglia, 2003): the state carries its own chance, so that
	// Next stays a function.
	x.Seed ^= x.Seed << 13
	x.Seed ^= x.Seed >> 7
	x.Seed ^= x.Seed << 17
	return d*4/5 + time.Duration(x.Seed%1000)*(d*2/5)/1000
}

// --- What the page wants --------------------------------------------------

func (x *step) wanted(ev Wanted) {
	x.Waiters = append(slices.Clip(x.Waiters), ev.ID)
	switch x.Phase {
	case Ended:
		x.settle(RejectSignedOut)
	case SignedOut:
		// As in refused: nothing is restored over a token that is not ours.
		if !x.Token.Empty() || !x.restore(WhyRequest) {
			x.settle(RejectSignedOut)
		}
	case Active:
		if !ev.Fresh && x.Alive(x.now) && !x.Due.Reached(x.now) {
			x.settle("")
			return
		}
		x.ask(WhyRequest, false)
	case Waiting:
		x.hurry()
		if !x.repeat() {
			x.settleHeld()
		}
	}
}

// settle answers whoever waits for a token.
func (x *step) settle(reject Rejection) {
	if len(x.Waiters) == 0 {
		return
	}
	s := Settle{IDs: x.Waiters, Rejected: reject}
	if reject == "" {
		s.Token = x.Token
	}
	x.do(s)
	x.Waiters = nil
}

// settleHeld answers with the token at hand if it is good.
func (x *step) settleHeld() {
	if x.Alive(x.now) {
		x.settle("")
	} else {
		x.settle(RejectUnavailable)
	}
}

func (x *step) userActive(ev UserActive) {
	if x.Phase != Active && x.Phase != Renewing && x.Phase != Waiting {
		return
	}
	every := activityEvery
	if x.IdleLife > 0 {
		every = min(every, x.IdleLife/10)
	}
	if !ev.Stay && !x.LastActivity.IsZero() && x.now.Sub(x.LastActivity) < every {
		return
	}
	x.LastActivity = x.now
	x.do(ReportActivity{})
	if x.IdleLife > 0 {
		x.Idle, x.WarnedIdle = x.now.Add(x.IdleLife), false
	}
	if ev.Stay {
		x.tell(Notice{Name: NoticeStayed, Why: WhyRequest})
	}
}

// warn tells of a limit that is near, by the server's word of just now.
func (x *step) warn() {
	near := func(limit Instant) bool {
		return x.policy.IdleWarning > 0 && !limit.IsZero() && limit.Add(-x.policy.IdleWarning).Reached(x.now)
	}
	if !x.WarnedIdle && near(x.Idle) {
		x.WarnedIdle = true
		x.tell(Notice{Name: NoticeWarning, Why: WhyIdleLimit, Limit: "idle", ExpiresIn: x.Idle.Sub(x.now)})
	}
	if !x.WarnedAbs && near(x.Absolute) {
		x.WarnedAbs = true
		x.tell(Notice{Name: NoticeWarning, Why: WhyAbsoluteLimit, Limit: "absolute", ExpiresIn: x.Absolute.Sub(x.now)})
	}
}

// --- Ends -----------------------------------------------------------------

func (x *step) adopt() {
	if x.policy.OnDemand && !x.InUse {
		x.Absent = true
		return
	}
	x.Absent, x.AdoptedAt = false, x.now
	x.do(Adopt{Token: x.Token})
}

// drop ends the UI's own session. If that has a token the UI will tell of it,
// whatever a person has just clicked.
func (x *step) drop(snap Snapshot) {
	x.DroppedAt, x.Dropping = x.now, !snap.Token.Empty()
	x.do(Drop{})
}

// adopting reports whether the UI may still be busy writing a token.
func (x *step) adopting() bool {
	return !x.AdoptedAt.IsZero() && x.now.Sub(x.AdoptedAt) < adoptGrace
}

// succeed finishes what waited for a good token, in the order it happened.
func (x *step) succeed() {
	for _, h := range x.Held {
		x.do(Release{ID: h.ID})
	}
	x.Held = nil
	for _, a := range x.Actions {
		if x.policy.Resubmit {
			x.do(Resume{Action: a})
		} else {
			x.do(Abandon{Action: a})
		}
		x.remember(a)
	}
	x.Actions = nil
	x.settle("")
}

// remember keeps an action from being repeated when a second event tells of
// the same failure.
func (x *step) remember(a Action) {
	const most = 16
	x.Resumed = append(slices.Clip(x.Resumed), a.ID)
	x.Resumed = x.Resumed[max(0, len(x.Resumed)-most):]
}

// giveUp lets go of what waited for a good token. Deliver tells the page's
// own handlers.
func (x *step) giveUp(deliver bool) {
	for _, h := range x.Held {
		x.do(Release{ID: h.ID, Deliver: deliver})
	}
	x.Held = nil
	for _, a := range x.Actions {
		if deliver && !a.Held.IsZero() {
			x.do(Resume{Action: a}) // nobody has heard of it yet
		} else {
			x.do(Abandon{Action: a})
		}
	}
	x.Actions = nil
}

// finish ends the session for this page and says so, once.
func (x *step) finish(name NoticeName, why Why) {
	x.abandonCall()
	x.Phase = Ended
	x.tell(Notice{Name: name, Why: why})
	// Only an expiry is what the page's handlers of dead tokens are for: after
	// a sign-out they would act on somebody's next session.
	x.giveUp(name == NoticeExpired)
	x.settle(RejectSignedOut)
	x.Token, x.Who, x.Refused = Token{}, "", Token{}
	x.Expires, x.Due, x.Idle, x.Absolute = Instant{}, Instant{}, Instant{}, Instant{}
	x.Life, x.IdleLife, x.Failures, x.NotBefore = 0, 0, 0, Instant{}
	x.LastActivity, x.RefusedAt, x.WarnedIdle, x.WarnedAbs = Instant{}, Instant{}, false, false
	x.HadSession, x.Absent, x.MissingAt = false, true, Instant{}
	x.Unheard, x.EndedBy = true, name
}

func (x *step) stopped() {
	x.giveUp(true)
	x.settle(RejectStopped)
	x.State = State{Seed: x.Seed, Seq: x.Seq + 1}
}
