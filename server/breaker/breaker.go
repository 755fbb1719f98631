// Package breaker leaves a service alone that keeps failing: after so many
// failures in a row nobody calls it for a while, then one call finds out
// whether it is back.
//
// It differs from the breakers on offer in two things that are needed here:
// whoever is refused learns how long to wait, and a call of which nothing was
// learnt, because its caller left, counts neither way. Were it a failure, any
// visitor could open the breaker by hanging up.
package breaker

import (
	"sync"
	"time"
)

// Outcome is how a call went.
type Outcome int

// The outcomes.
const (
	// Untold: nobody waited to hear, or the call was not made after all.
	Untold Outcome = iota
	// Alive: the service did its work, or refused to for a reason.
	Alive
	// Failed: it gave no answer, or said that it cannot.
	Failed
)

// Breaker is closed at first: all calls are let through. It is safe for
// concurrent use. The zero value never opens.
type Breaker struct {
	after int
	rest  time.Duration
	now   func() time.Time

	mu       sync.Mutex // guards all below
	failures int        // in a row
	until    time.Time  // when the rest ends, once there are enough failures
	probing  bool       // a call is finding out whether the service is back
}

// New returns a Breaker that opens after so many failures in a row, and then
// refuses every call for the time of rest. Time is told by now; nil means
// time.Now.
func New(after int, rest time.Duration, now func() time.Time) *Breaker {
	if now == nil {
		now = time.Now
	}
	return &Breaker{after: after, rest: rest, now: now}
}

// Enter reports whether a call may be made; if not, it also says after how long
// to ask again. Whoever may call must call leave, once, with the outcome; it
// reports whether that opened the breaker.
func (b *Breaker) Enter() (leave func(Outcome) (opened bool), wait time.Duration, ok bool) {
	if b.after == 0 {
		return func(Outcome) bool { return false }, 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	probe := b.failures >= b.after
	if probe {
		if wait := b.until.Sub(b.now()); wait > 0 {
			return nil, wait, false
		}
		if b.probing {
			return nil, b.rest, false
		}
		b.probing = true
	}
	return func(outcome Outcome) bool { return b.leave(outcome, probe) }, 0, true
}

// Open reports whether calls are refused, but for the one that finds out
// whether the service is back.
func (b *Breaker) Open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.after > 0 && b.failures >= b.after
}

func (b *Breaker) leave(outcome Outcome, probe bool) (opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probe {
		b.probing = false
	}
	switch outcome {
	case Alive:
		b.failures = 0
	case Failed:
		b.failures++
		// Calls that were under way when it opened do not make the rest longer.
		if opened = probe || b.failures == b.after; opened {
			b.until = b.now().Add(b.rest)
		}
	}
	return opened
}
