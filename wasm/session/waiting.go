package session

import "time"

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

func add(list *[]waiter, id uint64, now Instant) {
	if id != 0 {
		*list = append(*list, waiter{id, now})
	}
}

// deliver lets all handlers run: the dead token could not be mended.
func (w *waiting) deliver(out *effects) { w.release(true, out) }

// swallow drops all handlers: for the page the dead token did not happen.
func (w *waiting) swallow(out *effects) { w.release(false, out) }

func (w *waiting) release(deliver bool, out *effects) {
	for _, h := range w.handlers {
		out.do(Release{ID: h.id, Deliver: deliver})
	}
	w.handlers = nil
}

// settle answers every promise of a token.
func (w *waiting) settle(token Token, rejected Rejection, out *effects) {
	settle(&w.tokens, Settle{Token: token, Rejected: rejected}, out)
}

// ended answers every promise of a sign-out.
func (w *waiting) ended(rejected Rejection, out *effects) {
	settle(&w.endings, Settle{Rejected: rejected}, out)
}

func settle(list *[]waiter, s Settle, out *effects) {
	for _, w := range *list {
		s.IDs = append(s.IDs, w.id)
	}
	*list = nil
	if s.IDs != nil {
		out.do(s)
	}
}

// overdue ends every wait that has been long enough: handlers run, a promise
// gets the token at hand if that is good. It returns the handlers that run.
func (w *waiting) overdue(s *session, now Instant, out *effects) (told []waiter) {
	told = late(&w.handlers, handlerBound, now)
	for _, h := range told {
		out.do(Release{ID: h.id, Deliver: true})
	}
	tokens := late(&w.tokens, promiseBound, now)
	settle(&tokens, atHand(s, now), out)
	endings := late(&w.endings, promiseBound, now)
	settle(&endings, Settle{Rejected: RejectUnavailable}, out)
	return told
}

// atHand answers with the token at hand if it is good.
func atHand(s *session, now Instant) Settle {
	if s.alive(now) {
		return Settle{Token: s.token}
	}
	return Settle{Rejected: RejectUnavailable}
}

// late takes out those that have waited long enough: the first, as each has
// come after the one before it.
func late(list *[]waiter, bound time.Duration, now Instant) []waiter {
	n := 0
	for n < len(*list) && now.Since((*list)[n].since) >= bound {
		n++
	}
	late := (*list)[:n]
	*list = (*list)[n:]
	return late
}

// any reports whether the page's code waits for a token.
func (w *waiting) any() bool { return len(w.handlers)+len(w.tokens) > 0 }

// times tells the bounds.
func (w *waiting) times(at func(Instant)) {
	first := func(list []waiter, bound time.Duration) {
		if len(list) > 0 {
			at(list[0].since.Add(bound))
		}
	}
	first(w.handlers, handlerBound)
	first(w.tokens, promiseBound)
	first(w.endings, promiseBound)
}
