package journeys

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
)

// stubCode is the stub, as a page puts it inline.
func stubCode(t *testing.T) string {
	t.Helper()
	code, err := os.ReadFile(filepath.Join("..", "..", "web", "dist", "stub.js"))
	if err != nil {
		t.Fatalf("%v: run `make build` first", err)
	}
	return string(code)
}

// smallUI is a Registration UI of nothing but events, and fire(). It calls
// handlers with a "this", and its events need theirs.
const smallUI = `window.janrain = window.janrain || {}; janrain.events = {};
for (const name of ["onCaptureExpiredToken", "onCaptureSessionFound", "onCaptureSaveFailed"]) {
  janrain.events[name] = {
    list: [],
    addHandler(fn) { this.list.push(fn) },
    removeHandler(fn) { this.list.splice(this.list.indexOf(fn) >>> 0, 1) },
  };
}
window.fire = (name) => janrain.events[name].list.filter(fn => fn.call).forEach(fn => fn.call("the UI", {}));`

// A keepalive server that accepts and never answers delays no script of the
// page. What the stub holds is let go, and what was asked of it is refused.
func TestServerThatHangs(t *testing.T) {
	t.Parallel()
	browsertest.Each(t, func(t *testing.T, b *browsertest.Browser) {
		hang := time.Hour
		if b.Name == "webkit" { // its driver runs nothing before a page has loaded
			hang = 6 * time.Second
		}
		site := hangingSite(t, hang)
		p := b.Open(t, site+"/blank")
		for _, path := range []string{"/tag", "/stub"} {
			clocktest.OneOf(t, 6, func() error {
				p.Eval(t, fmt.Sprintf(`window.done = 0, setTimeout(() => location.assign(%q)), 1`, path), nil)
				p.WaitFor(t, fmt.Sprintf(`location.pathname === %q && window.done > 0`, path), soon)
				var at []float64 // from the page's first byte on
				p.Eval(t, `[ran, done].map(at => at - performance.getEntriesByType("navigation")[0].responseStart)`, &at)
				if at[0] > 1000 || at[1] > 1000 {
					return fmt.Errorf("%s: the page's scripts ran after %v ms", path, at)
				}
				return nil
			})
		}
		p.WaitFor(t, `refused === "unavailable" && twice === 1 && fetched === 200`, soon)
		var same bool
		if p.Eval(t, `untouched && thisWas === "the UI"`, &same); !same {
			t.Error("a handler lost its this, or what is none did not reach the UI as it is")
		}
		var got []float64
		if p.Eval(t, `[early, twice, removed, handled]`, &got); got[0] != 0 || got[1] != 1 ||
			got[2] != 0 || got[3] < 3000 {
			t.Errorf("held, called, removed and when: %v", got)
		}
	})
}

// hangingPage asks much of us before we are there.
const hangingPage = `<!doctype html><html lang="en"><title>A page</title><link rel="icon" href="data:,">%s
<script async src="/keepalive/keepalive.js" data-start></script>
<script>window.ran = performance.now();` + smallUI + `</script><h1>A heading</h1>
<script>window.done = performance.now();
if (window.captureKeepalive) {
  const off = captureKeepalive.on("ended", () => {});
  off(); off();
  captureKeepalive.token().catch(e => window.refused = e.code);
  captureKeepalive.fetch("/blank").then(r => window.fetched = r.status);
  window.texts = captureKeepalive.report() + captureKeepalive.diagnostics().length;
  Object.defineProperty(janrain.events, "onCaptureOdd", {enumerable: true, get() { throw new Error("odd") }});
  window.twice = 0; window.removed = 0;
  const counted = function () { twice++; window.handled = performance.now(); window.thisWas = String(this) };
  const gone = () => removed++, odd = {handleEvent() {}};
  const { onCaptureExpiredToken: event } = janrain.events;
  event.addHandler(counted); event.addHandler(gone);
  event.addHandler(odd); window.untouched = event.list.includes(odd);
  event.removeHandler(odd); untouched = untouched && !event.list.includes(odd);
  const { onCaptureSaveFailed: failed } = janrain.events;
  let saveFailed = []; const both = function () { saveFailed.push(String(this)) };
  failed.addHandler(both); failed.addHandler(both); failed.removeHandler(both);
  fire("onCaptureSaveFailed"); untouched = untouched && saveFailed.join() === "the UI";
  janrain.events.onCaptureInvalidToken = {addHandler() {}};
  janrain.events.onCaptureInvalidToken.removeHandler?.(gone);
  janrain.events = new Proxy(janrain.events, {ownKeys() { throw new Error("odd") }});
  fire("onCaptureExpiredToken");
  event.removeHandler(gone);
  window.early = twice;
}</script>`

// hangingSite serves the page, and answers for our files after a while.
func hangingSite(t *testing.T, hang time.Duration) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/keepalive/", func(_ http.ResponseWriter, r *http.Request) { slow(hang)(nil, r) })
	mux.HandleFunc("/blank", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<title>Blank</title>") })
	mux.HandleFunc("/tag", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, hangingPage, "") })
	stub := stubCode(t)
	mux.HandleFunc("/stub", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, hangingPage, "<script>"+stub+"</script>")
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return server.URL
}

// A page may keep the stub's methods, or freeze it. They do what ours do as
// soon as we are there, be it after the stub has given up.
func TestMethodsOfTheStub(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	page := `<!doctype html><title>A page</title><script>` + stubCode(t) + `
		const kept = {...captureKeepalive};
		window.same = kept.user() === kept.user() && kept.status() === kept.status();
		kept.token().catch(e => window.refused = e.code);
		if (location.search) Object.freeze(captureKeepalive);
		kept.subscribe(() => window.subscribed = true);
		kept.on("nothing", () => {});
		addEventListener("unhandledrejection", e => window.rejected = e.reason.message);
		addEventListener("load", () => setTimeout(() => {
			const script = document.createElement("script");
			script.src = "/keepalive/keepalive.js";
			document.head.append(script);
		}, 4500));
	</script>`
	site := filesOf(t, d, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/kept" {
			fmt.Fprint(w, page)
		}
		return r.URL.Path == "/kept"
	})
	for _, query := range []string{"", "?frozen"} {
		p := browsertest.Chromium(t).Open(t, site+"/kept"+query)
		p.WaitFor(t, `window.refused === "unavailable" && !!kept.status().version && window.subscribed`, soon)
		p.WaitFor(t, `/"nothing" must be one of/.test(window.rejected)`, soon)
		var got []any
		p.Eval(t, `(async () => {
			let now, wrong; kept.subscribe(user => now = user === kept.user())();
			try { kept.start({margin: "much"}) } catch (e) { wrong = e.name }
			kept.start();
			return [same, now, wrong, (await kept.ready).signedIn,
				await kept.token().catch(e => e.code), (await kept.fetch("/kept")).status]
		})()`, &got)
		if want := `[true true TypeError <nil> signed_out 200]`; fmt.Sprint(got) != want {
			t.Errorf("%q: got %v, want %s", query, got, want)
		}
	}
}

// A file that fails is asked for again: one answer that is no use, one that
// does not come, one that was changed on the way, and the module that another
// server's manifest names, cost nothing but time.
func TestFilesComeLater(t *testing.T) {
	t.Parallel()
	missing := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "not now", http.StatusNotFound) }
	hanging := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	changed := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprint(w, "window.changed = true")
	}
	for _, tc := range []struct {
		name, file string
		answer     http.HandlerFunc
	}{
		{"the manifest is missing", "/manifest.json", missing},
		{"the manifest hangs", "/manifest.json", hanging},
		{"the runtime is missing", "/runtime.js", missing},
		{"the runtime hangs", "/runtime.js", hanging},
		{"the runtime was changed", "/runtime.js", changed},
		{"the module is missing", ".wasm", missing},
		{"the module was changed", ".wasm", changed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t, "--life", "10m")
			failed := make(chan struct{}, 1)
			s := filesOf(t, d, func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, tc.file) {
					return false
				}
				select {
				case failed <- struct{}{}:
					tc.answer(w, r)
					return true
				default:
					return false
				}
			})
			p := visit(t, browsertest.Chromium(t), s)
			var code string // of a token() that is there before the files have failed
			if p.Eval(t, `captureKeepalive.stop(), captureKeepalive.start({load: "now"}),
				captureKeepalive.token().catch(e => e.code)`, &code); code != "unavailable" {
				t.Errorf("token() rejects with %q, want unavailable", code)
			}
			p.Eval(t, `dispatchEvent(new Event("online")), 1`, nil)
			signIn(t, p)
			var ran bool
			if p.Eval(t, `!!window.changed`, &ran); ran || len(failed) == 0 {
				t.Errorf("what was changed has run: %t; %d failed, want 1", ran, len(failed))
			}
		})
	}
}

// The page's own service worker keeps the manifest of an older server, and goes
// on to answer with it. The module that it names is gone.
const keepsOldManifest = `addEventListener("install", () => skipWaiting());
addEventListener("activate", e => e.waitUntil(clients.claim()));
const kept = fetch("/keepalive/manifest.json").then(r => r.text())
	.then(text => text.replace(/keepalive\.\w+\.wasm/, "keepalive.000000000000.wasm"));
addEventListener("fetch", e => e.request.url.endsWith("/manifest.json") &&
	e.respondWith(kept.then(text => new Response(text))));`

func TestServiceWorkerWithAnOldManifest(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	site := filesOf(t, d, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/worker.js" {
			return false
		}
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, keepsOldManifest)
		return true
	})
	p := visit(t, browsertest.Chromium(t), site)
	p.Eval(t, `navigator.serviceWorker.register("/worker.js"), 1`, nil)
	p.WaitFor(t, `!!navigator.serviceWorker.controller`, soon)
	p.Reload(t)
	onDemo(t, p)
	signIn(t, p)
	p.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)
	var failed int
	const failures = `captureKeepalive.diagnostics().filter(e => /^not loaded/.test(e.message)).length`
	if p.Eval(t, failures, &failed); failed != 1 {
		t.Errorf("the module was not loaded %d times, want once", failed)
	}
}

// filesOf puts something before a demo that may answer for it.
func filesOf(t *testing.T, d *demo, answers func(http.ResponseWriter, *http.Request) bool) string {
	t.Helper()
	w := outside(t, d)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !answers(rw, r) {
			w.handler.ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}

// A one-time code leaves at once, although the module never comes and the page
// is left at the same moment.
func TestCodeOfAPageThatIsLeft(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	p := visit(t, browsertest.Chromium(t), d.URL+"/?mode=code")
	p.Block(t, "*://*:*/keepalive/*.wasm")
	p.WaitFor(t, `document.querySelector("#capture_signIn_email")?.value !== ""`, soon)
	p.Eval(t, `janrain.events.onCaptureLoginSuccess.addHandler(() => location.assign("/favicon.svg")), 1`, nil)
	p.Click(t, "#capture_signIn_submit")
	p.WaitFor(t, `location.pathname === "/favicon.svg"`, soon)
	p.WaitFor(t, `fetch("/keepalive/session", {headers: {"X-Keepalive": "1"}}).then(r => r.status === 200)`, soon)
	if got := d.calls(t, "oauth/token", ""); got != 1 {
		t.Errorf("the code was exchanged %d times", got)
	}
}

// fetch() gives the token to the origins that may have it, and to no other.
func TestFetch(t *testing.T) {
	t.Parallel()
	var asked []string
	var hangs atomic.Bool
	d := startDemo(t, "--life", "10m")
	site := filesOf(t, d, func(w http.ResponseWriter, r *http.Request) bool {
		if hangs.Load() && strings.HasPrefix(r.URL.Path, "/keepalive/") && r.URL.Path != "/keepalive/keepalive.js" {
			<-r.Context().Done()
			return true
		}
		if r.URL.Path == "/blank" {
			fmt.Fprint(w, `<!doctype html><title>A page</title><link rel="icon" href="data:,">
				<script src="/keepalive/keepalive.js"></script>`)
			return true
		}
		if r.URL.Path != "/api/x" {
			return false
		}
		asked = append(asked, r.Header.Get("Authorization"))
		if len(asked) == 1 {
			w.WriteHeader(http.StatusUnauthorized)
		}
		return true
	})
	p := visit(t, browsertest.Chromium(t), site+`/?options={"apiOrigins":["`+site+`"]}`)
	signIn(t, p)
	var statuses []int
	p.Eval(t, `(async () => {
		const statuses = [
			(await captureKeepalive.fetch("/api/x", {method: "POST", body: "once"})).status,
			(await captureKeepalive.fetch("/api/x", {headers: {Authorization: "own"}})).status,
		];
		captureKeepalive.stop();
		captureKeepalive.start({load: "now", apiOrigins: ["https://api.example.com"]});
		await captureKeepalive.token();
		return [...statuses, (await captureKeepalive.fetch("/api/x")).status];
	})()`, &statuses)
	bearer := "Bearer " + token(t, p)
	want := []string{bearer, bearer, "own", ""}
	if fmt.Sprint(statuses) != "[200 200 200]" || fmt.Sprint(asked) != fmt.Sprint(want) {
		t.Errorf("answered %v, the API saw %d calls: %v", statuses, len(asked), len(asked) == len(want))
	}
	// While the module and the server hang, nothing waits for them for long.
	hangs.Store(true)
	p.Navigate(t, site+"/blank")
	p.Eval(t, `new Promise(r => document.body.append(Object.assign(document.createElement("iframe"),
		{src: "/blank", onload: r})))`, nil)
	p.Eval(t, `(({ captureKeepalive: stopped }) => {
		stopped.start(), stopped.stop(), stopped.ready.then(r => window.known = r.signedIn);
	})(frames[0])`, nil)
	var fetched []string
	p.Eval(t, `(() => {
		captureKeepalive.start({apiOrigins: [location.origin]});
		const late = new Promise(r => setTimeout(r, 5000, "late"));
		const fetched = (...args) => Promise.race([late, captureKeepalive.fetch(...args).then(r => "" + r.ok, e => e.name)]);
		return Promise.all([fetched("data:,other"), fetched("/api/x", {signal: AbortSignal.abort()}),
			fetched("/api/x", {signal: AbortSignal.timeout(100)})]);
	})()`, &fetched)
	if got := strings.Join(fetched, " "); got != "true AbortError TimeoutError" {
		t.Errorf("another origin, aborted before and meanwhile: %s", got)
	}
	p.Eval(t, `captureKeepalive.end().catch(e => window.refused = e.code), captureKeepalive.stop(), 1`, nil)
	p.WaitFor(t, `window.refused === "unavailable" && window.known === null`, soon)
}

// A late listener is told of an end that holds; data attributes that are wrong
// are told by name.
func TestToldLate(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	p := visit(t, browsertest.Chromium(t), d.URL)
	signIn(t, p)
	p.Click(t, "#btn-signout")
	p.WaitFor(t, `heard.includes("signedout:signed_out")`, soon)
	var got []string
	p.Eval(t, `new Promise(done => {
		const told = [];
		for (const name of ["ended", "signedout", "expired"]) captureKeepalive.on(name,
			e => told.push(name + ":" + e.reason));
		captureKeepalive.on("ended", () => told.push("gone"))();
		setTimeout(() => done(told), 200);
	})`, &got)
	if fmt.Sprint(got) != "[ended:signed_out signedout:signed_out]" {
		t.Errorf("a late listener is told %v", got)
	}
	signIn(t, p)
	p.Eval(t, `new Promise(done => { const told = []; captureKeepalive.on("ended", e => told.push(e.reason));
		setTimeout(() => done(told), 200) })`, &got)
	if len(got) > 0 {
		t.Errorf("after the next login a listener is told %v", got)
	}
}

// Who is signed in, as the page is told: by ready, user() and subscribe().
func TestWhoIsSignedIn(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	b := browsertest.Chromium(t)
	p := b.Open(t, "about:blank")
	p.SetClock(t, time.Hour)
	p.Navigate(t, d.URL)
	listen(t, p)
	var known bool
	if p.Eval(t, `captureKeepalive.ready.then(r => r.signedIn)`, &known); known {
		t.Error("ready says that a visitor is signed in")
	}
	p.Eval(t, `window.told = [], window.odd = [], window.gone = 0,
		window.undo = captureKeepalive.subscribe(user => { told.push(user);
			if (user !== captureKeepalive.user() || !Object.isFrozen(user)) odd.push(user) }),
		captureKeepalive.subscribe(() => gone++)(),
			captureKeepalive.subscribe(() => { throw new Error("faulty subscriber") }), 1`, nil)
	p.Eval(t, `window.known = 0, captureKeepalive.on("signedin",
		() => { if (captureKeepalive.user().signedIn) known++ }), 1`, nil)
	signIn(t, p) // for which the module is loaded
	p.WaitFor(t, `captureKeepalive.user().signedIn && known === 1`, soon)
	var skew float64
	if p.Eval(t, `captureKeepalive.status().clockSkew`, &skew); skew < -3610 || skew > -3590 {
		t.Errorf("clockSkew is %v s where this machine is an hour ahead, want -3600", skew)
	}
	p.Click(t, "#btn-signout")
	p.WaitFor(t, `captureKeepalive.user().signedIn === false`, soon)
	var got struct {
		Told []struct {
			SignedIn bool
			UUID     string
		}
		Odd, Gone int
	}
	// In between it is not known.
	p.Eval(t, `({told: told.filter(user => user.signedIn !== null), odd: odd.length, gone})`, &got)
	if len(got.Told) != 3 || got.Told[0].SignedIn || !got.Told[1].SignedIn ||
		len(got.Told[1].UUID) != 36 || got.Told[2].SignedIn ||
		got.Told[2].UUID != "" {
		t.Errorf("a subscriber was told %+v, want signed out, in with a uuid, out", got.Told)
	}
	if got.Odd != 0 || got.Gone != 1 {
		t.Errorf("%d snapshots were not user(), one who left was told %d times", got.Odd, got.Gone)
	}
	p.Eval(t, `undo(), told.length = 0, 1`, nil)
	signIn(t, p)
	var after int
	if p.Eval(t, `told.length`, &after); after != 0 {
		t.Errorf("after unsubscribing, told %d times", after)
	}
	p.Reload(t)
	if p.Eval(t, `captureKeepalive.ready.then(r => r.signedIn)`, &known); !known {
		t.Error("ready does not say that the user of the page before is signed in")
	}
}

// The UI waits for a token, but not for a server that accepts and says
// nothing.
func TestHoldWithoutAnswers(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("/keepalive/keepalive.js",
		http.StripPrefix("/keepalive/", http.FileServer(http.Dir(filepath.Join("..", "..", "web", "dist")))))
	mux.HandleFunc("/keepalive/", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<!doctype html><title>A page</title><link rel="icon" href="data:,"><script>
localStorage.janrainCaptureToken = "0123456789abcdef";
	localStorage.janrainCaptureToken_Expires = location.hash ? new Date(0) : "";</script>
<script src="/keepalive/keepalive.js" data-start></script>
<script>window.janrain.capture = {ui: {start() { window.startedAt = performance.now() }}};
	window.askedAt = performance.now();
window.result = janrain.capture.ui.start(); window.atOnce = !!window.startedAt</script>`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	p := browsertest.Chromium(t).Open(t, "about:blank")
	loads := 0
	clocktest.OneOf(t, 6, func() error {
		loads++
		p.Navigate(t, fmt.Sprintf("%s/?%d#dead", server.URL, loads))
		p.WaitFor(t, `startedAt > 0`, soon)
		var waited float64
		if p.Eval(t, `startedAt - askedAt`, &waited); waited < 900 || waited > 2500 {
			return fmt.Errorf("the UI waited for %v ms, want a second", waited)
		}
		return nil
	})
	p.Navigate(t, server.URL+"/")
	p.Reload(t)
	var atOnce bool
	if p.Eval(t, `atOnce`, &atOnce); !atOnce {
		t.Error("with a token that may be good, the UI waited")
	}
}

// document.open() drops every listener of a page, and its window stays: the
// loader begins anew with the Registration UI that is written.
func TestDocumentWrittenAnew(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	s := hostileTo(t, d)
	s.set(hostility{name: "written anew"})
	p := browsertest.Chromium(t).Open(t, s.URL+"/hostile")
	p.WaitFor(t, `!!document.querySelector("#capture_signIn_email")`, soon)
	signInThere(t, p)
	const isActive = `!!document.querySelector("#capture_editProfile_aboutMe") &&
		captureKeepalive.status().phase === "active"`
	p.WaitFor(t, isActive, soon)
	p.Eval(t, `fetch("/hostile").then(r => r.text()).then(text => {
		document.open(), document.write(text), document.close(), window.isWritten = true;
	})`, nil)
	p.WaitFor(t, `window.isWritten && `+isActive, soon)
	saved := d.saved(t)
	expire(t, p)
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `document.querySelector(".capture_message")?.textContent === "Saved."`, soon)
	if got := d.saved(t) - saved; got != 1 {
		t.Errorf("saved %d times, want once", got)
	}
	p.Click(t, "#out")
	p.WaitFor(t, `fetch("/keepalive/session", {headers: {"X-Keepalive": "1"}}).then(r => r.status === 401)`, soon)
}
