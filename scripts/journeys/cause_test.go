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
<iframe id="frame" title="A frame" srcdoc="<body style=margin:0>
  <button style='width:100%;height:150px' onclick='parent.end()'>Out</button>"></iframe>
<script>localStorage.janrainCaptureToken = "0123456789abcdef";
window.janrain = {events: {}, capture: {ui: {}}};
for (const name of ["ExpiredToken", "SaveFailed", "SessionEnded"]) {
  const list = [];
  janrain.events["onCapture" + name] = {list, addHandler(fn) { list.push(fn) },
	removeHandler(fn) { list.splice(list.indexOf(fn) >>> 0, 1) }};
}
window.fire = (name) => janrain.events["onCapture" + name].list.slice().forEach(fn => { try { fn({}) } catch {} });
window.on = (name, fn) => janrain.events["onCapture" + name].addHandler(fn);
const inner = () => setTimeout(() => fire("SessionEnded"));
janrain.capture.ui.endCaptureSession = inner;
link.addEventListener("click", inner);
window.later = (ms) => new Promise(done => setTimeout(done, ms));</script>
<script>window.outlive = []; const plain = window.fetch;
window.fetch = (to, init) => { if (init?.method === "DELETE") outlive.push(init.keepalive);
	return plain(to, init) };</script>
<script src="/keepalive/keepalive.js"></script>
<script>captureKeepalive.start(); window.end = () => janrain.capture.ui.endCaptureSession();
form.addEventListener("submit", event => { event.preventDefault();
	setTimeout(() => fire("SaveFailed"), 100) });</script>`

// cause is why the session is ended on the page.
type cause struct {
	name, do     string
	click, press string // what a person does then
	// person: it is a person's sign-out, and the server is told.
	person bool
	// everywhere: tried in every kind of browser.
	everywhere bool
}

var causes = []cause{
	{name: "a plain call", do: `end()`, person: true, everywhere: true},
	{name: "in a handler of a failed save", do: `on("SaveFailed", end), fire("SaveFailed")`, everywhere: true},
	{name: "in one of two handlers", do: `on("SaveFailed", () => {}), on("SaveFailed", end), fire("SaveFailed")`},
	{name: "in a handler of a dead token", do: `on("ExpiredToken", end), fire("ExpiredToken")`},
	{name: "in a handler that was removed", do: `on("SaveFailed", end),
		janrain.events.onCaptureSaveFailed.removeHandler(end), fire("SaveFailed"), end()`, person: true},
	{name: "after a handler that threw", do: `on("SaveFailed", () => { throw 1 }), fire("SaveFailed"), end()`,
		person: true},
	{name: "by a timer of a handler", do: `on("SaveFailed", () => void setTimeout(end, 300)), fire("SaveFailed")`,
		person: true},
	{name: "by an asynchronous handler", do: `on("SaveFailed", async () => { await later(300); end() }),
		fire("SaveFailed")`, everywhere: true},
	{name: "by the continuation of a promise that a handler returns",
		do: `on("SaveFailed", () => fetch("/").then(later.bind(null, 100)).then(end)), fire("SaveFailed")`},
	{name: "in an event of its own that a handler fires",
		do: `addEventListener("dead", end), on("SaveFailed", () => dispatchEvent(new Event("dead"))),
			fire("SaveFailed")`},
	{name: "by an asynchronous handler, after its end",
		do: `on("SaveFailed", async () => {}), fire("SaveFailed"), setTimeout(end, 300)`, person: true},
	{name: "by a scripted click in a handler", do: `on("SaveFailed", () => link.click()), fire("SaveFailed")`},
	{name: "by a person's click on the link", do: `on("SaveFailed", () => later(5000)), fire("SaveFailed")`,
		click: "#link", person: true, everywhere: true},
	{name: "by a person's key, while a handler works",
		do: `on("SaveFailed", () => later(5000)), fire("SaveFailed"), out.onclick = end, out.focus()`, press: "Enter",
		person: true},
	{name: "by a person in a frame, while a handler works",
		do:    `on("SaveFailed", () => later(5000)), fire("SaveFailed")`,
		click: "#frame", person: true},
	{name: "by a person's slow sign-out, with a dead token in between",
		do: `on("SaveFailed", () => later(5000)),
			out.onclick = async () => { setTimeout(() => fire("SaveFailed"), 100); await later(1500); end() }`,
		click: "#out", person: true},
	{name: "by an asynchronous handler, after the person saved",
		do: `on("SaveFailed", async () => { await later(300); end() })`, click: "#save", everywhere: true},
}

// A session that the page ends because of a dead token is not signed out of:
// by the cause, not by the clock. In doubt it is.
func TestWhyASessionIsEnded(t *testing.T) {
	t.Parallel()
	browsertest.Each(t, func(t *testing.T, b *browsertest.Browser) {
		var told atomic.Int64
		p := b.Open(t, causeSite(t, &told))
		for _, why := range causes {
			if b.Name == "chromium" || why.everywhere {
				t.Run(why.name, func(t *testing.T) { endFor(t, p, why, &told) })
			}
		}
	})
}

// causeSite serves the page, and counts the sign-outs that its server is told.
func causeSite(t *testing.T, told *atomic.Int64) string {
	t.Helper()
	loader := filepath.Join("..", "..", "web", "dist", "keepalive.js")
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(causePage))
	})
	mux.HandleFunc("/keepalive/keepalive.js",
		func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, loader) })
	mux.HandleFunc("DELETE /keepalive/session", func(w http.ResponseWriter, _ *http.Request) {
		told.Add(1)
		w.WriteHeader(http.StatusNoContent)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func endFor(t *testing.T, p *browsertest.Page, why cause, told *atomic.Int64) {
	t.Helper()
	p.Reload(t)
	p.WaitFor(t, `captureKeepalive.status().phase === "waiting"`, soon)
	told.Store(0)
	p.Eval(t, `window.ended = 0, on("SessionEnded", () => ended++), `+why.do+`, 1`, nil)
	if why.click != "" {
		p.Click(t, why.click)
	}
	if why.press != "" {
		p.Press(t, why.press)
	}
	p.WaitFor(t, `ended > 0`, soon)
	wait(300 * time.Millisecond)
	want := int64(0)
	if why.person {
		want = 1
	}
	if got := told.Load(); got != want {
		t.Errorf("the server was told %d times, want %d", got, want)
	}
	var outlives bool // the page, should it be left
	if p.Eval(t, `outlive.every(keepalive => keepalive === true)`, &outlives); !outlives {
		t.Error("the call does not outlive the page")
	}
}
