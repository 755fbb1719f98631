package httpapi_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
	"github.com/capture-keepalive/capture-keepalive/server/session"
)

// ask sends a request to the operator's handler.
func (s *site) ask(r *http.Request) *http.Response {
	recorder := httptest.NewRecorder()
	s.Admin().ServeHTTP(recorder, r)
	return recorder.Result()
}

// proxied is what a reverse proxy asks: a GET with the visitor's headers.
func proxied(change ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:9090/auth", nil)
	for _, f := range change {
		f(r)
	}
	return r
}

// methodsOfVisitors are what proxies ask with that hand on the method of the
// visitor's request, as Envoy does.
var methodsOfVisitors = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
	http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, "PROPFIND", "REPORT"}

func TestAuthAnswersEveryMethodAlike(t *testing.T) {
	s := newSite(t)
	known := s.login(t)
	for _, method := range methodsOfVisitors {
		r := proxied(cookie(known))
		r.Method = method
		response := s.ask(r)
		if got := response.Header.Get("X-Capture-Uuid"); response.StatusCode != http.StatusNoContent ||
			got != uuid {
			t.Errorf("%s: %s, X-Capture-Uuid %q", method, response.Status, got)
		}
	}
}

func TestAuth(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*httpapi.Config)
		token  string // in the answer
		calls  []string
	}{
		{"as it is configured by default", func(c *httpapi.Config) { c.AuthIsActivity = true }, "",
			[]string{"Token request ", "Touch"}},
		{"with the token",
			func(c *httpapi.Config) { c.AuthIsActivity, c.AuthTokenHeader = true, true }, goodToken,
			[]string{"Token request ", "Touch"}},
		{"no activity", func(*httpapi.Config) {}, "", []string{"Token request "}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t, tc.change)
			known := s.login(t)
			// What a visitor says in these headers is neither read nor repeated.
			spoofed := func(r *http.Request) {
				r.Header.Set("X-Capture-Uuid", "spoofed")
				r.Header.Set("X-Capture-Access-Token", "spoofed")
			}
			response := s.ask(proxied(cookie(known), spoofed))
			if response.StatusCode != http.StatusNoContent {
				t.Fatalf("status %s", response.Status)
			}
			if got := response.Header.Values("X-Capture-Uuid"); !slices.Equal(got, []string{uuid}) {
				t.Errorf("X-Capture-Uuid: %q", got)
			}
			if got := response.Header.Get("X-Capture-Access-Token"); got != tc.token {
				t.Errorf("X-Capture-Access-Token: %q, want %q", got, tc.token)
			}
			if !slices.Equal(s.sessions.calls, tc.calls) {
				t.Errorf("calls %q, want %q", s.sessions.calls, tc.calls)
			}
			if len(response.Cookies()) != 0 || response.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("cookies %v, Cache-Control %q", response.Cookies(), response.Header.Get("Cache-Control"))
			}
			if strings.Contains(s.log.String(), goodToken) || strings.Contains(s.log.String(), uuid) {
				t.Error("the token or the uuid is in the log")
			}
		})
	}
}

func TestAuthRefusals(t *testing.T) {
	failing := func(code api.Code) *session.Error { return &session.Error{Code: code, Detail: "a test"} }
	for _, tc := range []struct {
		name  string
		token bool
		err   error
		code  api.Code // empty: 204
	}{
		{"ended", false, failing(api.SessionEnded), api.SessionEnded},
		{"the store is down, and a token is wanted", true, failing(api.StoreUnavailable), api.StoreUnavailable},
		{"no token can be had", true, failing(api.UpstreamUnavailable), api.UpstreamUnavailable},
		{"no client any more", true, failing(api.UpstreamRefused), api.UpstreamRefused},
		{"a fault", false, errors.New("unforeseen"), api.Internal},
		// Who is there is known; only the token is not.
		{"no token can be had or is wanted", false, failing(api.UpstreamUnavailable), ""},
		{"no client any more, and no token wanted", false, failing(api.UpstreamRefused), ""},
		{"a token cannot be stored, and none is wanted", false, failing(api.StoreUnavailable), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t, func(c *httpapi.Config) { c.AuthTokenHeader = tc.token })
			known := s.login(t)
			s.sessions.fail = map[string]error{"Token request ": tc.err}
			response := s.ask(proxied(cookie(known)))
			if tc.code == "" {
				if response.StatusCode != http.StatusNoContent || response.Header.Get("X-Capture-Uuid") != uuid {
					t.Errorf("%s, X-Capture-Uuid %q", response.Status, response.Header.Get("X-Capture-Uuid"))
				}
				return
			}
			wantProblem(t, response, tc.code)
			if response.Header.Get("X-Capture-Uuid") != "" {
				t.Error("a refusal names a user")
			}
		})
	}
	t.Run("the activity cannot be stored", func(t *testing.T) {
		for _, token := range []bool{true, false} {
			s := newSite(t, func(c *httpapi.Config) { c.AuthIsActivity, c.AuthTokenHeader = true, token })
			known := s.login(t)
			s.sessions.fail = map[string]error{"Touch": failing(api.StoreUnavailable)}
			response := s.ask(proxied(cookie(known)))
			if response.StatusCode != http.StatusNoContent || response.Header.Get("X-Capture-Uuid") != uuid {
				t.Errorf("%s, X-Capture-Uuid %q", response.Status, response.Header.Get("X-Capture-Uuid"))
			}
			if !strings.Contains(s.log.String(), "activity could not be stored") {
				t.Errorf("the log does not tell: %s", s.log)
			}
		}
	})
	t.Run("the session ends before the activity", func(t *testing.T) {
		s := newSite(t, func(c *httpapi.Config) { c.AuthIsActivity = true })
		known := s.login(t)
		s.sessions.fail = map[string]error{"Touch": failing(api.SessionEnded)}
		wantProblem(t, s.ask(proxied(cookie(known))), api.SessionEnded)
	})
	t.Run("the store is down", func(t *testing.T) {
		s := newSite(t, func(c *httpapi.Config) { c.AuthIsActivity = true })
		known := s.login(t)
		s.sessions.err = failing(api.StoreUnavailable)
		wantProblem(t, s.ask(proxied(cookie(known))), api.StoreUnavailable)
	})
	t.Run("the store fails in between", func(t *testing.T) {
		s := newSite(t)
		known := s.login(t)
		s.sessions.fail = map[string]error{"Token request ": failing(api.UpstreamUnavailable),
			"Status": failing(api.StoreUnavailable)}
		wantProblem(t, s.ask(proxied(cookie(known))), api.StoreUnavailable)
	})
	t.Run("no cookie, whatever the method of the visitor's request", func(t *testing.T) {
		s := newSite(t)
		for _, method := range methodsOfVisitors {
			r := proxied()
			r.Method = method
			if got := s.ask(r).StatusCode; got != http.StatusUnauthorized {
				t.Errorf("%s without a cookie: %d, want 401", method, got)
			}
		}
		for _, method := range []string{"PURGE", "options", "*"} {
			r := proxied()
			r.Method = method
			if got := s.ask(r).StatusCode; got < http.StatusBadRequest {
				t.Errorf("%s without a cookie: %d lets a visitor in", method, got)
			}
		}
		wantProblem(t, s.ask(proxied()), api.SessionMissing)
		wantProblem(t, s.ask(proxied(header("X-Capture-Uuid", uuid))), api.SessionMissing)
		if len(s.sessions.calls) != 0 {
			t.Errorf("without a cookie: %q", s.sessions.calls)
		}
	})
}

// A cookie signed by an older key is issued anew, alone: nginx hands on one.
func TestAuthIssuesTheCookieAnew(t *testing.T) {
	old := newSite(t)
	known := old.login(t)
	s := newSite(t, func(c *httpapi.Config) { c.Keys = ring(t, keyTwo, keyOne) })
	response := s.ask(proxied(cookie(known)))
	if got := response.Header.Values("Set-Cookie"); len(got) != 1 ||
		!strings.HasPrefix(got[0], known.Name+"=") || !strings.Contains(got[0], "HttpOnly") {
		t.Fatalf("Set-Cookie: %q", got)
	}
	if again := s.ask(proxied(cookie(response.Cookies()[0]))); again.StatusCode != http.StatusNoContent ||
		len(again.Cookies()) != 0 {
		t.Errorf("the new cookie: %s with %d cookies", again.Status, len(again.Cookies()))
	}
}

// What is for proxies and operators is not there for browsers, under no path.
func TestAdminRoutesAreNotPublic(t *testing.T) {
	s := newSite(t)
	known := s.login(t)
	for _, path := range []string{"/auth", "/revoke", "/sessions", "/keepalive/sessions",
		"/healthz", "/readyz", "/keepalive/auth", "/keepalive/revoke", "/keepalive/session/auth", "//auth"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := request(method, "", "", cookie(known))
			r.URL.Path = path
			wantProblem(t, s.do(r), api.NotFound)
		}
	}
	if len(s.sessions.calls) != 0 {
		t.Errorf("calls %q", s.sessions.calls)
	}
}
