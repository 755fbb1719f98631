package journeys

import (
	"fmt"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
)

// A wrong option is a TypeError that names it.
func TestOptions(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := visit(t, browsertest.Chromium(t), d.URL)
	p.Eval(t, `captureKeepalive.stop(), 1`, nil)
	for options, names := range map[string]string{
		`null`:                          `"options"`,
		`5`:                             `"options"`,
		`{endpoint: ""}`:                `"endpoint"`,
		`{endpoint: 5}`:                 `"endpoint"`,
		`{endpoint: "ftp://x/"}`:        `"endpoint"`,
		`{endpoint: "/keepalive?a=b"}`:  `"endpoint"`,
		`{endpoint: "http://["}`:        `"endpoint"`,
		`{endpoint: "http://a@x/k"}`:    `"endpoint"`,
		`{endpoint: "blob:http://x/k"}`: `"endpoint"`,
		`{margin: "60"}`:                `"margin"`,
		`{margin: -1}`:                  `"margin"`,
		`{margin: NaN}`:                 `"margin"`,
		`{load: "later"}`:               `"load"`,
		`{load: "due"}`:                 `"load"`,
		`{broadcast: false}`:            `"broadcast"`,
		`{apiOrigins: "https://x"}`:     `"apiOrigins"`,
		`{apiOrigins: ["https://x/y"]}`: `"apiOrigins"`,
		`{apiOrigins: ["https://X"]}`:   `"apiOrigins"`,
		`{apiOrigins: ["*"]}`:           `"apiOrigins"`,
		`{apiOrigins: ["http://*.x"]}`:  `"apiOrigins"`,
		`{apiOrigins: ["http://x:1e"]}`: `"apiOrigins"`,
		`{nonce: 1}`:                    `"nonce"`,
		`{hold: 1}`:                     `"hold"`,
		`{guard: "yes"}`:                `"guard"`,
		`{resubmit: null}`:              `"resubmit"`,
		`{idleWarning: Infinity}`:       `"idleWarning"`,
		`{debug: 0}`:                    `"debug"`,
		`{margins: 60}`:                 `"margins"`,
		`{toString: 1}`:                 `"toString"`,
	} {
		var message string
		p.Eval(t, `(() => { try { captureKeepalive.start(`+options+`);
			return "accepted" } catch (e) { return e.name + ": " + e.message } })()`, &message)
		if !strings.HasPrefix(message, "TypeError: ") || !strings.Contains(message, names) {
			t.Errorf("start(%s): %s, want a TypeError that names %s", options, message, names)
		}
	}
	for call, names := range map[string]string{`on("renew", () => {})`: `"renew"`, `on("renewed", 5)`: `"listener"`} {
		var message string
		p.Eval(t, `(() => { try { captureKeepalive.`+call+`;
			return "accepted" } catch (e) { return e.name + ": " + e.message } })()`, &message)
		if !strings.HasPrefix(message, "TypeError: ") || !strings.Contains(message, names) {
			t.Errorf("%s: %s, want a TypeError that names %s", call, message, names)
		}
	}
}

// start() and stop() may be called in any order, any number of times, and
// every promise settles.
func TestStartAndStop(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	p := visit(t, browsertest.Chromium(t), d.URL)
	signIn(t, p)
	var codes []string
	p.Eval(t, `(async () => {
		const codes = [];
		const token = (expect) => captureKeepalive.token().then(t => typeof t, e => e.code).then(c => codes.push(c));
		captureKeepalive.start(); // runs already
		await token();
		const open = captureKeepalive.renew().then(t => typeof t, e => e.code);
		captureKeepalive.stop();
		captureKeepalive.stop();
		codes.push(await open);
		await token();
		codes.push(captureKeepalive.status().phase);
		captureKeepalive.start();
		codes.push(captureKeepalive.status().phase);
		await token(); // loads it
		codes.push(captureKeepalive.status().phase);
		return codes;
	})()`, &codes)
	want := "string stopped stopped off loading string active"
	if got := strings.Join(codes, " "); got != want {
		t.Errorf("settled as %q, want %q", got, want)
	}
	signOutWorks(t, p)
	noErrorsBut401(t, p)
}

func signOutWorks(t *testing.T, p *browsertest.Page) {
	t.Helper()
	p.Eval(t, `captureKeepalive.end(), 1`, nil)
	p.WaitFor(t, `heard.includes("signedout:end")`, soon)
	p.WaitFor(t, `!localStorage.janrainCaptureToken`, soon)
	p.WaitFor(t, `fetch("/keepalive/session", {headers: {"X-Keepalive": "1"}}).then(r => r.status === 401)`, soon)
}

func noErrorsBut401(t *testing.T, p *browsertest.Page) {
	t.Helper()
	for _, line := range p.Errors(t) {
		if !strings.Contains(line, "401") {
			t.Errorf("on the console: %s", line)
		}
	}
}

// Faulty code of the page does not stop the loader: handlers that throw, events
// without a payload, getters that throw.
func TestFaultyPage(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := visit(t, browsertest.Chromium(t), d.URL)
	p.Eval(t, `captureKeepalive.on("renewed", () => { throw new Error("faulty listener") }),
		["onCaptureLoginSuccess", "onCaptureSessionCreated", "onCaptureProfileSaveFailed"].forEach(name =>
			janrain.events[name].addHandler(() => { throw new Error("faulty handler") })), 1`, nil)
	signIn(t, p)
	p.WaitFor(t, `heard.includes("renewed:due")`, 2*life)
	p.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)

	// A listener that throws while we send the form again is an error of
	// the page, and no crash of the module.
	p.Eval(t, `document.addEventListener("submit", () => { throw new Error("faulty submit listener") }), 1`, nil)
	expire(t, p)
	saved := d.saved(t)
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `document.querySelector("#editProfile .capture_message")?.textContent === "Saved."`, 2*life)
	if got := d.saved(t) - saved; got != 1 {
		t.Errorf("saved %d times", got)
	}
	// The operator sees what the user was spared, after the next renewal.
	p.WaitFor(t, `fetch("/metrics").then(r => r.text()).then(text =>
		/keepalive_page_forms_total{outcome="finished"} 1$/m.test(text) &&
			/keepalive_page_signins_avoided_total [1-9]/m.test(text))`, soon)
	var loader []string
	p.Eval(t, `captureKeepalive.diagnostics().filter(d => d.event === "loader").map(d => d.message)`, &loader)
	if len(loader) > 0 {
		t.Errorf("the loader says %q", loader)
	}
}

// The site's own handler of a dead token signs the user out. It runs only when
// the session could not be saved.
func TestGuard(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	p := visit(t, browsertest.Chromium(t), d.URL)
	p.Eval(t, `window.told = 0, janrain.events.onCaptureExpiredToken.addHandler((...args) => {
		told++; janrain.capture.ui.endCaptureSession(); window.toldArgs = args.length }), 1`, nil)
	signIn(t, p)
	p.Eval(t, `janrain.settings.capture.standIn = {onDeadToken: "event"}, 1`, nil)
	expire(t, p)
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `document.querySelector("#editProfile .capture_message")?.textContent === "Saved."`, 2*life)
	var told int
	if p.Eval(t, `told`, &told); told != 0 {
		t.Errorf("the handler was called %d times although the session was saved", told)
	}
	// Now the server's session is gone too.
	p.Eval(t, `fetch("/keepalive/session", {method: "DELETE", headers: {"X-Keepalive": "1"}}).then(r => r.status)`, nil)
	expire(t, p)
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `told === 1 && toldArgs === 1 && heard.some(e => e.startsWith("expired:"))`, 2*life)
}

// The guard knows a failure, however the UI calls its handlers: here each in a
// task of its own. A handler that was removed is not called any more, were it
// added twice, or removed while its call is kept back.
func TestGuardWhereHandlersAreCalledApart(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	w := outside(t, d)
	p := visit(t, browsertest.Chromium(t), w.URL)
	p.Eval(t, `(() => {
		window.told = [];
		window.gone = () => told.push("gone");
		const { onCaptureExpiredToken: event } = janrain.events;
		const twice = () => told.push("twice");
		[twice, gone, twice].forEach(fn => event.addHandler(fn));
		event.addHandler(() => { told.push("logout"); janrain.capture.ui.endCaptureSession() });
		event.addHandler(() => told.push("last"));
		event.removeHandler(twice), event.removeHandler(twice);
	})()`, nil)
	signIn(t, p)
	p.Eval(t, `janrain.settings.capture.standIn = {onDeadToken: "event", apart: true}, 1`, nil)
	finishSave(t, d, p, "handlers apart")

	p.Eval(t, `fetch("/keepalive/session", {method: "DELETE", headers: {"X-Keepalive": "1"}}).then(r => r.status)`, nil)
	expire(t, p)
	keep, arrived, open := gate(t)
	w.turns(keep)
	p.Click(t, "#capture_editProfile_submit")
	waitFor(t, arrived)
	p.Eval(t, `janrain.events.onCaptureExpiredToken.removeHandler(gone), 1`, nil)
	open()
	p.WaitFor(t, `heard.some(e => e.startsWith("expired:")) && told.includes("last")`, soon)
	var told []string
	if p.Eval(t, `told`, &told); strings.Join(told, " ") != "logout last" {
		t.Errorf("called: %v, want logout and last, once", told)
	}
}

// After stop() and start() the guard still keeps back the page's handlers, and
// not ours; and a stop() before the module has come is the end of it.
func TestGuardAfterRestart(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	p := visit(t, browsertest.Chromium(t), d.URL)
	signIn(t, p)
	p.Eval(t, `window.told = 0, janrain.events.onCaptureExpiredToken.addHandler(() => told++),
		janrain.settings.capture.standIn = {onDeadToken: "event"}, captureKeepalive.stop(),
			captureKeepalive.start({load: "now"}), 1`, nil)
	p.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)
	expire(t, p)
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `document.querySelector("#editProfile .capture_message")?.textContent === "Saved."`, soon)
	var told int
	if p.Eval(t, `told`, &told); told != 0 {
		t.Errorf("the page's handler was called %d times although the session was saved", told)
	}

	p.Eval(t, `captureKeepalive.stop(), performance.clearResourceTimings(), captureKeepalive.start(),
		captureKeepalive.stop(),
		new Promise(done => requestIdleCallback(() => setTimeout(done, 500), {timeout: 2000}))`, nil)
	var asked []string
	p.Eval(t, `performance.getEntriesByType("resource").map(e => new URL(e.name).pathname)
		.filter(n => !n.startsWith("/capture/"))`, &asked)
	if len(asked) > 0 {
		t.Errorf("after stop() the page asked for %v", asked)
	}
}

// hold makes the UI's start() wait for a token, so that no sign-in screen
// flickers by.
func TestHold(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for _, tc := range []struct{ mode, forget string }{
		{"token", `localStorage.setItem("janrainCaptureToken_Expires", new Date(0).toUTCString()), 1`},
		{"code", `localStorage.clear(), 1`},
	} {
		p := visit(t, browsertest.Chromium(t), d.URL+`/?options={"hold":true}&mode=`+tc.mode)
		signIn(t, p)
		clocktest.OneOf(t, 8, func() error { // it waits for a second at most
			p.Eval(t, tc.forget, nil)
			p.Reload(t)
			p.WaitFor(t, `!!document.querySelector("#capture_editProfile_aboutMe")`, soon)
			var found string
			p.Eval(t, `document.querySelector("#log").textContent`, &found)
			if !strings.Contains(found, "A stored session was found") ||
				strings.Contains(found, "No stored session was found") {
				return fmt.Errorf("%s: the UI did not wait: %s", tc.mode, found)
			}
			return nil
		})
	}
}
