// Package session is the whole behaviour of the page's half, free of the
// page: no JavaScript, no I/O and no clock of its own, so that it runs under
// plain go test.
//
// [Next] is a pure function from a state and an event to a state and the
// effects to run. [Session] is the one goroutine that feeds it and runs the
// effects through small ports.
//
// Two rules carry the design. A token that we put into storage (its
// fingerprint is in our [Mark]) is renewed; any other token that turns up is
// reported, because only Capture knows whose it is. And the server's word on a
// token's life wins over the storage's (contract, section 1).
package session

import "time"

// Policy is what the page's options settle. The zero value is the default
// behaviour without resubmission.
type Policy struct {
	// Margin is how long before its end a token is renewed; 0 means
	// min(2 min, life/5). It is never more than life/3. Hidden tabs wake once a
	// minute, hence minutes.
	Margin time.Duration
	// IdleWarning is how long before a limit the page is warned; 0 is never.
	IdleWarning time.Duration
	// Resubmit finishes the user's form after a renewal.
	Resubmit bool
	// OnDemand keeps the token out of the UI's storage but for the screens
	// that need it.
	OnDemand bool
}

// Margin, floor and waits. They are part of the published behaviour.
const (
	defaultMargin = 2 * time.Minute
	// floor is the least time between two attempts that are not the first for
	// their token, on a clock that only goes forward.
	floor = 8 * time.Second
	// maxRetryAfter caps what a server may ask us to wait.
	maxRetryAfter = 15 * time.Minute
	// guardBound is how long the page's own handlers of a dead token wait for
	// a temporary failure to pass.
	guardBound = 10 * time.Second
	// logoutBound is how long after a token event a sign-out without a
	// person's gesture is taken for a page's own reaction to it.
	logoutBound = 5 * time.Second
	// foreignGrace lets the tab that wrote an unknown token report it first.
	foreignGrace = 3 * time.Second
	// adoptGrace is how long the UI may take to write a token it was given.
	adoptGrace = 5 * time.Second
	// missingGrace is how long a token may be gone, with a mark that still
	// vouches for it, before that is a sign-out: a page whose own code logs out
	// on a dead token says in that time that it goes on.
	missingGrace = 800 * time.Millisecond
	// activityEvery spaces the reports that the user is there, at most.
	activityEvery = time.Minute
	// limitSlack asks after a limit, not at it.
	limitSlack = time.Second
)

// backoff lists the waits after failures in a row, the last for all that
// follow: soon, because most troubles are blips, then ever fewer, because the
// rest are outages. Each is spread by ±20 %.
var backoff = [...]time.Duration{
	8 * time.Second,  // 8 s in all
	15 * time.Second, // 23 s
	30 * time.Second, // 53 s
	time.Minute,      // about 2 min
	2 * time.Minute,  // about 4 min
	5 * time.Minute,
}

// Mark is what we leave in storage beside the UI's token: proof that the
// token is one we manage and what the server said of it; or, without a
// fingerprint, that the session was over at Written. It holds no secret.
type Mark struct {
	// Fingerprint of the token; empty when there is none.
	Fingerprint string
	// Who is the fingerprint of the uuid.
	Who string
	// Written, Issued… are wall-clock times of this browser.
	Written  Instant
	Expires  Instant
	Idle     Instant
	Absolute Instant
	// Life is the token's whole life as first told.
	Life time.Duration
	// NotBefore is until when the server asked to be left alone.
	NotBefore Instant
	// Why the session is over; empty when a person signed out.
	Why Why
	// Ending: a sign-out is not yet known to have reached the server.
	Ending bool
}

// Of reports whether the mark is for this token.
func (m Mark) Of(token Token) bool {
	return !token.Empty() && m.Fingerprint == token.Fingerprint()
}

// Over reports whether the last we saw in this browser was a session's end.
func (m Mark) Over() bool { return m.Fingerprint == "" && !m.Written.IsZero() }

// SignedOut reports whether it was a person's doing.
func (m Mark) SignedOut() bool { return m.Over() && m.Why == "" }

// Snapshot is what storage holds at one moment.
type Snapshot struct {
	// Readable is false where storage is denied: then absence means nothing.
	Readable bool
	// Offline: the browser says that there is no network.
	Offline bool
	Token   Token
	// Expires is janrainCaptureToken_Expires, zero when missing or garbage.
	Expires Instant
	Mark    Mark
}

// CallKind says which route a call goes to.
type CallKind uint8

// The kinds of call.
const (
	NoCall    CallKind = iota
	CallToken          // POST /session/token
	CallOpen           // POST /session
	CallEnd            // DELETE /session
)

// Call is a question to the server.
type Call struct {
	Kind CallKind
	Seq  uint64
	Why  Why
	// Token is the one the page has (CallToken) or reports (CallOpen).
	Token Token
	// UUID is the page's claim, with CallOpen.
	UUID string
	// Code and RedirectURI are of a login with responseType code, instead of
	// Token. Such a call is made once.
	Code        Token
	RedirectURI string
}

// Grant is the server's yes.
type Grant struct {
	Token             Token
	UUID              string
	ExpiresIn         time.Duration
	IdleExpiresIn     time.Duration
	AbsoluteExpiresIn time.Duration
}

// Answer is what came of a call: a Grant when OK (empty for CallEnd), else Why
// and, for a final no, Final.
type Answer struct {
	OK    bool
	Grant Grant
	// Why is the reason of a no. The final ones are WhySessionEnded,
	// WhyGrantRefused and WhyMismatch.
	Why   Why
	Final bool
	// Missing: it is final, but the server saw no cookie of ours, so it does
	// not say of any session that it has ended.
	Missing    bool
	RetryAfter time.Duration
}

// Action is something the user did that failed for a dead token.
type Action struct {
	// ID is unique and grows in the order the user acted; 0 is no action.
	ID     uint64
	Screen string
	// Again: this was itself the repetition of a failed action.
	Again bool
	// Held is when the action was stopped before anybody heard of it, because
	// it could only fail; zero for one that has failed.
	Held Instant
}

// Held is a call of the page's own handlers that the guard keeps back.
type Held struct {
	ID    uint64
	Since Instant
}

// State is where one page stands. The zero value is a page that has not
// started. Treat it as a value: Next never changes the slices of an old state.
type State struct {
	Phase Phase
	Token Token
	// Who is the fingerprint of the uuid whose token it is, by the server's word.
	Who            string
	Due, Expires   Instant
	Life           time.Duration
	Idle, Absolute Instant
	IdleLife       time.Duration
	// LocalExpires is the UI's own idea of the token's end.
	LocalExpires Instant
	// Refused is a token known to be dead, and why we know. RefusedAt is when
	// the UI last met a dead token, whichever.
	Refused    Token
	RefusedWhy Why
	RefusedAt  Instant
	// ForcedAt is when the server was last told of a refusal.
	ForcedAt Instant
	// Former is the token that was replaced at AdoptedAt.
	Former    Token
	AdoptedAt Instant
	// Absent: the UI's storage is expected to hold no token, so that its
	// absence is not somebody's sign-out. MissingAt is when it was first missed
	// otherwise, Seen when the mark was written that stood beside it. Past is
	// when the session was over that this page found ended at its start.
	Absent                bool
	MissingAt, Seen, Past Instant
	// HadSession: this browser has had a session of ours, so that a page
	// without a token is probably not an anonymous visitor's.
	HadSession bool

	Call    Call // under way
	Retry   Call // to be made at RetryAt
	RetryAt Instant
	// NotBefore is what the server asked us to wait for, in any tab; nothing
	// hurries it.
	NotBefore Instant
	// Offline: there is no network, so that a held action had better wait.
	Offline  bool
	Seq      uint64
	LastCall Instant
	Failures int
	// Restored: the one question of a page without a token has been asked.
	Restored bool
	// EndedBy is how the page's last session ended. Unheard: not by a sign-out
	// that the server has been told of. DroppedAt is when we ended the UI's
	// session ourselves; Dropping: the UI has yet to tell of it.
	EndedBy   NoticeName
	Unheard   bool
	DroppedAt Instant
	Dropping  bool

	LastActivity Instant
	WarnedIdle   bool
	WarnedAbs    bool

	// Code is the one-time code that was posted last.
	Code Token
	// InUse: a screen that needs the token is wanted, and Shown once it is
	// there. Needs are the screens known to need it. For Policy.OnDemand.
	InUse, Shown bool
	Needs        []string

	Actions []Action
	Resumed []uint64 // the last few ids of actions already repeated
	Held    []Held
	Waiters []uint64

	// WakeAt is when Next wants to hear a Ticked; zero is never.
	WakeAt Instant
	Seed   uint64
}

// Alive reports whether the token is good for all we know.
func (s State) Alive(now Instant) bool {
	return !s.Token.Empty() && s.Token != s.Refused && !s.Expires.IsZero() && !s.Expires.Reached(now)
}

// Dead reports whether the token of a living session is known to have ended:
// what is done with it can only fail until it is renewed.
func (s State) Dead(now Instant) bool {
	living := s.Phase == Active || s.Phase == Renewing || s.Phase == Waiting
	return living && !s.Token.Empty() && !s.Alive(now) && (s.Token == s.Refused || !s.Expires.IsZero())
}
