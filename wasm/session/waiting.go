package session

import (
	"slices"
	"time"
)

const (
	// handlerBound is how long the page's own handlers of a dead token wait for
	// a temporary failure to pass.
	handlerBound = 10 * time.Second
	// promiseBound is how long token(), renew() and end() wait for the server.
	promiseBound = 10 * time.Second
)

// waiter is something of the page that waits for an outcome since a moment.
type waiter struct {
	id    uint64
	since Instant
}

// waiting is what of the page's own code waits for an outcome. Each gets
// exactly one.
type waiting struct {
	// handlers of a dead token, which the guard keeps back.
	handlers []waiter
	// tokens are promises of token() and renew(); endings are those of end().
	tokens, endings []waiter
}

func (w waiting) handler(id uint64, now Instant) waiting {
	if id != 0 {
		w.handlers = append(slices.Clip(w.handlers), waiter{id, now})
	}
	return w
}

func (w waiting) token(id uint64, now Instant) waiting {
	w.tokens = append(slices.Clip(w.tokens), waiter{id, now})
	return w
}

func (w waiting) ending(id uint64, now Instant) waiting {
	if id != 0 {
		w.endings = append(slices.Clip(w.endings), waiter{id, now})
	}
	return w
}

// deliver lets all handlers run: the dead token could not be mended.
func (w waiting) deliver() (waiting, []Effect) { return w.release(Release{Deliver: true}) }

// swallow drops all handlers: for the page the dead token did not happen.
func (w waiting) swallow() (waiting, []Effect) { return w.release(Release{}) }

func (w waiting) release(r Release) (waiting, []Effect) {
	var effects []Effect
	for _, h := range w.handlers {
		r.ID = h.id
		effects = append(effects, r)
	}
	w.handlers = nil
	return w, effects
}

// settle answers every promise of a token.
func (w waiting) settle(token Token, rejected Rejection) (waiting, []Effect) {
	effects := settled(w.tokens, Settle{Token: token, Rejected: rejected})
	w.tokens = nil
	return w, effects
}

// ended answers every promise of a sign-out.
func (w waiting) ended(rejected Rejection) (waiting, []Effect) {
	effects := settled(w.endings, Settle{Rejected: rejected})
	w.endings = nil
	return w, effects
}

func settled(waiters []waiter, s Settle) []Effect {
	if len(waiters) == 0 {
		return nil
	}
	for _, w := range waiters {
		s.IDs = append(s.IDs, w.id)
	}
	return []Effect{s}
}

// overdue ends every wait that has been long enough: handlers run, a promise
// gets the token at hand if that is good. It returns the handlers that run.
func (w waiting) overdue(s session, now Instant) (waiting, []Effect, []uint64) {
	var effects []Effect
	var told []uint64
	late, handlers := split(w.handlers, handlerBound, now)
	for _, h := range late {
		effects = append(effects, Release{ID: h.id, Deliver: true})
		told = append(told, h.id)
	}
	late, tokens := split(w.tokens, promiseBound, now)
	effects = append(effects, settled(late, atHand(s, now))...)
	late, endings := split(w.endings, promiseBound, now)
	effects = append(effects, settled(late, Settle{Rejected: RejectUnavailable})...)
	return waiting{handlers, tokens, endings}, effects, told
}

// atHand answers with the token at hand if it is good.
func atHand(s session, now Instant) Settle {
	if s.alive(now) {
		return Settle{Token: s.token}
	}
	return Settle{Rejected: RejectUnavailable}
}

func split(waiters []waiter, bound time.Duration, now Instant) (late, kept []waiter) {
	for _, w := range waiters {
		if now.Since(w.since) >= bound {
			late = append(late, w)
		} else {
			kept = append(kept, w)
		}
	}
	return late, kept
}

// any reports whether the page's code waits for a token.
func (w waiting) any() bool { return len(w.handlers)+len(w.tokens) > 0 }

// times lists the bounds.
func (w waiting) times() []Instant {
	var times []Instant
	for _, h := range w.handlers {
		times = append(times, h.since.Add(handlerBound))
	}
	for _, t := range slices.Concat(w.tokens, w.endings) {
		times = append(times, t.since.Add(promiseBound))
	}
	return times
}
