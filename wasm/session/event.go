package session

// Event is something that happened to the page. Each kind has a name for the
// diary and says in next.go what follows from it: a kind without either does
// not compile.
type Event interface {
	name() string
	happen(*step)
}

// What starts and stops.
type (
	// Started: the module runs. Seed spreads the waits of different pages.
	Started struct{ Seed uint64 }
	// Left: the page is being left, perhaps for the back/forward cache.
	Left struct{}
	// Stopped: the page no longer wants us.
	Stopped struct{}
)

// What the Registration UI tells of the session.
type (
	// TokenSeen: a login, a session found or created, or a token that single
	// sign-on replaced. Tokens for one call (oneTime) are left out.
	TokenSeen struct {
		Token Token
		// UUID is the page's claim.
		UUID string
		// Login: a person signed in just now; without it the event may be late.
		// Refreshed: single sign-on replaced the token of the person who is
		// signed in, or so it says.
		Login, Refreshed bool
	}
	// CodeSeen: a person signed in just now with responseType code.
	CodeSeen struct {
		Code        Token
		RedirectURI string
		// Posted: the loader has posted the code itself. HandedOff follows with
		// the answer.
		Posted bool
	}
	// HandedOff is the server's answer to a code that the loader posted.
	HandedOff struct{ Answer Answer }
	// NoTokenSeen: the UI's start() found no token, or one that had expired.
	NoTokenSeen struct{}
	// SignedOutSeen: the UI ended its session.
	SignedOutSeen struct {
		Cause SignOutCause
		// Told: the loader has told the server and written the mark.
		Told bool
	}
)

// SignOutCause says who ended the UI's session.
type SignOutCause uint8

// The causes of a sign-out.
const (
	// CausePerson: a person, or in doubt. A sign-out always wins.
	CausePerson SignOutCause = iota
	// CauseReaction: the page's own code, inside a handler of a token event or
	// of a failed save.
	CauseReaction
	// CauseOwn: our own Drop.
	CauseOwn
)

// What the Registration UI tells of screens and forms.
type (
	// ScreenWanted: the page or the UI asks for a screen.
	ScreenWanted struct{ Screen string }
	// ScreenShown: a screen is there.
	ScreenShown struct{ Screen string }
	// ScreenDenied: the UI refused a screen because it saw no session. Screen
	// is what the event names; empty when it names none. Handlers is the id of
	// the page's own handlers that the guard keeps back; 0 is none.
	ScreenDenied struct {
		Screen   string
		Handlers uint64
	}
	// DeadToken: an action met a dead token. Screen is empty when the event
	// does not name it. Why is WhyExpired, WhyInvalid or WhySaveFailed. Blank:
	// nothing to fill in is on the screen, so that it was the UI that met the
	// token, when it loaded the screen.
	DeadToken struct {
		Why      Why
		Screen   string
		Blank    bool
		Handlers uint64
	}
	// Submitted: a form was sent. The browser keeps its values under ID,
	// which grows from form to form, until Forget.
	Submitted struct {
		ID     uint64
		Screen string
		// Form tells forms of one screen apart.
		Form string
		// Token was in force when the user pressed the button, at At.
		Token Token
		At    Instant
		// Held: the event was stopped, as Loop.Holds said. Scripted: it is the
		// UI's, which goes on with our Repeat of this form, as after a captcha: no
		// person has touched the page since.
		Held, Scripted bool
	}
	// Edited: the user typed or chose something (trusted input) in a form.
	Edited struct{ Screen, Form string }
	// SaveAnswered: the UI told of an answer that is not about a dead token: a
	// success, or Refused, such as a field that is not valid. Screen is empty
	// when the event does not name it.
	SaveAnswered struct {
		Screen  string
		Refused bool
	}
	// GivenUp: the browser could not do what HandBack or ShowScreen asked for.
	GivenUp struct {
		Screen string
		Result RepeatResult
	}
	// Repeated: the browser has done, or could not do, what Repeat asked for.
	Repeated struct {
		ID     uint64
		Result RepeatResult
	}
)

// RepeatResult is what came of sending a form again.
type RepeatResult uint8

// The results of a repetition. After any but RepeatSent nothing was sent.
const (
	RepeatSent    RepeatResult = iota // sent, field by field as the user sent it
	RepeatEdited                      // the user has changed the form
	RepeatChanged                     // the form would send other values
	RepeatMoved                       // storage holds another token by now
	RepeatGone                        // the form did not come back
	RepeatInvalid                     // the form's own validation refuses it
	RepeatFile                        // a file must be chosen again
	RepeatFailed                      // the UI threw, or offers no way to send it
)

// What happens around the page.
type (
	// StorageChanged: another tab wrote to storage.
	StorageChanged struct{}
	// Woke: the page became visible, came back from a cache or from sleep, or
	// the network returned.
	Woke struct{}
	// Ticked: State.WakeAt has come, or a minute has passed.
	Ticked struct{}
	// UserActive: trusted input on the page.
	UserActive struct{}
	// LockAcquired: the call Seq has the lock, and is about to be made.
	LockAcquired struct{ Seq uint64 }
	// Answered: a call was answered, or has failed.
	Answered struct {
		Call   Call
		Answer Answer
	}
)

// What the page's own code asks for.
type (
	// Wanted: token(), or with Fresh renew(), which asks the server even if the
	// token at hand is good.
	Wanted struct {
		ID    uint64
		Fresh bool
	}
	// StayAsked: the user chose to stay.
	StayAsked struct{}
	// EndAsked: end(). ID 0 is a caller who does not wait.
	EndAsked struct{ ID uint64 }
)

func (Started) name() string        { return "started" }
func (Left) name() string           { return "left" }
func (Stopped) name() string        { return "stopped" }
func (ev TokenSeen) name() string   { return either(ev.Login, "login_seen", "token_seen") }
func (CodeSeen) name() string       { return "code_seen" }
func (HandedOff) name() string      { return "handed_off" }
func (NoTokenSeen) name() string    { return "no_token_seen" }
func (SignedOutSeen) name() string  { return "sign_out_seen" }
func (ScreenWanted) name() string   { return "screen_wanted" }
func (ScreenShown) name() string    { return "screen_shown" }
func (ScreenDenied) name() string   { return "screen_denied" }
func (DeadToken) name() string      { return "dead_token" }
func (ev Submitted) name() string   { return either(ev.Held, "submit_held", "submitted") }
func (Edited) name() string         { return "edited" }
func (SaveAnswered) name() string   { return "save_answered" }
func (GivenUp) name() string        { return "given_up" }
func (Repeated) name() string       { return "repeated" }
func (StorageChanged) name() string { return "storage_changed" }
func (Woke) name() string           { return "woke" }
func (Ticked) name() string         { return "ticked" }
func (UserActive) name() string     { return "user_active" }
func (LockAcquired) name() string   { return "lock_acquired" }
func (Answered) name() string       { return "answered" }
func (Wanted) name() string         { return "wanted" }
func (StayAsked) name() string      { return "stay_asked" }
func (EndAsked) name() string       { return "end_asked" }

func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}
