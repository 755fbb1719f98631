//go:build js && wasm

package browser

import (
	"testing"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// eventNames are those that the loader passes on. scripts/edges holds them
// against keepalive.js.
var eventNames = []string{
	"onCaptureExpiredToken", "onCaptureInvalidToken", "onCaptureAccessDenied",
	"onCaptureSessionEnded", "onCaptureSessionNotFound",
	"onCaptureLoginSuccess", "onCaptureRegistrationSuccess", "onCaptureEmailVerificationSuccess", "onCaptureSessionCreated",
	"onCaptureFederateRefreshedToken", "onCaptureSaveFailed", "onCaptureProfileSaveFailed",
	"onCaptureSessionFound", "onCaptureSaveSuccess", "onCaptureProfileSaveSuccess", "onCaptureRenderComplete",
	"onCaptureScreenShow", "submit", "hooked", "render",
}

// newPage makes a page whose loader is host and whose storage is clean.
func newPage(t *testing.T, host safejs.Value) (*page, *clock) {
	t.Helper()
	cleanStorage(t)
	c := newClock()
	return &page{host: host, now: c.now, forms: newForms(c.now, func() bool { return false }), changed: func() {}}, c
}

// recorded is the payload of a login as the contract has it.
const recorded = `{"screen":"signIn","transactionId":"x1","oneTime":false,"accessToken":"token-1","status":"success",
	"keepMeLoggedIn":true,"flow":"standard","userData":{"displayName":"Ann","email":"ann@example.org","uuid":"uuid-1"},
	"renders":true,"version":"1","statusMessage":"signedIn","action":"traditionalSignin","ssoImplicitLogin":false,
	"authProvider":"capture"}`

func TestEvents(t *testing.T) {
	token, stored := session.NewToken("token-1"), session.NewToken("stored-1")
	login := session.TokenSeen{Token: token, UUID: "uuid-1", Login: true}
	const dead = `{"status":"error","statusMessage":"invalidAccessToken","screen":"editProfile"}`
	tests := []struct {
		event, payload, info string
		want                 session.Event
	}{
		{"onCaptureLoginSuccess", recorded, "", login},
		{"onCaptureRegistrationSuccess", recorded, "", login},
		{"onCaptureEmailVerificationSuccess", recorded, "", login},
		{"onCaptureFederateRefreshedToken", `{"accessToken":"token-1"}`, "", session.TokenSeen{Token: token, Login: true}},
		{"onCaptureSessionCreated", recorded, "", session.TokenSeen{Token: token, UUID: "uuid-1"}},
		{"onCaptureSessionFound", `{"accessToken":"token-1"}`, "", session.TokenSeen{Token: token}},

		// A code is not a token, and neither event has to sign anyone in.
		{"onCaptureRegistrationSuccess", `{"statusMessage":"verificationSent"}`, "", nil},
		{"onCaptureEmailVerificationSuccess", `{}`, "", nil},

		// One-time tokens are nobody's session.
		{"onCaptureLoginSuccess", `{"accessToken":"token-1","oneTime":true}`, "", nil},
		{"onCaptureRegistrationSuccess", `{"accessToken":"token-1","oneTime":true}`, "", nil},
		{"onCaptureEmailVerificationSuccess", `{"accessToken":"token-1","oneTime":true}`, "", nil},
		{"onCaptureFederateRefreshedToken", `{"accessToken":"token-1","oneTime":true}`, "", nil},
		{"onCaptureSessionCreated", `{"accessToken":"token-1","oneTime":true}`, "", nil},
		{"onCaptureSessionFound", `{"accessToken":"token-1","oneTime":true}`, "", nil},

		{"onCaptureSessionNotFound", "", "", session.NoTokenSeen{}},

		{"onCaptureExpiredToken", "", "", session.Refused{Why: session.WhyExpired, Token: stored}},
		{"onCaptureExpiredToken", `{"screen":"editProfile"}`, `{"held":7}`, session.Refused{Why: session.WhyExpired, Token: stored, Hold: 7}},
		{"onCaptureInvalidToken", `{}`, `{"held":8}`, session.Refused{Why: session.WhyInvalid, Token: stored, Hold: 8}},
		{"onCaptureSaveFailed", dead, "", session.Refused{Why: session.WhySaveFailed, Token: stored}},
		{"onCaptureProfileSaveFailed", dead, `{"held":9}`, session.Refused{Why: session.WhySaveFailed, Token: stored, Hold: 9}},

		// The token was good: something else was wrong.
		{"onCaptureSaveFailed", `{"status":"error","statusMessage":"rateLimitExceeded"}`, "", nil},
		{"onCaptureSaveFailed", `{"status":"error","statusMessage":"INVALIDACCESSTOKEN"}`, "", nil},
		{"onCaptureSaveFailed", `{"status":"error"}`, "", nil},
		{"onCaptureSaveFailed", "", "", nil},
		{"onCaptureProfileSaveFailed", `{"status":"error","statusMessage":"invalidCredentials"}`, "", nil},
		{"onCaptureProfileSaveFailed", `{"status":"error","statusMessage":"invalidAccessToken "}`, "", nil},

		{"onCaptureAccessDenied", "", "", session.Refused{Why: session.WhyDenied, Token: stored}},
		{"onCaptureAccessDenied", `{"screen":"editProfile"}`, `{"held":7}`, session.Refused{
			Why: session.WhyDenied, Token: stored, Hold: 7, Action: session.Action{ID: 1, Screen: "editProfile"},
		}},

		{"onCaptureScreenShow", `{"screen":"editProfile","flow":"standard"}`, "", session.ScreenShown{Screen: "editProfile"}},
		{"render", `{"screen":"editProfile"}`, "", session.ScreenWanted{Screen: "editProfile"}},

		{"onCaptureLoginSuccess", `{"authorizationCode":"code-1","userData":{"uuid":"uuid-1"}}`, "", session.CodeSeen{Code: session.NewToken("code-1")}},
		{"onCaptureRegistrationSuccess", `{"authorizationCode":"code-1"}`, "", session.CodeSeen{Code: session.NewToken("code-1")}},
		{"onCaptureSessionCreated", `{"authorizationCode":"code-1","accessToken":null}`, "", session.CodeSeen{Code: session.NewToken("code-1")}},

		{"onCaptureSessionEnded", "", `{"gesture":true}`, session.SignedOutSeen{Gesture: true}},
		{"onCaptureSessionEnded", "", `{"gesture":false}`, session.SignedOutSeen{}},
		{"onCaptureSessionEnded", "", "", session.SignedOutSeen{}},

		{"onCaptureSaveSuccess", `{"screen":"editProfile"}`, "", nil},
		{"onCaptureProfileSaveSuccess", `{"screen":"editProfile"}`, "", nil},
		{"onCaptureRenderComplete", `{"screen":"editProfile","flow":"standard"}`, "", nil},
		{"submit", `{}`, "", nil},
		{"hooked", "", "", nil},

		// Not token problems.
		{"onCaptureTransactionTimeout", recorded, "", nil},
		{"onCaptureError", dead, "", nil},
		{"onCaptureLoginFailed", dead, "", nil},
		{"", recorded, "", nil},
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
		return object(t, map[string]any{"event": map[string]any{"target": form}})
	}
	odd := map[string]safejs.Value{
		"undefined": safejs.Undefined(),
		"null":      safejs.Null(),
		"a string":  parse(t, `"invalidAccessToken"`),
		"a number":  parse(t, `7`),
		"an array":  parse(t, `[{"accessToken":"token-1"}]`),
		"wrong types": parse(t, `{"accessToken":{"toString":1},"authorizationCode":["code-1"],"oneTime":"no","userData":"uuid-1","screen":7,"statusMessage":["invalidAccessToken"],
			"held":"7","gesture":1,"event":{"target":{},"submitter":7},"data":"text","token":7}`),
		"getters that throw": trap(t, "accessToken", "authorizationCode", "oneTime", "userData", "screen", "statusMessage", "held", "gesture", "event", "data", "token"),
		"a revoked proxy":    get(proxy, "proxy"),
		"a symbol":           call(t, path("Symbol"), "for", "accessToken"),
		"absurd numbers":     parse(t, `{"held":-1,"screen":1e308}`),
		"a form that is odd": submitOf(map[string]any{"querySelector": thrower(t)}),
		"a form full of nothing": submitOf(map[string]any{
			"querySelector": function(t, func([]safejs.Value) any { return object7 }),
		}),
	}
	stored := session.NewToken("stored-1")
	want := map[string]session.Event{
		"onCaptureExpiredToken":    session.Refused{Why: session.WhyExpired, Token: stored},
		"onCaptureInvalidToken":    session.Refused{Why: session.WhyInvalid, Token: stored},
		"onCaptureAccessDenied":    session.Refused{Why: session.WhyDenied, Token: stored},
		"onCaptureSessionEnded":    session.SignedOutSeen{},
		"onCaptureSessionNotFound": session.NoTokenSeen{},
		"onCaptureScreenShow":      session.ScreenShown{},
		"render":                   session.ScreenWanted{},
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

// Without a token at hand, a refusal is of none.
func TestRefusedWithoutToken(t *testing.T) {
	p, _ := newPage(t, safejs.Undefined())
	want := session.Refused{Why: session.WhyExpired}
	if got := p.event("onCaptureExpiredToken", safejs.Undefined(), safejs.Undefined()); got != want {
		t.Errorf("%#v, want %#v", got, want)
	}
}

// The same screen wanted again soon after it was shown is the same attempt.
func TestDeniedAgain(t *testing.T) {
	p, c := newPage(t, safejs.Undefined())
	u := fakeUI(t)
	denied := func(screen string) session.Action {
		t.Helper()
		p.event("render", object(t, map[string]any{"screen": screen}), safejs.Undefined())
		ev, ok := p.event("onCaptureAccessDenied", safejs.Undefined(), safejs.Undefined()).(session.Refused)
		if !ok {
			t.Fatal("not a refusal")
		}
		return ev.Action
	}
	first := denied("editProfile")
	if first.Again {
		t.Error("the first time is called a repetition")
	}
	p.Resume(first)
	if got := u.screens; len(got) != 1 || got[0] != "editProfile" {
		t.Fatalf("shown: %q", got)
	}
	c.forward(9 * time.Second)
	if second := denied("editProfile"); !second.Again || second.ID == first.ID {
		t.Errorf("9 s later: %+v, want another action, again", second)
	}
	if other := denied("orders"); other.Again {
		t.Error("another screen is called a repetition")
	}
	c.forward(time.Second)
	if third := denied("editProfile"); third.Again {
		t.Error("10 s later is called a repetition")
	}
}

func TestScreenAbandoned(t *testing.T) {
	p, _ := newPage(t, safejs.Undefined())
	u := fakeUI(t)
	ev := p.event("onCaptureAccessDenied", parse(t, `{"screen":"editProfile"}`), safejs.Undefined()).(session.Refused)
	p.Abandon(ev.Action)
	p.Resume(ev.Action)
	if got := u.screens; len(got) > 0 {
		t.Errorf("shown: %q", got)
	}
}

func TestScreenCannotBeShown(t *testing.T) {
	tests := []struct {
		name    string
		janrain any
		part    string
	}{
		{"no UI", safejs.Undefined(), "cannot show editProfile"},
		{"another version of it", map[string]any{"capture": map[string]any{"ui": map[string]any{}}}, "cannot show editProfile"},
		{"it throws", map[string]any{"capture": map[string]any{"ui": map[string]any{"renderScreen": thrower(t)}}}, "show editProfile"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, _ := newPage(t, safejs.Undefined())
			set(t, "janrain", test.janrain)
			warnings := hear(t, "warn")
			ev := p.event("onCaptureAccessDenied", parse(t, `{"screen":"editProfile"}`), safejs.Undefined()).(session.Refused)
			p.Resume(ev.Action)
			warnings.only(t, test.part)
			alive(t)
		})
	}
}
