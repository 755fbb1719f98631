package journeys

import (
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
)

// The product does the same in every kind of browser. The journeys of one
// follow each other in it: what one leaves behind is where the next begins.
func TestEveryEngine(t *testing.T) {
	t.Parallel()
	browsertest.Each(t, func(t *testing.T, b *browsertest.Browser) {
		d := startDemo(t)
		p := visit(t, b, d.URL)
		watchThrown(t, p)
		signIn(t, p)

		t.Run("one renewal", func(t *testing.T) {
			first := token(t, p)
			p.WaitFor(t, `heard.includes("renewed:due")`, 2*life)
			if got := d.issued(t); got != 1 {
				t.Errorf("%d tokens were minted for one renewal", got)
			}
			if token(t, p) == first {
				t.Error("the UI still has the first token")
			}
			if got := without(heard(t, p), "renewed:due"); len(got) > 0 {
				t.Errorf("the page also heard %v", got)
			}
		})

		t.Run("save after the token died", func(t *testing.T) {
			const text = "written in every engine: Grüße"
			p.Eval(t, `document.querySelector("#capture_editProfile_aboutMe").value = "", 1`, nil)
			p.Type(t, "#capture_editProfile_aboutMe", text)
			fresh(t, p) // no renewal comes before the click
			saved, refused := d.saved(t), d.calls(t, "profile/save", "error")
			expire(t, p)
			p.Click(t, "#capture_editProfile_submit")
			p.WaitFor(t, `document.querySelector("#editProfile .capture_message")?.textContent === "Saved."`, 2*life)
			if got := d.saved(t) - saved; got != 1 {
				t.Errorf("saved %d times", got)
			}
			if got := d.calls(t, "profile/save", "error") - refused; got != 1 {
				t.Errorf("refused %d times, want once: the token was dead", got)
			}
			var shown, stored string
			p.Eval(t, `document.querySelector("#capture_editProfile_aboutMe").value`, &shown)
			p.Eval(t, `fetch("/capture/ui/profile", {method: "POST", headers: {"Content-Type": "application/json"},
				body: JSON.stringify({accessToken: localStorage.janrainCaptureToken})})
			.then(r => r.json()).then(a => a.profile.aboutMe)`, &stored)
			if shown != text || stored != text {
				t.Errorf("the form shows %q and the service keeps %q, want %q", shown, stored, text)
			}
			p.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)
		})

		t.Run("a screen is loaded after the token died", func(t *testing.T) {
			p.Eval(t, `heard.length = 0, 1`, nil)
			p.Click(t, "#btn-view")
			p.WaitFor(t, `!!document.querySelector("#publicProfile dl")`, soon)
			expire(t, p)
			p.Click(t, "#btn-edit")
			p.WaitFor(t, `!!document.querySelector("#capture_editProfile_aboutMe")`, soon)
			if got := without(heard(t, p), "renewed:"); len(got) > 0 {
				t.Errorf("heard %v", got)
			}
		})

		t.Run("sign-out", func(t *testing.T) {
			second := visitToo(t, b, p)
			watchThrown(t, second)
			p.Click(t, "#btn-signout")
			p.WaitFor(t, `heard.includes("signedout:signed_out") && !localStorage.janrainCaptureToken`, soon)
			second.WaitFor(t, `heard.includes("signedout:elsewhere")`, soon)
			p.WaitFor(t, `fetch("/keepalive/session", {headers: {"X-Keepalive": "1"}}).then(r => r.status === 401)`,
				soon)
			nothingThrown(t, second)
			second.Close()
		})
		nothingThrown(t, p)
		p.Close()

		t.Run("three tabs, in turn", func(t *testing.T) { renewInTurn(t, b, 2) })

		t.Run("reload with a healthy token", func(t *testing.T) {
			d := startDemo(t, "--life", "10m")
			p := visit(t, b, d.URL)
			signIn(t, p)
			p.Reload(t)
			watchThrown(t, p)
			waitSignedIn(t, p)
			var asked int
			p.Eval(t, `performance.getEntriesByType("resource")
				.filter(e => e.name.includes("/keepalive/session")).length`, &asked)
			if asked != 0 || d.issued(t) != 0 || d.calls(t, "entity", "") != 1 {
				t.Errorf("%d requests, %d tokens minted, %d identified; want 0, 0 and 1", asked,
					d.issued(t), d.calls(t, "entity", ""))
			}
			listen(t, p)
			toldInTheEnd(t, d, p)
			nothingThrown(t, p)
		})
	})
}

// Law 4: a repetition that fails is told, and what was kept back while the
// session could be saved is handed back when it could not.
func toldInTheEnd(t *testing.T, d *demo, p *browsertest.Page) {
	t.Helper()
	editing(t, p, `janrain.settings.capture.standIn = {
		onDeadToken: "event", afterFailure: (form) => { form.city.pattern = "x+" } },
		window.told = 0, janrain.events.onCaptureExpiredToken.addHandler(() => told++), 1`)
	p.Type(t, "#capture_editProfile_city", "London")
	saved := d.saved(t)
	expire(t, p)
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `heard.includes("unfinished:invalid_form") && told === 0`, soon)
	p.WaitFor(t, `document.querySelector("#capture_editProfile_city").value.endsWith("London")`, soon)
	p.Eval(t, `document.querySelector("#capture_editProfile_city").pattern = ".*",
		fetch("/keepalive/session", {method: "DELETE", headers: {"X-Keepalive": "1"}}).then(r => r.status)`, nil)
	expire(t, p)
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `told === 1 && heard.some(e => e.startsWith("expired:"))`, soon)
	if got := d.saved(t) - saved; got != 0 {
		t.Errorf("saved %d times", got)
	}
}

func token(t *testing.T, p *browsertest.Page) string {
	t.Helper()
	var found string
	p.Eval(t, `localStorage.janrainCaptureToken ?? ""`, &found)
	return found
}

// watchThrown keeps a list of the uncaught errors in window.thrown: the driver
// of some browsers cannot read the console.
func watchThrown(t *testing.T, p *browsertest.Page) {
	t.Helper()
	p.Eval(t, `window.thrown = [], addEventListener("error", e => thrown.push(String(e.message))),
		addEventListener("unhandledrejection", e => thrown.push(String(e.reason))), 1`, nil)
}

func nothingThrown(t *testing.T, p *browsertest.Page) {
	t.Helper()
	var thrown []string
	if p.Eval(t, `window.thrown`, &thrown); len(thrown) > 0 {
		t.Errorf("uncaught errors:\n%s", strings.Join(thrown, "\n"))
	}
}
