package journeys

import (
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
)

// A page without a token is signed in again by the server's session, and the
// visitor sees no sign-in.
func TestRestoredSilently(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, forget string }{
		{"the UI's keys are gone", `["", "_Expires"].forEach(s => localStorage.removeItem("janrainCaptureToken" + s)),
			1`},
		{"all of localStorage is gone", `localStorage.clear(), 1`},
		{"the UI believes that the token has expired",
			`localStorage.setItem("janrainCaptureToken_Expires", new Date(0).toUTCString()), 1`},
	} {
		d := startDemo(t)
		p := visit(t, browsertest.Chromium(t), d.URL)
		signIn(t, p)
		p.Eval(t, tc.forget, nil)
		p.Reload(t)
		listen(t, p)
		waitSignedIn(t, p)
		if phase(t, p) != "active" {
			t.Errorf("%s: phase %s", tc.name, phase(t, p))
		}
		for _, event := range without(heard(t, p), "renewed:") {
			t.Errorf("%s: heard %s", tc.name, event)
		}
		if got := d.calls(t, "entity", ""); got != 1 { // each login asks whose token it is
			t.Errorf("%s: %d logins", tc.name, got)
		}
		noErrors(t, p)
	}
}

// A page with a healthy token asks neither the server nor Capture.
func TestReloadWithAHealthyToken(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	p := visit(t, browsertest.Chromium(t), d.URL)
	signIn(t, p)
	for range 3 {
		p.Reload(t)
		waitSignedIn(t, p)
	}
	var asked int
	p.Eval(t, `performance.getEntriesByType("resource").filter(e => e.name.includes("/keepalive/session")).length`,
		&asked)
	if asked != 0 {
		t.Errorf("%d requests for a healthy token", asked)
	}
	if d.issued(t) != 0 || d.calls(t, "entity", "") != 1 {
		t.Errorf("%d tokens minted, %d identified; want 0 and 1", d.issued(t), d.calls(t, "entity", ""))
	}
}

// For a visitor who never signed in nothing is loaded and no call is made.
func TestAnonymousVisitor(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := visit(t, browsertest.Chromium(t), d.URL)
	p.WaitFor(t, `!!document.querySelector("#capture_signIn_email")`, soon)
	p.Eval(t, `new Promise(done => requestIdleCallback(() => setTimeout(done, 300), {timeout: 2000}))`, nil)
	var ours []string
	p.Eval(t, `performance.getEntriesByType("resource").map(e => new URL(e.name).pathname)
		.filter(n => n.startsWith("/keepalive/"))
		.filter(n => !/\/(keepalive|wasm_exec)\.js$/.test(n))`, &ours)
	if len(ours) > 0 {
		t.Errorf("loaded %v for a visitor who is not signed in", ours)
	}
	if events := heard(t, p); len(events) > 0 {
		t.Errorf("heard %v", events)
	}
	noErrors(t, p)
}

// One login is reported once, however the UI tells of it, and our own
// createCaptureSession is not taken for another.
func TestLoginIsReportedOnce(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"true", "false"} {
		d := startDemo(t)
		p := visit(t, browsertest.Chromium(t), d.URL)
		p.Eval(t, `janrain.settings.capture.standIn = {sessionCreatedFirst: `+first+`}, 1`, nil)
		// Pages do this in their own handlers.
		p.Eval(t, `janrain.events.onCaptureLoginSuccess.addHandler(e =>
			janrain.capture.ui.createCaptureSession(e.accessToken)), 1`, nil)
		signIn(t, p)
		p.WaitFor(t, `heard.includes("renewed:due")`, 2*life)
		if got := d.calls(t, "entity", ""); got != 1 {
			t.Errorf("sessionCreatedFirst %s: reported %d times", first, got)
		}
	}
}

// A sign-out reaches the server, and stays.
func TestSignOut(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := visit(t, browsertest.Chromium(t), d.URL)
	signIn(t, p)
	p.Click(t, "#btn-signout")
	p.WaitFor(t, `heard.includes("signedout:signed_out")`, soon)
	p.WaitFor(t, `fetch("/keepalive/session", {headers: {"X-Keepalive": "1"}}).then(r => r.status === 401)`, soon)
	p.Reload(t)
	p.WaitFor(t, `!!document.querySelector("#capture_signIn_email")`, soon)
	p.Eval(t, `captureKeepalive.token().then(() => { throw new Error("signed in again") }, e => e.code)`, nil)
	if got := sessionStatus(t, p); got != 401 {
		t.Errorf("GET session is %d after the sign-out, want 401", got)
	}
	signIn(t, p)
	if got := sessionStatus(t, p); got != 200 {
		t.Errorf("GET session is %d after signing in again, want 200", got)
	}
}

// Most sign-outs leave the page at the same moment.
func TestSignOutWhileLeaving(t *testing.T) {
	t.Parallel()
	for _, block := range [][]string{
		nil,
		{"*://*:*/keepalive/*.wasm"}, // the loader alone must do it
	} {
		d := startDemo(t, "--life", "10m")
		p := visit(t, browsertest.Chromium(t), d.URL)
		signIn(t, p)
		p.Block(t, block...)
		p.Reload(t)
		p.WaitFor(t, `!!document.querySelector("#capture_editProfile_aboutMe")`, soon)
		p.Eval(t, `janrain.events.onCaptureSessionEnded.addHandler(() => location.assign("/favicon.svg")), 1`, nil)
		p.Click(t, "#btn-signout")
		p.WaitFor(t, `location.pathname === "/favicon.svg"`, soon)
		p.WaitFor(t, `fetch("/keepalive/session", {headers: {"X-Keepalive": "1"}}).then(r => r.status === 401)`, soon)
	}
}

// end() signs out also where the Registration UI is not there to help: the next
// page finds no user.
func TestSignOutWithoutTheUI(t *testing.T) {
	t.Parallel()
	for _, alone := range []bool{false, true} { // with the module, and by the loader alone
		d := startDemo(t, "--life", "10m")
		p := visit(t, browsertest.Chromium(t), d.URL)
		signIn(t, p)
		block := []string{"*://*:*/registration-ui.js"}
		if alone {
			block = append(block, "*://*:*/keepalive/*.wasm")
		}
		p.Block(t, block...)
		p.Reload(t)
		if !alone {
			p.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)
		}
		p.Eval(t, `captureKeepalive.end(), 1`, nil)
		p.WaitFor(t, `!localStorage.janrainCaptureToken`, soon)
		p.WaitFor(t, `fetch("/keepalive/session", {headers: {"X-Keepalive": "1"}}).then(r => r.status === 401)`, soon)
		p.Block(t)
		p.Reload(t)
		p.WaitFor(t, `!!document.querySelector("#capture_signIn_email")`, soon)
		if got := sessionStatus(t, p); got != 401 {
			t.Errorf("by the loader alone: %t: GET session is %d after the sign-out, want 401", alone, got)
		}
	}
}

// What debug writes to the console holds no secret, and neither does storage
// hold what was typed as a password.
func TestDebugTellsNoSecret(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := visit(t, browsertest.Chromium(t), d.URL+`/?options={"debug":true}`)
	p.WaitFor(t, `document.querySelector("#capture_signIn_password")?.value !== ""`, soon)
	const password = "correct horse battery staple"
	p.Eval(t, `document.querySelector("#capture_signIn_password").value = "`+password+`", 1`, nil)
	signIn(t, p)
	first := token(t, p)
	expire(t, p)
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `document.querySelector("#editProfile .capture_message")?.textContent === "Saved."`, soon)
	var uuid string
	p.Eval(t, `fetch("/keepalive/session", {headers: {"X-Keepalive": "1"}}).then(r => r.json()).then(s => s.uuid)`,
		&uuid)
	console := strings.Join(p.Console(t), "\n")
	if !strings.Contains(console, "capture-keepalive") {
		t.Fatal("nothing was written: the test tests nothing")
	}
	for _, secret := range []string{first, token(t, p), uuid, password, "ada@example.com"} {
		if secret == "" || strings.Contains(console, secret) {
			t.Errorf("%q is on the console", secret)
		}
	}
	var kept string
	p.Eval(t, `JSON.stringify([{...localStorage}, {...sessionStorage}])`, &kept)
	if strings.Contains(kept, password) {
		t.Error("a password is in storage")
	}
}

// A screen that needs a session is shown once the session is restored.
func TestAccessDenied(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := visit(t, browsertest.Chromium(t), d.URL)
	signIn(t, p)
	p.Eval(t, `["", "_Expires"].forEach(s => localStorage.removeItem("janrainCaptureToken" + s)),
		janrain.capture.ui.renderScreen("signIn"), setTimeout(() => janrain.capture.ui.renderScreen("editProfile"),
			100), 1`, nil)
	p.WaitFor(t, `document.querySelector("#accessDenied")?.hidden === false ||
		document.querySelector("#capture_editProfile_aboutMe")`, soon)
	p.WaitFor(t, `!!document.querySelector("#capture_editProfile_aboutMe") &&
		!document.querySelector("#editProfile").hidden`, soon)
	for _, event := range without(heard(t, p), "renewed:") {
		t.Errorf("heard %s", event)
	}
	// Denied again, by an event that names no screen, while the user has typed:
	// the screen that was wanted before is not drawn over it.
	p.Eval(t, `janrain.settings.capture.standIn = { tell: (name, payload) =>
		name === "onCaptureProfileSaveFailed" ? ["onCaptureAccessDenied", {}] : [name, payload] },
			window.before = heard.length, 1`, nil)
	p.Type(t, "#capture_editProfile_aboutMe", "half a sentence")
	expire(t, p)
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `heard.length > before && heard.at(-1) === "renewed:denied"`, soon)
	var text string
	p.Eval(t, `document.querySelector("#editProfile").hidden ? "hidden"
		: document.querySelector("#capture_editProfile_aboutMe").value`, &text)
	if !strings.HasSuffix(text, "half a sentence") {
		t.Errorf("the field says %q", text)
	}
}

// A screen that was drawn again for one user, and is denied at once, is not
// drawn a second time. For the next user it is.
func TestAccessDeniedToTheNextUser(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	p := visit(t, browsertest.Chromium(t), d.URL)
	signIn(t, p)
	for range 2 {
		p.Click(t, "#btn-view")
		p.WaitFor(t, `!!document.querySelector("#publicProfile dl")`, soon)
		p.Eval(t, `heard.length = 0,
			["", "_Expires"].forEach(s => localStorage.removeItem("janrainCaptureToken" + s)), 1`, nil)
		p.Click(t, "#btn-edit")
		p.WaitFor(t, `!document.querySelector("#editProfile").hidden &&
			!!document.querySelector("#capture_editProfile_aboutMe")`, soon)
		p.WaitFor(t, `captureKeepalive.status().phase === "active" && !!localStorage.janrainCaptureToken`, soon)
		for _, event := range without(heard(t, p), "renewed:") {
			t.Errorf("heard %s", event)
		}
		signInAs(t, p, "grace@example.com")
	}
}

// Two tabs are one session: a renewal in one is the other's, and a sign-out
// too.
func TestTwoTabs(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := browsertest.Chromium(t)
	one := visit(t, b, d.URL)
	signIn(t, one)
	two := visitToo(t, b, one)
	fresh(t, one) // there may have been a renewal while the second was loaded
	var token string
	one.Eval(t, `localStorage.janrainCaptureToken`, &token)
	minted := d.issued(t)
	for _, p := range []*browsertest.Page{one, two} {
		p.WaitFor(t, `localStorage.janrainCaptureToken !== "`+token+`" &&
			captureKeepalive.status().phase === "active"`, 2*life)
	}
	if got := d.issued(t) - minted; got != 1 {
		t.Errorf("%d tokens were minted for one renewal of two tabs", got)
	}
	one.Click(t, "#btn-signout")
	two.WaitFor(t, `heard.includes("signedout:elsewhere")`, soon)
}

// A person is there, by any kind of input: a pointer that moves, a key in a
// frame that came later. A script is not.
func TestActivity(t *testing.T) {
	t.Parallel()
	const reported = `performance.getEntriesByType("resource")
		.filter((e) => e.name.endsWith("/keepalive/session/activity")).length`
	for name, does := range map[string]func(p *browsertest.Page){
		"the pointer moves": func(p *browsertest.Page) {
			p.Move(t, 10, 10)
			p.Move(t, 30, 40)
		},
		"a key in a frame": func(p *browsertest.Page) {
			p.Eval(t, `new Promise((loaded) => document.body.append(Object.assign(document.createElement("iframe"),
				{ srcdoc: "<textarea></textarea>",
					onload: (e) => (e.target.contentDocument.querySelector("textarea").focus(), loaded(1)) })))`, nil)
			p.Press(t, "a")
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := startDemo(t, "--life", "10m")
			p := visit(t, browsertest.Chromium(t), d.URL)
			signIn(t, p)
			p.Reload(t)
			waitSignedIn(t, p)
			p.Eval(t, `performance.clearResourceTimings(), document.body.click(),
				document.dispatchEvent(new Event("input", { bubbles: true })),
				document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "a", bubbles: true })),
				document.body.dispatchEvent(new PointerEvent("pointermove", { screenX: 1, bubbles: true })),
				document.body.dispatchEvent(new PointerEvent("pointermove", { screenX: 9, bubbles: true })), 1`, nil)
			var n int
			if p.Eval(t, `captureKeepalive.token().then(() => `+reported+`)`, &n); n != 0 {
				t.Error("a script was reported as a person")
			}
			does(p)
			p.WaitFor(t, reported+` === 1`, soon)
		})
	}
}
