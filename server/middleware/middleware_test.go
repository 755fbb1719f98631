package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/middleware"
)

const (
	uuid   = "6b1d9c2e-0f0a-4c57-9f63-1d5a0d2b7a11"
	token  = "sentineltoken001"
	cookie = "__Host-Http-keepalive=signed"
)

// keepalive is a server that has one session.
func keepalive(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.Header.Get("Cookie"), cookie) {
		problem(api.SessionMissing)(w, r)
		return
	}
	w.Header().Set("X-Capture-Uuid", uuid)
	w.Header().Set("X-Capture-Access-Token", token)
	w.WriteHeader(http.StatusNoContent)
}

func problem(code api.Code) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", api.ContentTypeProblem)
		w.WriteHeader(code.Status())
		_ = json.NewEncoder(w).Encode(api.Problem{Code: code})
	}
}

func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// switchProtocols answers HTTP 101, and holds the connection for as long as t runs.
func switchProtocols(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n"+
			"Connection: Upgrade\r\nUpgrade: x\r\n\r\n")
	}
}

// page is a site's handler: it writes what it knows of the visitor.
var page = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	visitor, ok := middleware.FromContext(r.Context())
	fmt.Fprintf(w, "%v %s %s|", ok, visitor.UUID, visitor.Token.Reveal())
	for name, values := range r.Header {
		if strings.Contains(strings.ToLower(name), "capture") {
			fmt.Fprintf(w, "%s: %q", name, values)
		}
	}
})

func newMiddleware(t *testing.T, server http.Handler, change ...func(*middleware.Config)) *middleware.Middleware {
	t.Helper()
	upstream := httptest.NewServer(server)
	t.Cleanup(upstream.Close)
	config := middleware.Config{URL: upstream.URL}
	for _, f := range change {
		f(&config)
	}
	m, err := middleware.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func visit(handler http.Handler, headers ...string) *http.Response {
	r := httptest.NewRequest(http.MethodPost, "https://www.example.com/account?secret=1", strings.NewReader("form=1"))
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	return recorder.Result()
}

func text(t *testing.T, response *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestVisitors(t *testing.T) {
	const signedOut, signedIn = "false  |", "true " + uuid + " " + token + "|"
	m := newMiddleware(t, http.HandlerFunc(keepalive))
	for _, tc := range []struct {
		name    string
		handler http.Handler
		headers []string
		status  int
		body    string
	}{
		{"signed in", m.Require(page), []string{"Cookie", "a=b; " + cookie}, 200, signedIn},
		{"signed in, on a page for all visitors", m.Recognize(page), []string{"Cookie", cookie}, 200, signedIn},
		{"another cookie", m.Require(page), []string{"Cookie", "a=b"}, 401, "Sign in first.\n"},
		{"no cookie", m.Require(page), nil, 401, "Sign in first.\n"},
		{"no cookie, on a page for all visitors", m.Recognize(page), nil, 200, signedOut},
		{"spoofed", m.Recognize(page),
			[]string{"X-Capture-Uuid", "spoofed", "X-Capture-Access-Token", "spoofed",
				"x-capture-anything", "spoofed", "x_capture_uuid", "spoofed",
				"X-Capture_Access-Token", "spoofed"}, 200, signedOut},
		{"spoofed and signed in", m.Require(page),
			[]string{"Cookie", cookie, "X-Capture-Uuid", "spoofed"}, 200, signedIn},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response := visit(tc.handler, tc.headers...)
			if got := text(t, response); response.StatusCode != tc.status || got != tc.body {
				t.Errorf("%s %q, want %d %q", response.Status, got, tc.status, tc.body)
			}
			if got := response.Header.Values("Vary"); !slices.Contains(got, "Cookie") {
				t.Errorf("Vary: %q", got)
			}
		})
	}
}

// Signed out is what the server says in so many words, and nothing else.
func TestOnlyTheServerSignsOut(t *testing.T) {
	signedIn := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	for _, tc := range []struct {
		name   string
		server http.HandlerFunc
		status int
	}{
		{"session_missing", problem(api.SessionMissing), 401},
		{"session_ended", problem(api.SessionEnded), 401},
		{"a proxy's 401", answering(401, "<h1>Who are you?</h1>"), 503},
		{"a 401 of another meaning", answering(401, `{"code":"no_credit"}`), 503},
		{"the store is down", problem(api.StoreUnavailable), 503},
		{"Capture is down", problem(api.UpstreamUnavailable), 503},
		{"a fault", problem(api.Internal), 503},
		{"too many questions", problem(api.RateLimited), 503},
		{"the public listener", problem(api.NotFound), 503},
		{"forbidden", answering(403, ""), 503},
		{"204 without a uuid", signedIn, 503},
		{"a page instead", answering(200, "<html>"), 503},
		{"a redirect to an answer", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == api.PathAuth {
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
				return
			}
			keepalive(w, r)
		}, 503},
		{"a page with a uuid", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Capture-Uuid", uuid)
		}, 503},
		{"forbidden, in the words of a 401", answering(403, `{"code":"session_missing"}`), 503},
		{"nothing", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 503},
		{"another protocol", switchProtocols(t), 503},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var reason error
			m := newMiddleware(t, tc.server)
			for name, handler := range map[string]http.Handler{"Require": m.Require(page),
				"Recognize": m.Recognize(page)} {
				want := tc.status
				if want == 401 && name == "Recognize" {
					want = 200
				}
				response := visit(handler, "Cookie", cookie)
				if response.StatusCode != want {
					t.Errorf("%s: %s, want %d", name, response.Status, want)
				}
				if want != 200 && response.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s: a cache may keep the answer", name)
				}
			}
			own := newMiddleware(t, tc.server, func(c *middleware.Config) {
				c.SignedOut = http.RedirectHandler("/login", http.StatusSeeOther)
				c.Unavailable = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					reason = middleware.Reason(r.Context())
					w.WriteHeader(http.StatusTeapot)
				})
			})
			want := map[int]int{401: http.StatusSeeOther, 503: http.StatusTeapot}[tc.status]
			if response := visit(own.Require(page), "Cookie", cookie); response.StatusCode != want {
				t.Errorf("with the site's own handlers: %s, want %d", response.Status, want)
			}
			if (reason != nil) != (tc.status == 503) {
				t.Errorf("the reason is %v", reason)
			}
			if reason != nil && strings.Contains(reason.Error(), cookie) {
				t.Errorf("the cookie is in %q", reason)
			}
		})
	}
}

// What goes to the server is the visitor's cookie and nothing else of theirs.
func TestOnlyTheCookieIsSent(t *testing.T) {
	var got *http.Request
	m := newMiddleware(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.Background())
		keepalive(w, r)
	}))
	if visit(m.Require(page)); got != nil {
		t.Error("asked for a visitor without a cookie")
	}
	visit(m.Require(page), "Cookie", cookie, "Cookie", "c=d", "Authorization", "Basic x", "Origin",
		"https://evil.example", "X-Forwarded-For", "1.2.3.4", "X-Capture-Uuid", "spoofed")
	if got.Method != http.MethodGet || got.RequestURI != "/auth" || got.ContentLength != 0 {
		t.Errorf("asked: %s %s with %d bytes", got.Method, got.RequestURI, got.ContentLength)
	}
	var names []string
	for name := range got.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{"Accept-Encoding", "Cookie", "User-Agent"}; !slices.Equal(names, want) {
		t.Errorf("headers %q, want %q", names, want)
	}
	if got := got.Header.Values("Cookie"); !slices.Equal(got, []string{cookie, "c=d"}) {
		t.Errorf("cookies %q", got)
	}
}

func TestCookieIsPassedOn(t *testing.T) {
	const anew = "__Host-Http-keepalive=anew; Path=/; Secure; HttpOnly"
	m := newMiddleware(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", anew)
		keepalive(w, r)
	}))
	site := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "site", Value: "1"})
	})
	response := visit(m.Require(site), "Cookie", cookie)
	if got := response.Header.Values("Set-Cookie"); !slices.Equal(got, []string{anew, "site=1"}) {
		t.Errorf("Set-Cookie: %q", got)
	}
}

func TestTimeout(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{0: middleware.DefaultTimeout,
		3 * time.Second: 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			m, err := middleware.New(middleware.Config{
				URL: "http://127.0.0.1:9090", Timeout: given,
				Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}),
				Unavailable: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if !errors.Is(middleware.Reason(r.Context()), context.DeadlineExceeded) {
						t.Errorf("the reason is %v", middleware.Reason(r.Context()))
					}
					w.WriteHeader(http.StatusServiceUnavailable)
				}),
			})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if response := visit(m.Require(page), "Cookie", cookie); response.StatusCode != 503 ||
				time.Since(began) != want {
				t.Errorf("%s after %v, want 503 after %v", response.Status, time.Since(began), want)
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTokenDoesNotPrint(t *testing.T) {
	var out strings.Builder
	m := newMiddleware(t, http.HandlerFunc(keepalive))
	visit(m.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		visitor, _ := middleware.FromContext(r.Context())
		if visitor.Token.Reveal() != token {
			t.Errorf("the token is %q", visitor.Token.Reveal())
		}
		fmt.Fprintf(&out, "%v %+v %#v %s", visitor, visitor, visitor, visitor.Token)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("visit", "visitor", visitor)
	})), "Cookie", cookie)
	if strings.Contains(out.String(), token) || !strings.Contains(out.String(), "[redacted]") {
		t.Errorf("printed: %s", out.String())
	}
}

func TestNew(t *testing.T) {
	for _, good := range []string{"http://127.0.0.1:9090", "https://keepalive.internal/", "http://[::1]:9090"} {
		if _, err := middleware.New(middleware.Config{URL: good}); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "127.0.0.1:9090", "unix:/run/x", "http://",
		"http://user:sentinel@host", "http://host?x=sentinel", "http://host?", "ftp://host",
		"http://host#sentinel", "http://ho st"} {
		if _, err := middleware.New(middleware.Config{URL: bad}); err == nil ||
			!strings.HasPrefix(err.Error(), "middleware: URL: ") || strings.Contains(err.Error(), "sentinel") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := middleware.New(middleware.Config{URL: "http://a", Timeout: -1}); err == nil ||
		!strings.HasPrefix(err.Error(), "middleware: Timeout: ") {
		t.Errorf("a negative timeout: %v", err)
	}
	if _, ok := middleware.FromContext(context.Background()); ok {
		t.Error("there is a visitor in an empty context")
	}
}
