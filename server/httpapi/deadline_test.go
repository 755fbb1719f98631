package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
)

// Whatever stands still behind the server, each route answers by its deadline.
func TestEveryAnswerHasADeadline(t *testing.T) {
	const timeout = 20 * time.Second
	for _, tc := range []struct {
		name         string
		method, path string
		body         string
		operator     bool
		within       time.Duration
	}{
		{"a login", "POST", "/session", `{"accessToken":"` + goodToken + `"}`, false, timeout},
		{"a login with a code", "POST", "/session", `{"authorizationCode":"codecodecode0000"}`, false, timeout},
		{"a token", "POST", "/session/token", `{"reason":"due"}`, false, timeout},
		{"a status", "GET", "/session", "", false, timeout},
		{"activity", "POST", "/session/activity", "", false, timeout},
		{"a sign-out", "DELETE", "/session", "", false, timeout},
		{"readiness", "GET", "/readyz", "", true, 2 * time.Second},
		{"a proxy's question", "GET", "/auth", "", true, 5 * time.Second},
		{"a revocation", "POST", "/revoke", `{"uuid":"` + uuid + `"}`, true, timeout},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, func(c *httpapi.Config) { c.Timeout = timeout })
				known := s.login(t)
				s.sessions.still = map[string]bool{"*": true}
				handler, r := s.Public(), request(tc.method, tc.path, tc.body, cookie(known))
				if tc.operator {
					handler, r = s.Admin(), httptest.NewRequest(tc.method, tc.path, strings.NewReader(tc.body))
					r.Header.Set("Content-Type", "application/json")
					r.AddCookie(known)
				}
				began := time.Now()
				recorder := httptest.NewRecorder()
				handler.ServeHTTP(recorder, r)
				if took := time.Since(began); took > tc.within {
					t.Errorf("the answer took %v, want %v at most", took, tc.within)
				}
				response := recorder.Result()
				wantProblem(t, response, api.StoreUnavailable)
				if response.Header.Get("Retry-After") == "" || len(response.Cookies()) != 0 {
					t.Errorf("Retry-After %q, %d cookies", response.Header.Get("Retry-After"), len(response.Cookies()))
				}
			})
		})
	}
}

// A store that takes no writes, or a token that does not come, holds a site's
// pages up for a moment, and closes them to no visitor.
func TestAuthWaitsForNothingItDoesNotNeed(t *testing.T) {
	for call, within := range map[string]time.Duration{"Touch": time.Second, "Token request ": 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, func(c *httpapi.Config) { c.AuthIsActivity = true })
			known := s.login(t)
			s.sessions.still = map[string]bool{call: true}
			began := time.Now()
			response := s.ask(proxied(cookie(known)))
			if response.StatusCode != http.StatusNoContent || response.Header.Get("X-Capture-Uuid") != uuid {
				t.Errorf("%s stands still: %s, X-Capture-Uuid %q", call, response.Status,
					response.Header.Get("X-Capture-Uuid"))
			}
			if took := time.Since(began); took > within {
				t.Errorf("%s stands still: the answer took %v, want %v at most", call, took, within)
			}
		})
	}
}
