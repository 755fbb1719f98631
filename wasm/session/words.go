package session

// Phase is where a page stands with its session.
type Phase uint8

// The phases.
const (
	// SignedOut: no user is signed in as far as we know; a login or a living
	// server session starts anew.
	SignedOut Phase = iota
	// Restoring: no token is here; the server has been asked whether it knows
	// this browser.
	Restoring
	// Opening: a login is being reported to the server.
	Opening
	// Active: there is a server session and a good token.
	Active
	// Renewing: the server has been asked for a token.
	Renewing
	// Waiting: the last call failed for now and will be repeated. The token at
	// hand may still be good.
	Waiting
	// Ended: the session is over for this page, which goes on with the next
	// session of this browser.
	Ended
)

var phaseNames = [...]string{
	"signedout", "restoring", "opening", "active", "renewing", "waiting", "ended",
}

// String is the public name of the phase, as status() tells it.
func (p Phase) String() string { return phaseNames[p] }

// Why is the reason of a public event or of a diagnostic: a closed list,
// published in keepalive.d.ts.
type Why uint8

// The reasons. The first eight are also what the server is told (api.Reason).
const (
	NoWhy Why = iota

	WhyStart
	WhyDue
	WhyExpired
	WhyInvalid
	WhyDenied
	WhySaveFailed
	WhyWake
	WhyRequest

	WhyOffline        // the server could not be reached
	WhyUnintelligible // something answered that is not our server
	WhyServer         // our server, Capture or the store cannot answer now
	WhyRateLimited    // too many requests
	WhyRefused        // the server refuses the page: configuration
	WhyRefusedAgain   // a token just renewed was refused as well
	WhyHeldTooLong    // an action could not be kept waiting any longer

	WhyCookieRefused // the browser does not keep the cookie

	// Why a form was not sent again, or is no longer held.
	WhyRenewed     // the session is good again: it is being sent
	WhyEdited      // the form was changed since it was sent
	WhyChanged     // it would have sent other values
	WhyLeft        // another screen is shown, or the page was left
	WhyGone        // the form did not come back
	WhyInvalidForm // the form's own validation refuses it
	WhyFile        // a file must be chosen again
	WhyNoSubmit    // there is no way to send it
	WhyNoForm      // the action was no form that could be seen
	WhyUnclear     // it is not clear whether the form was saved
	WhyUnproven    // it is not proven who sent the form
	WhyNewToken    // a token appeared, and its user is not known
	WhyResubmitOff // the page does not want forms sent again

	WhyIdleLimit     // no input for too long
	WhyAbsoluteLimit // the session was long enough
	WhySessionEnded  // the server has ended the session
	WhyGrantRefused  // Capture does not accept the token
	WhyMismatch      // the token is not the claimed user's
	WhyCodeUsed      // the code was posted before

	WhySignedOut // the person signed out on this page
	WhyElsewhere // the token was removed in another tab or by other code
	WhyEnd       // the page called end()
	WhyOtherUser // another user is signed in now
	WhySignedIn  // a user has signed in
	WhyStopped   // the page called stop()
)

// Refusal reports whether the reason says that Capture refused a token.
func (w Why) Refusal() bool {
	switch w {
	case WhyExpired, WhyInvalid, WhyDenied, WhySaveFailed:
		return true
	}
	return false
}

// whyNames are the public names.
var whyNames = [...]string{
	WhyStart:          "start",
	WhyDue:            "due",
	WhyExpired:        "expired",
	WhyInvalid:        "invalid",
	WhyDenied:         "denied",
	WhySaveFailed:     "savefailed",
	WhyWake:           "wake",
	WhyRequest:        "request",
	WhyOffline:        "offline",
	WhyUnintelligible: "unintelligible",
	WhyServer:         "server",
	WhyRateLimited:    "rate_limited",
	WhyRefused:        "refused",
	WhyRefusedAgain:   "refused_again",
	WhyHeldTooLong:    "held_too_long",
	WhyCookieRefused:  "cookie_refused",
	WhyRenewed:        "renewed",
	WhyEdited:         "edited",
	WhyChanged:        "changed",
	WhyLeft:           "left",
	WhyGone:           "gone",
	WhyInvalidForm:    "invalid_form",
	WhyFile:           "file",
	WhyNoSubmit:       "no_submit",
	WhyNoForm:         "no_form",
	WhyUnclear:        "unclear",
	WhyUnproven:       "unproven",
	WhyNewToken:       "new_token",
	WhyResubmitOff:    "resubmit_off",
	WhyIdleLimit:      "idle_limit",
	WhyAbsoluteLimit:  "absolute_limit",
	WhySessionEnded:   "session_ended",
	WhyGrantRefused:   "grant_refused",
	WhyMismatch:       "identity_mismatch",
	WhyCodeUsed:       "code_used",
	WhySignedOut:      "signed_out",
	WhyElsewhere:      "elsewhere",
	WhyEnd:            "end",
	WhyOtherUser:      "other_user",
	WhySignedIn:       "signed_in",
	WhyStopped:        "stopped",
}

// sentences says each reason to a person.
var sentences = [...]string{
	WhyStart:          "the page was loaded",
	WhyDue:            "the token was near its end",
	WhyExpired:        "the Registration UI met an expired token",
	WhyInvalid:        "the Registration UI met an invalid token",
	WhyDenied:         "a screen needed a session",
	WhySaveFailed:     "a save failed for a dead token",
	WhyWake:           "the page came back",
	WhyRequest:        "the page asked",
	WhyOffline:        "the keepalive server could not be reached",
	WhyUnintelligible: "something other than the keepalive server answered",
	WhyServer:         "the service cannot answer now",
	WhyRateLimited:    "there were too many requests",
	WhyRefused:        "the keepalive server refuses this page; check its settings",
	WhyRefusedAgain:   "a token just renewed was refused as well",
	WhyHeldTooLong:    "an action could not wait for the renewal any longer",
	WhyCookieRefused:  "the browser does not keep the session's cookie; check its name, path and SameSite",
	WhyRenewed:        "the session is good again",
	WhyEdited:         "the form was changed since it was sent",
	WhyChanged:        "the form would have sent other values than the user did",
	WhyLeft:           "another screen is shown, or the page was left",
	WhyGone:           "the form did not come back",
	WhyInvalidForm:    "the form's own validation refuses it",
	WhyFile:           "a file must be chosen again",
	WhyNoSubmit:       "there is no way to send the form again",
	WhyNoForm:         "an action failed that was no form that could be seen",
	WhyUnclear:        "it is not clear whether the form was saved",
	WhyUnproven:       "it is not proven who sent the form",
	WhyNewToken:       "a new token appeared, and its user is not known",
	WhyResubmitOff:    "the page does not want forms sent again",
	WhyIdleLimit:      "there was no input for too long",
	WhyAbsoluteLimit:  "the session reached its longest time",
	WhySessionEnded:   "the server has ended the session",
	WhyGrantRefused:   "Capture does not accept this token",
	WhyMismatch:       "the token belongs to someone else",
	WhyCodeUsed:       "the login was reported before",
	WhySignedOut:      "the person signed out",
	WhyElsewhere:      "the session was ended in another tab or by other code",
	WhyEnd:            "the page ended the session",
	WhyOtherUser:      "another user is signed in now",
	WhySignedIn:       "a user signed in",
	WhyStopped:        "the page stopped the helper",
}

// String is the public name; empty for no reason.
func (w Why) String() string { return whyNames[w] }

// Sentence says the reason to a person; empty for no reason.
func (w Why) Sentence() string { return sentences[w] }

// ParseWhy finds a reason by its public name.
func ParseWhy(name string) (Why, bool) {
	for w, known := range whyNames {
		if known == name {
			return Why(w), true
		}
	}
	return NoWhy, false
}
