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
	case NoTokenSeen:
		x.noTokenSeen(ev)
	case Refused:
		x.refused(ev)
	case SignedOutSeen:
		x.signedOutSeen(ev)
	case StorageChanged:
		x.reconcile(ev.Snapshot)
	case Woke:
		x.reconcile(ev.Snapshot)
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
		x.endAsked()
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

func (x *step) tell(n Notice) { x.do(Tell{n}) }

// --- Beginning ---------------------------------------------------------

func (x *step) started(ev Started) {
	x.State = State{Seed: ev.Seed | 1, LocalExpires: ev.Expires, HadSession: ev.Mark.Fingerprint != ""}
	switch {
	case ev.Token.Empty() && ev.Mark.Ending:
		// The last page was left before the server heard of the sign-out.
		x.Phase = Ended
		x.send(Call{Kind: CallEnd, Why: WhySignedOut})
	case ev.Token.Empty():
		x.restore(WhyStart)
	case ev.Mark.Of(ev.Token) && !ev.Mark.Ending:
		x.takeOver(ev.Snapshot, WhyStart)
	default:
		x.report(ev.Token, "")
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
	x.abandonCall()
	x.Token, x.Absent, x.LocalExpires, x.HadSession = snap.Token, false, snap.Expires, true
	x.Who, x.Life = mark.Who, mark.Life
	x.Idle, x.Absolute = mark.Idle, mark.Absolute
	x.IdleLife = max(x.IdleLife, mark.Idle.Sub(mark.Written))
	x.Expires, x.Due = mark.Expires, mark.Expires.Add(x.askSlack()-x.margin())
	x.Phase, x.Failures = Active, 0
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

// report tells the server of a token that is not ours, so that Capture can
// say whose it is.
func (x *step) report(token Token, uuid string) {
	if token != x.Token {
		// Whatever the user did before was done with another token, perhaps as
		// another user.
		x.giveUp(false)
	}
	x.Token, x.Absent = token, false
	x.Expires, x.Due, x.Life = Instant{}, Instant{}, 0
	x.Refused, x.Failures, x.NotBefore = Token{}, 0, Instant{}
	x.send(Call{Kind: CallOpen, Why: WhyStart, Token: token, UUID: uuid})
}

// --- What the UI tells --------------------------------------------------

func (x *step) tokenSeen(ev TokenSeen) {
	switch {
	case ev.Token.Empty():
	case ev.Token == x.Token && ev.Login && x.Retry.Kind == CallOpen && x.Failures == 0:
		// We saw it in storage a moment before the UI told us.
		x.report(ev.Token, ev.UUID)
	case ev.Token == x.Token && x.holds():
		// Our own createCaptureSession, or the second event of one login.
	case !ev.Login && ev.Token == x.Refused:
	case !ev.Login && ev.Readable && !ev.Snapshot.Token.Empty() && ev.Snapshot.Token != ev.Token:
		// A late event: storage has moved on since.
	case !ev.Login && ev.Mark.Of(ev.Token):
		x.takeOver(ev.Snapshot, WhyStart)
	default:
		if ev.Login {
			x.UUID, x.Who = "", ""
		}
		x.LocalExpires = ev.Expires
		x.report(ev.Token, ev.UUID)
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
	case x.Phase == Active && x.Alive(x.now):
		// The UI went by its own idea of the token's end.
		x.adopt()
	case x.Call.Kind != NoCall:
		x.Absent = true
	case x.Phase == Active || x.Phase == Waiting:
		x.Absent = true
		x.ask(WhyStart, false)
	default:
		x.restore(WhyStart)
	}
}

func (x *step) refused(ev Refused) {
	if ev.Hold != 0 {
		x.Held = append(slices.Clip(x.Held), Held{ID: ev.Hold, Since: x.now})
	}
	switch known := ev.Action.ID == 0 || slices.Contains(x.Resumed, ev.Action.ID) ||
		slices.ContainsFunc(x.Actions, func(a Action) bool { return a.ID == ev.Action.ID }); {
	case ev.Action.Again:
		// A token just renewed was refused too. Stop: the values stay on screen.
		x.do(Abandon{ev.Action})
		if !known {
			x.remember(ev.Action)
			x.tell(Notice{Name: NoticeRenewError, Why: WhyRefusedAgain})
		}
		x.giveUp(true)
		return
	case !known:
		x.Actions = append(slices.Clip(x.Actions), ev.Action)
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
		if ev.Token == x.Token {
			x.refuse(ev.Why)
		}
	case Active:
		if !ev.Token.Empty() && ev.Token != x.Token && x.Alive(x.now) {
			// It failed with a token that has been replaced since.
			x.succeed()
			return
		}
		if ev.Why == WhyDenied && x.Alive(x.now) && x.uiBlind(ev.Snapshot) {
			// Nobody refused the token: the UI did not see it.
			x.adopt()
			x.succeed()
			return
		}
		x.ask(ev.Why, x.refuse(ev.Why))
	case Renewing, Waiting:
		if !ev.Token.Empty() && ev.Token != x.Token {
			return
		}
		first := x.refuse(ev.Why)
		switch {
		case x.Phase == Renewing: // the answer will show whether it knew
		case x.Retry.Kind == CallOpen:
			x.hurry()
		default:
			x.ask(ev.Why, first)
		}
	}
}

// refuse notes that the token is dead, and reports whether that is news that
// may skip the floor: not when the last renewal was forced just now as well.
func (x *step) refuse(why Why) (first bool) {
	first = x.Refused != x.Token && (x.ForcedAt.IsZero() || x.now.Sub(x.ForcedAt) >= floor)
	x.Refused, x.RefusedWhy, x.RefusedAt = x.Token, why, x.now
	return first
}

// uiBlind reports whether the UI believes that there is no token.
func (x *step) uiBlind(snap Snapshot) bool {
	return snap.Readable && (snap.Token.Empty() || snap.Expires.IsZero() || snap.Expires.Reached(x.now))
}

func (x *step) signedOutSeen(ev SignedOutSeen) {
	if x.Phase == Ended {
		return // our own endCaptureSession, or a handler's second one
	}
	if !ev.Gesture && !x.RefusedAt.IsZero() && x.now.Sub(x.RefusedAt) < logoutBound {
		// A page that logs out on a token event: the user did not. The answer
		// under way restores them; one that has come is given again.
		x.Absent = true
		if x.Phase == Active && x.Alive(x.now) {
			x.adopt()
		}
		return
	}
	x.signOut(WhySignedOut)
}

func (x *step) endAsked() {
	if x.Phase == Ended {
		return
	}
	held := !x.Token.Empty()
	x.signOut(WhyEnd)
	if held {
		x.do(Drop{})
	}
}

// signOut is a person's own doing: it beats any answer still under way, and
// is not over until the server knows.
func (x *step) signOut(why Why) {
	if x.Phase == SignedOut && x.Token.Empty() {
		x.Phase = Ended // nobody was here, but a cookie may be
	} else {
		x.finish(NoticeSignedOut, why)
	}
	x.do(SetMark{Mark{Ending: true, Written: x.now.Wall()}})
	x.send(Call{Kind: CallEnd, Why: why})
}

// --- Storage -------------------------------------------------------------

// reconcile compares what storage holds with what we believe.
func (x *step) reconcile(snap Snapshot) {
	if !snap.Readable || x.Phase == Ended {
		return
	}
	switch {
	case snap.Token == x.Token:
		x.LocalExpires = snap.Expires
		if !snap.Token.Empty() {
			x.Absent = false
		}
		if x.Phase == Waiting && x.Retry.Kind == CallOpen && snap.Mark.Of(snap.Token) {
			x.takeOver(snap, WhyWake) // another tab has reported it
		}
	case x.adopting() && (snap.Token.Empty() || snap.Token == x.Former):
		// The UI has been given the token and has not written it yet.
	case snap.Token.Empty() && x.Absent:
	case snap.Token.Empty() && !x.LocalExpires.IsZero() && x.LocalExpires.Reached(x.now):
		x.Absent = true // the UI clears a token that it believes has expired
	case snap.Token.Empty() && x.holds():
		x.finish(NoticeSignedOut, WhyElsewhere)
	case snap.Token.Empty():
	case snap.Mark.Of(snap.Token) && !snap.Mark.Ending:
		x.takeOver(snap, WhyWake) // another tab has renewed, or signed in
	case snap.Token == x.Refused:
	default:
		// Somebody else wrote a token. The tab where it came from reports it
		// first; only if none does it is ours to report.
		x.giveUp(false)
		x.abandonCall()
		x.Token, x.Absent, x.LocalExpires = snap.Token, false, snap.Expires
		x.Expires, x.Due, x.Life = Instant{}, Instant{}, 0
		x.wait(Call{Kind: CallOpen, Why: WhyWake, Token: snap.Token}, x.spread(foreignGrace))
	}
}

// --- Time ----------------------------------------------------------------

// tick does what has come due.
func (x *step) tick(why Why) {
	x.releaseLate()
	switch {
	case x.Call.Kind != NoCall:
	case x.Retry.Kind != NoCall:
		if x.RetryAt.Reached(x.now) {
			x.repeat()
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
	soonest := x.LastCall.Add(floor)
	if x.NotBefore.After(soonest) {
		soonest = x.NotBefore
	}
	if soonest.Before(x.RetryAt) {
		x.RetryAt = soonest
	}
}

func (x *step) repeat() {
	call := x.Retry
	if call.Kind == CallToken {
		call = x.tokenCall(call.Why)
	}
	x.send(call)
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

// releaseLate lets go of handlers that have waited long enough for a
// temporary failure to pass.
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
	if x.adopting() {
		consider(x.AdoptedAt.Add(adoptGrace)) // to look again at what was excused
	}
	x.WakeAt = next
}

// --- Calls ---------------------------------------------------------------

// ask asks for a token: at once, or, unless it is the first time for this
// one, when the floor allows.
func (x *step) ask(why Why, first bool) {
	call := x.tokenCall(why)
	soonest := x.now
	if !first && !x.LastCall.IsZero() && x.LastCall.Add(floor).After(soonest) {
		soonest = x.LastCall.Add(floor)
	}
	if x.NotBefore.After(soonest) {
		soonest = x.NotBefore
	}
	if soonest.After(x.now) {
		x.wait(call, soonest.Sub(x.now))
		return
	}
	x.send(call)
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
	switch {
	case call.Kind == CallOpen:
		x.Phase = Opening
	case call.Kind == CallToken && call.Token.Empty():
		x.Phase = Restoring
	case call.Kind == CallToken:
		x.Phase = Renewing
	}
	x.do(Ask{call})
}

// abandonCall makes the answer under way come too late.
func (x *step) abandonCall() {
	x.Seq++
	x.Call, x.Retry, x.RetryAt = Call{}, Call{}, Instant{}
}

func (x *step) answered(ev Answered) {
	if ev.Call.Seq != x.Call.Seq || x.Call.Kind == NoCall {
		if x.Phase == Ended && ev.Call.Kind == CallOpen && ev.Answer.OK {
			// A session came to be after the person had signed out.
			x.send(Call{Kind: CallEnd, Why: WhySignedOut})
		}
		return
	}
	call := x.Call
	x.Call = Call{}
	if call.Kind == CallEnd {
		x.endAnswered(call, ev.Answer)
		return
	}
	if !ev.Answer.OK || ev.Snapshot.Token != ev.Answer.Grant.Token {
		before := x.Token
		x.reconcile(ev.Snapshot)
		if x.Phase == Ended || x.Token != before || x.Call.Kind != NoCall {
			return // storage has moved on: this answer is for another time
		}
	}
	if ev.Answer.OK {
		x.granted(call, ev.Answer.Grant, ev.Snapshot)
	} else {
		x.denied(call, ev.Answer)
	}
}

func (x *step) endAnswered(call Call, answer Answer) {
	if answer.OK || answer.Final {
		x.Failures = 0
		x.do(SetMark{})
		return
	}
	x.Failures++
	x.Retry, x.RetryAt = call, x.now.Add(x.retryWait(answer))
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
			x.denied(call, Answer{Why: WhyServer})
			return
		}
		x.Token = g.Token
		x.ask(x.RefusedWhy, true)
		return
	}
	held := x.Token
	if snap.Readable {
		held = snap.Token
	}
	fresh := g.Token != held
	x.Former = Token{}
	if g.Token != x.Token {
		x.Life, x.Former = 0, held
	}
	x.Token, x.UUID, x.Who, x.HadSession = g.Token, g.UUID, who, true
	x.Phase, x.Failures, x.NotBefore = Active, 0, Instant{}
	if call.Why.Refusal() {
		x.ForcedAt = x.now
	}
	x.Refused, x.RefusedWhy = Token{}, ""
	x.plan(g, fresh)
	// The mark goes first: a tab that sees the token must find it vouched for.
	x.do(SetMark{x.mark()})
	if fresh || snap.Readable && (snap.Expires.IsZero() || snap.Expires.Reached(x.now)) {
		x.adopt()
	}
	x.Absent = false
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

func (x *step) mark() Mark {
	wall := x.now.Wall()
	return Mark{
		Fingerprint: x.Token.Fingerprint(), Who: x.Who, Written: wall, Life: x.Life,
		Expires: x.Expires.Wall(), Idle: x.Idle.Wall(), Absolute: x.Absolute.Wall(),
	}
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

func (x *step) denied(call Call, answer Answer) {
	switch {
	case !answer.Final && x.Phase == Restoring && !x.HadSession:
		// Most likely an anonymous visitor: not worth a second question.
		x.Phase = SignedOut
		x.giveUp(true)
		x.settle(RejectUnavailable)
	case !answer.Final:
		x.Failures++
		d := x.retryWait(answer)
		x.wait(call, d)
		x.tell(Notice{Name: NoticeRenewError, Why: answer.Why, RetryIn: d})
		x.settleHeld()
	case call.Kind == CallOpen && x.Who == "":
		// Nobody vouches for a token that was never ours: leave it to the UI.
		x.Phase, x.Refused = SignedOut, x.Token
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
	case call.Kind == CallToken && answer.Missing && !x.Token.Empty() && x.Token != x.Refused:
		// The cookie is gone, the person is not.
		x.send(Call{Kind: CallOpen, Why: call.Why, Token: x.Token})
	default:
		drop := !x.Token.Empty()
		x.finish(NoticeExpired, x.endReason(answer.Why))
		if drop {
			// Or the next page finds the remains and takes them for a session.
			x.do(Drop{})
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

// retryWait is how long to wait after the failures so far.
func (x *step) retryWait(answer Answer) time.Duration {
	d := x.spread(backoff[min(x.Failures, len(backoff))-1])
	if after := min(answer.RetryAfter, maxRetryAfter); after > 0 {
		x.NotBefore = x.now.Add(after)
		d = max(d, after)
	}
	return max(d, floor)
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
		if !x.restore(WhyRequest) {
			x.settle(RejectSignedOut)
		}
	case Active:
		if !ev.Fresh && x.Alive(x.now) && !x.Due.Reached(x.now) {
			x.settle("")
			return
		}
		x.ask(WhyRequest, false)
		if x.Phase == Waiting {
			x.settleHeld()
		}
	case Waiting:
		x.hurry()
		if x.RetryAt.Reached(x.now) {
			x.repeat()
			return
		}
		x.settleHeld()
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
	x.Absent, x.AdoptedAt = false, x.now
	x.do(Adopt{x.Token})
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
			x.do(Resume{a})
		} else {
			x.do(Abandon{a})
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
		x.do(Abandon{a})
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
	if name == NoticeExpired {
		x.do(SetMark{})
	}
	x.Token, x.UUID, x.Who, x.Refused = Token{}, "", "", Token{}
	x.Expires, x.Due, x.Idle, x.Absolute = Instant{}, Instant{}, Instant{}, Instant{}
	x.Life, x.IdleLife, x.Failures, x.NotBefore = 0, 0, 0, Instant{}
	x.LastActivity, x.RefusedAt, x.WarnedIdle, x.WarnedAbs = Instant{}, Instant{}, false, false
	x.HadSession, x.Absent = false, true
}

func (x *step) stopped() {
	x.giveUp(true)
	x.settle(RejectStopped)
	x.State = State{Seed: x.Seed, Seq: x.Seq + 1}
}
