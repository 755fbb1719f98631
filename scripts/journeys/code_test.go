package journeys

import (
	"fmt"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
)

// A server-side session: the page hands over a code and is kept signed in; the
// refresh token never gets here.
func TestCodeMode(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := visit(t, browsertest.Chromium(t), d.URL+"/?mode=code")
	signIn(t, p)
	if got := d.calls(t, "oauth/token", ""); got != 1 {
		t.Errorf("the code was exchanged %d times", got)
	}
	// Two events tell of one login: the code is posted by the first.
	var posted int
	p.Eval(t, `performance.getEntriesByType("resource").filter(e => e.name.endsWith("/keepalive/session")).length`,
		&posted)
	if posted != 1 {
		t.Errorf("the code was posted %d times", posted)
	}
	var stored bool
	p.Eval(t, `!!localStorage.janrainCaptureToken`, &stored)
	if !stored {
		t.Error("the UI was not given the token")
	}
	const lives = 2
	p.WaitFor(t, fmt.Sprintf(`heard.filter(e => e === "renewed:due").length === %d`, lives), (lives+1)*life)
	if got := d.calls(t, "oauth/token", "ok"); got != 1+lives {
		t.Errorf("%d calls to oauth/token for a login and %d renewals", got, lives)
	}
	if d.issued(t) != 0 {
		t.Error("a token was minted in code mode")
	}

	// The same repair as in token mode.
	saved := d.saved(t)
	p.Eval(t, `document.querySelector("#capture_editProfile_aboutMe").value = "in code mode", 1`, nil)
	expire(t, p)
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `document.querySelector("#editProfile .capture_message")?.textContent === "Saved."`, 2*life)
	if got := d.saved(t) - saved; got != 1 {
		t.Errorf("saved %d times", got)
	}

	// A page without a token is restored by the cookie alone.
	p.Eval(t, `localStorage.clear(), 1`, nil)
	p.Reload(t)
	listen(t, p)
	waitSignedIn(t, p)

	p.Click(t, "#btn-signout")
	p.WaitFor(t, `heard.includes("signedout:signed_out")`, soon)
	p.WaitFor(t, `fetch("/keepalive/session", {headers: {"X-Keepalive": "1"}}).then(r => r.status === 401)`, soon)
	signIn(t, p)
	if got := sessionStatus(t, p); got != 200 {
		t.Errorf("GET session is %d after signing in again, want 200", got)
	}
}

// With onDemand the token is in localStorage only while a screen needs it.
func TestOnDemand(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := visit(t, browsertest.Chromium(t), d.URL+"/?mode=code&clientSession=onDemand")
	// Every change of the key is written down.
	p.Eval(t, `window.stored = () => localStorage.getItem("janrainCaptureToken") !== null, stored()`, nil)
	signIn(t, p)
	needs := func(what string, want bool) {
		t.Helper()
		p.WaitFor(t, fmt.Sprintf(`stored() === %t`, want), soon)
		p.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)
		var got bool
		if p.Eval(t, `stored()`, &got); got != want {
			t.Errorf("%s: the token is in localStorage: %t", what, got)
		}
	}
	needs("the profile is shown", true)
	p.Click(t, "#btn-view")
	p.WaitFor(t, `!document.querySelector("#publicProfile").hidden`, soon)
	needs("a public screen is shown", false)
	// It stays away over a renewal.
	p.WaitFor(t, `heard.includes("renewed:due")`, 2*life)
	needs("the token was renewed", false)
	p.Click(t, "#btn-edit")
	p.WaitFor(t, `!!document.querySelector("#capture_editProfile_aboutMe") &&
		!document.querySelector("#editProfile").hidden`, soon)
	needs("the profile is shown again", true)

	saved := d.saved(t)
	p.Eval(t, `document.querySelector("#capture_editProfile_aboutMe").value = "on demand", 1`, nil)
	expire(t, p)
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `document.querySelector("#editProfile .capture_message")?.textContent === "Saved."`, 2*life)
	if got := d.saved(t) - saved; got != 1 {
		t.Errorf("saved %d times", got)
	}

	// A page that is left does not leave it behind.
	p.Navigate(t, d.URL+"/favicon.svg")
	var left bool
	if p.Eval(t, `localStorage.getItem("janrainCaptureToken") !== null`, &left); left {
		t.Error("the token stayed when the page was left")
	}
	p.Navigate(t, d.URL+"/?mode=code&clientSession=onDemand")
	listen(t, p)
	waitSignedIn(t, p)

	p.Click(t, "#btn-signout")
	p.WaitFor(t, `heard.includes("signedout:signed_out")`, soon)
	p.WaitFor(t, `fetch("/keepalive/session", {headers: {"X-Keepalive": "1"}}).then(r => r.status === 401)`, soon)
}

// A sign-out reaches the other tab although there is no token that
// could be missing there.
func TestOnDemandTwoTabs(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	b := browsertest.Chromium(t)
	url := d.URL + "/?mode=code&clientSession=onDemand"
	one := visit(t, b, url)
	signIn(t, one)
	two := visitToo(t, b, one)
	// The token comes and goes in one tab; the other one stays.
	for range 3 {
		one.Click(t, "#btn-view")
		one.WaitFor(t, `localStorage.getItem("janrainCaptureToken") === null`, soon)
		one.Click(t, "#btn-edit")
		one.WaitFor(t, `localStorage.getItem("janrainCaptureToken") !== null`, soon)
	}
	if got := phase(t, two); got != "active" {
		t.Errorf("the other tab is %s", got)
	}
	one.Click(t, "#btn-signout")
	two.WaitFor(t, `heard.includes("signedout:elsewhere")`, soon)
}

// Both kinds of session live side by side on one server.
func TestBothModes(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	token := visit(t, browsertest.Chromium(t), d.URL)
	signIn(t, token)
	code := visit(t, browsertest.Chromium(t), d.URL+"/?mode=code")
	signIn(t, code)
	for want, p := range map[string]*browsertest.Page{"token": token, "code": code} {
		var mode string
		p.Eval(t, `fetch("/keepalive/session",
			{headers: {"X-Keepalive": "1"}}).then(r => r.json()).then(s => s.mode)`, &mode)
		if mode != want {
			t.Errorf("mode %q, want %q", mode, want)
		}
	}
}
