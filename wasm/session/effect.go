package session

import "time"

// Effect is something to be done. Each kind has a name for the diary and knows
// how it is run: a kind without either does not compile.
type Effect interface {
	name() string
	run(*Loop)
}

// effects are what is to be done, in order.
type effects []Effect

func (e *effects) do(effect Effect) { *e = append(*e, effect) }
func (e *effects) tell(n Notice)    { e.do(Notify{n}) }

func (e *effects) tellScreen(name NoticeName, why Why, screen string) {
	e.tell(Notice{Name: name, Why: why, Screen: screen})
}

// Calls to the server.
type (
	// Ask makes a call; its Answered comes back with the same Seq.
	Ask struct{ Call }
	// Cancel stops the call Seq: its answer is no longer wanted, and must not
	// change the cookie.
	Cancel struct{ Seq uint64 }
	// Overtake lets the call Seq wait for no other tab any longer.
	Overtake struct{ Seq uint64 }
	// ReportActivity tells the server that the user is there. No answer.
	ReportActivity struct{}
)

// Changes of storage and of the Registration UI.
type (
	// Adopt gives a token to the UI (createCaptureSession).
	Adopt struct{ Token Token }
	// Drop ends the UI's own session (endCaptureSession).
	Drop struct{}
	// Withdraw takes the token out of the UI's storage and ends nothing.
	Withdraw struct{}
	// SetMark writes the mark; the zero Mark removes it.
	SetMark struct{ Mark }
	// ShowScreen asks the UI for a screen (renderScreen).
	ShowScreen struct{ Screen string }
)

// What is done with the user's forms.
type (
	// Repeat sends a form again, or sends one that was held, exactly as the
	// user sent it, and only while storage holds Token (or is denied);
	// Repeated reports the result. For a held form that is still there this is
	// the user's own submit going on.
	Repeat struct {
		ID    uint64
		Token Token
	}
	// HandBack lets a held form go to the UI as it stands, although it can only
	// fail: the UI and the page's own handlers say so. No report.
	HandBack struct{ ID uint64 }
	// Forget drops a form's values.
	Forget struct {
		ID      uint64
		Outcome Outcome
	}
)

// Outcome is how a submission ended. Each has exactly one.
type Outcome uint8

// The outcomes.
const (
	Finished   Outcome = iota // answered by the UI, or no longer ours to watch
	Unfinished                // not sent again; NoticeUnfinished tells the page
	HandedBack                // the page's own handlers were told
)

// What the page's own code is told.
type (
	// Release lets the page's own handlers go: with Deliver they are called,
	// else what they were told of did not happen.
	Release struct {
		ID      uint64
		Deliver bool
	}
	// Notify emits a public event.
	Notify struct{ Notice }
	// Settle answers token(), renew() and end(): with the token, with a
	// rejection, or with neither for an end() that is done.
	Settle struct {
		IDs      []uint64
		Token    Token
		Rejected Rejection
	}
	// Publish tells the loader where the session stands.
	Publish struct{ HostState }
)

func (e Ask) name() string          { return e.Kind.name() + ":" + e.Why.String() }
func (Cancel) name() string         { return "cancel" }
func (Overtake) name() string       { return "overtake" }
func (ReportActivity) name() string { return "report_activity" }
func (Adopt) name() string          { return "adopt" }
func (Drop) name() string           { return "drop" }
func (Withdraw) name() string       { return "withdraw" }
func (SetMark) name() string        { return "mark" }
func (ShowScreen) name() string     { return "show_screen" }
func (Repeat) name() string         { return "repeat" }
func (HandBack) name() string       { return "hand_back" }
func (e Forget) name() string {
	return "forget:" + [...]string{"finished", "unfinished", "handed_back"}[e.Outcome]
}
func (e Release) name() string { return either(e.Deliver, "deliver", "swallow") }
func (e Notify) name() string  { return e.Name.String() + ":" + e.Why.String() }
func (Settle) name() string    { return "settle" }
func (Publish) name() string   { return "publish" }

func (e Ask) run(l *Loop)            { l.ask(e.Call) }
func (e Cancel) run(l *Loop)         { l.cancel(e.Seq) }
func (e Overtake) run(l *Loop)       { l.overtake(e.Seq) }
func (e ReportActivity) run(l *Loop) { l.reportActivity() }
func (e Adopt) run(l *Loop)          { l.Page.Adopt(e.Token) }
func (e Drop) run(l *Loop)           { l.Page.Drop() }
func (e Withdraw) run(l *Loop)       { l.Page.Withdraw() }
func (e SetMark) run(l *Loop)        { l.Page.SetMark(e.Mark) }
func (e ShowScreen) run(l *Loop)     { l.Page.ShowScreen(e.Screen) }
func (e Repeat) run(l *Loop)         { l.Page.Repeat(e.ID, e.Token) }
func (e HandBack) run(l *Loop)       { l.Page.HandBack(e.ID) }
func (e Forget) run(l *Loop)         { l.Page.Forget(e.ID) }
func (e Release) run(l *Loop)        { l.Page.Release(e.ID, e.Deliver) }
func (e Notify) run(l *Loop)         { l.Page.Notify(e.Notice) }
func (e Settle) run(l *Loop)         { l.Page.Settle(e) }
func (e Publish) run(l *Loop)        { l.Page.Publish(e.HostState) }

// NoticeName is the name of a public event.
type NoticeName uint8

// The public events. Of expired, signedout and identitychanged a page is told
// one, once, until a user signs in.
const (
	noNotice NoticeName = iota
	NoticeRenewed
	NoticeRenewError
	NoticeWarning
	NoticeStayed
	NoticeExpired
	NoticeSignedOut
	NoticeIdentityChanged
	NoticeSignedIn
	NoticeHolding
	NoticeReleased
	NoticeUnfinished
)

var noticeNames = [...]string{
	NoticeRenewed:         "renewed",
	NoticeRenewError:      "renewerror",
	NoticeWarning:         "warning",
	NoticeStayed:          "stayed",
	NoticeExpired:         "expired",
	NoticeSignedOut:       "signedout",
	NoticeIdentityChanged: "identitychanged",
	NoticeSignedIn:        "signedin",
	NoticeHolding:         "holding",
	NoticeReleased:        "released",
	NoticeUnfinished:      "unfinished",
}

// String is the public name.
func (n NoticeName) String() string { return noticeNames[n] }

// Notice is a public event. It never carries a token or a uuid.
type Notice struct {
	Name NoticeName
	Why  Why
	// Limit is "idle" or "absolute", with a warning.
	Limit string
	// Screen is with holding, released and unfinished.
	Screen string
	// ExpiresIn is with renewed and warning, RetryIn with renewerror (0: no
	// further attempt is planned).
	ExpiresIn, RetryIn time.Duration
}

// HostState is what the loader keeps for ready, user() and subscribe().
type HostState struct {
	Phase Phase
	// SignedIn is Unknown until the server or storage has said.
	SignedIn Tristate
	// UUID is by the server's word; empty when it has not been heard. Never
	// print it.
	UUID string
	// ClockSkew is how far the server's clock is ahead of this machine's.
	ClockSkew time.Duration
}

// Tristate is yes, no, or not known yet.
type Tristate uint8

// The three states.
const (
	Unknown Tristate = iota
	No
	Yes
)

// Rejection is the code that a promise of the page is rejected with.
type Rejection uint8

// The rejections.
const (
	NotRejected Rejection = iota
	RejectSignedOut
	RejectUnavailable
	RejectStopped
)

var rejections = [...]string{
	RejectSignedOut:   "signed_out",
	RejectUnavailable: "unavailable",
	RejectStopped:     "stopped",
}

// String is the public code; empty for none.
func (r Rejection) String() string { return rejections[r] }
