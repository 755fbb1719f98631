package session

import "time"

// Event is something that happened to the page. Those with a Snapshot carry
// what storage held when they were handled.
type Event interface{ event() }

type (
	// Started: the module runs. Seed spreads the waits of different pages.
	Started struct {
		Snapshot
		Seed uint64
	}
	// TokenSeen: the UI told of a token: a login, a session found or created,
	// a token replaced by single sign-on.
	TokenSeen struct {
		Snapshot
		Token Token
		UUID  string
		// Login: a person signed in just now; without it the event may be late.
		Login bool
	}
	// CodeSeen: a person signed in just now with responseType code.
	CodeSeen struct {
		Snapshot
		Code        Token
		RedirectURI string
	}
	// ScreenWanted: the page asks the UI for a screen. ScreenShown: it is there.
	ScreenWanted struct{ Screen string }
	ScreenShown  struct{ Screen string }
	// Left: the page is being left, perhaps for the back/forward cache.
	Left struct{}
	// NoTokenSeen: the UI's start() found no token, or one that had expired.
	NoTokenSeen struct{ Snapshot }
	// Refused: an action of the user met a dead token, or none.
	Refused struct {
		Snapshot
		Why Why
		// Token is the one that was in force when the user acted; empty when
		// unknown.
		Token  Token
		Action Action
		// Hold is the id of the page's own handlers that wait for the outcome;
		// 0 is none.
		Hold uint64
	}
	// Submitted: an action of the user was held back, the token being dead.
	Submitted struct {
		Snapshot
		Action Action
	}
	// SignedOutSeen: the UI ended its session. Gesture: a person did something
	// just before, so it is likely that they meant to.
	SignedOutSeen struct {
		Snapshot
		Gesture bool
		// Told: the server was told by the loader, before the module was here.
		Told bool
	}
	// StorageChanged: another tab wrote to storage.
	StorageChanged struct{ Snapshot }
	// TurnCame: the call Seq has its turn among the tabs, and is about to be made.
	TurnCame struct {
		Snapshot
		Seq uint64
	}
	// Woke: the page became visible, came back from a cache or from sleep, or
	// the network returned.
	Woke struct{ Snapshot }
	// Ticked: State.WakeAt has come, or a minute has passed.
	Ticked struct{ Snapshot }
	// Answered: a call was answered, or has failed.
	Answered struct {
		Snapshot
		Call   Call
		Answer Answer
	}
	// Wanted: the page's own code asks for a token; Fresh asks the server even
	// if the one at hand is good.
	Wanted struct {
		ID    uint64
		Fresh bool
	}
	// UserActive: a person used the page. Stay: by saying so.
	UserActive struct{ Stay bool }
	// EndAsked: the page's own code ends the session.
	EndAsked struct{ Snapshot }
	// Stopped: the page no longer wants us.
	Stopped struct{}
)

func (Started) event()        {}
func (TokenSeen) event()      {}
func (CodeSeen) event()       {}
func (ScreenWanted) event()   {}
func (ScreenShown) event()    {}
func (Left) event()           {}
func (NoTokenSeen) event()    {}
func (Refused) event()        {}
func (Submitted) event()      {}
func (SignedOutSeen) event()  {}
func (StorageChanged) event() {}
func (TurnCame) event()       {}
func (Woke) event()           {}
func (Ticked) event()         {}
func (Answered) event()       {}
func (Wanted) event()         {}
func (UserActive) event()     {}
func (EndAsked) event()       {}
func (Stopped) event()        {}

// With puts what storage holds into an event that carries it.
func With(ev Event, snap Snapshot) Event {
	switch ev := ev.(type) {
	case Started:
		ev.Snapshot = snap
		return ev
	case TokenSeen:
		ev.Snapshot = snap
		return ev
	case CodeSeen:
		ev.Snapshot = snap
		return ev
	case NoTokenSeen:
		ev.Snapshot = snap
		return ev
	case Refused:
		ev.Snapshot = snap
		return ev
	case Submitted:
		ev.Snapshot = snap
		return ev
	case SignedOutSeen:
		ev.Snapshot = snap
		return ev
	case StorageChanged:
		ev.Snapshot = snap
		return ev
	case TurnCame:
		ev.Snapshot = snap
		return ev
	case Woke:
		ev.Snapshot = snap
		return ev
	case Ticked:
		ev.Snapshot = snap
		return ev
	case Answered:
		ev.Snapshot = snap
		return ev
	case EndAsked:
		ev.Snapshot = snap
		return ev
	}
	return ev
}

// Effect is something to be done.
type Effect interface{ effect() }

type (
	// Ask makes a call; its Answered comes back with the same Seq.
	Ask struct{ Call }
	// ReportActivity tells the server that the user is there. No answer.
	ReportActivity struct{}
	// Adopt gives a token to the UI (createCaptureSession).
	Adopt struct{ Token Token }
	// Drop ends the UI's own session (endCaptureSession).
	Drop struct{}
	// Withdraw takes the token out of the UI's storage and ends nothing.
	Withdraw struct{}
	// SetMark writes the mark; the zero Mark removes it.
	SetMark struct{ Mark }
	// Resume repeats an action of the user, or lets one go that was held.
	Resume struct{ Action }
	// Abandon gives an action up: its values stay on screen.
	Abandon struct{ Action }
	// Release lets the page's own handlers go: with Deliver they are called,
	// else what they were told of did not happen.
	Release struct {
		ID      uint64
		Deliver bool
	}
	// Tell emits a public event.
	Tell struct{ Notice }
	// Settle answers the page's token() and renew(): with the token, or, when
	// it is empty, with a rejection.
	Settle struct {
		IDs      []uint64
		Token    Token
		Rejected Rejection
	}
)

func (Ask) effect()            {}
func (ReportActivity) effect() {}
func (Adopt) effect()          {}
func (Drop) effect()           {}
func (Withdraw) effect()       {}
func (SetMark) effect()        {}
func (Resume) effect()         {}
func (Abandon) effect()        {}
func (Release) effect()        {}
func (Tell) effect()           {}
func (Settle) effect()         {}

// NoticeName is the name of a public event.
type NoticeName string

// The public events. Of the last three a page is told one, once, until a new
// login.
const (
	NoticeRenewed         NoticeName = "renewed"
	NoticeRenewError      NoticeName = "renewerror"
	NoticeWarning         NoticeName = "warning"
	NoticeStayed          NoticeName = "stayed"
	NoticeExpired         NoticeName = "expired"
	NoticeSignedOut       NoticeName = "signedout"
	NoticeIdentityChanged NoticeName = "identitychanged"
)

// Notice is a public event. It never carries a token or a uuid.
type Notice struct {
	Name NoticeName
	Why  Why
	// Limit is "idle" or "absolute", with a warning.
	Limit string
	// ExpiresIn is with renewed and warning, RetryIn with renewerror (0: no
	// further attempt is planned).
	ExpiresIn, RetryIn time.Duration
}

// Rejection is the code that a promise of the page is rejected with.
type Rejection string

// The rejections.
const (
	RejectSignedOut   Rejection = "signed_out"
	RejectUnavailable Rejection = "unavailable"
	RejectStopped     Rejection = "stopped"
)
