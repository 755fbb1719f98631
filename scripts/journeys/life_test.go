package journeys

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
)

// wait lets time pass in which a page must do something, or must not.
func wait(d time.Duration) { <-time.After(d) }

// livesSince is how many lives of a token have begun by now: each is renewed a
// fifth before its end.
func livesSince(began time.Time) int { return 1 + int(time.Since(began)/(life*4/5)) }

// A page that was frozen until its token had died renews as soon as it is
// back.
func TestFrozen(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := visit(t, browsertest.ChromiumAsShipped(t), d.URL)
	signIn(t, p)
	fresh(t, p) // and so not in the middle of a renewal
	p.Freeze(t)
	before := d.issued(t)
	wait(life + 2*time.Second)
	if got := d.issued(t) - before; got != 0 {
		t.Fatalf("%d tokens were minted for a frozen page", got)
	}
	p.Unfreeze(t)
	p.WaitFor(t, `heard.some(e => e.startsWith("renewed:")) && captureKeepalive.status().phase === "active"`, soon)
	saveWorks(t, d, p)
	noErrors(t, p)
}

// Back and forward bring the very same page, from the browser's cache, and it
// knows what has happened meanwhile.
func TestBackForwardCache(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	w := outside(t, d)
	b := browsertest.ChromiumAsShipped(t)
	p := visit(t, b, w.URL)
	signIn(t, p)
	p.Eval(t, `window.shown = [], addEventListener("pageshow", e => shown.push(e.persisted)), 1`, nil)
	away := func() {
		p.Navigate(t, w.URL+"/favicon.svg")
		wait(life + 2*time.Second)
		p.Back(t)
		p.WaitFor(t, `!!window.shown`, soon)
		var kept, why string
		p.Eval(t, `String(shown.at(-1))`, &kept)
		if kept != "true" {
			p.Eval(t, `JSON.stringify(performance.getEntriesByType("navigation")[0].notRestoredReasons)`, &why)
			t.Fatalf("the page was not kept: %s", why)
		}
	}

	away()
	p.WaitFor(t, `heard.some(e => e.startsWith("renewed:")) && captureKeepalive.status().phase === "active"`, soon)
	saved := d.saved(t)
	p.Eval(t, `document.querySelector("#capture_editProfile_aboutMe").form.requestSubmit(), 1`, nil)
	p.WaitFor(t, `document.querySelector("#editProfile .capture_message").textContent === "Saved."`, soon)
	if got := d.saved(t) - saved; got != 1 {
		t.Errorf("saved %d times", got)
	}

	// Renewed in another tab. Its messages must not put the page out of the
	// cache.
	other := visitToo(t, b, p)
	minted, began := d.issued(t), time.Now()
	away()
	p.WaitFor(t, `captureKeepalive.token().then(t => t === localStorage.janrainCaptureToken)`, soon)
	if got, lives := d.issued(t)-minted, livesSince(began); got > lives {
		t.Errorf("%d tokens were minted for %d lives of two tabs", got, lives)
	}

	// Signed out in another tab.
	p.Navigate(t, w.URL+"/favicon.svg")
	other.Click(t, "#btn-signout")
	other.WaitFor(t, `heard.includes("signedout:signed_out")`, soon)
	p.Back(t)
	p.WaitFor(t, `shown.at(-1) === true && heard.includes("signedout:elsewhere")`, soon)
	p.WaitFor(t, `!!document.querySelector("#capture_signIn_email")`, soon)
	p.WaitFor(t, `fetch("/keepalive/session", {headers: {"X-Keepalive": "1"}}).then(r => r.status === 401)`, soon)
}

// A hidden page, with its timers throttled, keeps its session, and has a good
// token when it is looked at again.
func TestHidden(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := visit(t, browsertest.ChromiumAsShipped(t), d.URL)
	began := time.Now()
	signIn(t, p)
	p.Hide(t)
	wait(2*life + 5*time.Second)
	p.Show(t)
	p.WaitFor(t, `captureKeepalive.status().phase === "active" && captureKeepalive.status().expiresIn > 0`, soon)
	if got, lives := d.issued(t), livesSince(began); got < 2 || got > lives {
		t.Errorf("%d tokens were minted in %d lives, want two at least", got, lives)
	}
	if got := without(heard(t, p), "renewed:"); len(got) > 0 {
		t.Errorf("heard %v", got)
	}
	saveWorks(t, d, p)
}

// With a healthy token a hidden page looks at its storage once a minute at
// most. Nothing else that happens to a page causes a request, an event or a
// createCaptureSession.
func TestHealthyTokenIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := outside(t, startDemo(t, "--life", "20m"))
	b := browsertest.ChromiumAsShipped(t)
	p := visit(t, b, w.URL)
	signIn(t, p)
	p.Eval(t, `window.did = [], (() => {
		const { ui } = janrain.capture, create = ui.createCaptureSession;
		ui.createCaptureSession = (...args) => { did.push("createCaptureSession"); return create.apply(ui, args) };
		const ask = window.fetch;
		window.fetch = (...args) => {
			if (String(args[0]).includes("/keepalive/session")) did.push("asked " + args[0]);
			return ask(...args);
		};
	})(), 1`, nil)
	for range 20 {
		p.Hide(t)
		p.Show(t)
	}
	for range 20 {
		p.Eval(t, `dispatchEvent(new Event("offline")), dispatchEvent(new Event("online")),
			document.dispatchEvent(new Event("resume")), 1`, nil)
	}
	p.Offline(t, true)
	p.Offline(t, false)
	p.Eval(t, `new Promise(onload => document.head.append(Object.assign(document.createElement("script"),
		{src: "/keepalive/keepalive.js", onload})))
		.then(() => captureKeepalive.start({endpoint: "/keepalive"}))`, nil)
	visitToo(t, b, p)

	p.Hide(t)
	p.Eval(t, `window.looks = 0, (() => {
		const read = Storage.prototype.getItem;
		Storage.prototype.getItem = function (key) { if (key === "captureKeepalive") looks++;
			return read.call(this, key) };
	})(), 1`, nil)
	wait(65 * time.Second)
	var got struct {
		Looks int
		Did   []string
	}
	p.Eval(t, `({looks, did})`, &got)
	if got.Looks < 1 || got.Looks > 2 {
		t.Errorf("looked at the storage %d times in 65 s, want once a minute", got.Looks)
	}
	// One call may tell the server that the user is there.
	if rest := without(got.Did, "asked /keepalive/session/activity"); len(rest) > 0 || len(got.Did) > 1 {
		t.Errorf("it did %v", got.Did)
	}
	if events := heard(t, p); len(events) > 0 {
		t.Errorf("heard %v", events)
	}
	if w.asked() > 0 {
		t.Errorf("asked %d times for a token", w.asked())
	}
	noLocks(t, p)
	noErrors(t, p)
}

// What stop() leaves behind is nothing: no listener, no timer, no lock.
func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := browsertest.Chromium(t).Open(t, d.URL)
	// What our files add, and do not take away again. Those that ran with the
	// page have kept the functions as they were, so they run once more. Signals
	// and script elements are our own, and nothing of the page's.
	p.Eval(t, `captureKeepalive.stop(), delete window.captureKeepalive, window.left = new Map(), (() => {
		const ours = () => /keepalive\/(keepalive|runtime)|wasm/.test(new Error().stack);
		const add = EventTarget.prototype.addEventListener, remove = EventTarget.prototype.removeEventListener;
		const names = new WeakMap();
		const key = (target, type, fn) => {
			if (!names.has(fn)) names.set(fn, "listener " + names.counter++);
			return (target.constructor?.name ?? "window") + " " + type + " " + names.get(fn);
		};
		names.counter = 0;
		EventTarget.prototype.addEventListener = function (type, fn, ...rest) {
			if (fn && ours() && !(this instanceof AbortSignal || this instanceof HTMLScriptElement)) {
				const mine = key(this ?? window, type, fn);
				left.set(mine, 1);
				if (rest[0]?.signal) add.call(rest[0].signal, "abort", () => left.delete(mine));
			}
			return add.call(this ?? window, type, fn, ...rest);
		};
		EventTarget.prototype.removeEventListener = function (type, fn, ...rest) {
			if (fn) left.delete(key(this ?? window, type, fn));
			return remove.call(this ?? window, type, fn, ...rest);
		};
		const set = window.setTimeout, clear = window.clearTimeout;
		window.setTimeout = (fn, ...rest) => {
			const mine = ours();
			const id = set((...args) => { left.delete("timer " + id); fn(...args) }, ...rest);
			if (mine) left.set("timer " + id, 1);
			return id;
		};
		window.clearTimeout = id => { left.delete("timer " + id); clear(id) };
	})(), 1`, nil)
	for round := range 2 {
		p.Eval(t, `new Promise(onload => document.head.append(Object.assign(document.createElement("script"),
			{src: "/keepalive/keepalive.js", onload})))
			.then(() => captureKeepalive.start({endpoint: "/keepalive", load: "now"}))`, nil)
		if round == 0 {
			listen(t, p)
			signIn(t, p)
		}
		p.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)
		p.WaitFor(t, fmt.Sprintf(`heard.filter(e => e === "renewed:due").length > %d`, round), 2*life)
		var there []string
		p.Eval(t, `[...left.keys()]`, &there)
		for _, kind := range []string{"listener", "timer"} {
			if !strings.Contains(strings.Join(there, " "), kind) {
				t.Errorf("while it runs there is no %s: the test tests nothing", kind)
			}
		}
		p.Eval(t, `captureKeepalive.stop(), 1`, nil)
		p.WaitFor(t, `left.size === 0`, soon)
		noLocks(t, p)
	}
	noErrorsBut401(t, p) // it asked before there was a session
}

// The clock of a visitor may be wrong, and may be set while a page is open:
// renewals go by the server's time, and are no more for it.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	for _, offset := range []time.Duration{time.Hour, -time.Hour} {
		d := startDemo(t)
		b := browsertest.Chromium(t)
		p := b.Open(t, "about:blank")
		p.SetClock(t, offset)
		p.Navigate(t, d.URL)
		listen(t, p)
		signIn(t, p)
		p.WaitFor(t, `heard.filter(e => e === "renewed:due").length === 2`, 4*life)
		if got := d.issued(t); got != 2 {
			t.Errorf("%v: %d tokens were minted for two renewals", offset, got)
		}
		p.SetClock(t, -offset) // set while the page is open, by two hours
		saveWorks(t, d, p)
		before := d.issued(t)
		p.WaitFor(t, `heard.filter(e => e.startsWith("renewed:")).length >= 4`, 4*life)
		if got := d.issued(t) - before; got > 3 {
			t.Errorf("%v: %d tokens were minted in three lives after the clock was set", offset, got)
		}
		// By the clock that was set the token may have died: a save waits for
		// the next one.
		got := without(without(heard(t, p), "renewed:"), "holding:expired")
		if got := without(got, "released:renewed"); len(got) > 0 {
			t.Errorf("%v: heard %v", offset, got)
		}
		saveWorks(t, d, p)
	}
}
