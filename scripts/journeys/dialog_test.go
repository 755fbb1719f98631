package journeys

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
	"github.com/capture-keepalive/capture-keepalive/scripts/internal/browsers"
	"github.com/capture-keepalive/capture-keepalive/scripts/internal/need"
	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
)

// --- On the demo ------------------------------------------------------------

// ui finds what is in the dialog.
const ui = `window.ui = id => document.querySelector("capture-keepalive-dialog")?.shadowRoot.getElementById(id)`

// warned opens the demo signed in, with warnings so long before the limits
// that they come at once: the idle limit is 30 minutes, the absolute one 12
// hours.
func warned(t *testing.T, b *browsertest.Browser, url, options string) *browsertest.Page {
	t.Helper()
	p := visit(t, b, url+`/?options=`+options)
	p.Eval(t, ui+", 1", nil)
	return p
}

// The dialog comes before the idle limit and says how long there is; who stays
// moves the limit, on the server as well, and is back in the field.
func TestDialogBeforeIdleLimit(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	p := warned(t, browsertest.Chromium(t), d.URL, `{"dialog":true,"idleWarning":1788}`)
	signIn(t, p)
	p.Eval(t, `document.querySelector("#capture_editProfile_aboutMe").focus()`, nil)
	p.WaitFor(t, `ui("dialog")?.open`, 30*time.Second)
	clocktest.OneOf(t, 5, func() error { // a pause comes between the three
		var got struct{ Shown, Left, Server float64 }
		p.Eval(t, `(async () => {
			const server = await fetch("/keepalive/session", {headers: {"X-Keepalive": "1"}}).then(r => r.json());
			const [minutes, seconds] = ui("time").textContent.split(":").map(Number);
			return {shown: minutes * 60 + seconds, left: captureKeepalive.status().idleExpiresIn,
				server: server.idleExpiresIn};
		})()`, &got)
		if got.Shown < got.Left-1 || got.Shown > got.Left+2 || got.Shown < got.Server-2 || got.Shown > got.Server+3 {
			return fmt.Errorf("the dialog says %v s, status() %v, the server %v", got.Shown, got.Left, got.Server)
		}
		return nil
	})
	p.Eval(t, `ui("stay").click()`, nil)
	p.WaitFor(t, `heard.includes("stayed:request") && captureKeepalive.status().idleExpiresIn >= 1790`, soon)
	p.WaitFor(t, `fetch("/keepalive/session",
		{headers: {"X-Keepalive": "1"}}).then(r => r.json()).then(s => s.idleExpiresIn >= 1790)`, soon)
	p.WaitFor(t, `!ui("dialog") && document.activeElement.id === "capture_editProfile_aboutMe"`, soon)
	noErrors(t, p)
}

// A user who stays in one tab stays in all of them.
func TestDialogInTwoTabs(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	b := browsertest.Chromium(t)
	options := `{"dialog":true,"idleWarning":1788}`
	first := warned(t, b, d.URL, options)
	signIn(t, first)
	second := warned(t, b, d.URL, options)
	waitSignedIn(t, second)
	for _, p := range []*browsertest.Page{first, second} {
		p.WaitFor(t, `ui("dialog")?.open`, 30*time.Second)
	}
	first.Eval(t, `ui("stay").click()`, nil)
	second.WaitFor(t, `!ui("dialog") && captureKeepalive.status().idleExpiresIn >= 1790`, soon)
	if got := heard(t, second); !slices.Contains(got, "stayed:request") {
		t.Errorf("the other tab heard %v, want stayed", got)
	}
	var left string
	if first.Eval(t, `Object.keys(localStorage).filter(k => /stay/i.test(k)).join()`, &left); left != "" {
		t.Errorf("localStorage keeps %s", left)
	}
	for _, p := range []*browsertest.Page{first, second} {
		noErrors(t, p)
	}
}

// Before the absolute limit nothing can be done but to sign out.
func TestDialogBeforeAbsoluteLimit(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	p := warned(t, browsertest.Chromium(t), d.URL, `{"dialog":true,"idleWarning":43200}`)
	signIn(t, p)
	p.WaitFor(t, `ui("dialog")?.open && heard.includes("warning:idle_limit") &&
		heard.includes("warning:absolute_limit")`, soon)
	p.Eval(t, `ui("stay").click()`, nil)
	p.WaitFor(t, `ui("title")?.textContent === "Your session is about to end" && ui("stay").hidden`, soon)
	var shown string
	if p.Eval(t, `ui("time").textContent`, &shown); shown != "12:00:00" && !strings.HasPrefix(shown, "11:59:") {
		t.Errorf("the dialog says %s, the limit is 12 hours", shown)
	}
	p.Eval(t, `ui("signout").click()`, nil)
	p.WaitFor(t, `heard.includes("signedout:end") && !ui("dialog")`, soon)
	p.WaitFor(t, `fetch("/keepalive/session", {headers: {"X-Keepalive": "1"}}).then(r => r.status === 401)`, soon)
	noErrorsBut401(t, p)
}

// A page without the option gets no dialog.
func TestDialogIsOff(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	p := warned(t, browsertest.Chromium(t), d.URL, `{"idleWarning":1800}`)
	signIn(t, p)
	p.WaitFor(t, `heard.includes("warning:idle_limit")`, soon)
	var there bool
	if p.Eval(t, `!!ui("dialog") || !!document.querySelector("script[src*=dialog]")`, &there); there {
		t.Error("there is a dialog")
	}
}

// --- On a page of its own ---------------------------------------------------

// dialogPage is a page with the dialog and a stand-in for the API and for both
// clocks. Its policy forbids inline styles, and sinks that take text for HTML.
func dialogPage(t *testing.T) string {
	t.Helper()
	dialog, err := os.ReadFile(filepath.Join("..", "..", "web", "dist", "dialog.js"))
	if err != nil {
		t.Fatalf("%v: run `make build` first", err)
	}
	files := map[string]string{
		"/": `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>A page</title>
			<link rel="icon" href="data:,">
			<link rel="stylesheet" href="page.css"><script src="api.js"></script><script src="dialog.js"></script>
				<script src="dialog.js"></script>
			<body><h1>A page</h1><input id="field" aria-label="Field"><button id="after">After</button>`,
		"/page.css": `body { font: 1rem sans-serif } .styled { --keepalive-accent: rgb(1, 2,
			3) } .styled::part(title) { color: rgb(4, 5, 6) }
			.reset { font-size: 62.5%; text-transform: uppercase }
			.reset * { all: unset; display: none !important; pointer-events: none !important }`,
		"/dialog.js": string(dialog),
		"/api.js": ui + `;
			const listeners = {}, skew = [0, 0], clocks = [performance.now.bind(performance), Date.now];
			let held;
			// As a library has it that knows nothing of signals.
			const add = EventTarget.prototype.addEventListener;
			EventTarget.prototype.addEventListener = function (type, fn, options) {
				add.call(this, type, fn, !!(options?.capture ?? options)) };
			performance.now = () => (held?.[0] ?? clocks[0]()) + skew[0];
			Date.now = () => (held?.[1] ?? clocks[1]()) + skew[1];
			window.hold = () => { held = clocks.map(now => now()) }; // only pass() moves the clocks now
			const now = () => Math.max(performance.now() - from[0], Date.now() - from[1]) / 1000,
				from = [performance.now(), Date.now()];
			window.calls = [], window.keys = [], window.phase = "active", window.ends = {};
			window.captureKeepalive = {
				on: (event, fn) => (listeners[event] ??= []).push(fn),
				status: () => ({phase, idleExpiresIn: Math.round(ends.idle - now()),
					absoluteExpiresIn: Math.round(ends.absolute - now())}),
				stay: () => { calls.push("stay"); emit("stayed") },
				end: () => { calls.push("end"); emit("signedout") },
				renew: () => { calls.push("renew"); return Promise.resolve("") },
			};
			window.emit = (event, detail = {}) => listeners[event].forEach(fn => fn(detail));
			window.limit = (kind, expiresIn) => { ends[kind] = now() + expiresIn };
			window.warn = (kind, expiresIn) => { limit(kind, expiresIn); emit("warning", {kind, expiresIn}) };
			window.pass = (monotonic, wall) => {
				skew[0] += monotonic * 1000, skew[1] += wall * 1000;
				document.dispatchEvent(new Event("visibilitychange"));
			};
			document.addEventListener("keydown", e => keys.push(e.key), true);
			window.others = [];
			for (const type of ["keyup", "keypress", "click"].concat(...["pointer",
				"mouse"].map(kind => ["down", "up"].map(what => kind + what)),
				["start", "end"].map(what => "touch" + what))) {
				document.addEventListener(type, e => others.push(type + " " + (e.key ?? "")), true);
			}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, there := files[r.URL.Path]
		if !there {
			http.NotFound(w, r)
			return
		}
		types := map[string]string{".js": "text/javascript", ".css": "text/css", "": "text/html; charset=utf-8"}
		w.Header().Set("Content-Type", types[filepath.Ext(r.URL.Path)])
		w.Header().Set("Content-Security-Policy",
			"default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src data:; "+
				"require-trusted-types-for 'script'; trusted-types 'none'")
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/"
}

// said is what the dialog shows, and what has been done.
type said struct {
	Open          bool
	Title, Time   string
	Status, Calls string
	Buttons       string
}

func read(t *testing.T, p *browsertest.Page) said {
	t.Helper()
	var s said
	p.Eval(t, `({open: !!ui("dialog")?.open, title: ui("title")?.textContent ?? "",
		time: ui("time")?.hidden === false ? ui("time").textContent : "",
		status: ui("status")?.textContent ?? "", calls: calls.filter(c => c !== "renew").join(" "),
		buttons: [...ui("actions")?.children ?? []].filter(b => !b.hidden).map(b => b.textContent).join(", ")})`, &s)
	return s
}

// The time left is the lesser one of two clocks. Screen readers hear it now and
// then, and it is right at once when the page is looked at again.
func TestDialogCountsDown(t *testing.T) {
	t.Parallel()
	url := dialogPage(t)
	b := browsertest.Chromium(t)
	for _, clock := range []string{"1, 1", "1, 0", "0, 1"} {
		p := b.Open(t, url)
		p.Eval(t, `hold(), warn("idle", 59.5)`, nil)
		for _, step := range []struct {
			forward      int
			time, status string
		}{
			{0, "01:00", "60 seconds"}, {28, "00:32", "60 seconds"},
			{3, "00:29", "29 seconds"}, {18, "00:11", "29 seconds"},
			{2, "00:09", "9 seconds"}, {10, "Checking your session…", "Checking your session…"},
		} {
			p.Eval(t, fmt.Sprintf(`pass(...[%s].map(c => c * %d))`, clock, step.forward), nil)
			if got := read(t, p); got.Time != step.time || got.Status != step.status {
				t.Errorf("clocks %s: it shows %q and says %q, want %q and %q", clock, got.Time,
					got.Status, step.time, step.status)
			}
		}
		var asked bool
		if p.Eval(t, `calls.includes("renew")`, &asked); !asked {
			t.Error("the user came back, maybe from another tab, and the server was not asked")
		}
		// The server's answer: there is time after all, for another tab was used.
		p.Eval(t, `limit("idle", 1800), 1`, nil)
		p.WaitFor(t, `!ui("dialog")`, soon)
		noErrors(t, p)
		p.Close()
	}
	// By itself as well, while it is looked at.
	p := b.Open(t, url)
	p.Eval(t, `warn("idle", 2)`, nil)
	p.WaitFor(t, `ui("time").textContent === "Checking your session…"`, soon)
}

// One dialog at a time, about the limit that comes first, until an answer or
// an event takes the matter off the table.
func TestDialogStates(t *testing.T) {
	t.Parallel()
	const (
		idle, absolute, ended = "Are you still there?", "Your session is about to end", "You have been signed out"
		stays                 = "Sign out, Stay signed in"
		closes                = "Sign out, Close"
	)
	times := map[string]string{"less time than was told": "00:20", "a clock that was set": "00:40"}
	p := browsertest.Chromium(t).Open(t, dialogPage(t))
	for _, tc := range []struct {
		name, do       string
		title, buttons string // empty: no dialog
		calls          string
	}{
		{"idle", `warn("idle", 60)`, idle, stays, ""},
		{"absolute", `warn("absolute", 60)`, absolute, closes, ""},
		{"told twice", `warn("idle", 60), warn("idle", 55)`, idle, stays, ""},
		{"absolute later than idle", `warn("idle", 30), warn("absolute", 60)`, idle, stays, ""},
		{"absolute before idle", `warn("idle", 60), warn("absolute", 30)`, absolute, closes, ""},
		{"both at once", `warn("idle", 60), warn("absolute", 60)`, absolute, closes, ""},
		{"stay", `warn("idle", 60), ui("stay").click()`, "", "", "stay"},
		{"stay, and then the absolute limit",
			`warn("idle", 30), warn("absolute", 60), ui("stay").click()`, absolute, closes, "stay"},
		{"idle after what was closed", `warn("absolute", 60), ui("close").click(), warn("idle", 30)`, idle, stays, ""},
		{"close", `warn("absolute", 60), ui("close").click()`, "", "", ""},
		{"sign out", `warn("idle", 60), ui("signout").click()`, "", "", "end"},
		{"stayed by the page", `warn("idle", 60), emit("stayed")`, "", "", ""},
		{"renewed, and no more time", `warn("idle", 60), emit("renewed")`, idle, stays, ""},
		{"renewed, and more time", `warn("idle", 60), limit("idle", 1800), emit("renewed")`, "", "", ""},
		{"less time than was told", `hold(), warn("idle", 60), limit("idle", 20), emit("renewed")`, idle, stays, ""},
		{"a clock that was set", `hold(), warn("idle", 60), pass(0, 58), limit("idle", 40), emit("renewed")`, idle,
			stays, ""},
		{"expired", `warn("idle", 60), emit("expired")`, ended, "Close", ""},
		{"expired, closed", `warn("idle", 60), emit("expired"), ui("close").click()`, "", "", ""},
		{"expired, signed in again", `warn("idle", 60), emit("expired"), emit("renewed")`, "", "", ""},
		{"expired without a warning", `emit("expired")`, "", "", ""},
		{"signed out elsewhere", `warn("idle", 60), warn("absolute", 70), emit("signedout")`, "", "", ""},
		{"another user", `warn("idle", 60), emit("identitychanged")`, "", "", ""},
		{"stopped", `warn("idle", 60), phase = "off"`, "", "", ""},
		{"stopped, after the end", `warn("idle", 60), emit("expired"), phase = "off"`, "", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p.Reload(t)
			p.Eval(t, `(async () => { await (`+tc.do+`) })()`, nil)
			if tc.title == "" {
				p.WaitFor(t, `!document.querySelector("capture-keepalive-dialog")`, soon)
			}
			var dialogs int
			if p.Eval(t, `document.querySelectorAll("capture-keepalive-dialog").length`, &dialogs); dialogs > 1 {
				t.Errorf("there are %d dialogs", dialogs)
			}
			got := read(t, p)
			if want, there := times[tc.name]; there && got.Time != want {
				t.Errorf("it says %s, want %s", got.Time, want)
			}
			// The dialog was open: its title has changed, which a screen reader does not say.
			if strings.HasPrefix(tc.do, `warn("idle"`) && tc.title != "" && tc.title != idle &&
				!strings.HasPrefix(got.Status, tc.title) {
				t.Errorf("it speaks %q, want the title first", got.Status)
			}
			if got.Open != (tc.title != "") || got.Title != tc.title || got.Buttons != tc.buttons ||
				got.Calls != tc.calls {
				t.Errorf("%+v, want title %q, buttons %q, calls %q", got, tc.title, tc.buttons, tc.calls)
			}
		})
	}
}

// keyboard opens a page and returns what types into it: browsertest types into
// elements that it finds, and the dialog is about where the focus is by itself.
func keyboard(t *testing.T, url string) (eval func(js string, out any),
	press func(keys string, modifiers ...chromedp.KeyOption)) {
	t.Helper()
	eval, do := byHand(t, url)
	press = func(keys string, modifiers ...chromedp.KeyOption) {
		t.Helper()
		do("pressing "+keys, chromedp.KeyEvent(keys, modifiers...))
	}
	return eval, press
}

// byHand opens a page and returns what does to it what a person does.
func byHand(t *testing.T, url string) (eval func(js string, out any),
	do func(what string, action chromedp.Action[chromedp.Void])) {
	t.Helper()
	paths := need.Chromium.Require(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(paths[0]))
	for _, flag := range browsers.ChromiumFlags {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // for all of a test
	ctx, endAllocator := chromedp.NewExecAllocator(ctx, options...)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		end()
		endAllocator()
		cancel()
	})
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	eval = func(js string, out any) {
		t.Helper()
		value, err := chromedp.Run(ctx, chromedp.Evaluate[json.RawMessage](js, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatalf("%s: %v", js, err)
		}
		if out != nil {
			if err := json.Unmarshal(value, out); err != nil {
				t.Fatalf("%s is %s: %v", js, value, err)
			}
		}
	}
	do = func(what string, action chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, action); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	return eval, do
}

func touch(kind input.DispatchTouchEventType, points ...*input.TouchPoint) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, input.DispatchTouchEvent,
			input.DispatchTouchEventParams{Type: kind, TouchPoints: append([]*input.TouchPoint{}, points...)})
		return err
	})
}

// A pointer, a mouse or a finger on the dialog is not for the page: its menu
// does not close because the user stays.
func TestDialogByPointer(t *testing.T) {
	t.Parallel()
	eval, do := byHand(t, dialogPage(t))
	for _, way := range []string{"mouse", "touch"} {
		eval(`others.length = calls.length = 0, warn("idle", 60), 1`, nil)
		var at [2]float64
		eval(`(() => { const box = ui("stay").getBoundingClientRect();
			return [box.x + box.width / 2, box.y + box.height / 2] })()`, &at)
		if way == "mouse" {
			do("clicking", chromedp.MouseClickXY(at[0], at[1]))
		} else {
			do("touching", touch(input.DispatchTouchEventTypeTouchStart, &input.TouchPoint{X: at[0], Y: at[1]}))
			do("letting go", touch(input.DispatchTouchEventTypeTouchEnd))
		}
		var calls, others []string
		eval(`new Promise(done => { const look = () => calls.length ? done(calls) : setTimeout(look, 10); look() })`,
			&calls)
		if eval(`others`, &others); len(others) > 0 || !slices.Equal(calls, []string{"stay"}) {
			t.Errorf("%s: the page heard %q, called %q", way, others, calls)
		}
		var open bool
		if eval(`!!ui("dialog")`, &open); open {
			t.Errorf("%s: the dialog is still there", way)
		}
	}
	// Beside the dialog the page hears everything, as ever.
	do("clicking on the page", chromedp.MouseClickXY(5, 5))
	var others []string
	if eval(`others`, &others); !slices.Contains(others, "click ") {
		t.Errorf("of a click of its own the page heard %q", others)
	}

	// On paper the dialog is of no use, and it is there afterwards.
	eval(`warn("idle", 60), window.printed = [], matchMedia("print").onchange = ({ matches }) =>
		matches && printed.push(getComputedStyle(ui("dialog")).display), 1`, nil)
	do("printing", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.PrintToPDF, page.PrintToPDFParams{})
		return err
	}))
	var printed []string
	if eval(`printed`, &printed); !slices.Equal(printed, []string{"none"}) {
		t.Errorf("printed, the dialog is displayed as %q, want none", printed)
	}
	var open bool
	if eval(`ui("dialog").open && ui("dialog").checkVisibility()`, &open); !open {
		t.Error("after printing the dialog is gone")
	}
}

// The focus goes to the answer that keeps the session, stays inside, and is
// given back. Escape stays. No key reaches the page: it would use its shortcuts
// and move the idle limit.
func TestDialogByKeyboard(t *testing.T) {
	t.Parallel()
	eval, press := keyboard(t, dialogPage(t))
	focus := func() string {
		t.Helper()
		var id string
		eval(`(document.activeElement.shadowRoot?.activeElement ?? document.activeElement).id`, &id)
		return id
	}
	var keys []string
	eval(`field.focus(), warn("idle", 60), 1`, nil)
	var role, name, description string
	eval(`ui("dialog").getAttribute("role")`, &role)
	eval(`ui(ui("dialog").getAttribute("aria-labelledby")).textContent`, &name)
	eval(`ui("dialog").getAttribute("aria-describedby").split(" ").map(id => ui(id).textContent).join(" ")`,
		&description)
	if role != "alertdialog" || name != "Are you still there?" ||
		!strings.HasPrefix(description, "You have not used") || !strings.HasSuffix(description, " 60 seconds") {
		t.Errorf("role %q, name %q, description %q", role, name, description)
	}
	if got := focus(); got != "stay" {
		t.Errorf("the focus is on %q, want stay", got)
	}
	var visited []string
	for range 6 {
		press(kb.Tab)
		visited = append(visited, focus())
	}
	// Between the last and the first, Tab goes to the browser's own controls.
	if slices.Contains(visited, "field") || slices.Contains(visited, "after") ||
		!slices.Contains(visited, "signout") || !slices.Contains(visited, "stay") {
		t.Errorf("Tab went to %q", visited)
	}
	eval(`field.focus(), 1`, nil)
	if got := focus(); got == "field" {
		t.Error("the page can take the focus away")
	}
	press(kb.Escape)
	var calls []string
	eval(`calls`, &calls)
	if got := focus(); got != "field" || !slices.Equal(calls, []string{"stay"}) {
		t.Errorf("after Escape: focus on %q, calls %q; want field, stay", got, calls)
	}
	if eval(`keys`, &keys); len(keys) > 0 {
		t.Errorf("the page heard %q", keys)
	}

	// Who is typing does not answer by accident.
	eval(`warn("absolute", 60), 1`, nil)
	press(" ")
	press(kb.Enter)
	var open bool
	if eval(`ui("dialog").open`, &open); !open || focus() != "dialog" {
		t.Errorf("open %t, focus on %q", open, focus())
	}
	press(kb.Tab)
	press(kb.Tab)
	press(kb.Enter)
	if eval(`!!ui("dialog")`, &open); open || focus() != "field" {
		t.Errorf("after Close: open %t, focus on %q, want field", open, focus())
	}
	// Nor the rest of what closed it: the end of Escape and of Enter, the click.
	var others []string
	if eval(`others`, &others); len(others) > 0 {
		t.Errorf("the page also heard %q", others)
	}
	press("a")
	if eval(`others`, &others); !slices.Contains(others, "keyup a") {
		t.Errorf("of a key of its own the page heard %q", others)
	}
	press(kb.Enter)
	if eval(`others`, &others); !slices.Contains(others, "keyup Enter") {
		t.Errorf("of the same key once more the page heard %q", others)
	}
	if eval(`keys`, &keys); !slices.Equal(keys, []string{"a", "Enter"}) {
		t.Errorf("the page heard %q, want its own keys only", keys)
	}

	eval(`calls.length = 0, warn("absolute", 60), 1`, nil)
	press(kb.Escape)
	if eval(`!!ui("dialog")`, &open); open {
		t.Error("Escape does not close what cannot be helped")
	}
	if eval(`calls`, &calls); len(calls) > 0 {
		t.Errorf("called %q", calls)
	}

	// A modal of the page's is below while the dialog is open, and gets the
	// focus back.
	eval(`document.body.append(Object.assign(document.createElement("dialog"), {id: "own"})),
		own.append(Object.assign(document.createElement("input"), {id: "inner"})),
		own.showModal(), warn("idle", 60), 1`, nil)
	press(kb.Escape)
	if eval(`own.open`, &open); !open || focus() != "inner" {
		t.Errorf("the page's own modal is open %t, focus on %q", open, focus())
	}
}

// The page says it in its own words, and hears at once which of them are none.
func TestDialogTexts(t *testing.T) {
	t.Parallel()
	p := browsertest.Chromium(t).Open(t, dialogPage(t))
	p.Eval(t, `window.captureKeepaliveDialog = {lang: "de", idleTitle: "Sind Sie noch da?",
		stay: "Angemeldet bleiben", signOut: "<b>Abmelden</b>", clsoe: "x", close: 5, endedText: ""},
		warn("idle", 59.9), 1`, nil)
	got := read(t, p)
	if got.Title != "Sind Sie noch da?" || got.Buttons != "<b>Abmelden</b>, Angemeldet bleiben" ||
		got.Status != "60 Sekunden" {
		t.Errorf("it says %+v", got)
	}
	var lang string
	if p.Eval(t, `document.querySelector("capture-keepalive-dialog").lang`, &lang); lang != "de" {
		t.Errorf("its language is %q, want de", lang)
	}
	p.Eval(t, `emit("stayed"), captureKeepaliveDialog = {lang: "de_DE"}, warn("idle", 59.9), 1`, nil)
	if got := read(t, p); got.Status != "60 seconds" {
		t.Errorf("with a language that is none it says %q", got.Status)
	}
	warnings := strings.Join(p.Console(t), "\n")
	for _, wrong := range []string{`"clsoe" must be`, `"close" must be`, `"endedText" must be`, `"lang" must be`} {
		if !strings.Contains(warnings, wrong) {
			t.Errorf("the console does not say %s: %s", wrong, warnings)
		}
	}
}

// It fits where there is little room, either way of writing, whatever the page's
// style sheet does to all elements, with long words, in the page's own colours.
func TestDialogLooks(t *testing.T) {
	t.Parallel()
	p := browsertest.Chromium(t).Open(t, dialogPage(t))
	for _, dir := range []string{"ltr", "rtl"} {
		// 320 by 256 is 1280 by 1024 at 400 %: WCAG 2.2, 1.4.10.
		p.Look(t, 320, 256, "light")
		p.Eval(t, `document.documentElement.dir = "`+dir+`", document.documentElement.className = "reset",
			captureKeepaliveDialog = {idleTitle: "Hi?", idleText: "Verlängerung".repeat(9)}, warn("idle", 60), 1`, nil)
		var got struct {
			Wide, Least, Out, Font float64
			Case, Hit              string
			InOrder                bool
		}
		p.Eval(t, `(() => {
			const boxes = [...ui("actions").children].filter(b => !b.hidden).map(b => b.getBoundingClientRect());
			const d = ui("dialog"), box = d.getBoundingClientRect();
			const { fontSize, textTransform } = getComputedStyle(ui("text"));
			const at = i => {
				const range = document.createRange(), text = ui("title").firstChild;
				range.setStart(text, i), range.setEnd(text, i + 1);
				return range.getBoundingClientRect().left;
			};
			return {font: parseFloat(fontSize), case: textTransform, inOrder: at(0) < at(1) && at(1) < at(2),
				hit: document.elementFromPoint(160, 128).localName, wide: d.scrollWidth - d.clientWidth,
				least: Math.min(...boxes.flatMap(b => [b.width, b.height])),
				out: Math.max(-box.left, -box.top, box.right - innerWidth, box.bottom - innerHeight)};
		})()`, &got)
		if got.Wide > 0 || got.Out > 0 || got.Least < 44 {
			t.Errorf("%s: %v px too wide, %v px out of sight, the least target has %v px", dir,
				got.Wide, got.Out, got.Least)
		}
		if got.Font != 16 || got.Case != "none" || got.Hit != "capture-keepalive-dialog" || !got.InOrder {
			t.Errorf("%s: the page's style sheet reaches it: %+v", dir, got)
		}
		p.Eval(t, `emit("stayed"), captureKeepaliveDialog = {}, document.documentElement.className = "", 1`, nil)
	}
	p.Look(t, 1280, 900, "light")
	p.Eval(t, `warn("idle", 60), document.querySelector("capture-keepalive-dialog").className = "styled", 1`, nil)
	var button, title string
	p.Eval(t, `getComputedStyle(ui("stay")).backgroundColor`, &button)
	p.Eval(t, `getComputedStyle(ui("title")).color`, &title)
	if button != "rgb(1, 2, 3)" || title != "rgb(4, 5, 6)" {
		t.Errorf("styled by the page: button %s, title %s", button, title)
	}
	noErrors(t, p)
}
