package browsertest

import (
	"errors"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
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

func TestPage(t *testing.T) {
	url := site(t)
	browser := Chromium(t)

	t.Run("eval", func(t *testing.T) {
		page := browser.Open(t, url)
		var got struct{ Title, Later string }
		page.Eval(t, `Promise.resolve("yes").then((later) => ({title: document.title, later}))`, &got)
		if got.Title != "one" || got.Later != "yes" {
			t.Errorf("got %+v, want the title and the promise's value", got)
		}
		page.Eval(t, `window.nothing`, nil)
	})

	t.Run("console", func(t *testing.T) {
		page := browser.Open(t, url)
		page.Eval(t, `setTimeout(() => { throw new Error("thrown on purpose") }), undefined`, nil)
		page.Eval(t, `Promise.reject(new Error("rejected on purpose")), undefined`, nil)
		page.Eval(t, `fetch("/missing").then(() => console.error("an", "error"))`, nil)
		lines := page.Console(t)
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "log: hello from one ("+url+"/page.js:2)") }) {
			t.Errorf("no line says hello from page.js: %q", lines)
		}
		wanted := []string{"thrown on purpose", "rejected on purpose", "404", "error: an error"}
		errs := page.Errors(t)
		if len(errs) != len(wanted) {
			t.Errorf("errors %q, want one with each of %q", errs, wanted)
		}
		for _, want := range wanted {
			if !slices.ContainsFunc(errs, func(line string) bool { return strings.Contains(line, want) }) {
				t.Errorf("no error with %q in %q", want, errs)
			}
		}
	})

	t.Run("wait", func(t *testing.T) {
		page := browser.Open(t, url)
		page.Eval(t, `setTimeout(() => { location.href = "/two" }, 100), undefined`, nil)
		page.WaitFor(t, `document.title === "two" && document.readyState === "complete"`, 10*time.Second)

		tests := []struct {
			name, js string
			timeout  time.Duration
			late     bool
			says     string
		}{
			{"a promise", `new Promise((done) => setTimeout(() => done(1), 50))`, 10 * time.Second, false, ""},
			{"never true", `document.title === "three"`, 50 * time.Millisecond, true, "was false"},
			{"throws", `document.querySelector("#nowhere").value`, 50 * time.Millisecond, true, "threw TypeError"},
			{"a promise that hangs", `new Promise(() => {})`, 50 * time.Millisecond, true, "did not answer"},
			{"not JavaScript", `if if`, 10 * time.Second, false, "SyntaxError"},
		}
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				err := page.waitFor(test.js, test.timeout)
				if errors.Is(err, ErrTimeout) != test.late {
					t.Errorf("error %v, want a timeout: %t", err, test.late)
				}
				if (err != nil) != (test.says != "") {
					t.Fatalf("error %v, want one that says %q", err, test.says)
				}
				if err != nil && !strings.Contains(err.Error(), test.says) {
					t.Errorf("error %q does not say %q", err, test.says)
				}
			})
		}
	})

	t.Run("back and reload", func(t *testing.T) {
		page := browser.Open(t, url)
		page.Eval(t, `window.mark = true`, nil)
		page.Navigate(t, url+"/two")
		page.Back(t)
		page.WaitFor(t, `window.mark && window.restored`, 5*time.Second)
		page.Reload(t)
		page.WaitFor(t, `document.title === "one" && !window.mark && window.restored === false`, 5*time.Second)
	})

	t.Run("a person's hands", func(t *testing.T) {
		page := browser.Open(t, url)
		page.Click(t, "#button")
		page.WaitFor(t, `window.active`, 5*time.Second)
		page.Type(t, "#field", "Grüße, Ada")
		page.WaitFor(t, `document.querySelector("#field").value === "Grüße, Ada"`, 5*time.Second)
	})

	t.Run("tabs", func(t *testing.T) {
		one, two := browser.Open(t, url), browser.Open(t, url+"/two")
		one.Eval(t, `localStorage.setItem("shared", "by tabs")`, nil)
		two.WaitFor(t, `localStorage.getItem("shared") === "by tabs"`, 5*time.Second)
		for _, page := range []*Page{one, two} {
			page.WaitFor(t, `document.visibilityState === "visible"`, 5*time.Second)
		}
		one.Close()
		two.WaitFor(t, `document.title === "two"`, 5*time.Second)

		other := Chromium(t).Open(t, url)
		other.WaitFor(t, `localStorage.getItem("shared") === null`, 5*time.Second)
	})

	t.Run("offline", func(t *testing.T) {
		page := browser.Open(t, url)
		fetches := `fetch("/data", {cache: "no-store"}).then((r) => r.text(), () => "failed")`
		for _, offline := range []bool{true, false} {
			page.Offline(t, offline)
			want := map[bool]string{true: "failed", false: "data"}[offline]
			page.WaitFor(t, fmt.Sprintf(`navigator.onLine === %t`, !offline), 5*time.Second)
			page.WaitFor(t, fmt.Sprintf(`%s.then((got) => got === %q)`, fetches, want), 5*time.Second)
		}
	})

	t.Run("block", func(t *testing.T) {
		page := browser.Open(t, "about:blank")
		page.Block(t, "*://*:*/page.js")
		page.Navigate(t, url)
		page.WaitFor(t, `fetch("/page.js").then(() => false, () => true)`, 5*time.Second)
		page.WaitFor(t, `fetch("/data").then((r) => r.ok)`, 5*time.Second)
		var kind string
		if page.Eval(t, `typeof window.restored`, &kind); kind != "undefined" {
			t.Error("page.js ran")
		}
		page.Block(t)
		page.Reload(t)
		page.WaitFor(t, `window.restored === false`, 5*time.Second)
	})

	t.Run("look", func(t *testing.T) {
		page := browser.Open(t, url)
		page.Look(t, 390, 844, "dark")
		page.WaitFor(t, `innerWidth === 390 && matchMedia("(prefers-color-scheme: dark)").matches`, 5*time.Second)
		path := filepath.Join(t.TempDir(), "new", "shot.png")
		page.Screenshot(t, path)
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		picture, err := png.DecodeConfig(file)
		if err != nil {
			t.Fatal(err)
		}
		if picture.Width != 390 || picture.Height != 844 {
			t.Errorf("the picture is %d by %d, want 390 by 844", picture.Width, picture.Height)
		}
	})
}
