package session

import "time"

// Mark is what we leave in storage beside the UI's token: proof that the token
// is one we manage and what the server said of it; or, without a fingerprint,
// that the session was over at Written. It holds no secret.
type Mark struct {
	// Fingerprint of the token; empty when there is none.
	Fingerprint string
	// Who is the fingerprint of the uuid.
	Who string
	// Written, Expires… are wall-clock times of this browser.
	Written  Instant
	Expires  Instant
	Idle     Instant
	Absolute Instant
	// Life is the token's whole life as first told.
	Life time.Duration
	// NotBefore is the end of the wait that the server asked for (Retry-After).
	NotBefore Instant
	// Why the session is over; empty when a person signed out.
	Why Why
	// Ending: a sign-out is not yet known to have reached the server.
	Ending bool
	// Failures counts the calls that failed in a row, in all tabs; the last one
	// at FailedAt.
	Failures int
	FailedAt Instant
}

// Of reports whether the mark is for this token.
func (m *Mark) Of(token Token) bool {
	return !token.Empty() && m.Fingerprint == token.Fingerprint()
}

// Over reports whether the last we saw in this browser was a session's end.
func (m *Mark) Over() bool { return m.Fingerprint == "" && !m.Written.IsZero() }

// SignedOut reports whether it was a person's doing.
func (m *Mark) SignedOut() bool { return m.Over() && m.Why == NoWhy }

// trouble is what of a mark is true for every user: that the server could not
// answer, and the wait that it asked for.
func (m *Mark) trouble() Mark {
	return Mark{NotBefore: m.NotBefore, Failures: m.Failures, FailedAt: m.FailedAt}
}

// Snapshot is what storage holds at one moment.
type Snapshot struct {
	// Readable is false where storage is denied: then absence means nothing.
	Readable bool
	// Offline: the browser says that there is no network.
	Offline bool
	Token   Token
	// Expires is janrainCaptureToken_Expires, zero when missing or garbage.
	Expires Instant
	// ProfileUUID is the uuid of the UI's profile data: a claim, believed only
	// when its fingerprint is the mark's.
	ProfileUUID string
	Mark        Mark
}

// uiBlind reports whether the UI believes that there is no token.
func (s *Snapshot) uiBlind(now Instant) bool {
	return s.Readable && (s.Token.Empty() || s.Expires.IsZero() || s.Expires.Reached(now))
}

// tokenMarked reports whether the mark is of the token in storage.
func (s *Snapshot) tokenMarked() bool { return s.Mark.Of(s.Token) && !s.Mark.Ending }
