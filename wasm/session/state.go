package session

// State is where one page stands: the browser's session as this tab knows it,
// and what of the user and the page waits for it. The zero value is a page that
// has not started. Treat it as a value: Next never changes the slices of an old
// state.
type State struct {
	account account
	work    work
	// face is what the loader has been told.
	face publicFace
	// WakeAt is when Next wants to hear a Ticked; zero is never.
	WakeAt Instant
}

// String implements fmt.Stringer: a state holds tokens, and does not print.
func (s State) String() string { return s.Phase().String() }

// GoString implements fmt.GoStringer, for %#v.
func (s State) GoString() string { return s.String() }

// Phase is where the page stands, in public.
func (s State) Phase() Phase { return s.account.phase() }

// holds reports whether a form that is sent now can only fail, and is worth
// holding back: not where the UI shows the screen without a token, and not when
// the server will not be asked in time.
func (s *State) holds(screen string, now Instant, p *Policy) bool {
	a := &s.account
	return p.Resubmit && a.session.knownDead(now) && !s.work.screens.needsNoToken(screen) &&
		!a.exchange.cookie.lost && a.exchange.pace.notBefore.Until(now) <= holdBound
}

// schedule is when there is something to do.
func (s *State) schedule(now Instant, p *Policy) Instant {
	var next Instant
	first := func(at Instant) {
		if !at.IsZero() && (next.IsZero() || at.Until(now) < next.Until(now)) {
			next = at
		}
	}
	urgent := !s.account.session.alive(now) && s.work.waits()
	s.account.times(urgent, now, p, first)
	s.work.times(first)
	return next
}
