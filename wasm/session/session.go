// Package session is the whole behaviour of the page's half, free of the page:
// no JavaScript, no I/O and no clock of its own, so that it runs under plain
// go test.
//
// [Next] is a pure function from a state and an event to a state and the
// effects to run. It wires small machines, each a type with its own state and
// methods, which change a copy of the old state:
//
//	session      who is signed in, and the grant: token, life, limits
//	exchange     the call under way, the next attempt, the pace
//	expectation  what storage should hold; classify says what it does hold
//	submissions  the user's forms, from the press of the button to an outcome
//	screens      the screen that was denied, and what the user typed since
//	waiting      handlers and promises of the page that wait for an outcome
//	ends         how the last session ended, and who knows
//	keeping      whether the token stays in storage (always, or on demand)
//	publicFace   what the loader has been told
//
// The first three, ends and keeping are one account: the browser's session as
// this tab knows it (begin.go, renew.go, end.go tell its life). Submissions,
// screens and waiting are the work that a good token finishes (work.go). The
// two halves know nothing of each other: what the account has decided reaches
// the work as a signal.
//
// [Loop] is the one goroutine that feeds Next and runs the effects through
// small ports.
//
// Two rules carry the design. A token that we put into storage (its
// fingerprint is in our [Mark]) is renewed; any other token that appears is
// reported, because only Capture knows its user. And the server's word on a
// token's life wins over the storage's (contract, section 1).
package session

import "time"

// Policy is what the page's options settle.
type Policy struct {
	// ServerMargin is the margin of both halves, by the token's life. Required.
	ServerMargin func(life time.Duration) time.Duration
	// Margin is how long before its end a token is renewed; 0 means
	// ServerMargin. It is never more than life/3.
	Margin time.Duration
	// IdleWarning is how long before a limit the page is warned; 0 is never.
	IdleWarning time.Duration
	// Resubmit finishes the user's form after a renewal.
	Resubmit bool
	// OnDemand keeps the token out of the UI's storage, except while a screen
	// that needs it is shown.
	OnDemand bool
}

// margin is how long before its end a token of this life is renewed.
func (p *Policy) margin(life time.Duration) time.Duration {
	margin := p.Margin
	if margin <= 0 {
		margin = p.ServerMargin(life)
	}
	return min(margin, life/3)
}

// askSlack makes up for the whole seconds of the wire, so that we do not ask
// just before the server finds the token due.
func (p *Policy) askSlack(life time.Duration) time.Duration {
	return min(time.Second, p.margin(life)/2)
}

// session is who is signed in and what the server gave for it. It is replaced
// as a whole, so that nothing of an old session stays behind. The zero value is
// no session; one without who has a token that is not confirmed yet.
type session struct {
	// who is the fingerprint of the uuid by the server's word, and uuid the
	// uuid itself where this page has heard it.
	who, uuid string
	// was is the user of the session before an unknown token appeared.
	was          string
	token        Token
	life         time.Duration
	expires, due Instant
	// dead is a token that the UI met as dead, and deadWhy how.
	dead    Token
	deadWhy Why
	limits  limits
	// over: the page has told an end, and knows of no session since.
	over bool
}

// unconfirmed is a session with a token that the server has not confirmed yet.
func (s *session) unconfirmed(token Token) session {
	return session{token: token, was: s.person()}
}

// person is the user of the present or the last session; empty when unknown.
func (s *session) person() string {
	if s.who != "" {
		return s.who
	}
	return s.was
}

// confirmed reports whether the server has confirmed the token and its user.
func (s *session) confirmed() bool { return s.who != "" && !s.token.Empty() }

// alive reports whether the token is good for all we know.
func (s *session) alive(now Instant) bool {
	return s.confirmed() && s.token != s.dead && !s.expires.IsZero() && !s.expires.Reached(now)
}

// willDo reports whether token() may return the token at hand: it is good for
// at least as long as a renewal may take.
func (s *session) willDo(now Instant, p *Policy) bool {
	return s.alive(now) && (!s.due.Reached(now) || s.expires.Until(now) >= p.ServerMargin(s.life))
}

// ownerOf is the user that a token belongs to, by the server's word; empty when
// unknown. Where storage is denied only the session's own token can be meant.
func (s *session) ownerOf(token Token, snap *Snapshot) string {
	switch {
	case token.Empty():
		if snap.Readable {
			return ""
		}
		return s.who
	case token == s.token:
		return s.who
	case snap.Mark.Of(token):
		return snap.Mark.Who
	}
	return ""
}

// knownDead reports whether the token is known to have ended.
func (s *session) knownDead(now Instant) bool {
	return s.confirmed() && (s.token == s.dead || !s.expires.IsZero() && s.expires.Reached(now))
}

// refused notes that the UI met a token as dead.
func (s *session) refused(token Token, why Why) { s.dead, s.deadWhy = token, why }

// granted is the session by the server's word of just now. With another token
// or person nothing is left of the old one. replaces: the UI has another token.
func (s *session) granted(g *Grant, replaces bool, now Instant, p *Policy) session {
	next := session{
		who: g.who(), uuid: g.UUID, token: g.Token, life: g.ExpiresIn, expires: now.Add(g.ExpiresIn),
	}
	if s.who == next.who {
		next.limits = s.limits
	}
	if s.token == next.token {
		next.life = max(s.life, g.ExpiresIn)
		next.dead, next.deadWhy = s.dead, s.deadWhy
	}
	in := func(d time.Duration) Instant {
		if d <= 0 {
			return Instant{}
		}
		return now.Add(d)
	}
	next.limits.moved(
		in(g.IdleExpiresIn), in(g.AbsoluteExpiresIn), g.IdleExpiresIn, p.IdleWarning, now)
	next.plan(replaces, now, p)
	return next
}

// plan settles when the token is due. The server decides what is due by its
// own margin; a page with a wider one that was given the same token again asks
// next when the server will have a new one.
func (s *session) plan(fresh bool, now Instant, p *Policy) {
	s.due = s.expires.Add(p.askSlack(s.life) - p.margin(s.life))
	if !fresh && s.due.Reached(now) {
		s.due = s.expires.Add(p.askSlack(s.life) - p.ServerMargin(s.life))
	}
	if soonest := now.Add(floor); s.due.Reached(now) && soonest.Before(s.expires) {
		s.due = soonest
	}
}

// takenUp is the session that the mark in storage stands for: another tab
// renewed or signed in, or the page has just begun.
func (s *session) takenUp(snap *Snapshot, now Instant, p *Policy) session {
	mark := &snap.Mark
	next := session{
		who: mark.Who, token: snap.Token, life: mark.Life, expires: now.onBothClocks(mark.Expires),
		dead: s.dead, deadWhy: s.deadWhy,
	}
	if s.who == next.who {
		next.limits, next.uuid = s.limits, s.uuid
	}
	if NewToken(snap.ProfileUUID).Fingerprint() == mark.Who {
		next.uuid = snap.ProfileUUID
	}
	var idleLife time.Duration
	if !mark.Idle.IsZero() {
		idleLife = mark.Idle.Sub(mark.Written)
	}
	next.limits.moved(
		now.onBothClocks(mark.Idle), now.onBothClocks(mark.Absolute), idleLife, p.IdleWarning, now)
	next.due = next.expires.Add(p.askSlack(next.life) - p.margin(next.life))
	wall := now.Wall()
	if believable := !mark.Written.After(wall) && mark.Expires.Sub(wall) <= mark.Life; !believable {
		// Written in the future, or living longer than it ever could: the clock
		// was moved. The server knows.
		next.expires, next.due = Instant{}, now
	}
	return next
}

// mark is the mark of the token.
func (s *session) mark(now Instant) Mark {
	return Mark{
		Fingerprint: s.token.Fingerprint(), Who: s.who, Written: now.Wall(), Life: s.life,
		Expires: s.expires.Wall(), Idle: s.limits.idle.Wall(), Absolute: s.limits.absolute.Wall(),
	}
}

// tokenCall asks for a token in the session's name.
func (s *session) tokenCall(why Why) Call {
	if !s.token.Empty() && s.token == s.dead {
		why = s.deadWhy
	}
	return Call{Kind: CallToken, Why: why, Token: s.token}
}
