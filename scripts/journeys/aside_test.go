package journeys

import (
	"fmt"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
)

// If a file of the product is missing, the page works as without it, and
// diagnostics() names the file.
func TestStandAside(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ missing, why string }{
		{"*://*:*/keepalive/*.wasm", "not loaded"},
		{"*://*:*/keepalive/manifest.json", "not loaded"},
		{"*://*:*/keepalive/runtime.js", "runtime.js"},
	} {
		d := startDemo(t, "--life", "10m")
		p := browsertest.Chromium(t).Open(t, "about:blank")
		p.Block(t, tc.missing)
		p.Navigate(t, d.URL)
		listen(t, p)
		signInWithout(t, p)
		p.WaitFor(t, `captureKeepalive.status().phase === "waiting"`, soon)
		p.WaitFor(t, fmt.Sprintf(`captureKeepalive.diagnostics().some(d => d.message.includes(%q))`, tc.why), soon)
		saveWorks(t, d, p)
		var code string
		p.Eval(t, `captureKeepalive.token().catch(e => e.code)`, &code)
		if code != "unavailable" {
			t.Errorf("without %s, token() rejects with %q", tc.missing, code)
		}
		if events := heard(t, p); len(events) > 0 {
			t.Errorf("without %s, heard %v", tc.missing, events)
		}
		// It is temporary.
		p.Block(t)
		p.Eval(t, `dispatchEvent(new Event("online")), 1`, nil)
		p.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)
	}
}

// With the server down the module waits; the page works.
func TestServerDown(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := browsertest.Chromium(t).Open(t, "about:blank")
	p.Block(t, "*://*:*/keepalive/session*")
	p.Navigate(t, d.URL)
	listen(t, p)
	signInWithout(t, p)
	p.WaitFor(t, `captureKeepalive.status().phase === "waiting"`, soon)
	p.WaitFor(t, `captureKeepalive.diagnostics().some(d => d.reason === "offline" &&
		d.message.includes("could not be reached"))`, soon)
	saveWorks(t, d, p)
}

// Without the loader's file there is no captureKeepalive.
func TestLoaderMissing(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := browsertest.Chromium(t).Open(t, "about:blank")
	p.Block(t, "*://*:*/keepalive/*")
	p.Navigate(t, d.URL)
	signInWithout(t, p)
	saveWorks(t, d, p)
}

func signInWithout(t *testing.T, p *browsertest.Page) {
	t.Helper()
	p.WaitFor(t, `document.querySelector("#capture_signIn_email")?.value !== ""`, soon)
	p.Click(t, "#capture_signIn_submit")
	p.WaitFor(t, `!!document.querySelector("#capture_editProfile_aboutMe")`, soon)
}

func saveWorks(t *testing.T, d *demo, p *browsertest.Page) {
	t.Helper()
	before := d.saved(t)
	p.Type(t, "#capture_editProfile_aboutMe", "as ever")
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `document.querySelector("#editProfile .capture_message").textContent === "Saved."`, soon)
	if got := d.saved(t) - before; got != 1 {
		t.Errorf("saved %d times", got)
	}
}

// crashable lets a test end the module's program as a panic does: the runtime
// is told to exit while the page's events, timers and answers are still to
// come. Call it before keepalive.js runs, which keeps what it finds.
func crashable(t *testing.T, p *browsertest.Page) {
	t.Helper()
	p.RunFirst(t, `(() => {
		const instantiate = WebAssembly.instantiate;
		WebAssembly.instantiate = (module, imports) => {
			window.crash = () => imports.gojs["runtime.wasmExit"](8);
			return instantiate.call(WebAssembly, module, imports);
		};
	})()`)
}

// A crash of the module is survived once, with the session; the second time
// the loader stands aside. What the module had listened to does not call it any
// more, and no lock of its is kept from the other tabs.
func TestCrash(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := browsertest.Chromium(t).Open(t, "about:blank")
	crashable(t, p)
	p.Navigate(t, d.URL)
	onDemo(t, p)
	watchThrown(t, p)
	signIn(t, p)
	for _, phase := range []string{"active", "off"} {
		p.Eval(t, `crash(), 1`, nil)
		p.Type(t, "#capture_editProfile_aboutMe", "hello")
		p.Eval(t, `dispatchEvent(new Event("online")), dispatchEvent(new StorageEvent("storage",
			{key: "captureKeepalive"})),
			document.dispatchEvent(new Event("visibilitychange")), 1`, nil)
		p.WaitFor(t, `captureKeepalive.status().phase === "`+phase+`"`, soon)
		if phase == "active" {
			p.WaitFor(t, `heard.includes("renewed:due")`, 2*life)
		}
	}
	saveWorks(t, d, p)
	noLocks(t, p)
	nothingThrown(t, p)
	noErrors(t, p)
}

// What is held when the module ends is told of: there is nothing that could
// send it any more. A module that dies in a timer of its own hangs nothing.
func TestModuleEndsWhileASaveIsHeld(t *testing.T) {
	t.Parallel()
	w := outside(t, startDemo(t, "--life", "10m"))
	p := browsertest.Chromium(t).Open(t, "about:blank")
	crashable(t, p)
	p.Navigate(t, w.URL)
	onDemo(t, p)
	signIn(t, p)
	for _, tc := range []struct{ ends, told string }{
		{`window.off = captureKeepalive.on("released", () => { off(); captureKeepalive.stop() }),
			janrain.capture.ui.renderScreen("publicProfile")`,
			"released:left,unfinished:left"},
		{`crash(), dispatchEvent(new Event("online"))`, "released:no_submit,unfinished:no_submit"},
		// The module goes on to look for the form, by a timer.
		{`document.querySelector("#editProfile form").remove(), janrain.capture.ui.renderScreen = () => {}`,
			"released:renewed"},
	} {
		p.Eval(t, `captureKeepalive.start(), 1`, nil)
		editing(t, p, `janrain.settings.capture.standIn = { redraw: false }, 1`)
		p.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)
		expire(t, p)
		keep, arrived, open := gate(t)
		w.turns(keep)
		p.Click(t, "#capture_editProfile_submit")
		waitFor(t, arrived) // it was refused, and the server was asked
		p.Eval(t, `heard.length = 0, 1`, nil)
		p.Click(t, "#capture_editProfile_submit")
		p.WaitFor(t, `heard.includes("holding:expired")`, soon)
		p.Eval(t, tc.ends+`, 1`, nil)
		open()
		w.turns(nil)
		p.WaitFor(t, fmt.Sprintf(`heard.filter((e) => !e.startsWith("renewed:")).join() === "holding:expired," + %q`,
			tc.told), soon)
	}
	p.Eval(t, `setTimeout(() => { window.isAlive = true }, 200), crash(), 1`, nil)
	p.WaitFor(t, `window.isAlive && captureKeepalive.status().phase === "off"`, soon)
}
