package session

import "slices"

// Counts say what the page did for its user. The server adds them up for the
// operator's dashboard; they decide nothing.
type Counts struct {
	// Finished: forms that went through after a renewal.
	Finished int
	// Held: forms held until there was a token; Sent: those sent then.
	Held, Sent int
	// Kept: forms not sent. The user was told, and the values stayed on screen.
	Kept int
	// SignInsAvoided: dead or lost tokens replaced without a sign-in.
	SignInsAvoided int
}

func (c Counts) plus(more Counts) Counts {
	return Counts{
		Finished: c.Finished + more.Finished,
		Held:     c.Held + more.Held, Sent: c.Sent + more.Sent, Kept: c.Kept + more.Kept,
		SignInsAvoided: c.SignInsAvoided + more.SignInsAvoided,
	}
}

// tally counts what the effects of one Loop do for the user, until the server
// is told.
type tally struct {
	counts Counts
	// repeated are the forms that were sent again and have no outcome yet.
	repeated []uint64
}

// take returns the counts and begins anew. They come back by add if the server
// did not hear them.
func (t *tally) take() Counts {
	taken := t.counts
	t.counts = Counts{}
	return taken
}

func (t *tally) add(c Counts) { t.counts = t.counts.plus(c) }

// observe counts the effects of an event. saves: a token that the event brings
// replaces none that is good.
func (t *tally) observe(ev Event, effects []Effect, saves bool) {
	answer, answered := ev.(SaveAnswered)
	for _, effect := range effects {
		switch e := effect.(type) {
		case Repeat:
			t.repeated = append(t.repeated, e.ID)
		case Forget:
			if t.forget(e.ID) && answered && !answer.Refused && e.Outcome == Finished {
				t.counts.Finished++
			}
		case Notify:
			t.notice(e.Notice, saves)
		}
	}
}

func (t *tally) notice(n Notice, saves bool) {
	switch {
	case n.Name == NoticeHolding:
		t.counts.Held++
	case n.Name == NoticeReleased && n.Why == WhyRenewed:
		t.counts.Sent++
	case n.Name == NoticeUnfinished:
		t.counts.Kept++
	case n.Name == NoticeRenewed && saves:
		t.counts.SignInsAvoided++
	}
}

// forget reports whether a form had been sent again.
func (t *tally) forget(id uint64) bool {
	i := slices.Index(t.repeated, id)
	if i < 0 {
		return false
	}
	t.repeated = slices.Delete(t.repeated, i, i+1)
	return true
}

// savesSignIn reports whether a token that ev brings saves the user a sign-in:
// the one before is dead, or lost. With OnDemand a page begins without one.
func (s *session) savesSignIn(ev Event, now Instant, p *Policy) bool {
	answered, ok := ev.(Answered)
	return ok && answered.Call.Kind == CallToken &&
		(s.knownDead(now) || s.token.Empty() && !p.OnDemand)
}
