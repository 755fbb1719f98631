package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// Which kinds of login there are follows from the clients; a session that is
// there is not asked for its kind.
func TestModes(t *testing.T) {
	const (
		token = `{"accessToken":"` + goodToken + `"}`
		code  = `{"authorizationCode":"codecodecode0000"}`
	)
	for _, tc := range []struct {
		modes []store.Mode
		body  string
		says  string // of the refusal; empty: it is good
	}{
		{[]store.Mode{store.ModeToken}, token, ""},
		{[]store.Mode{store.ModeToken}, code, "use responseType token"},
		{[]store.Mode{store.ModeCode}, code, ""},
		{[]store.Mode{store.ModeCode}, token, "use responseType code"},
		{[]store.Mode{store.ModeToken, store.ModeCode}, token, ""},
		{[]store.Mode{store.ModeToken, store.ModeCode}, code, ""},
	} {
		s := newSite(t, func(c *httpapi.Config) { c.Modes = tc.modes })
		response := s.do(request("POST", "/session", tc.body))
		if tc.says == "" {
			if response.StatusCode != http.StatusCreated || len(response.Cookies()) != 2 {
				t.Errorf("%q, %s: %s", tc.modes, tc.body, response.Status)
			}
			continue
		}
		if problem := wantProblem(t, response, api.BadRequest); !strings.Contains(problem.Detail, tc.says) ||
			len(s.sessions.calls) != 0 {
			t.Errorf("%q: the detail %q does not say %q, or calls %q", tc.modes, problem.Detail,
				tc.says, s.sessions.calls)
		}
	}
}

func TestExchange(t *testing.T) {
	s := newSite(t)
	earlier := s.login(t)
	response := s.do(request("POST", "/session",
		`{"authorizationCode":"codecodecode0000","redirectUri":"https://www.example.com/back"}`, cookie(earlier)))
	if response.StatusCode != http.StatusCreated || len(response.Cookies()) != 2 {
		t.Fatalf("%s with %d cookies", response.Status, len(response.Cookies()))
	}
	if got := s.sessions.code; got.Code.Reveal() != "codecodecode0000" ||
		got.RedirectURI != "https://www.example.com/back" || got.Previous != someID {
		t.Errorf("the login that arrived: redirect URI %q, previous %v", got.RedirectURI, got.Previous == someID)
	}
	if got := decodeJSON[api.TokenAnswer](t, response); got.AccessToken != goodToken || got.UUID != uuid {
		t.Error("not a token answer")
	}
	s.sessions.err = &session.Error{Code: api.CodeUsed, Detail: "a test"}
	response = s.do(request("POST", "/session", `{"authorizationCode":"codecodecode0000"}`, cookie(earlier)))
	wantProblem(t, response, api.CodeUsed)
	if len(response.Cookies()) != 0 {
		t.Error("a refused code touches the cookie")
	}
	if strings.Contains(s.log.String(), "codecodecode0000") {
		t.Error("the code is in the log")
	}
}
