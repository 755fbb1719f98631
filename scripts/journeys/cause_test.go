package journeys

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
)

const causePage = `<!doctype html><html lang="en"><title>A page</title><link rel="icon" href="data:,">
<a id="link" class="capture_end_session" href="#">End</a><button id="out">Sign out</button>
<form id="form"><input id="capture_x_y" aria-label="y"><button id="save">Save</button></form>
<script>localStorage.janrainCaptureToken = "0123456789abcdef";
window.janrain = {events: {}, capture: {ui: {}}};
for (const name of ["ExpiredToken", "SaveFailed", "SessionEnded"]) {
  const list = [];
  janrain.events["onCapture" + name] = {list, addHandler(fn) { list.push(fn) }, removeHandler(fn) { list.splice(list.indexOf(fn) >>> 0, 1) }};
}
window.fire = (name) => janrain.events["onCapture" + name].list.slice().forEach(fn => { try { fn({}) } catch {} });
window.on = (name, fn) => janrain.events["onCapture" + name].addHandler(fn);
const inner = () => setTimeout(() => fire("SessionEnded"));
janrain.capture.ui.endCaptureSession = inner;
link.addEventListener("click", inner);
window.later = (ms) => new Promise(done => setTimeout(done, ms));</script>
<script src="/keepalive/keepalive.js"></script>
<script>captureKeepalive.start(); window.end = () => janrain.capture.ui.endCaptureSession();
form.addEventListener("submit", event => { event.preventDefault(); setTimeout(() => fire("SaveFailed"), 100) });</script>`

// A session that the page ends because of a dead token is not signed out of:
// by the cause, not by the clock. In doubt it is.
func TestWhyASessionIsEnded(t *testing.T) {
	t.Parallel()
	var told atomic.Int64
	loader := filepath.Join("..", "..", "web", "dist", "keepalive.js")
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(causePage)) })
	mux.HandleFunc("/keepalive/keepalive.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, loader) })
	mux.HandleFunc("DELETE /keepalive/session", func(w http.ResponseWriter, _ *http.Request) {
		told.Add(1)
		w.WriteHeader(http.StatusNoContent)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p := browsertest.Chromium(t).Open(t, server.URL)
	for _, tc := range []struct {
		name, do, click string
		person          bool
	}{
		{"a plain call", `end()`, "", true},
		{"in a handler of a failed save", `on("SaveFailed", end), fire("SaveFailed")`, "", false},
		{"in one of two handlers", `on("SaveFailed", () => {}), on("SaveFailed", end), fire("SaveFailed")`, "", false},
		{"in a handler of a dead token", `on("ExpiredToken", end), fire("ExpiredToken")`, "", false},
		{"in a handler that was removed", `on("SaveFailed", end), janrain.events.onCaptureSaveFailed.removeHandler(end), fire("SaveFailed"), end()`, "", true},
		{"after a handler that threw", `on("SaveFailed", () => { throw 1 }), fire("SaveFailed"), end()`, "", true},
		{"by a timer of a handler", `on("SaveFailed", () => void setTimeout(end, 300)), fire("SaveFailed")`, "", true},
		{"by an asynchronous handler", `on("SaveFailed", async () => { await later(300); end() }), fire("SaveFailed")`, "", false},
		{"by an asynchronous handler, after its end", `on("SaveFailed", async () => {}), fire("SaveFailed"), setTimeout(end, 300)`, "", true},
		{"by a scripted click in a handler", `on("SaveFailed", () => link.click()), fire("SaveFailed")`, "", false},
		{"by a person's click on the link", `on("SaveFailed", () => later(5000)), fire("SaveFailed")`, "#link", true},
		{"by a person's slow sign-out, with a dead token in between",
			`on("SaveFailed", () => later(5000)), out.onclick = async () => { setTimeout(() => fire("SaveFailed"), 100); await later(1500); end() }`, "#out", true},
		{"by an asynchronous handler, after the person saved", `on("SaveFailed", async () => { await later(300); end() })`, "#save", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p.Reload(t)
			p.WaitFor(t, `captureKeepalive.status().phase === "waiting"`, soon)
			told.Store(0)
			p.Eval(t, `window.ended = 0, on("SessionEnded", () => ended++), `+tc.do+`, 1`, nil)
			if tc.click != "" {
				p.Click(t, tc.click)
			}
			p.WaitFor(t, `ended > 0`, soon)
			wait(300 * time.Millisecond)
			want := int64(0)
			if tc.person {
				want = 1
			}
			if got := told.Load(); got != want {
				t.Errorf("the server was told %d times, want %d", got, want)
			}
		})
	}
}
