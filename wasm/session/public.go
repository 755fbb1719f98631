package session

// publicFace is what the loader has been told, for ready, user(), subscribe()
// and the event signedin.
type publicFace struct {
	told HostState
	// began: the loader has been told anything at all.
	began bool
	// last is the last definite answer to "is a user signed in", and lastWho
	// who it was.
	last    Tristate
	lastWho string
}

// announce tells what has changed. A session that begins where the page knew of
// none, or of another person's, is an event.
func (f *publicFace) announce(a *account, out *effects) {
	s, at := &a.session, a.phase()
	state := HostState{Phase: at, SignedIn: s.signedIn(at), ClockSkew: a.skew}
	if state.SignedIn == Yes {
		state.UUID = s.uuid
	}
	if state.SignedIn == Yes && f.last != Unknown && (f.last == No || f.lastWho != s.who) {
		out.tell(Notice{Name: NoticeSignedIn, Why: WhySignedIn})
	}
	if state.SignedIn != Unknown {
		f.last, f.lastWho = state.SignedIn, s.who
	}
	if !f.began || state != f.told {
		out.do(Publish{state})
	}
	f.told, f.began = state, true
}

// signedIn answers what user() asks.
func (s *session) signedIn(at Phase) Tristate {
	switch {
	case s.confirmed():
		return Yes
	case at == SignedOut || at == Ended:
		return No
	}
	return Unknown
}
