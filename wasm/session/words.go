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

var phaseNames = [...]string{"signedout", "restoring", "opening", "active", "renewing", "waiting", "ended"}

// String is the public name of the phase, as status() tells it.
func (p Phase) String() string { return phaseNames[p] }

// Why is the reason of a public event or of a diagnostic: a closed list,
// published in keepalive.d.ts.
type Why string

// The reasons. The first eight are also what the server is told (api.Reason).
const (
	WhyStart      Why = "start"
	WhyDue        Why = "due"
	WhyExpired    Why = "expired"
	WhyInvalid    Why = "invalid"
	WhyDenied     Why = "denied"
	WhySaveFailed Why = "savefailed"
	WhyWake       Why = "wake"
	WhyRequest    Why = "request"

	WhyOffline        Why = "offline"        // the server could not be reached
	WhyUnintelligible Why = "unintelligible" // something answered that is not our server
	WhyServer         Why = "server"         // our server, Capture or the store cannot answer now
	WhyRateLimited    Why = "rate_limited"   // too many requests
	WhyRefused        Why = "refused"        // the server refuses the page: configuration
	WhyRefusedAgain   Why = "refused_again"  // a token just renewed was refused as well
	WhyHeldTooLong    Why = "held_too_long"  // an action could not be kept waiting any longer

	WhyCookieRefused Why = "cookie_refused" // the browser does not keep the cookie

	// Why a form was not sent again, or is no longer held.
	WhyRenewed     Why = "renewed"      // the session is good again: it is being sent
	WhyEdited      Why = "edited"       // the form was changed since it was sent
	WhyChanged     Why = "changed"      // it would have sent other values
	WhyLeft        Why = "left"         // another screen is shown
	WhyGone        Why = "gone"         // the form did not come back
	WhyInvalidForm Why = "invalid_form" // the form's own validation refuses it
	WhyFile        Why = "file"         // a file must be chosen again
	WhyNoSubmit    Why = "no_submit"    // there is no way to send it
	WhyNoForm      Why = "no_form"      // the action was no form that could be seen
	WhyUnclear     Why = "unclear"      // it is not clear which form failed
	WhyUnproven    Why = "unproven"     // it is not proven whose form it was
	WhyNewToken    Why = "new_token"    // a token turned up that nobody vouches for
	WhyResubmitOff Why = "resubmit_off" // the page does not want forms sent again

	WhyIdleLimit     Why = "idle_limit"        // no input for too long
	WhyAbsoluteLimit Why = "absolute_limit"    // the session was long enough
	WhySessionEnded  Why = "session_ended"     // the server has ended the session
	WhyGrantRefused  Why = "grant_refused"     // Capture does not vouch for the token
	WhyMismatch      Why = "identity_mismatch" // the token is not the claimed user's
	WhyCodeUsed      Why = "code_used"         // the code was posted before

	WhySignedOut Why = "signed_out" // the person signed out on this page
	WhyElsewhere Why = "elsewhere"  // the token was removed in another tab or by other code
	WhyEnd       Why = "end"        // the page called end()
	WhyOtherUser Why = "other_user" // another user is signed in now
	WhySignedIn  Why = "signed_in"  // a user has signed in
	WhyStopped   Why = "stopped"    // the page called stop()
)

// Refusal reports whether the reason says that Capture refused a token.
func (w Why) Refusal() bool {
	switch w {
	case WhyExpired, WhyInvalid, WhyDenied, WhySaveFailed:
		return true
	}
	return false
}

// Sentence says the reason to a person; empty for no reason. (Not a map: the
// module would build it at every start.)
func (w Why) Sentence() string {
	switch w {
	case WhyStart:
		return "the page was loaded"
	case WhyDue:
		return "the token was near its end"
	case WhyExpired:
		return "the Registration UI met an expired token"
	case WhyInvalid:
		return "the Registration UI met an invalid token"
	case WhyDenied:
		return "a screen needed a session"
	case WhySaveFailed:
		return "a save failed for a dead token"
	case WhyWake:
		return "the page came back"
	case WhyRequest:
		return "the page asked"
	case WhyOffline:
		return "the keepalive server could not be reached"
	case WhyUnintelligible:
		return "something other than the keepalive server answered"
	case WhyServer:
		return "the service cannot answer now"
	case WhyRateLimited:
		return "there were too many requests"
	case WhyRefused:
		return "the keepalive server refuses this page; check its settings"
	case WhyRefusedAgain:
		return "a token just renewed was refused as well"
	case WhyHeldTooLong:
		return "an action could not wait for the renewal any longer"
	case WhyCookieRefused:
		return "the browser does not keep the session's cookie; check its name, path and SameSite"
	case WhyRenewed:
		return "the session is good again"
	case WhyEdited:
		return "the form was changed since it was sent"
	case WhyChanged:
		return "the form would have sent other values than the user did"
	case WhyLeft:
		return "another screen is shown"
	case WhyGone:
		return "the form did not come back"
	case WhyInvalidForm:
		return "the form's own validation refuses it"
	case WhyFile:
		return "a file must be chosen again"
	case WhyNoSubmit:
		return "there is no way to send the form again"
	case WhyNoForm:
		return "an action failed that was no form that could be seen"
	case WhyUnclear:
		return "it is not clear which form failed"
	case WhyUnproven:
		return "it is not proven whose form it was"
	case WhyNewToken:
		return "a new token turned up, and it is not known whose it is"
	case WhyResubmitOff:
		return "the page does not want forms sent again"
	case WhyIdleLimit:
		return "there was no input for too long"
	case WhyAbsoluteLimit:
		return "the session reached its longest time"
	case WhySessionEnded:
		return "the server has ended the session"
	case WhyGrantRefused:
		return "the identity service does not vouch for this token"
	case WhyCodeUsed:
		return "the login was reported before"
	case WhyMismatch:
		return "the token belongs to someone else"
	case WhySignedOut:
		return "the person signed out"
	case WhyElsewhere:
		return "the session was ended in another tab or by other code"
	case WhyEnd:
		return "the page ended the session"
	case WhyOtherUser:
		return "another user is signed in now"
	case WhySignedIn:
		return "a user signed in"
	case WhyStopped:
		return "the page stopped the helper"
	}
	return ""
}
