package httpapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

func TestRevoke(t *testing.T) {
	const body = `{"uuid":"` + uuid + `"}`
	revoke := func(body string, change ...func(*http.Request)) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:9090/revoke", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		for _, f := range change {
			f(r)
		}
		return r
	}
	for _, tc := range []struct {
		name    string
		request *http.Request
		code    api.Code // empty: 204
		says    string
	}{
		{"a program", revoke(body), "", ""},
		{"a uuid that was pasted with blanks", revoke(`{"uuid":" ` + uuid + `\n"}`), "", ""},
		{"a page of a listed origin", revoke(body, header("Origin", origin)), api.OriginRefused, "Origin"},
		{"a sandboxed page", revoke(body, header("Origin", "null")), api.OriginRefused, "Origin"},
		{"a page that was rebound", revoke(body, header("Sec-Fetch-Site", "same-origin")),
			api.OriginRefused, "Sec-Fetch-Site"},
		{"the address bar", revoke(body, header("Sec-Fetch-Site", "none")), api.OriginRefused, "Sec-Fetch-Site"},
		{"a form", revoke(body, header("Content-Type", "text/plain")), api.UnsupportedMedia, "application/json"},
		{"no type", revoke(body, header("Content-Type")), api.UnsupportedMedia, "application/json"},
		{"no user", revoke(`{}`), api.BadRequest, "uuid is missing"},
		{"an empty uuid", revoke(`{"uuid":""}`), api.BadRequest, "uuid is missing"},
		{"a long uuid", revoke(`{"uuid":"` + strings.Repeat("a", 129) + `"}`), api.BadRequest, "uuid is too long"},
		{"two uuids", revoke(`{"uuid":"` + uuid + " " + uuid + `"}`), api.BadRequest, "as Capture writes it"},
		{"a uuid with a letter that looks like another", revoke(`{"uuid":"6b1d9\u0441"}`),
			api.BadRequest, "as Capture writes it"},
		{"more than a uuid", revoke(`{"uuid":"u","all":true}`), api.BadRequest, "it knows uuid"},
		{"no body", revoke(``), api.BadRequest, "JSON object"},
		{"too much", revoke(`{"uuid":"` + strings.Repeat("a", 5000) + `"}`), api.TooLarge, "4096"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t)
			response := s.ask(tc.request)
			if tc.code == "" {
				if response.StatusCode != http.StatusOK || !slices.Equal(s.sessions.calls, []string{"Revoke " + uuid}) {
					t.Fatalf("%s, calls %q", response.Status, s.sessions.calls)
				}
				if got := decodeJSON[api.RevokeAnswer](t, response); got.Ended != 2 {
					t.Errorf("%d sessions have ended, want 2", got.Ended)
				}
				return
			}
			if problem := wantProblem(t, response, tc.code); !strings.Contains(problem.Detail, tc.says) {
				t.Errorf("the detail %q does not say %q", problem.Detail, tc.says)
			}
			if len(s.sessions.calls) != 0 {
				t.Errorf("calls %q", s.sessions.calls)
			}
		})
	}
	s := newSite(t)
	s.sessions.err = &session.Error{Code: api.StoreUnavailable, Detail: "a test"}
	wantProblem(t, s.ask(revoke(body)), api.StoreUnavailable)
}

func TestList(t *testing.T) {
	opened := time.Date(2026, 11, 21, 9, 0, 0, 500, time.FixedZone("", 3600))
	var asked string
	var failure error
	s := newSite(t, func(c *httpapi.Config) {
		c.List = func(_ context.Context, uuid string) ([]store.Listed, error) {
			asked = uuid
			if uuid == "unknown" {
				return nil, failure
			}
			return []store.Listed{{
				Key: store.Key{0xab, 0xcd}, Mode: store.ModeCode, Opened: opened,
				Seen: opened.Add(time.Minute), Renewed: opened.Add(time.Hour),
				IdleExpires: opened.Add(2 * time.Hour), AbsoluteExpires: opened.Add(12 * time.Hour), KeyID: "k1",
			}}, failure
		}
	})
	list := func(body string, change ...func(*http.Request)) *http.Response {
		r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:9090/sessions", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		for _, f := range change {
			f(r)
		}
		return s.ask(r)
	}
	response := list(`{"uuid":"` + uuid + ` "}`)
	want := []api.ListedSession{{
		Session: "abcd0000", Mode: "code", Opened: "2026-11-21T08:00:00Z",
		Seen: "2026-11-21T08:01:00Z", Renewed: "2026-11-21T09:00:00Z",
		IdleExpires: "2026-11-21T10:00:00Z", AbsoluteExpires: "2026-11-21T20:00:00Z", Key: "k1",
	}}
	if got := decodeJSON[api.ListAnswer](t, response); response.StatusCode != http.StatusOK ||
		asked != uuid || !slices.Equal(got.Sessions, want) {
		t.Errorf("%s for %q: %+v, want %+v", response.Status, asked, got.Sessions, want)
	}
	if got := decodeJSON[api.ListAnswer](t, list(`{"uuid":"unknown"}`)); got.Sessions == nil || len(got.Sessions) != 0 {
		t.Errorf("a user without sessions: %+v, want an empty list", got.Sessions)
	}
	wantProblem(t, list(`{}`), api.BadRequest)
	wantProblem(t, list(`{"uuid":"u"}`, header("Origin", origin)), api.OriginRefused)
	failure = errors.New("the disk is gone")
	wantProblem(t, list(`{"uuid":"u"}`), api.StoreUnavailable)
	if strings.Contains(s.log.String(), uuid) {
		t.Error("the uuid is in the log")
	}
}
