package session

// ends is how the page's last session ended, and who knows of it.
type ends struct {
	// by is the event that told of it; empty while none has ended.
	by NoticeName
	// told: the page has been told an end, and no user has signed in since.
	told bool
	// serverNotTold: it ended by something that says nothing to the server.
	serverNotTold bool
	// signOutLost: a sign-out has not reached the server. A token has appeared
	// since: its login ends that session as well. If there was no login, the
	// server is still to be told.
	signOutLost bool
	// dropping: we have ended the UI's session, which has yet to tell of it.
	dropping bool
}

// signOutMeaning is what it means that the UI ended its session.
type signOutMeaning uint8

const (
	signOutKnown    signOutMeaning = iota // our own doing, or known already
	signOutLate                           // of a session that has ended here, but not on the server
	signOutToldOnly                       // the loader has done everything but tell the page
	signOutReaction                       // the page's own logout on a dead token
	signOutPerson                         // a person's
)

// meaning attributes a sign-out by its cause, not by the clock. In doubt it is
// a person's, and those always win.
func (e *ends) meaning(ev *SignedOutSeen, f finding, over bool, snap *Snapshot) signOutMeaning {
	switch {
	case ev.Cause == CauseOwn, e.dropping:
		return signOutKnown
	case ev.Told && (!snap.Token.Empty() || e.by != noNotice):
		return signOutKnown // a user has signed in since, or the page knows
	case ev.Told && over:
		return signOutToldOnly
	case over && e.by != NoticeExpired && e.serverNotTold && ev.Cause == CausePerson:
		// Storage may have shown this sign-out before the UI told of it. After an
		// expiry it is the page's own clean-up: see TestEndInAllTabs.
		return signOutLate
	case over:
		return signOutKnown // most likely a handler's second one
	case ev.reacts(f):
		return signOutReaction
	}
	return signOutPerson
}

// reacts reports whether the page's own code has ended a session that goes on,
// for all that storage says.
func (ev *SignedOutSeen) reacts(f finding) bool {
	return ev.Cause == CauseReaction && !ev.Told && f != overElsewhere && f != otherUser
}

func (e *ends) ended(by NoticeName) { e.by, e.told, e.serverNotTold = by, true, true }
