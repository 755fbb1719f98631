package journeys

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
)

// wrongUse is a way to use the product wrongly, on a page of its own.
type wrongUse struct {
	warning string
	head    string // in the place of keepalive.js's tag
	start   string // the options; empty: the page does not start us
	policy  string
	// session answers for the server's /session, and files for its files.
	session http.HandlerFunc
	files   func(w http.ResponseWriter, r *http.Request) bool
	signIn  bool   // on the demo's page, through a proxy that drops Set-Cookie
	remedy  string // what the message must have
}

const (
	plainTag  = `<script nonce="n" src="/keepalive/keepalive.js"></script>`
	hasToken  = `<script nonce="n">localStorage.janrainCaptureToken = "0123456789abcdef"</script>`
	loadNow   = `{load: "now"}`
	fitPolicy = "script-src 'nonce-n' 'self' 'wasm-unsafe-eval'"
)

// replaced has a page put something of its own in the place of a global.
func replaced(name, by string) string {
	return fmt.Sprintf(`<script nonce="n">Object.defineProperty(window, %q, {value: %s})</script>`, name, by) + plainTag
}

func refuseOrigin(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusForbidden)
	_, _ = io.WriteString(w,
		`{"code":"origin_refused","status":403,"detail":"This origin is not allowed.","requestId":"r-1"}`)
}

// anAppsPage is what a development server answers for every path.
func anAppsPage(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprint(w, "<!doctype html><title>app</title>")
}

func noFiles(w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasSuffix(r.URL.Path, "/manifest.json") {
		return false
	}
	http.NotFound(w, r)
	return true
}

// anotherVersion serves keepalive.js as a page has it that was not upgraded.
func anotherVersion(w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasSuffix(r.URL.Path, "/keepalive.js") {
		return false
	}
	code, err := os.ReadFile(filepath.Join("..", "..", "web", "dist", "keepalive.js"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return true
	}
	version := regexp.MustCompile(`"\d+\.\d+\.\d+[-+.\w]*"`)
	w.Header().Set("Content-Type", "text/javascript")
	_, _ = w.Write(version.ReplaceAll(code, []byte(`"0.0.1"`)))
	return true
}

// underAnotherName serves keepalive.js as a bundler calls it.
func underAnotherName(w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasPrefix(r.URL.Path, "/assets/keepalive.") {
		return false
	}
	http.ServeFile(w, r, filepath.Join("..", "..", "web", "dist", "keepalive.js"))
	return true
}

func manifestOfAnApp(w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasSuffix(r.URL.Path, "/manifest.json") {
		return false
	}
	fmt.Fprint(w, `{"name": "An app", "icons": []}`)
	return true
}

var wrongUses = []wrongUse{
	{warning: "script-too-late", head: `<script nonce="n">` + smallUI + `</script>` + plainTag,
		start: `{}`, remedy: "first"},
	{warning: "wrong-attribute",
		head:   `<script nonce="n" src="/keepalive/keepalive.js" data-start data-idle-warning="soon"></script>`,
		remedy: `"idleWarning" must be seconds`},
	{warning: "wrong-attribute", head: `<script type="module" nonce="n" src="/keepalive/keepalive.js" data-start>
		</script>`, remedy: "without type"},
	{warning: "wrong-attribute", head: `<script nonce="n" src="/assets/keepalive.4f2a.js" data-start>
		</script>`, files: underAnotherName, remedy: "must be called keepalive.js"},
	{warning: "wrong-attribute", head: hasToken + `<script nonce="n" src="/keepalive/keepalive.js" data-start
		data-cookieconsent="ignore" data-load="now" data-idle-waring="60"></script>`,
		remedy: "Did you mean data-idle-warning?"},
	{warning: "wrong-attribute", head: `<script nonce="n" src="/keepalive/keepalive.js" data-dialog></script>`,
		remedy: `"dialog" has no effect without data-start`},
	// Where data-start is false, the page's own start() is the first.
	{warning: "server-not-found", head: hasToken + `<script nonce="n" src="/keepalive/keepalive.js" data-start="false">
		</script>`, start: `{load: "now", endpoint: "/no"}`, remedy: "set endpoint"},
	{warning: "server-not-found", head: hasToken + plainTag, start: loadNow, session: anAppsPage, remedy: "HTTP 200"},
	{warning: "not-http", head: plainTag, start: loadNow, policy: "sandbox allow-scripts", remedy: "Serve"},
	{warning: "not-started", head: `<script nonce="n">window.AbortController = class { signal = {aborted: false} }
		</script>` + plainTag, start: loadNow, remedy: "after keepalive.js"},
	{warning: "not-started", head: plainTag + `<script nonce="n">Array.prototype.every = () => { throw "no" }</script>`,
		start: loadNow, remedy: "after keepalive.js"},
	{warning: "not-started", head: hasToken + replaced("crypto", `{}`), start: loadNow, remedy: "after keepalive.js"},
	{warning: "not-started", head: replaced("fetch", `{}`), start: loadNow, remedy: "after keepalive.js"},
	{warning: "insecure-page", head: `<script nonce="n">Object.defineProperty(window, "isSecureContext",
		{value: false})</script>` + plainTag, start: loadNow, remedy: "https"},
	{warning: "endpoint-on-another-site", head: plainTag, start: `{load: "now",
		endpoint: location.origin.replace("localhost", "127.0.0.1") + "/keepalive"}`, remedy: "from this site"},
	{warning: "cookie-not-kept", signIn: true, remedy: "check --url"},
	{warning: "origin-refused", head: hasToken + plainTag, start: loadNow, session: refuseOrigin,
		remedy: "KEEPALIVE_ORIGINS"},
	{warning: "files-not-found", head: plainTag, start: loadNow, files: noFiles, remedy: "Set endpoint"},
	{warning: "files-not-found", head: plainTag, start: loadNow, files: manifestOfAnApp, remedy: "Set endpoint"},
	{warning: "version-mismatch", head: plainTag, start: loadNow, files: anotherVersion, remedy: "Use the server's"},
	{warning: "blocked-by-policy", head: plainTag, start: loadNow,
		policy: fitPolicy + "; connect-src 'none'", remedy: "Allow"},
	{warning: "wasm-blocked", head: plainTag, start: loadNow, policy: "script-src 'nonce-n' 'self'",
		remedy: "'wasm-unsafe-eval'"},
	// native.js copies the members of WebAssembly in its first lines: where it is
	// missing they must not throw, or the page has no captureKeepalive.
	{warning: "wasm-blocked", head: replaced("WebAssembly", "undefined"), start: loadNow, remedy: "switched it off"},
}

// Wrong use is told once, on the console and in status(), with what to do and
// where to read on, however often the page starts us.
func TestWarnings(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	to, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	var row wrongUse
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			if r.Out.Header.Get("Origin") != "" {
				r.Out.Header.Set("Origin", d.URL)
			}
		},
		ModifyResponse: func(r *http.Response) error {
			r.Header.Del("Set-Cookie")
			return nil
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/page":
			if row.policy != "" {
				w.Header().Set("Content-Security-Policy", row.policy)
			}
			start := ""
			if row.start != "" {
				start = "window.again = () => captureKeepalive.start(" + row.start + "); again()"
			}
			fmt.Fprintf(w, `<!doctype html><title>%s</title>
				<link rel="icon" href="data:,">%s<script nonce="n">%s</script>`, row.warning, row.head, start)
		case r.URL.Path == "/keepalive/session" && row.session != nil:
			row.session(w, r)
		case row.files != nil && row.files(w, r):
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	site := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	b := browsertest.Chromium(t)
	for _, row = range wrongUses {
		t.Run(row.warning, func(t *testing.T) {
			p := b.Open(t, site+"/favicon.svg")
			defer func() {
				if t.Failed() {
					var report string
					p.Eval(t, `window.captureKeepalive?.report?.() + document.cookie`, &report)
					t.Log(report)
				}
			}()
			p.Eval(t, `localStorage.clear(), 1`, nil)
			if row.signIn {
				p.Navigate(t, site)
				p.WaitFor(t, `document.querySelector("#capture_signIn_email")?.value !== ""`, soon)
				p.Click(t, "#capture_signIn_submit")
			} else {
				p.Navigate(t, site+"/page")
			}
			p.WaitFor(t, fmt.Sprintf(`captureKeepalive.status().warnings.some(w => w.id === %q)`, row.warning), soon)
			if row.warning == "not-http" || row.warning == "not-started" {
				var known any = true
				p.Eval(t, `Promise.race([captureKeepalive.ready.then(r => r.signedIn),
					new Promise(r => setTimeout(r, 5000, "pending"))])`, &known)
				if known != nil {
					t.Errorf("ready says %v, want null", known)
				}
			}
			p.Eval(t, `(async () => {
				captureKeepalive.stop();
				if (!window.again) return;
				again();
				await captureKeepalive.token().catch(() => 0);
			})()`, nil)
			var told []struct{ ID, Message string }
			p.Eval(t, fmt.Sprintf(`captureKeepalive.status().warnings.filter(w => w.id === %q)`, row.warning), &told)
			if len(told) != 1 || !strings.Contains(told[0].Message, row.remedy) ||
				strings.Contains(told[0].Message, "captureKeepalive:") {
				t.Errorf("status().warnings has %+v, want one with %q", told, row.remedy)
			}
			link := "docs/troubleshooting.md#" + row.warning
			if got := strings.Count(strings.Join(p.Console(t), "\n"), link); got != 1 {
				t.Errorf("the console has %d lines with %s: %q", got, link, p.Console(t))
			}
		})
	}
}
