package journeys

import (
	"fmt"
	"slices"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
)

// The bar: a visitor who signs in and does nothing is kept signed in over five
// token lives, with one new token a life, and sees nothing of it.
func TestFiveLivesOfDoingNothing(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := visit(t, browsertest.Chromium(t), d.URL)
	signIn(t, p)
	p.Eval(t, `window.dead = [],
		["onCaptureExpiredToken","onCaptureInvalidToken","onCaptureSessionNotFound","onCaptureAccessDenied"]
		.forEach(name => janrain.events[name].addHandler(() => dead.push(name))), 1`, nil)
	const lives = 5
	p.WaitFor(t, fmt.Sprintf(`heard.filter(e => e === "renewed:due").length === %d`, lives), (lives+1)*life)
	if got := d.issued(t); got != lives {
		t.Errorf("%d tokens were minted for %d renewals", got, lives)
	}
	if got := without(heard(t, p), "renewed:due"); len(got) > 0 {
		t.Errorf("the page also heard %v", got)
	}
	var dead []string
	if p.Eval(t, `window.dead`, &dead); len(dead) > 0 {
		t.Errorf("the Registration UI said %v", dead)
	}
	if got := d.calls(t, "entity", ""); got != 1 {
		t.Errorf("Capture was asked %d times for the user of the token, want once", got)
	}
	noErrors(t, p)
}

// What the user typed is saved, once, although the token died before Save. The
// UI reports that in one of several ways.
func TestSaveAfterTheTokenDied(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := browsertest.Chromium(t)
	p := visit(t, b, d.URL)
	signIn(t, p)
	p.Click(t, "#more summary")
	n := 0
	for _, button := range []string{"#btn-expire", "#btn-invalid"} {
		for _, says := range []string{"save", "event", "both"} {
			for _, redraw := range []bool{false, true} {
				name := fmt.Sprintf("%s, told by %s, redraw %t", button, says, redraw)
				p.Eval(t, fmt.Sprintf(`janrain.settings.capture.standIn = {onDeadToken: %q, redraw: %t}, 1`, says,
					redraw), nil)
				saved, refused := d.saved(t), d.calls(t, "profile/save", "error")
				n++
				text := fmt.Sprintf("written in round %d", n)
				p.Eval(t, fmt.Sprintf(`document.querySelector("#capture_editProfile_aboutMe").value = %q, 1`, text),
					nil)
				fresh(t, p) // no renewal comes before the save
				p.Click(t, button)
				p.WaitFor(t, `/expired|invalid|refus/i.test(document.querySelector("#hint").textContent)`, soon)
				p.Eval(t, `window.savedEvents = window.savedEvents ||
					(janrain.events.onCaptureProfileSaveSuccess.addHandler(() => savedCount++), 1),
					window.savedCount = 0`, nil)
				p.Click(t, "#capture_editProfile_submit")
				p.WaitFor(t, `savedCount === 1`, 2*life)
				p.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)
				var value string
				p.Eval(t, `document.querySelector("#capture_editProfile_aboutMe").value`, &value)
				if value != text {
					t.Errorf("%s: the form shows %q, want %q", name, value, text)
				}
				if got := d.saved(t) - saved; got != 1 {
					t.Errorf("%s: saved %d times", name, got)
				}
				if got := d.calls(t, "profile/save", "error") - refused; got != 1 {
					t.Errorf("%s: refused %d times, want once: the token was dead", name, got)
				}
			}
		}
	}
	var stored string
	p.Eval(t, `fetch("/capture/ui/profile", {method: "POST", headers: {"Content-Type": "application/json"},
		body: JSON.stringify({accessToken: localStorage.janrainCaptureToken})})
			.then(r => r.json()).then(a => a.profile.aboutMe)`, &stored)
	if want := fmt.Sprintf("written in round %d", n); stored != want {
		t.Errorf("the service keeps %q, want %q", stored, want)
	}
	if got := heard(t, p); slices.Contains(got, "expired:session_ended") || phase(t, p) != "active" {
		t.Errorf("the session was lost: %v", got)
	}
	noErrors(t, p)
}

// Passing trouble keeps the session, and the next good moment is used.
func TestOutage(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := visit(t, browsertest.Chromium(t), d.URL)
	signIn(t, p)
	d.outage(t, true)
	p.WaitFor(t, `heard.includes("renewerror:server")`, 2*life)
	d.outage(t, false)
	p.WaitFor(t, `heard.at(-1).startsWith("renewed:")`, 5*life)
	if got := without(without(heard(t, p), "renewed:"), "renewerror:server"); len(got) > 0 {
		t.Errorf("the page also heard %v", got)
	}
	if got := sessionStatus(t, p); got != 200 {
		t.Errorf("GET session is %d after the outage, want 200", got)
	}
}

// The page hears of trouble with the network, and that it has passed.
func TestOffline(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := visit(t, browsertest.Chromium(t), d.URL)
	signIn(t, p)
	p.Eval(t, `addEventListener("online", () => window.onlineAt = Date.now()),
		captureKeepalive.on("renewed", () => window.renewedAt ??= Date.now()), 1`, nil)
	clocktest.OneOf(t, 5, func() error {
		p.Eval(t, `heard.length = 0, 1`, nil)
		p.Offline(t, true)
		p.WaitFor(t, `heard.includes("renewerror:offline")`, 2*life)
		p.Eval(t, `window.renewedAt = undefined, 1`, nil)
		p.Offline(t, false)
		p.WaitFor(t, `heard.at(-1).startsWith("renewed:")`, 3*life)
		// The event "online" brings the attempt forward, down to the floor.
		var took float64
		if p.Eval(t, `renewedAt - onlineAt`, &took); took > 10_000 {
			return fmt.Errorf("it took %v ms to renew after the network came back", took)
		}
		return nil
	})
}

// kill -9 of the server loses no session.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	store := t.TempDir() + "/sessions.db"
	d := startDemo(t, "--store", store)
	p := visit(t, browsertest.Chromium(t), d.URL)
	signIn(t, p)
	d.kill(t)
	p.WaitFor(t, `heard.includes("renewerror:offline")`, 2*life)
	startDemo(t, "--store", store, "--listen", "localhost:"+d.port())
	if got := sessionStatus(t, p); got != 200 {
		t.Errorf("GET session is %d after the restart, want 200", got)
	}
}
