package session

import "time"

const (
	// openPatience is how long a login waits for the sign-out before it.
	openPatience = time.Second
	// endPatience is how long a sign-out waits for the login before it: it must
	// end the cookie of that login as well.
	endPatience = 5 * time.Second
	// lockPatience is how long a call waits for another tab when no user waits
	// for it, urgentLockPatience when one does: what follows takes time, too,
	// and the user is to be served within a second. cookieLockPatience is of
	// the calls that change the cookie.
	lockPatience       = 5 * time.Second
	urgentLockPatience = 500 * time.Millisecond
	cookieLockPatience = time.Second
	// handOffPatience is how long the answer to a code that the loader has
	// posted is waited for.
	handOffPatience = 5 * time.Second
	// freshCookie is how soon after a login a missing cookie was never kept.
	freshCookie = time.Minute
)

// exchange is what this tab says to the server: the call under way, the one
// that waits for it, and the next attempt. Of a browser's calls one is under
// way at a time, because each may change the cookie.
type exchange struct {
	call   Call    // under way
	since  Instant // when it was made
	lock   lockState
	next   Call // to be made when the one under way is over
	nextAt Instant
	retry  Call // to be made at retryAt
	// retryAt is also, with a code that the loader has posted, how long its
	// answer is waited for.
	retryAt Instant
	seq     uint64
	pace    pace
	cookie  cookie
	// code is the one-time code that was posted last.
	code Token
	// restored: the one question of a page without a token has been asked.
	restored bool
}

// lockState says whether a call under way has the lock that the tabs share.
type lockState uint8

const (
	waitsForLock lockState = iota
	overtakes              // it has waited long enough
	holdsLock
)

// cookie is what is known of the session's cookie, which no script can read.
type cookie struct {
	// openings counts the logins since a call last came back with the cookie,
	// the last of them at openedAt.
	openings int
	openedAt Instant
	// lost: the browser does not keep it.
	lost bool
}

// wanted is the call that the page waits for.
func (x *exchange) wanted() *Call {
	if x.next.Kind != NoCall {
		return &x.next
	}
	return &x.call
}

// idle reports whether nothing is under way or planned.
func (x *exchange) idle() bool { return x.wanted().Kind == NoCall && x.retry.Kind == NoCall }

// willReport reports whether a token is about to be reported. That is not
// needed any more when another tab has done it.
func (x *exchange) willReport() bool {
	call := x.wanted()
	unsent := x.next.Kind != NoCall || x.lock != holdsLock
	return call.Kind == CallOpen && call.Code.Empty() && unsent || x.retry.Kind == CallOpen
}

// restores reports whether the server is being asked, or will be, whether it
// knows this browser.
func (x *exchange) restores() bool {
	return x.wanted().restores() || x.retry.restores()
}

// signsOut reports whether the server has yet to hear of a sign-out.
func (x *exchange) signsOut() bool { return x.wanted().Kind == CallEnd || x.retry.Kind == CallEnd }

// reports reports whether a login is being reported, or will be.
func (x *exchange) reports() bool { return x.wanted().Kind == CallOpen || x.retry.Kind == CallOpen }

// send makes a call: at once, or, if one is under way that changes the cookie,
// after that.
func (x *exchange) send(call Call, now Instant, out *effects) {
	x.retry, x.retryAt = Call{}, Instant{}
	if x.call.Kind.changesCookie() {
		x.next, x.nextAt = call, now
		return
	}
	x.cancelled(out)
	x.begin(call, now, out)
}

func (x *exchange) begin(call Call, now Instant, out *effects) {
	x.next, x.nextAt = Call{}, Instant{}
	if call.Kind == NoCall {
		return
	}
	x.seq++
	call.Seq = x.seq
	x.call, x.since, x.lock = call, now, waitsForLock
	if call.Kind == CallToken {
		x.pace.last = now
	}
	out.do(Ask{call})
}

// cancelled stops the call under way.
func (x *exchange) cancelled(out *effects) {
	if x.call.Kind != NoCall {
		out.do(Cancel{Seq: x.call.Seq})
		x.call = Call{}
	}
}

// dropped gives up what is planned, and what is under way other than telling the
// server of a sign-out: the page's session is not the one it was for. A planned
// sign-out, too: it could end the next session.
func (x *exchange) dropped(out *effects) {
	x.retry, x.retryAt = Call{}, Instant{}
	if x.wanted().Kind != CallEnd {
		x.superseded(out)
	}
}

// superseded gives up everything: there is a next session, and its login has
// ended the one before on the server.
func (x *exchange) superseded(out *effects) {
	x.retry, x.retryAt, x.next, x.nextAt = Call{}, Instant{}, Call{}, Instant{}
	x.cancelled(out)
}

// signOut tells the server of a sign-out. It waits for a login under way, since
// it would miss the cookie of that login otherwise.
func (x *exchange) signOut(why Why, now Instant, out *effects) {
	if x.call.Kind == CallEnd {
		x.next, x.nextAt = Call{}, Instant{}
		return
	}
	x.send(Call{Kind: CallEnd, Why: why}, now, out)
}

// answered takes the answer to the call seq. It reports whether the page still
// waits for it.
func (x *exchange) answered(seq uint64, now Instant, out *effects) (wanted bool) {
	if x.call.Kind == NoCall || x.call.Seq != seq {
		return false
	}
	x.call = Call{}
	if x.next.Kind == NoCall {
		return true
	}
	x.begin(x.next, now, out)
	return false
}

// ask makes a call for a token as soon as the pace allows. It reports whether
// it was made.
func (x *exchange) ask(call Call, urgent bool, now Instant, out *effects) (made bool) {
	return x.sendAt(x.pace.soonest(urgent, now), call, now, out)
}

// restore asks whether the server knows this browser, which no floor puts off:
// only what other tabs have heard of the server.
func (x *exchange) restore(why Why, now Instant, out *effects) (made bool) {
	at := x.pace.asked(now, now)
	if x.pace.failures > 0 {
		at = x.pace.soonest(true, now)
	}
	return x.sendAt(at, Call{Kind: CallToken, Why: why}, now, out)
}

// sendAt makes a call, or plans it if its moment has not come.
func (x *exchange) sendAt(at Instant, call Call, now Instant, out *effects) (made bool) {
	if at.After(now) {
		x.plan(call, at)
		return false
	}
	x.send(call, now, out)
	return true
}

// plan makes a call later.
func (x *exchange) plan(call Call, at Instant) { x.retry, x.retryAt = call, at }

// hurried brings a planned call forward, no nearer than the pace allows.
func (x *exchange) hurried(urgent bool, now Instant) {
	if x.retry.Kind == NoCall {
		return
	}
	soonest := x.pace.soonest(urgent, now)
	if x.fresh() {
		soonest = x.pace.asked(now, now)
	}
	if soonest.Before(x.retryAt) {
		x.retryAt = soonest
	}
}

// fresh reports whether the planned call is a report that has not been made
// yet.
func (x *exchange) fresh() bool {
	return x.retry.Kind == CallOpen && x.retry.Seq == 0 && x.pace.failures == 0
}

// due makes the planned call if it is time, with the session's token of now.
func (x *exchange) due(s *session, now Instant, out *effects) (made bool) {
	if x.retry.Kind == NoCall || !x.retryAt.Reached(now) {
		return false
	}
	call := x.retry
	if call.Kind == CallToken {
		call = s.tokenCall(call.Why)
	}
	if call.Kind != CallEnd && x.pace.patient(now) {
		x.retryAt = x.pace.notBefore // as another tab has heard since it was planned
		return false
	}
	x.send(call, now, out)
	return true
}

// heard takes what other tabs say of the server, and puts the planned attempt
// off when they have just failed with theirs.
func (x *exchange) heard(m *Mark, now Instant) {
	before := x.pace.failedAt
	x.pace.heard(m, now)
	if x.pace.failedAt == before || x.retry.Kind == NoCall || x.pace.failures == 0 {
		return
	}
	at := x.pace.failedAt.Add(x.pace.spread(backoffAfter(x.pace.failures)))
	if at.After(x.retryAt) {
		x.retryAt = at
	}
}

// lockAcquired decides whether the call seq is still to be made, now that it
// has the lock. A call for a token is not made if a tab before it has failed,
// or if the server has asked for a wait (Retry-After).
func (x *exchange) lockAcquired(seq uint64, urgent bool, now Instant) {
	if x.call.Kind == NoCall || x.call.Seq != seq {
		return
	}
	x.lock = holdsLock
	if x.call.Kind != CallToken {
		return
	}
	at := x.pace.asked(now, now)
	if failed := x.pace.failedAt; !failed.IsZero() && !failed.Before(x.since) {
		at = x.pace.soonest(urgent, now)
	}
	if at.After(now) {
		x.plan(x.call, at)
		x.call = Call{}
	}
}

// bounded ends a wait that has been long enough: for the lock, or for the call
// before.
func (x *exchange) bounded(urgent bool, now Instant, out *effects) {
	if x.next.Kind != NoCall && now.Since(x.nextAt) >= x.next.patience() {
		x.goAhead(now, out)
		return
	}
	waits := x.call.Kind != NoCall && x.lock == waitsForLock
	if waits && now.Since(x.since) >= x.lockPatience(urgent) {
		x.overtake(out)
	}
}

// goAhead makes the call that waits for another, now.
func (x *exchange) goAhead(now Instant, out *effects) {
	x.cancelled(out)
	x.begin(x.next, now, out)
}

func (x *exchange) overtake(out *effects) {
	x.lock = overtakes
	out.do(Overtake{Seq: x.call.Seq})
}

// left makes sure of what the server must hear before the page is gone.
func (x *exchange) left(now Instant, out *effects) {
	if x.next.Kind != NoCall {
		x.goAhead(now, out)
	}
	if x.call.Kind.changesCookie() && x.lock == waitsForLock {
		x.overtake(out)
	}
}

func (c *Call) patience() time.Duration {
	if c.Kind == CallEnd {
		return endPatience
	}
	return openPatience
}

func (x *exchange) lockPatience(urgent bool) time.Duration {
	switch {
	case x.call.Kind.changesCookie():
		return cookieLockPatience
	case urgent:
		return urgentLockPatience
	}
	return lockPatience
}

// times tells when the exchange has something to do.
func (x *exchange) times(urgent bool, at func(Instant)) {
	if x.retry.Kind != NoCall && x.wanted().Kind == NoCall {
		at(x.retryAt)
	}
	if x.next.Kind != NoCall {
		at(x.nextAt.Add(x.next.patience()))
	}
	if x.call.Kind != NoCall && x.lock == waitsForLock {
		at(x.since.Add(x.lockPatience(urgent)))
	}
}

// after takes what a call that was answered with a yes says of the cookie: a login
// set it, and a question came back with it.
func (c *cookie) after(kind CallKind, now Instant) {
	if kind == CallToken {
		*c = cookie{}
		return
	}
	c.openings++
	c.openedAt = now
}

// neverKept reports whether a missing cookie has a cause that asking again does
// not mend: it was set, and did not come back.
func (c *cookie) neverKept(now Instant) bool {
	return c.openings > 1 || c.openings == 1 && now.Since(c.openedAt) < freshCookie
}

// phase is where a page stands with its session.
func (a *account) phase() Phase {
	s, x := &a.session, &a.exchange
	call := x.wanted()
	switch {
	case s.over:
		return Ended
	case call.Kind == CallOpen:
		return Opening
	case call.restores():
		return Restoring
	case call.Kind == CallToken:
		return Renewing
	case x.retry.Kind == CallToken || x.retry.Kind == CallOpen:
		return Waiting
	case s.confirmed():
		return Active
	}
	return SignedOut
}
