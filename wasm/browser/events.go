//go:build js && wasm

package browser

import (
	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// invalidAccessToken is the statusMessage of a save that met a dead token
// (contract, section 2).
const invalidAccessToken = "invalidAccessToken"

// event turns what the loader heard into an event of the session; nil for
// what does not concern it. The info holds `held`, the id of handlers that
// the guard keeps back; `gesture`, whether a person did something just before;
// and `told`, whether the server has been told of a sign-out already.
func (p *page) event(name string, payload, info safejs.Value) session.Event {
	screen := text(get(payload, "screen"))
	switch name {
	case "onCaptureLoginSuccess", "onCaptureRegistrationSuccess", "onCaptureEmailVerificationSuccess",
		"onCaptureFederateRefreshedToken":
		p.forms.end() // a login is no save, and may be another user's
		return signedIn(payload, true)
	case "onCaptureSessionCreated", "onCaptureSessionFound":
		return signedIn(payload, false)
	case "onCaptureSessionNotFound":
		return session.NoTokenSeen{}
	case "onCaptureExpiredToken":
		return p.refused(session.WhyExpired, screen, info)
	case "onCaptureInvalidToken":
		return p.refused(session.WhyInvalid, screen, info)
	case "onCaptureSaveFailed", "onCaptureProfileSaveFailed":
		if text(get(payload, "statusMessage")) != invalidAccessToken {
			p.forms.forget(screen) // it was answered: the token is good
			return nil
		}
		return p.refused(session.WhySaveFailed, screen, info)
	case "onCaptureSaveSuccess", "onCaptureProfileSaveSuccess":
		p.forms.forget(screen)
	case "onCaptureAccessDenied":
		if p.wanted != "" {
			screen = p.wanted
		}
		return session.Refused{
			Why: session.WhyDenied, Token: p.Snapshot().Token, Action: p.forms.wanted(screen), Hold: held(info),
		}
	case "onCaptureSessionEnded":
		return session.SignedOutSeen{Gesture: isTrue(get(info, "gesture")), Told: isTrue(get(info, "told"))}
	case "onCaptureScreenShow":
		snap := p.Snapshot()
		p.forms.show(screen, !snap.Token.Empty() && !snap.Expires.Reached(p.now()))
		return session.ScreenShown{Screen: screen}
	case "render":
		p.wanted = screen
		return session.ScreenWanted{Screen: screen}
	case "onCaptureRenderComplete":
		if err := p.forms.drawn(screen); err != nil {
			warn("not repeated: " + err.Error())
		}
	case "submit":
		if held := p.forms.submitted(payload); held != nil {
			return session.Submitted{Action: session.Action{ID: held.id, Screen: held.screen, Held: held.at}}
		}
	case "hooked":
		p.flush()
	}
	return nil
}

// signedIn reads the token or the code of a payload. One-time tokens are for
// one call of the UI's own; they are nobody's session.
func signedIn(payload safejs.Value, login bool) session.Event {
	if code := text(get(payload, "authorizationCode")); code != "" {
		return session.CodeSeen{
			Code: session.NewToken(code), RedirectURI: text(path("janrain", "settings", "capture", "redirectUri")),
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

func (p *page) refused(why session.Why, screen string, info safejs.Value) session.Event {
	ev := session.Refused{Why: why, Token: p.Snapshot().Token, Hold: held(info)}
	if sent := p.forms.failed(screen); sent != nil {
		ev.Token = sent.token
		ev.Action = session.Action{ID: sent.id, Screen: sent.screen, Again: sent.again}
	}
	return ev
}

func held(info safejs.Value) uint64 {
	id, ok := number(get(info, "held"))
	if !ok || id < 0 {
		return 0
	}
	return uint64(id)
}
