//go:build js && wasm

package browser

import (
	"strings"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// invalidAccessToken is the statusMessage of an action that met a dead token
// (contract, section 2).
const invalidAccessToken = "invalidAccessToken"

// event turns what the loader heard into an event of the session; nil for
// what does not concern it. The loader passes on every event of the UI, also
// those that the contract does not know.
func (p *page) event(name string, payload, info safejs.Value) session.Event {
	screen := text(get(payload, "screen"))
	switch name {
	case "onCaptureLoginSuccess", "onCaptureRegistrationSuccess", "onCaptureEmailVerificationSuccess",
		"onCaptureFederateRefreshedToken":
		return login(name, screen, payload, info)
	case "onCaptureSessionCreated", "onCaptureSessionFound":
		return signedIn(payload, info, false)
	case "onCaptureSessionNotFound":
		return session.NoTokenSeen{}
	case "onCaptureSessionEnded":
		return session.SignedOutSeen{Cause: p.cause(info), Told: isTrue(get(info, "told"))}
	case "onCaptureExpiredToken":
		return deadToken(session.WhyExpired, screen, info)
	case "onCaptureInvalidToken":
		return deadToken(session.WhyInvalid, screen, info)
	case "onCaptureAccessDenied":
		p.asked = address()
		return session.ScreenDenied{Screen: screen, Handlers: handlers(info)}
	case "onCaptureScreenShow":
		p.asked = address()
		p.forms.shown()
		return session.ScreenShown{Screen: screen}
	case "onCaptureTransactionTimeout", "onCaptureError":
		if text(get(payload, "statusMessage")) != invalidAccessToken {
			return session.SaveAnswered{Screen: screen, Refused: true}
		}
	case "onCaptureRenderComplete":
		return nil
	}
	if strings.HasPrefix(name, "onCapture") {
		return outcome(name, screen, payload, info)
	}
	return p.ownEvent(name, screen, payload)
}

// login reads an event that may sign a person in.
func login(name, screen string, payload, info safejs.Value) session.Event {
	switch seen := signedIn(payload, info, true).(type) {
	case nil:
		return session.SaveAnswered{Screen: screen} // it signed no one in
	case session.TokenSeen:
		seen.Refreshed = name == "onCaptureFederateRefreshedToken"
		return seen
	default:
		return seen
	}
}

// ownEvent is what the loader tells of itself.
func (p *page) ownEvent(name, screen string, payload safejs.Value) session.Event {
	switch name {
	case "render":
		p.asked = address()
		return session.ScreenWanted{Screen: screen}
	case "submit":
		return p.forms.submitted(payload)
	case "hooked":
		p.flush()
	}
	return nil
}

// outcome reads an event about an action of the user: a success, a failure
// because of a dead token, or another failure.
func outcome(name, screen string, payload, info safejs.Value) session.Event {
	status, message := text(get(payload, "status")), text(get(payload, "statusMessage"))
	success := strings.HasSuffix(name, "Success") || status == "success"
	failure := strings.HasSuffix(name, "Failed") || status == "error"
	switch {
	case !success && message == invalidAccessToken:
		return deadToken(session.WhySaveFailed, screen, info)
	case success, failure:
		return session.SaveAnswered{Screen: screen, Refused: !success}
	}
	return nil
}

func deadToken(why session.Why, screen string, info safejs.Value) session.Event {
	return session.DeadToken{
		Why: why, Screen: screen, Blank: blank(screen), Handlers: handlers(info),
	}
}

// signedIn reads the token or the code of a payload; nil when there is none.
// One-time tokens are for one call of the UI's own and open no session.
func signedIn(payload, info safejs.Value, login bool) session.Event {
	if code := text(get(payload, "authorizationCode")); code != "" {
		return session.CodeSeen{
			Code:        session.NewToken(code),
			RedirectURI: text(path("janrain", "settings", "capture", "redirectUri")),
			Posted:      isTrue(get(info, "posted")),
		}
	}
	token := text(get(payload, "accessToken"))
	if token == "" || isTrue(get(payload, "oneTime")) {
		return nil
	}
	return session.TokenSeen{
		Token: session.NewToken(token), UUID: text(get(get(payload, "userData"), "uuid")), Login: login,
	}
}

// cause says who ended the UI's session: we, the page's own code in reaction
// to a dead token, as the loader attributes it, or, in doubt, a person.
func (p *page) cause(info safejs.Value) session.SignOutCause {
	if p.dropping {
		return session.CauseOwn
	}
	if text(get(info, "cause")) == "reaction" {
		return session.CauseReaction
	}
	return session.CausePerson
}

// handlers is the id of the page's own handlers that the guard keeps back, 0
// for none.
func handlers(info safejs.Value) uint64 {
	id, _ := idOf(get(info, "held"))
	return id
}
