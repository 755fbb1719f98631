package journeys

import (
	"net/http"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
)

// standStill has the page do nothing at all for a while, as it does while it
// is printed, in a dialog of the browser or in a debugger: by a request that it
// waits for.
const standStill = `{ const request = new XMLHttpRequest();
	request.open("GET", "/stand-still", false), request.send(), window.stoodStill = true }`

// stillSite is a demo before which the page can stand still for a while.
func stillSite(t *testing.T, d *demo, w *weather, still time.Duration) string {
	t.Helper()
	return filesOf(t, d, func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/stand-still" {
			slow(still)(rw, r)
			rw.WriteHeader(http.StatusNoContent)
			return true
		}
		if spoil := w.now(r.URL.Path); spoil != nil {
			spoil(rw, r)
		}
		return false
	})
}

// A page that stood still while a save was held finds every limit passed and
// the answer waiting. The save is repeated: no handler of the page signs the
// user out.
func TestStandstillWhileASaveIsHeld(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	w := new(weather)
	site := stillSite(t, d, w, 16*time.Second) // longer than any handler is held
	p := visit(t, browsertest.Chromium(t), site)
	signIn(t, p)
	editing(t, p, `janrain.settings.capture.standIn = {onDeadToken: "event"}, window.told = 0,
		janrain.events.onCaptureExpiredToken.addHandler(() => told++), 1`)
	p.Type(t, "#capture_editProfile_city", "London")
	saved := d.saved(t)
	expire(t, p)
	w.turns(slow(2 * time.Second))
	p.Eval(t, `addEventListener("submit", () => setTimeout(() => {
		captureKeepalive.token().then(() => { window.got = true }); `+standStill+` }, 500), {once: true}), 1`, nil)
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `window.stoodStill && window.got &&
		document.querySelector("#editProfile .capture_message")?.textContent === "Saved."`, soon)
	var told int
	if p.Eval(t, `told`, &told); told != 0 || d.saved(t)-saved != 1 {
		t.Errorf("the page's handlers ran %d times, saved %d times; want 0 and once", told, d.saved(t)-saved)
	}
}

// Files that have come while the page stood still are not given up.
func TestStandstillWhileTheModuleLoads(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	site := stillSite(t, d, new(weather), 11*time.Second) // longer than a small file may take
	p := visit(t, browsertest.Chromium(t), site)
	var code string
	p.Eval(t, `(captureKeepalive.stop(), captureKeepalive.start({load: "now"}), setTimeout(() => `+standStill+`),
		captureKeepalive.token().catch(error => error.code))`, &code)
	p.WaitFor(t, `window.stoodStill`, soon)
	var failed []string
	p.Eval(t, `captureKeepalive.diagnostics().map(e => e.message).filter(text => /^not loaded/.test(text))`, &failed)
	if code != "signed_out" || len(failed) > 0 {
		t.Errorf("token() rejects with %q, want signed_out; %q", code, failed)
	}
}
