package journeys

import (
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
)

// document is a file of the repository.
func document(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks are what stands in a document's fences of a language.
func blocks(text, language string) []string {
	var found []string
	for _, match := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	return found
}

// plainPage is a page as small sites have it. Each load counts how often the
// sign-in form could be seen. The vendor's bundle comes by a script that the
// loader adds, at the moment that Order names.
var plainPage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A page</title><link rel="icon" href="data:,">
<script>
window.order = {{.Order}}; window.formSeen = 0;
new MutationObserver(() => {
  const place = document.getElementById("signIn");
  if (place && !place.hidden && place.querySelector("input")) formSeen++;
}).observe(document, {childList: true, subtree: true, attributes: true});
window.janrain = {settings: {capture: {captureServer: "/capture", clientId: "demo-page"}}};
window.janrainCaptureWidgetOnLoad = () => {
  const { events, capture: { ui } } = janrain;
  const show = (screen) => () => ui.renderScreen(screen);
  for (const name of ["SessionFound", "LoginSuccess"]) events["onCapture" + name].addHandler(show("editProfile"));
  for (const name of ["SessionNotFound", "SessionEnded"]) events["onCapture" + name].addHandler(show("signIn"));
  ui.start();
};
window.loadUI = () => document.head.append(Object.assign(document.createElement("script"), {src: "/bundle.js"}));
</script>
{{if eq .Order "before"}}<script>loadUI()</script>{{end}}
{{.Snippet}}
{{if eq .Order "after"}}<script>loadUI()</script>{{end}}
{{if eq .Order "late"}}<script>addEventListener("load", () => setTimeout(loadUI, 1000))</script>{{end}}
</head><body><div id="signIn" hidden></div><div id="editProfile" hidden></div>
<a class="capture_end_session" href="#">Sign out</a></body></html>`))

// plainSite serves the page before a demo of its own, at an address of this
// machine: cookies know hosts, and no ports.
func plainSite(t *testing.T, d *demo, host, order, snippet string) string {
	t.Helper()
	inFront := outside(t, d)
	listener, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	site := &httptest.Server{Listener: listener, Config: &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/page" || r.URL.Path == "/login" {
				w.Header().Set("Content-Type", "text/html")
				_ = plainPage.Execute(w, map[string]any{"Order": order, "Snippet": template.HTML(snippet)})
				return
			}
			bundle(r)
			inFront.handler.ServeHTTP(w, r)
		}),
	}}
	site.Start()
	t.Cleanup(site.Close)
	t.Cleanup(site.CloseClientConnections)
	return site.URL
}

// bundle lets the demo answer for the vendor's bundle, which is a third of a
// megabyte from another host and not here at once.
func bundle(r *http.Request) bool {
	if r.URL.Path == "/bundle.js" {
		slow(300*time.Millisecond)(nil, r)
		r.URL.Path = "/registration-ui.js"
	}
	return false
}

// The README's snippet, as it is written there, gives what the README says: in
// every kind of browser, with the Registration UI before it, after it, and late.
func TestReadmeSnippet(t *testing.T) {
	t.Parallel()
	snippets := blocks(document(t, "README.md"), "html")
	if len(snippets) != 2 {
		t.Fatalf("the README has %d snippets, want the tag and the handler", len(snippets))
	}
	browsertest.Each(t, func(t *testing.T, b *browsertest.Browser) {
		var walks []*walk
		for i, order := range []string{"before", "after", "late"} {
			d := startDemo(t)
			site := plainSite(t, d, fmt.Sprintf("127.0.0.%d", i+1), order, strings.Join(snippets, ""))
			w := &walk{d: d, p: b.Open(t, site+"/page"), site: site, order: order}
			walks = append(walks, w)
			typeSignIn(t, w.p)
			w.first = token(t, w.p)
			w.p.Navigate(t, site+"/favicon.svg")
		}
		wait(life) // they are all elsewhere
		for _, w := range walks {
			t.Run(w.order, w.goOn)
		}
	})
}

// walk is one way through the README: where the Registration UI is included.
type walk struct {
	d           *demo
	p           *browsertest.Page
	site, order string
	first       string // the token of the login
}

func (w *walk) goOn(t *testing.T) {
	p, page := w.p, w.site+"/page"
	defer func() {
		if t.Failed() {
			var report string
			p.Eval(t, `location.href + document.body.innerText + window.captureKeepalive?.report()`, &report)
			t.Logf("the page says: %s", report)
		}
	}()
	w.comesBack(t, `localStorage.setItem("janrainCaptureToken_Expires", new Date(0).toUTCString()), 1`)
	if token(t, p) == w.first {
		t.Error("the token was not renewed")
	}
	finishSave(t, w.d, p, "written on a plain page")
	const clear = `localStorage.clear(), 1`
	p.Eval(t, clear, nil)
	w.comesBack(t, clear) // without a token

	// The session is ended by the server, and then by a person.
	p.Eval(t, `fetch("/keepalive/session", {method: "DELETE", headers: {"X-Keepalive": "1"}}).then(r => r.status)`, nil)
	w.d.expireToken(t, p)
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `location.pathname + location.search === "/login?why=session_ended"`, soon)
	p.Navigate(t, page)
	typeSignIn(t, p)
	p.Click(t, ".capture_end_session")
	p.WaitFor(t, `location.pathname + location.search === "/login?why=signed_out"`, soon)
}

// comesBack opens the page as a user with a living session and no good token.
// The UI waits a second for one: on a machine that stands still for so long it
// shows the form, and it is tried again, after again has taken the token away.
func (w *walk) comesBack(t *testing.T, again string) {
	t.Helper()
	clocktest.OneOf(t, 8, func() error {
		w.p.Navigate(t, w.site+"/page")
		w.p.WaitFor(t, `(formSeen > 0 || !!document.querySelector("#capture_editProfile_aboutMe")) &&
			captureKeepalive.status().phase === "active"`, soon)
		var seen int
		if w.p.Eval(t, `formSeen`, &seen); seen > 0 {
			w.p.Eval(t, again, nil)
			return errors.New("a returning user saw the sign-in form")
		}
		waitSignedIn(t, w.p)
		return nil
	})
}

// every has each option of the page's half.
const every = `data-start data-endpoint="/keepalive" data-margin="30" data-load="now" data-client-session="always" ` +
	`data-api-origins="https://api.example.com" data-hold data-guard data-resubmit data-dialog data-debug`

// policed is a page under a policy: its scripts are files, or have the nonce.
const policed = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<script nonce="r4nd0m" src="/policed.js"></script>
<script async nonce="r4nd0m" src="/keepalive/keepalive.js" %s data-idle-warning="%s"></script>
<script defer nonce="r4nd0m" src="/bundle.js"></script>
</head><body><div id="signIn" hidden></div><div id="editProfile" hidden></div></body></html>`

const policedScript = `window.violations = [];
addEventListener("securitypolicyviolation", e => violations.push(e.effectiveDirective + " " + e.blockedURI));
window.janrain = {settings: {capture: {captureServer: "/capture", clientId: "demo-page"}}};
window.janrainCaptureWidgetOnLoad = () => {
  const { events, capture: { ui } } = janrain;
  const edit = () => ui.renderScreen("editProfile");
  for (const name of ["SessionFound", "LoginSuccess"]) events["onCapture" + name].addHandler(edit);
  events.onCaptureSessionNotFound.addHandler(() => ui.renderScreen("signIn"));
  ui.start();
};`

// Everything works under each policy that the documents show, with every
// option.
func TestDocumentedPolicies(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(document(t, "docs/page.md"), "## A Content-Security-Policy")
	section, _, _ = strings.Cut(section, "\n## ")
	policies := blocks(section, "text")
	if len(policies) != 3 {
		t.Fatalf("docs/page.md has %d policies", len(policies))
	}
	d := startDemo(t, "--life", "10m")
	var policy string
	site := filesOf(t, d, func(w http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/page", "/warned":
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Security-Policy", policy)
			warning := map[string]string{"/page": "60", "/warned": "86400"}[r.URL.Path]
			fmt.Fprintf(w, policed, every, warning)
		case "/policed.js":
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, policedScript)
		default:
			return bundle(r)
		}
		return true
	})
	b := browsertest.Chromium(t)
	for i, text := range policies {
		policy = strings.TrimSpace(text)
		p := b.Open(t, site+"/page")
		if i == 0 {
			typeSignIn(t, p)
		}
		waitSignedIn(t, p)
		finishSave(t, d, p, fmt.Sprintf("written under policy %d", i))
		unharmed(t, p, policy)
		p.Navigate(t, site+"/warned") // the idle limit is near at once
		const dialog = `document.querySelector("capture-keepalive-dialog").shadowRoot.querySelector("dialog")`
		p.WaitFor(t, dialog+`.open && getComputedStyle(`+dialog+`).position === "fixed"`, soon)
		unharmed(t, p, policy)
		p.Close()
	}
}

func unharmed(t *testing.T, p *browsertest.Page, policy string) {
	t.Helper()
	var violations []string
	if p.Eval(t, `violations`, &violations); len(violations) > 0 {
		t.Errorf("%s\nblocks %q", policy, violations)
	}
	var warnings []struct{ Message string }
	if p.Eval(t, `captureKeepalive.status().warnings`, &warnings); len(warnings) > 0 {
		t.Errorf("%s\nwarns of %q", policy, warnings)
	}
}
