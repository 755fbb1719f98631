package session

import "time"

// The pace of all tabs together. It is part of the published behaviour.
const (
	// floor is the least time between two calls for a token that were answered.
	floor = 8 * time.Second
	// urgentFloor is the same for a user who waits with a dead token.
	urgentFloor = 2 * time.Second
	// maxRetryAfter caps what a server may ask us to wait: a maintenance page
	// that says an hour is often gone in a minute.
	maxRetryAfter = time.Minute
	// lastChance is how long before the token's end another attempt is made,
	// whatever the table says.
	lastChance = 5 * time.Second
)

// backoff lists the waits after failures in a row, the last for all that
// follow: soon, because most troubles are blips, then ever fewer, because the
// rest are outages. Each is spread by ±20 %.
var backoff = [...]time.Duration{
	500 * time.Millisecond,
	time.Second,      // 1.5 s in all
	2 * time.Second,  // 3.5 s
	4 * time.Second,  // 7.5 s
	8 * time.Second,  // 15.5 s
	15 * time.Second, // half a minute
	30 * time.Second, // a minute
	time.Minute,      // 2 min
	2 * time.Minute,  // 4 min
	5 * time.Minute,
}

func backoffAfter(failures int) time.Duration { return backoff[min(failures, len(backoff))-1] }

// pace says when the next call for a token may be made. Failures count for all
// tabs: they read them from the mark.
type pace struct {
	last     Instant // the last call that this tab knows of
	failures int     // in a row
	failedAt Instant
	// notBefore is what the server asked us to wait for; nothing hurries it.
	notBefore Instant
	// chance spreads the waits of different pages: the state carries its own,
	// so that Next stays a function.
	chance uint64
}

// spread moves d by up to ±20 %, so that pages do not act in step.
func (p *pace) spread(d time.Duration) time.Duration {
	// xorshift64 (Marsaglia, 2003)
	p.chance ^= p.chance << 13
	p.chance ^= p.chance >> 7
	p.chance ^= p.chance << 17
	return d*4/5 + time.Duration(p.chance%1000)*(d*2/5)/1000
}

// soonest is when another call may be made.
func (p *pace) soonest(urgent bool, now Instant) Instant {
	gap, since := floor, p.last
	if p.failures > 0 {
		gap = min(gap, backoffAfter(p.failures)*4/5) // as short as its spread can be
		since = later(since, p.failedAt)
	}
	if urgent {
		gap = min(gap, urgentFloor)
	}
	at := now
	if next := since.Add(gap); !since.IsZero() && now.Since(since) < gap && next.After(at) {
		at = next
	}
	return p.asked(at, now)
}

// asked puts a moment off as long as the server asked for.
func (p *pace) asked(at, now Instant) Instant {
	if p.patient(now) && p.notBefore.After(at) {
		return p.notBefore
	}
	return at
}

// patient reports whether a wait that the server asked for is still running.
func (p *pace) patient(now Instant) bool {
	return !p.notBefore.IsZero() && !p.notBefore.Reached(now)
}

// failed notes a call that failed for now, and says when to try again: by the
// table, but once before the token's end at dies, and as late as the server
// asks.
func (p *pace) failed(answer *Answer, dies, now Instant) (retryAt Instant) {
	p.failures++
	p.failedAt = now
	if after := min(answer.RetryAfter, maxRetryAfter); after > 0 {
		p.notBefore = now.Add(after)
	}
	wait, left := p.spread(backoffAfter(p.failures)), dies.Until(now)
	if chance := max(left-lastChance, urgentFloor); chance < left {
		wait = min(wait, chance)
	}
	return p.asked(now.Add(wait), now)
}

// mark tells the other tabs and the next page of the trouble.
func (p *pace) mark(m Mark) Mark {
	m.Failures, m.FailedAt, m.NotBefore = p.failures, p.failedAt.Wall(), p.notBefore.Wall()
	return m
}

// heard takes from the mark what other tabs have found out: failures newer
// than ours, the end of the trouble, and the wait that the server asked for.
// What lies in the future was written by another clock.
func (p *pace) heard(m *Mark, now Instant) {
	at := now.onBothClocks(m.NotBefore)
	if !at.IsZero() && !at.Reached(now) && at.Sub(now) <= maxRetryAfter && at.After(p.notBefore) {
		p.notBefore = at
	}
	recent := func(at Instant) bool {
		ago := now.Wall().Sub(at)
		return !at.IsZero() && ago >= 0 && ago <= backoff[len(backoff)-1]
	}
	switch failed := now.onBothClocks(m.FailedAt); {
	case recent(m.FailedAt) && m.FailedAt.After(p.failedAt.Wall()) && m.Failures > 0:
		p.failures, p.failedAt = m.Failures, failed
	case p.failures > 0 && m.Fingerprint != "" && m.Failures == 0 && recent(m.Written) &&
		m.Written.After(p.failedAt.Wall()):
		p.failures = 0
	}
}

// answered notes that another tab has had a token, and wrote the mark for it.
func (p *pace) answered(m *Mark, now Instant) {
	if at := m.Written; m.Fingerprint != "" && !at.After(now.Wall()) {
		p.last = later(p.last, now.onBothClocks(at))
	}
}

// succeeded forgets the trouble.
func (p *pace) succeeded() { p.failures, p.failedAt, p.notBefore = 0, Instant{}, Instant{} }

func later(a, b Instant) Instant {
	if a.IsZero() || b.After(a) {
		return b
	}
	return a
}
