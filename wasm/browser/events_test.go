//go:build js && wasm

package browser

import (
	"testing"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// eventNames are those that the loader passes on. scripts/edges holds them
// against keepalive.js.
var eventNames = []string{
	"onCaptureExpiredToken", "onCaptureInvalidToken", "onCaptureAccessDenied",
	"onCaptureSessionEnded", "onCaptureSessionNotFound",
	"onCaptureLoginSuccess", "onCaptureRegistrationSuccess", "onCaptureEmailVerificationSuccess",
	"onCaptureSessionCreated",
	"onCaptureFederateRefreshedToken",
	"onCaptureSessionFound", "onCaptureRenderComplete",
	"onCaptureScreenShow", "onCaptureTransactionTimeout", "onCaptureError", "submit", "hooked", "render",
}

// newPage makes a page with host as its loader and clean storage.
func newPage(t *testing.T, host safejs.Value) (*page, *clock) {
	t.Helper()
	cleanStorage(t)
	c := newClock()
	p := &page{host: host, now: c.now, forms: newForms(c.now, func(session.Event) {})}
	p.forms.holds, p.forms.uses = func(string) bool { return false }, p.uses
	return p, c
}

// recorded is the payload of a login as the contract has it.
const recorded = `{"screen":"signIn","transactionId":"x1","oneTime":false,"accessToken":"token-1","status":"success",
	"keepMeLoggedIn":true,"flow":"standard","userData":{"displayName":"Ann","email":"ann@example.org","uuid":"uuid-1"},
	"renders":true,"version":"1","statusMessage":"signedIn","action":"traditionalSignin","ssoImplicitLogin":false,
	"authProvider":"capture"}`

func TestEvents(t *testing.T) {
	token := session.NewToken("token-1")
	login := session.TokenSeen{Token: token, UUID: "uuid-1", Login: true}
	refused := session.SaveAnswered{Refused: true}
	const dead = `{"status":"error","statusMessage":"invalidAccessToken","screen":"editProfile"}`
	tests := []struct {
		event, payload, info string
		want                 session.Event
	}{
		{"onCaptureLoginSuccess", recorded, "", login},
		{"onCaptureRegistrationSuccess", recorded, "", login},
		{"onCaptureEmailVerificationSuccess", recorded, "", login},
		{"onCaptureFederateRefreshedToken", `{"accessToken":"token-1"}`, "",
			session.TokenSeen{Token: token, Login: true, Refreshed: true}},
		{"onCaptureSessionCreated", recorded, "", session.TokenSeen{Token: token, UUID: "uuid-1"}},
		{"onCaptureSessionFound", `{"accessToken":"token-1"}`, "", session.TokenSeen{Token: token}},

		// A code is not a token, and neither event has to sign anyone in.
		{"onCaptureRegistrationSuccess", `{"statusMessage":"verificationSent","screen":"signUp"}`,
			"", session.SaveAnswered{Screen: "signUp"}},
		{"onCaptureEmailVerificationSuccess", `{}`, "", session.SaveAnswered{}},

		// One-time tokens are no session.
		{"onCaptureLoginSuccess", `{"accessToken":"token-1","oneTime":true}`, "", session.SaveAnswered{}},
		{"onCaptureRegistrationSuccess", `{"accessToken":"token-1","oneTime":true}`, "", session.SaveAnswered{}},
		{"onCaptureEmailVerificationSuccess", `{"accessToken":"token-1","oneTime":true}`, "", session.SaveAnswered{}},
		{"onCaptureFederateRefreshedToken", `{"accessToken":"token-1","oneTime":true}`, "", session.SaveAnswered{}},
		{"onCaptureSessionCreated", `{"accessToken":"token-1","oneTime":true}`, "", nil},
		{"onCaptureSessionFound", `{"accessToken":"token-1","oneTime":true}`, "", nil},

		{"onCaptureSessionNotFound", "", "", session.NoTokenSeen{}},

		{"onCaptureExpiredToken", "", "", session.DeadToken{Why: session.WhyExpired}},
		{"onCaptureExpiredToken", `{"screen":"editProfile"}`, `{"held":7}`,
			session.DeadToken{Why: session.WhyExpired, Screen: "editProfile", Handlers: 7}},
		{"onCaptureInvalidToken", `{}`, `{"held":8}`, session.DeadToken{Why: session.WhyInvalid, Handlers: 8}},
		{"onCaptureSaveFailed", dead, "", session.DeadToken{Why: session.WhySaveFailed, Screen: "editProfile"}},
		{"onCaptureProfileSaveFailed", dead, `{"held":9}`,
			session.DeadToken{Why: session.WhySaveFailed, Screen: "editProfile", Handlers: 9}},

		{"onCaptureDeactivateAccountFailed", dead, "",
			session.DeadToken{Why: session.WhySaveFailed, Screen: "editProfile"}}, // not in the contract

		// The token was good: something else was wrong.
		{"onCaptureSaveFailed", `{"status":"error","statusMessage":"rateLimitExceeded"}`, "", refused},
		{"onCaptureSaveFailed", `{"status":"error","statusMessage":"INVALIDACCESSTOKEN"}`, "", refused},
		{"onCaptureSaveFailed", `{"status":"error"}`, "", refused},
		{"onCaptureSaveFailed", "", "", refused},
		{"onCaptureProfileSaveFailed",
			`{"status":"error","statusMessage":"invalidCredentials","screen":"a"}`, "",
			session.SaveAnswered{Screen: "a", Refused: true}},
		{"onCaptureProfileSaveFailed", `{"status":"error","statusMessage":"invalidAccessToken "}`,
			"", refused},

		{"onCaptureAccessDenied", "", "", session.ScreenDenied{}},
		{"onCaptureAccessDenied", `{"screen":"editProfile"}`, `{"held":7}`,
			session.ScreenDenied{Screen: "editProfile", Handlers: 7}},

		{"onCaptureScreenShow", `{"screen":"editProfile","flow":"standard"}`, "",
			session.ScreenShown{Screen: "editProfile"}},
		{"render", `{"screen":"editProfile"}`, "", session.ScreenWanted{Screen: "editProfile"}},

		{"onCaptureLoginSuccess", `{"authorizationCode":"code-1","userData":{"uuid":"uuid-1"}}`, "",
			session.CodeSeen{Code: session.NewToken("code-1")}},
		{"onCaptureRegistrationSuccess", `{"authorizationCode":"code-1"}`, "",
			session.CodeSeen{Code: session.NewToken("code-1")}},
		{"onCaptureSessionCreated", `{"authorizationCode":"code-1","accessToken":null}`, "",
			session.CodeSeen{Code: session.NewToken("code-1")}},

		{"onCaptureLoginSuccess", `{"authorizationCode":"code-1"}`, `{"posted":true}`,
			session.CodeSeen{Code: session.NewToken("code-1"), Posted: true}},

		{"onCaptureSessionEnded", "", `{"cause":"person"}`, session.SignedOutSeen{}},
		{"onCaptureSessionEnded", "", `{"cause":"reaction"}`, session.SignedOutSeen{Cause: session.CauseReaction}},
		{"onCaptureSessionEnded", "", `{"cause":"person","told":true}`, session.SignedOutSeen{Told: true}},
		{"onCaptureSessionEnded", "", `{"cause":"something new"}`, session.SignedOutSeen{}},
		{"onCaptureSessionEnded", "", "", session.SignedOutSeen{}},

		// Whatever looks like a success answers what was sent, whether the
		// contract knows the event or not.
		{"onCaptureSaveSuccess", `{"screen":"editProfile"}`, "", session.SaveAnswered{Screen: "editProfile"}},
		{"onCaptureProfileSaveSuccess", "", "", session.SaveAnswered{}},
		{"onCaptureAddressBookSuccess", `{"screen":"address"}`, "", session.SaveAnswered{Screen: "address"}},
		{"onCaptureSomething", `{"screen":"address","status":"success"}`, "", session.SaveAnswered{Screen: "address"}},
		{"onCaptureProfileSaveSuccess", dead, "", session.SaveAnswered{Screen: "editProfile"}},
		{"onCaptureSomething", `{"screen":"address"}`, "", nil},
		{"onCaptureRenderComplete", `{"screen":"editProfile","flow":"standard","status":"success"}`, "", nil},
		{"submit", `{}`, "", nil},
		{"hooked", "", "", nil},

		// Not token problems, but an answer.
		{"onCaptureTransactionTimeout", `{"screen":"a"}`, "", session.SaveAnswered{Screen: "a", Refused: true}},
		{"onCaptureError", `{"screen":"a"}`, "", session.SaveAnswered{Screen: "a", Refused: true}},
		{"onCaptureLoginFailed",
			`{"screen":"signIn","status":"error","statusMessage":"invalidCredentials"}`, "",
			session.SaveAnswered{Screen: "signIn", Refused: true}},
		{"", recorded, "", nil},
		{"theirs", recorded, "", nil},
	}
	tested := map[string]bool{}
	for _, test := range tests {
		tested[test.event] = true
		t.Run(test.event, func(t *testing.T) {
			warnings := hear(t, "warn")
			p, _ := newPage(t, safejs.Undefined())
			store(t, keyToken, "stored-1")
			got := p.event(test.event, parse(t, test.payload), parse(t, test.info))
			if got != test.want {
				t.Errorf("payload %s, info %s: %#v, want %#v", test.payload, test.info, got, test.want)
			}
			warnings.silent(t)
		})
	}
	for _, name := range eventNames {
		if !tested[name] {
			t.Errorf("%s has no row", name)
		}
	}
}

// What the three token events carry is unknown (contract, section 5), and a
// page can pass on anything: the event counts all the same, and nothing is
// believed that is not what it should be.
func TestEventsOfOddPayloads(t *testing.T) {
	proxy := call(t, path("Proxy"), "revocable", map[string]any{}, map[string]any{})
	call(t, proxy, "revoke")
	object7 := parse(t, `{"7":7}`)
	submitOf := func(form map[string]any) safejs.Value {
		return made(t, map[string]any{"event": map[string]any{"target": form}})
	}
	odd := map[string]safejs.Value{
		"undefined": safejs.Undefined(),
		"null":      safejs.Null(),
		"a string":  parse(t, `"invalidAccessToken"`),
		"a number":  parse(t, `7`),
		"an array":  parse(t, `[{"accessToken":"token-1"}]`),
		"wrong types": parse(t,
			`{"accessToken":{"toString":1},"authorizationCode":["code-1"],"oneTime":"no",`+
				`"userData":"uuid-1","screen":7,"statusMessage":["invalidAccessToken"],
			"held":"7","cause":1,"event":{"target":{},"submitter":7},"data":"text","token":7}`),
		"getters that throw": trap(t, "accessToken", "authorizationCode", "oneTime", "userData",
			"screen", "statusMessage", "held", "cause", "event", "data", "token"),
		"a revoked proxy":    get(proxy, "proxy"),
		"a symbol":           call(t, path("Symbol"), "for", "accessToken"),
		"absurd numbers":     parse(t, `{"held":-1,"screen":1e308}`),
		"a form that is odd": submitOf(map[string]any{"querySelector": thrower(t)}),
		"a form full of nothing": submitOf(map[string]any{
			"querySelector": function(t, func([]safejs.Value) any { return object7 }),
		}),
	}
	want := map[string]session.Event{
		"onCaptureExpiredToken":             session.DeadToken{Why: session.WhyExpired},
		"onCaptureInvalidToken":             session.DeadToken{Why: session.WhyInvalid},
		"onCaptureAccessDenied":             session.ScreenDenied{},
		"onCaptureSessionEnded":             session.SignedOutSeen{},
		"onCaptureSessionNotFound":          session.NoTokenSeen{},
		"onCaptureScreenShow":               session.ScreenShown{},
		"onCaptureLoginSuccess":             session.SaveAnswered{},
		"onCaptureRegistrationSuccess":      session.SaveAnswered{},
		"onCaptureEmailVerificationSuccess": session.SaveAnswered{},
		"onCaptureFederateRefreshedToken":   session.SaveAnswered{},
		"onCaptureTransactionTimeout":       session.SaveAnswered{Refused: true},
		"onCaptureError":                    session.SaveAnswered{Refused: true},
		"render":                            session.ScreenWanted{},
	}
	for kind, value := range odd {
		t.Run(kind, func(t *testing.T) {
			p, _ := newPage(t, safejs.Undefined())
			store(t, keyToken, "stored-1")
			for _, name := range eventNames {
				if got := p.event(name, value, value); got != want[name] {
					t.Errorf("%s: %#v, want %#v", name, got, want[name])
				}
			}
			alive(t)
		})
	}
}

// The UI has met the token itself where the screen has nothing to fill in.
func TestDeadTokenOfABlankScreen(t *testing.T) {
	const dead = `{"status":"error","statusMessage":"invalidAccessToken","screen":"blankScreen"}`
	for content, blank := range map[string]bool{
		``: true,
		`<h3>Edit</h3><p>Expired.</p><button>Try again</button>`: true,
		`<form></form>`:                false,
		`<input type=hidden name=iso>`: false,
		`<p><textarea></textarea></p>`: false,
		`<div contenteditable></div>`:  false,
		`<x-profile></x-profile>`:      false,
		`<iframe></iframe>`:            false,
	} {
		t.Run(content, func(t *testing.T) {
			s := newScreens(t)
			s.draw(`<div id="blankScreen">` + content + `</div>`)
			want := session.DeadToken{Why: session.WhySaveFailed, Screen: "blankScreen", Blank: blank}
			if got := s.event("onCaptureSaveFailed", parse(t, dead), safejs.Undefined()); got != want {
				t.Errorf("%#v, want %#v", got, want)
			}
		})
	}
}

// A value that Go has no type for makes the handler panic: the page lives on.
func TestEventOfBigInt(t *testing.T) {
	p, _ := newPage(t, safejs.Undefined())
	big, err := path("Array").Call("from", construct(t, "BigInt64Array", 1))
	if err != nil {
		t.Fatal(err)
	}
	warnings := hear(t, "warn")
	f, release, err := Handle("event", func(args []safejs.Value) any {
		return p.event("onCaptureLoginSuccess", argument(args, 0), argument(args, 1)) != nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	entries := call(t, path("Array"), "of", "accessToken", get(big, "0"))
	payload := call(t, path("Object"), "fromEntries", call(t, path("Array"), "of", entries))
	if _, err := f.Value().Invoke(payload); err != nil {
		t.Errorf("the page got %v", err)
	}
	warnings.only(t, "event failed")
	if seen, err := f.Value().Invoke(parse(t, recorded)); err != nil || !isTrue(seen) {
		t.Errorf("the next login was not seen: %v", err)
	}
	alive(t)
}
