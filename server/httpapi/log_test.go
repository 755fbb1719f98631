package httpapi_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
	"github.com/capture-keepalive/capture-keepalive/server/session"
)

// At info the log tells who came and went, what was refused and what was slow;
// at debug it has a line for every request.
func TestOnlyNewsIsLogged(t *testing.T) {
	slow := func(s *site) {
		s.sessions.now = func() time.Time {
			time.Sleep(time.Second)
			return s.clock
		}
	}
	inBubble := func(test func(t *testing.T)) func(t *testing.T) {
		return func(t *testing.T) { synctest.Test(t, test) }
	}
	for _, tc := range []struct {
		name               string
		method, path, body string
		operator           bool // at the operator's listener
		signed             bool // with the cookie of a login
		prepare            func(*site)
		status             int
		news               bool
	}{
		{"a login", "POST", "/session", `{"accessToken":"` + goodToken + `"}`, false, false, nil, 201, true},
		{"a sign-out", "DELETE", "/session", "", false, true, nil, 204, true},
		{"a sign-out without a session", "DELETE", "/session", "", false, false, nil, 204, false},
		{"a revocation", "POST", "/revoke", `{"uuid":"` + uuid + `"}`, true, false, nil, 200, true},
		{"a token", "POST", "/session/token", `{"reason":"start"}`, false, true, nil, 200, false},
		{"a slow token", "POST", "/session/token", `{"reason":"start"}`, false, true, slow, 200, true},
		{"a token refused", "POST", "/session/token", `{"reason":"start"}`, false, false, nil, 401, true},
		{"a status", "GET", "/session", "", false, true, nil, 200, false},
		{"activity", "POST", "/session/activity", "", false, true, nil, 204, false},
		{"a file", "GET", "/manifest.json", "", false, false, nil, 200, false},
		{"a file that is not there", "GET", "/nothing.js", "", false, false, nil, 404, true},
		{"a proxy's question", "GET", "/auth", "", true, true, nil, 204, false},
		{"a health check", "GET", "/healthz", "", true, false, nil, 200, false},
	} {
		for _, level := range []slog.Level{slog.LevelInfo, slog.LevelDebug} {
			t.Run(tc.name+" at "+level.String(), inBubble(func(t *testing.T) {
				var log strings.Builder
				s := newSite(t, func(c *httpapi.Config) {
					c.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: level}))
				})
				handler, r := s.Public(), request(tc.method, tc.path, tc.body)
				if tc.operator {
					handler, r = s.Admin(), httptest.NewRequest(tc.method, tc.path, strings.NewReader(tc.body))
					r.Header.Set("Content-Type", "application/json")
				}
				if tc.signed {
					r.AddCookie(s.login(t))
				}
				if tc.prepare != nil {
					tc.prepare(s)
				}
				log.Reset()
				answer := httptest.NewRecorder()
				handler.ServeHTTP(answer, r)
				if answer.Code != tc.status {
					t.Fatalf("status %d: %s", answer.Code, answer.Body)
				}
				want := 0
				if tc.news || level == slog.LevelDebug {
					want = 1
				}
				if got := strings.Count(log.String(), "\n"); got != want {
					t.Errorf("%d lines, want %d:\n%s", got, want, log.String())
				}
				if coded := strings.Contains(log.String(), `"code":"`); coded != (tc.status >= http.StatusBadRequest) {
					t.Errorf("a code: %t\n%s", coded, log.String())
				}
			}))
		}
	}
}

// A renewal is one line, however many ask, and its pages' requests are none.
func TestRenewalsAreLogged(t *testing.T) {
	const renewed = `"event":"renewed"`
	town := newTown(t)
	_, token := town.capture.SignIn("ada@example.com", "Ada")
	opened := must[api.TokenAnswer](t, town, 201, "POST", "/session", api.OpenRequest{AccessToken: token})
	must[api.TokenAnswer](t, town, 200, "POST", "/session/token", api.TokenRequest{Reason: api.ReasonStart})
	if before := town.log.String(); strings.Count(before, "\n") != 2 || strings.Contains(before, renewed) {
		t.Errorf("after a login and a fresh token:\n%s", before)
	}
	town.pass(59 * time.Minute)
	for range 2 {
		got := must[api.TokenAnswer](t, town, 200, "POST", "/session/token", api.TokenRequest{Reason: api.ReasonDue})
		if got.AccessToken == opened.AccessToken {
			t.Fatal("the token is the old one")
		}
	}
	if after := town.log.String(); strings.Count(after, "\n") != 3 || strings.Count(after, renewed) != 1 {
		t.Errorf("after a renewal:\n%s", after)
	}
}

// A flood of like requests is a few lines a second, and a count; what is rare
// beside it is still told.
func TestAFloodIsSampled(t *testing.T) {
	for _, tc := range []struct {
		name string
		ask  func(s *site) *http.Response
	}{
		{"paths that are not there", func(s *site) *http.Response { return s.do(request("GET", "/wp-login.php", "")) }},
		{"methods that are not there", func(s *site) *http.Response { return s.do(request("BREW", "/session", "")) }},
		{"pages of another site", func(s *site) *http.Response {
			return s.do(request("POST", "/session", "{}", header("Origin", "https://evil.example")))
		}},
		{"no cookie",
			func(s *site) *http.Response { return s.do(request("POST", "/session/token", `{"reason":"due"}`)) }},
		{"bodies without sense", func(s *site) *http.Response { return s.do(request("POST", "/session", "[")) }},
		{"Capture away", func(s *site) *http.Response {
			s.sessions.err = &session.Error{Code: api.UpstreamUnavailable, Detail: "a test"}
			return s.do(request("POST", "/session", `{"accessToken":"`+goodToken+`"}`))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				for range 1000 {
					if response := tc.ask(s); response.StatusCode < http.StatusBadRequest {
						t.Fatal(response.Status)
					}
				}
				if lines := strings.Count(s.log.String(), "\n"); lines != 10 {
					t.Errorf("%d lines for 1000 requests in one moment, want 10", lines)
				}
				s.sessions.err = nil
				s.login(t)
				if !strings.Contains(s.log.String(), `"status":201`) {
					t.Error("the login is not told")
				}
				s.log.Reset()
				time.Sleep(time.Second)
				tc.ask(s)
				if !strings.Contains(s.log.String(), `"omitted":990`) {
					t.Errorf("a second later the log does not say how many were left out: %s", s.log)
				}
			})
		})
	}
}
