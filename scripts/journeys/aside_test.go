package journeys

import (
	"fmt"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
)

// Whatever of ours is missing, the page works as without us, and diagnostics()
// says what it was.
func TestStandAside(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ missing, why string }{
		{"*://*:*/keepalive/*.wasm", "not loaded"},
		{"*://*:*/keepalive/manifest.json", "not loaded"},
		{"*://*:*/keepalive/wasm_exec.js", "wasm_exec.js"},
	} {
		d := startDemo(t)
		p := browsertest.Chromium(t).Open(t, "about:blank")
		p.Block(t, tc.missing)
		p.Navigate(t, d.URL)
		listen(t, p)
		signInWithout(t, p)
		p.WaitFor(t, `captureKeepalive.status().phase === "off"`, soon)
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
	p.WaitFor(t, `captureKeepalive.diagnostics().some(d => d.reason === "offline" && d.message.includes("could not be reached"))`, soon)
	saveWorks(t, d, p)
}

// Without the loader's file nothing of ours is there at all.
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

// A crash of the module is survived once, with the session; the second time
// the loader stands aside.
func TestCrash(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := visit(t, browsertest.Chromium(t), d.URL)
	signIn(t, p)
	// From here on the runtime throws, as it does once its program has exited.
	const crash = `(() => {
		const resume = Go.prototype._resume;
		Go.prototype._resume = () => { throw new Error("Go program has already exited"); };
		try { captureKeepalive.status(); } finally { Go.prototype._resume = resume; }
		return 1;
	})()`
	p.Eval(t, crash, nil)
	p.WaitFor(t, `captureKeepalive.diagnostics().some(d => d.event === "loader") && captureKeepalive.status().phase === "active"`, soon)
	p.WaitFor(t, `heard.includes("renewed:due")`, 2*life)
	p.Eval(t, crash, nil)
	p.WaitFor(t, `captureKeepalive.status().phase === "off"`, soon)
	saveWorks(t, d, p)
}
