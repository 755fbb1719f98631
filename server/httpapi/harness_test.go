package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	origin    = "https://www.example.com"
	host      = "https://login.example.com"
	goodToken = "z0t8k3vq5n1m7p2r"
	uuid      = "6b1d9c2e-0f0a-4c57-9f63-1d5a0d2b7a11"

	keyOne = "k1:c2V2ZW50ZWVuIGJ5dGVzIGFuZCBmaWZ0ZWVuIG1vcmU="
	keyTwo = "k2:YW5vdGhlciBrZXksIG9mIHRoaXJ0eS10d28gYnl0ZXM="
)

// fakeSessions says yes to everything, or err, and counts.
type fakeSessions struct {
	mu    sync.Mutex // guards all below
	calls []string
	login session.Login
	code  session.CodeLogin
	err   error
	fail  map[string]error // by call
	// replaced: a login has taken the place of every session.
	replaced bool
	panic    any
	still    map[string]bool // calls that stand still until their context ends; "*": all
	now      func() time.Time
}

func (f *fakeSessions) called(ctx context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, name)
	if f.still[name] || f.still["*"] {
		f.mu.Unlock()
		<-ctx.Done()
		f.mu.Lock()
		return ctx.Err()
	}
	if f.panic != nil {
		panic(f.panic)
	}
	if err := f.fail[name]; err != nil {
		return err
	}
	return f.err
}

func (f *fakeSessions) grant() session.Grant {
	now := f.now()
	return session.Grant{
		UUID: uuid, Mode: store.ModeToken, Token: secret.New(goodToken), At: now,
		TokenExpires: now.Add(time.Hour), IdleExpires: now.Add(30 * time.Minute),
		AbsoluteExpires: now.Add(12 * time.Hour),
	}
}

func (f *fakeSessions) Open(ctx context.Context, login session.Login) (session.Session, error) {
	f.login = login
	return session.Session{ID: someID, Grant: f.grant()}, f.called(ctx, "Open")
}

func (f *fakeSessions) Exchange(ctx context.Context, login session.CodeLogin) (session.Session, error) {
	f.code = login
	return session.Session{ID: someID, Grant: f.grant()}, f.called(ctx, "Exchange")
}

func (f *fakeSessions) Revoke(ctx context.Context, uuid string) (int, error) {
	return 2, f.called(ctx, "Revoke "+uuid)
}

func (f *fakeSessions) Token(ctx context.Context, id store.ID, reason api.Reason,
	have secret.String) (session.Grant, error) {
	return f.grant(), f.called(ctx, "Token "+string(reason)+" "+have.Reveal())
}

func (f *fakeSessions) Status(ctx context.Context, _ store.ID) (session.Grant, error) {
	grant := f.grant()
	grant.Token = secret.String{}
	return grant, f.called(ctx, "Status")
}

func (f *fakeSessions) Touch(ctx context.Context, _ store.ID) error { return f.called(ctx, "Touch") }
func (f *fakeSessions) End(ctx context.Context, _ store.ID) (bool, error) {
	return f.replaced, f.called(ctx, "End")
}
func (f *fakeSessions) Ping(ctx context.Context) error { return f.called(ctx, "Ping") }

// someID is the session of every fake login.
var someID = store.ID{1, 2, 3}

// site is a Server over fake sessions, with a clock of its own.
type site struct {
	*httpapi.Server
	sessions *fakeSessions
	log      *bytes.Buffer
	clock    time.Time
}

func ring(t testing.TB, keys ...string) *keyring.Ring {
	t.Helper()
	parsed, err := keyring.Parse(secret.New(strings.Join(keys, ",")))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func newSite(t testing.TB, change ...func(*httpapi.Config)) *site {
	t.Helper()
	s := &site{log: new(bytes.Buffer), clock: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return s.clock }
	s.sessions = &fakeSessions{now: now}
	config := httpapi.Config{
		Sessions: s.sessions,
		Keys:     ring(t, keyOne),
		Modes:    []store.Mode{store.ModeToken, store.ModeCode},
		BasePath: api.DefaultBasePath,
		Origins:  []string{origin},
		Files:    files(),
		Timeout:  time.Minute,
		Now:      now,
		Log:      slog.New(slog.NewJSONHandler(s.log, nil)),
	}
	for _, f := range change {
		f(&config)
	}
	server, err := httpapi.New(config)
	if err != nil {
		t.Fatal(err)
	}
	s.Server = server
	return s
}

// do sends a request to the public handler.
func (s *site) do(r *http.Request) *http.Response {
	recorder := httptest.NewRecorder()
	s.Public().ServeHTTP(recorder, r)
	return recorder.Result()
}

// request is one that passes every check that its headers can pass.
func request(method, path, body string, change ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(method, host+"/keepalive"+path, strings.NewReader(body))
	r.Header.Set("Origin", origin)
	r.Header.Set("X-Keepalive", "1")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, f := range change {
		f(r)
	}
	return r
}

func header(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Del(name)
		for _, value := range values {
			r.Header.Add(name, value)
		}
	}
}

func cookie(c *http.Cookie) func(*http.Request) {
	return func(r *http.Request) { r.AddCookie(c) }
}

// login returns the cookie of a login.
func (s *site) login(t testing.TB) *http.Cookie {
	t.Helper()
	response := s.do(request("POST", "/session", `{"accessToken":"`+goodToken+`"}`))
	if response.StatusCode != http.StatusCreated || len(response.Cookies()) != 2 {
		t.Fatalf("login: %s with %d cookies", response.Status, len(response.Cookies()))
	}
	s.sessions.calls = nil
	return response.Cookies()[0]
}

// decodeJSON reads an answer.
func decodeJSON[T any](t *testing.T, response *http.Response) T {
	t.Helper()
	var body T
	decoder := json.NewDecoder(response.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		t.Fatalf("the body of %s: %v", response.Status, err)
	}
	return body
}

// wantProblem fails unless the answer is a proper problem with the code.
func wantProblem(t *testing.T, response *http.Response, code api.Code) api.Problem {
	t.Helper()
	if got := response.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("Content-Type of %s is %q", response.Status, got)
	}
	body := decodeJSON[api.Problem](t, response)
	if body.Code != code {
		t.Errorf("code %s (%s), want %s", body.Code, body.Detail, code)
	}
	if response.StatusCode != code.Status() || body.Status != code.Status() {
		t.Errorf("status %d, in the body %d, want %d", response.StatusCode, body.Status, code.Status())
	}
	if body.Type != "about:blank" || body.Title == "" || body.Detail == "" {
		t.Errorf("an incomplete problem: %+v", body)
	}
	if body.RequestID == "" || body.RequestID != response.Header.Get("X-Request-Id") {
		t.Errorf("requestId %q, header %q", body.RequestID, response.Header.Get("X-Request-Id"))
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	return body
}
