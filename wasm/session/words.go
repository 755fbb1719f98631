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
	WhyUnproven    Why = "unproven"     // it is not proven who sent the form
	WhyNewToken    Why = "new_token"    // a token appeared, and its user is not known
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

// sentences says each reason to a person. (An array, and searched: the module
// would build a map at every start.)
var sentences = [...]struct {
	why      Why
	sentence string
}{
	{WhyStart, "the page was loaded"},
	{WhyDue, "the token was near its end"},
	{WhyExpired, "the Registration UI met an expired token"},
	{WhyInvalid, "the Registration UI met an invalid token"},
	{WhyDenied, "a screen needed a session"},
	{WhySaveFailed, "a save failed for a dead token"},
	{WhyWake, "the page came back"},
	{WhyRequest, "the page asked"},
	{WhyOffline, "the keepalive server could not be reached"},
	{WhyUnintelligible, "something other than the keepalive server answered"},
	{WhyServer, "the service cannot answer now"},
	{WhyRateLimited, "there were too many requests"},
	{WhyRefused, "the keepalive server refuses this page; check its settings"},
	{WhyRefusedAgain, "a token just renewed was refused as well"},
	{WhyHeldTooLong, "an action could not wait for the renewal any longer"},
	{WhyCookieRefused, "the browser does not keep the session's cookie; check its name, path and SameSite"},
	{WhyRenewed, "the session is good again"},
	{WhyEdited, "the form was changed since it was sent"},
	{WhyChanged, "the form would have sent other values than the user did"},
	{WhyLeft, "another screen is shown"},
	{WhyGone, "the form did not come back"},
	{WhyInvalidForm, "the form's own validation refuses it"},
	{WhyFile, "a file must be chosen again"},
	{WhyNoSubmit, "there is no way to send the form again"},
	{WhyNoForm, "an action failed that was no form that could be seen"},
	{WhyUnclear, "it is not clear which form failed"},
	{WhyUnproven, "it is not proven who sent the form"},
	{WhyNewToken, "a new token appeared, and its user is not known"},
	{WhyResubmitOff, "the page does not want forms sent again"},
	{WhyIdleLimit, "there was no input for too long"},
	{WhyAbsoluteLimit, "the session reached its longest time"},
	{WhySessionEnded, "the server has ended the session"},
	{WhyGrantRefused, "the identity service does not vouch for this token"},
	{WhyCodeUsed, "the login was reported before"},
	{WhyMismatch, "the token belongs to someone else"},
	{WhySignedOut, "the person signed out"},
	{WhyElsewhere, "the session was ended in another tab or by other code"},
	{WhyEnd, "the page ended the session"},
	{WhyOtherUser, "another user is signed in now"},
	{WhySignedIn, "a user signed in"},
	{WhyStopped, "the page stopped the helper"},
}

// Sentence says the reason to a person; empty for no reason.
func (w Why) Sentence() string {
	for _, s := range sentences {
		if s.why == w {
			return s.sentence
		}
	}
	return ""
}
