package browsertest

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
)

// site serves two pages under a policy that forbids eval and inline scripts.
func site(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	page := func(title string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", "default-src 'self'; img-src data:")
			fmt.Fprintf(w, `<!doctype html><html lang="en"><meta charset="utf-8"><title>%s</title>
				<link rel="icon" href="data:,"><script src="/page.js" defer></script>
				<button id="button">press</button><input id="field" aria-label="field">`, title)
		}
	}
	mux.HandleFunc("GET /{$}", page("one"))
	mux.HandleFunc("GET /two", page("two"))
	mux.HandleFunc("GET /data", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "data") })
	mux.HandleFunc("GET /page.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, `
			console.log("hello from", document.title);
			addEventListener("pageshow", (event) => { window.restored = event.persisted; });
			document.querySelector("#button").addEventListener("click", () => {
				window.active = navigator.userActivation.isActive;
			});
		`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// What one browser does, the others do the same way, or say that they cannot.
func TestPage(t *testing.T) {
	url := site(t)
	all := []string{"chromium", "firefox", "webkit"}
	tests := []struct {
		name     string
		browsers []string
		test     func(t *testing.T, b *Browser, url string)
	}{
		{"eval", all, testEval},
		{"wait", all, testWait},
		{"back and reload", all, testBackAndReload},
		{"first page", []string{"chromium", "firefox"}, testFirstPage},
		{"a person's hands", all, testHands},
		{"keys", all, testKeys},
		{"tabs", all, testTabs},
		{"side by side", all, testSideBySide},
		{"fresh profile", all, testFreshProfile},
		{"screenshot", all, testScreenshot},
		{"console", []string{"chromium", "firefox"}, testConsole},
		{"offline", []string{"chromium", "firefox"}, testOffline},
		{"clock", []string{"chromium", "firefox"}, testClock},
		{"block", []string{"chromium"}, testBlock},
		{"look", []string{"chromium"}, testLook},
		{"hide", []string{"chromium"}, testHide},
		{"cannot", []string{"firefox", "webkit"}, testCannot},
	}
	Each(t, func(t *testing.T, b *Browser) {
		for _, test := range tests {
			if slices.Contains(test.browsers, b.Name) {
				t.Run(test.name, func(t *testing.T) { test.test(t, b, url) })
			}
		}
	})
}

func testEval(t *testing.T, browser *Browser, url string) {
	page := browser.Open(t, url)
	var got struct{ Title, Later string }
	page.Eval(t, `Promise.resolve("yes").then((later) => ({title: document.title, later}))`, &got)
	if got.Title != "one" || got.Later != "yes" {
		t.Errorf("got %+v, want the title and the promise's value", got)
	}
	page.Eval(t, `window.nothing`, nil)
	for js, says := range map[string]string{
		`nowhere.value`:                       "nowhere",
		`Promise.reject(new TypeError("no"))`: "no",
		`if if`:                               "if",
		`window.nothing`:                      "it is undefined",
	} {
		var out string
		if said := refusal(t, func(tb testing.TB) { page.Eval(tb, js, &out) }); !strings.Contains(said, says) {
			t.Errorf("%s: the test says %q, want %q in it", js, said, says)
		}
	}
}

func testWait(t *testing.T, browser *Browser, url string) {
	page := browser.Open(t, url)
	page.Eval(t, `setTimeout(() => { location.href = "/two" }, 100), undefined`, nil)
	page.WaitFor(t, `document.title === "two" && document.readyState === "complete"`, patience)

	tests := []struct {
		name, js string
		timeout  time.Duration
		late     bool
		says     string
	}{
		{"a promise", `new Promise((done) => setTimeout(() => done(1), 50))`, patience, false, ""},
		{"true after more than a slice",
			`(window.since ??= performance.now()) + 1200 < performance.now()`, patience, false, ""},
		{"never true", `document.title === "three"`, 50 * time.Millisecond, true, "was false"},
		{"throws", `document.querySelector("#nowhere").value`, 50 * time.Millisecond, true, "threw TypeError"},
		{"a promise that hangs", `new Promise(() => {})`, 50 * time.Millisecond, true, "did not answer"},
		{"not JavaScript", `if if`, patience, false, "if"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			clocktest.OneOf(t, 8, func() error { // a page that stands still does not answer
				err := waitFor(page.tab, test.js, test.timeout)
				if errors.Is(err, ErrTimeout) != test.late {
					return fmt.Errorf("error %v, want a timeout: %t", err, test.late)
				}
				if (err != nil) != (test.says != "") || err != nil && !strings.Contains(err.Error(), test.says) {
					return fmt.Errorf("error %v, want one that says %q", err, test.says)
				}
				return nil
			})
		})
	}
}

func testBackAndReload(t *testing.T, browser *Browser, url string) {
	page := browser.Open(t, url)
	page.Eval(t, `window.mark = true`, nil)
	page.Navigate(t, url+"/two")
	page.Back(t)
	page.WaitFor(t, `document.title === "one" && window.mark && window.restored`, patience)
	page.Eval(t, `history.pushState(null, "", "/pushed")`, nil)
	page.Back(t)
	page.WaitFor(t, `location.pathname === "/" && window.mark`, patience)
	page.Reload(t)
	page.WaitFor(t, `document.title === "one" && !window.mark && window.restored === false`, patience)
}

func testHands(t *testing.T, browser *Browser, url string) {
	page := browser.Open(t, url)
	page.Eval(t, `document.querySelector("#button").hidden = true,
		setTimeout(() => { document.querySelector("#button").hidden = false }, 300)`, nil)
	page.Click(t, "#button")
	page.WaitFor(t, `window.active`, patience)
	page.Type(t, "#field", "Grüße,")
	page.Type(t, "#field", " Ada")
	page.WaitFor(t, `document.querySelector("#field").value === "Grüße, Ada"`, patience)
	page.Eval(t, `document.querySelector("#field").addEventListener("keydown",
		(event) => { window.pressed = event.key }), 1`, nil)
	page.Type(t, "#field", "\n")
	page.WaitFor(t, `window.pressed === "Enter"`, patience)
	page.Eval(t, `document.querySelector("#button").style.marginTop = "5000px"`, nil)
	page.Eval(t, `window.active = false`, nil)
	page.Click(t, "#button")
	page.WaitFor(t, `window.active`, patience)
}

func testKeys(t *testing.T, browser *Browser, url string) {
	page := browser.Open(t, url)
	page.Eval(t, `window.keys = [], addEventListener("keydown",
		(event) => keys.push((event.ctrlKey ? "Control " : "") + event.key)),
		document.querySelector("#button").focus(), 1`, nil)
	page.Press(t, "Tab")
	page.WaitFor(t, `document.activeElement.id === "field"`, patience)
	page.Press(t, "a")
	page.Press(t, "b")
	page.WaitFor(t, `document.activeElement.value === "ab"`, patience)
	page.Press(t, "Shift+Tab")
	page.WaitFor(t, `document.activeElement.id === "button"`, patience)
	page.Eval(t, `keys.length = 0`, nil) // they differ on what Shift makes of Tab
	page.Press(t, "Enter")
	page.WaitFor(t, `window.active`, patience)
	page.Press(t, "Escape")
	page.Press(t, "Control+y")
	var keys []string
	page.Eval(t, `keys.filter((key) => !key.endsWith("Control"))`, &keys)
	if got, want := strings.Join(keys, ","), "Enter,Escape,Control y"; got != want {
		t.Errorf("the page saw the keys %q, want %q", got, want)
	}
	for _, key := range []string{"Hyper+a", "Home", ""} {
		if said := refusal(t, func(tb testing.TB) { page.Press(tb, key) }); !strings.Contains(said, "is no") {
			t.Errorf("pressing %q: the test says %q", key, said)
		}
	}
}

func testTabs(t *testing.T, browser *Browser, url string) {
	one, two, three := browser.Open(t, url), browser.Open(t, url+"/two"), browser.Open(t, url)
	one.Eval(t, `localStorage.setItem("shared", "by tabs"), document.cookie = "shared=too"`, nil)
	two.WaitFor(t, `localStorage.getItem("shared") === "by tabs" && document.cookie === "shared=too"`, patience)
	for _, page := range []*Page{one, two, three} {
		page.WaitFor(t, `document.visibilityState === "visible"`, patience)
	}
	one.Close()
	two.WaitFor(t, `document.title === "two"`, patience)
	if said := refusal(t, func(tb testing.TB) { one.Eval(tb, `1`, nil) }); said == "" {
		t.Error("a closed page answered")
	}
}

// Two goroutines drive two tabs; each is answered by its own, and what one
// waits for comes from the other.
func testSideBySide(t *testing.T, browser *Browser, url string) {
	one, two := browser.Open(t, url), browser.Open(t, url+"/two")
	one.Eval(t, `localStorage.clear()`, nil)
	var both sync.WaitGroup
	for page, title := range map[*Page]string{one: `"one"`, two: `"two"`} {
		both.Go(func() {
			ctx, cancel := context.WithTimeout(page.tab.context(), actionTimeout)
			defer cancel()
			for range 30 {
				if got, err := page.tab.evaluate(ctx, `document.title`); err != nil || string(got) != title {
					t.Errorf("page %s answers %s, %v", title, got, err)
				}
			}
			meet := `(localStorage.setItem(document.title, "is there"), localStorage.length === 2)`
			if err := waitFor(page.tab, meet, patience); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
}

func testScreenshot(t *testing.T, browser *Browser, url string) {
	page := browser.Open(t, url)
	path := filepath.Join(t.TempDir(), "new", "shot.png")
	page.Screenshot(t, path)
	if size := picture(t, path); size.X < 400 || size.Y < 300 {
		t.Errorf("the picture is %v, no window is that small", size)
	}
}

// picture returns the size of a PNG.
func picture(t *testing.T, path string) image.Point {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	config, err := png.DecodeConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	return image.Pt(config.Width, config.Height)
}

// Browsers of one kind run side by side, and know nothing of each other.
func testFreshProfile(t *testing.T, browser *Browser, url string) {
	one := browser.Open(t, url)
	one.Eval(t, `localStorage.setItem("shared", "no"), document.cookie = "shared=no"`, nil)
	for _, kind := range kinds {
		if kind.name == browser.Name {
			other := kind.start(t).Open(t, url)
			other.WaitFor(t, `localStorage.getItem("shared") === null && document.cookie === ""`, patience)
		}
	}
	one.WaitFor(t, `localStorage.getItem("shared") === "no" && document.cookie === "shared=no"`, patience)
}

func testConsole(t *testing.T, browser *Browser, url string) {
	other, page := browser.Open(t, url), browser.Open(t, url)
	page.Eval(t, `setTimeout(() => { throw new Error("thrown on purpose") }), undefined`, nil)
	page.Eval(t, `Promise.reject(new Error("rejected on purpose")), undefined`, nil)
	page.Eval(t, `fetch("/missing").then(() => console.error("an", "error"))`, nil)
	page.Eval(t, `console.warn("a warning")`, nil)
	lines := page.Console(t)
	hello := "log: hello from one (" + url + "/page.js:2)"
	if !slices.Contains(lines, hello) || !slices.ContainsFunc(lines,
		func(line string) bool { return strings.HasPrefix(line, "warning: a warning") }) {
		t.Errorf("no %q and no warning in %q", hello, lines)
	}
	wanted := []string{"thrown on purpose", "rejected on purpose", "error: an error"}
	if browser.Name == "chromium" {
		wanted = append(wanted, "404")
	}
	errs := page.Errors(t)
	if len(errs) != len(wanted) {
		t.Errorf("errors %q, want one with each of %q", errs, wanted)
	}
	for _, want := range wanted {
		if !slices.ContainsFunc(errs, func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("no error with %q in %q", want, errs)
		}
	}
	if errs := other.Errors(t); len(errs) > 0 {
		t.Errorf("another page has the errors %q", errs)
	}

	// Over navigations, and once: also what a page said that comes back.
	page.Navigate(t, url+"/two")
	page.Back(t)
	page.WaitFor(t, `window.restored`, patience)
	said := 0
	for _, line := range page.Console(t) {
		if line == hello {
			said++
		}
	}
	if said != 1 {
		t.Errorf("%q is there %d times", hello, said)
	}
}

func testOffline(t *testing.T, browser *Browser, url string) {
	page := browser.Open(t, url)
	fetches := `fetch("/data", {cache: "no-store"}).then((r) => r.text(), () => "failed")`
	for _, offline := range []bool{true, false} {
		page.Offline(t, offline)
		want := map[bool]string{true: "failed", false: "data"}[offline]
		page.WaitFor(t, fmt.Sprintf(`navigator.onLine === %t`, !offline), patience)
		page.WaitFor(t, fmt.Sprintf(`%s.then((got) => got === %q)`, fetches, want), patience)
	}
}

func testBlock(t *testing.T, browser *Browser, url string) {
	page := browser.Open(t, "about:blank")
	page.Block(t, "*://*:*/page.js")
	page.Navigate(t, url)
	page.WaitFor(t, `fetch("/page.js").then(() => false, () => true)`, patience)
	page.WaitFor(t, `fetch("/data").then((r) => r.ok)`, patience)
	var kind string
	if page.Eval(t, `typeof window.restored`, &kind); kind != "undefined" {
		t.Error("page.js ran")
	}
	page.Block(t)
	page.Reload(t)
	page.WaitFor(t, `window.restored === false`, patience)
}

func testLook(t *testing.T, browser *Browser, url string) {
	page := browser.Open(t, url)
	page.Look(t, 390, 844, "dark")
	page.WaitFor(t, `innerWidth === 390 && matchMedia("(prefers-color-scheme: dark)").matches`, patience)
	path := filepath.Join(t.TempDir(), "shot.png")
	page.Screenshot(t, path)
	if size := picture(t, path); size != image.Pt(390, 844) {
		t.Errorf("the picture is %v, want 390 by 844", size)
	}
}

func testFirstPage(t *testing.T, browser *Browser, _ string) {
	page := browser.Open(t, "about:blank")
	if said := refusal(t, page.Back); !strings.Contains(said, errFirstPage.Error()) {
		t.Errorf("going back from the first page says %q", said)
	}
}

// What a driver cannot do fails the test that asks for it.
func testCannot(t *testing.T, browser *Browser, url string) {
	page := browser.Open(t, url)
	calls := map[string]func(testing.TB){
		"block":    func(tb testing.TB) { page.Block(tb, "*://*:*/*") },
		"look":     func(tb testing.TB) { page.Look(tb, 390, 844, "dark") },
		"freeze":   page.Freeze,
		"unfreeze": page.Unfreeze,
		"hide":     page.Hide,
		"show":     page.Show,
		"compose":  func(tb testing.TB) { page.Compose(tb, "x") },
		"drop":     func(tb testing.TB) { page.Drop(tb, "#field", "x") },
	}
	if browser.Name == "webkit" {
		calls["console"] = func(tb testing.TB) { page.Console(tb) }
		calls["errors"] = func(tb testing.TB) { page.Errors(tb) }
		calls["offline"] = func(tb testing.TB) { page.Offline(tb, true) }
		calls["clock"] = func(tb testing.TB) { page.SetClock(tb, time.Hour) }
		calls["first"] = func(tb testing.TB) { page.RunFirst(tb, "1") }
	}
	want := "the driver of " + browser.Name + " cannot do it"
	for name, call := range calls {
		if said := refusal(t, call); !strings.Contains(said, want) {
			t.Errorf("%s: the test says %q, want %q", name, said, want)
		}
	}
}

// refusal returns what a call fails its test with.
func refusal(t *testing.T, call func(testing.TB)) string {
	t.Helper()
	f := &failing{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		call(f)
	}()
	<-done
	return f.said
}

// failing is a test that may fail.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Helper() {}

func (f *failing) Fatal(args ...any) {
	f.said = fmt.Sprint(args...)
	runtime.Goexit()
}

func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
