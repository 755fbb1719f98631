package httpapi_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
)

// town is the whole server over a real network, with the stand-in Capture
// service behind it and a browser's cookie jar in front.
type town struct {
	capture *simulator.Service
	admin   http.Handler
	url     string
	client  *http.Client
	log     *lines

	mu    sync.Mutex // guards ahead
	ahead time.Duration
}

func (town *town) now() time.Time {
	town.mu.Lock()
	defer town.mu.Unlock()
	return time.Now().Add(town.ahead)
}

// pass lets time pass for everyone.
func (town *town) pass(d time.Duration) {
	town.mu.Lock()
	defer town.mu.Unlock()
	town.ahead += d
}

func newTown(t *testing.T) *town {
	t.Helper()
	issuer := capture.Credentials{ID: "issuer", Secret: secret.New("issuer-secret-0001")}
	login := capture.Credentials{ID: "login", Secret: secret.New("login-secret-00001")}
	town := new(town)
	town.capture = simulator.New(simulator.Options{
		Clients: []simulator.Client{
			{ID: "page"},
			{ID: issuer.ID, Secret: issuer.Secret, AccessIssuer: true},
			{ID: login.ID, Secret: login.Secret, Login: true},
		},
		Now: town.now,
	})
	upstream := httptest.NewServer(town.capture)
	t.Cleanup(upstream.Close)
	client, err := capture.New(capture.Config{URL: upstream.URL, ClientID: "page", Issuer: issuer,
		Login: login, Now: town.now})
	if err != nil {
		t.Fatal(err)
	}
	town.log = new(lines)
	log := slog.New(slog.NewJSONHandler(town.log, nil))
	keys := ring(t, keyOne)
	sessions := session.New(session.Config{
		Store: store.New(memory.New(), keys, town.now), Capture: client, RedirectURIs: []string{origin + "/back"},
		TokenLifetime: time.Hour, IdleTimeout: 3 * time.Hour, AbsoluteTimeout: 12 * time.Hour,
		UpstreamTimeout: 10 * time.Second,
		Now:             town.now, Log: log,
	})
	server, err := httpapi.New(httpapi.Config{
		Sessions: sessions, Modes: []store.Mode{store.ModeToken, store.ModeCode}, Keys: keys,
		BasePath: api.DefaultBasePath, Origins: []string{origin}, Files: files(),
		InsecureCookie: true, AuthTokenHeader: true, AuthIsActivity: true, Timeout: time.Minute,
		Now: town.now, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	town.admin = server.Admin()
	front := httptest.NewServer(server.Public())
	t.Cleanup(front.Close)
	town.url = front.URL + "/keepalive"
	town.client = &http.Client{Jar: newJar(t), Transport: new(http.Transport)}
	t.Cleanup(town.client.CloseIdleConnections)
	return town
}

func newJar(t *testing.T) http.CookieJar {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return jar
}

// lines is a log that can be read while the server writes.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// call is what a page does. The body is read to its end.
func (town *town) call(method, path string, body any) (status int, answer []byte, err error) {
	var sent io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		sent = bytes.NewReader(raw)
	}
	r, err := http.NewRequest(method, town.url+path, sent)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Origin", origin)
	r.Header.Set("X-Keepalive", "1")
	r.Header.Set("Content-Type", "application/json")
	response, err := town.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// must is call, and fails the test unless the status is the one wanted.
func must[T any](t *testing.T, town *town, want int, method, path string, body any) T {
	t.Helper()
	status, raw, err := town.call(method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	if status != want {
		t.Fatalf("%s %s: %d, want %d: %s", method, path, status, want, raw)
	}
	var answer T
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &answer); err != nil {
			t.Fatal(err)
		}
	}
	return answer
}

func TestRoundTrip(t *testing.T) {
	town := newTown(t)
	uuid, token := town.capture.SignIn("ada@example.com", "Ada")

	opened := must[api.TokenAnswer](t, town, 201, "POST", "/session", api.OpenRequest{AccessToken: token, UUID: uuid})
	if opened.AccessToken != token || opened.UUID != uuid || opened.ExpiresIn < 3590 || opened.ExpiresIn > 3600 {
		t.Errorf("opened: uuid %s, expires in %d s", opened.UUID, opened.ExpiresIn)
	}
	same := must[api.TokenAnswer](t, town, 200, "POST", "/session/token", api.TokenRequest{Reason: api.ReasonStart})
	if same.AccessToken != token || town.capture.Count(simulator.EndpointIssue) != 0 {
		t.Error("a good token was renewed")
	}

	// Due, then refused: two renewals, each with a token that works.
	town.pass(59 * time.Minute)
	due := must[api.TokenAnswer](t, town, 200, "POST", "/session/token",
		api.TokenRequest{Reason: api.ReasonDue, Have: token})
	town.capture.Invalidate(due.AccessToken)
	forced := must[api.TokenAnswer](t, town, 200, "POST", "/session/token",
		api.TokenRequest{Reason: api.ReasonSaveFailed, Have: due.AccessToken})
	if due.AccessToken == token || forced.AccessToken == due.AccessToken || !town.capture.Valid(forced.AccessToken) {
		t.Error("a renewed token is the old one, or does not work")
	}
	if owner := town.capture.TokenOwner(forced.AccessToken); owner != uuid {
		t.Errorf("the new token is %s's, want %s's", owner, uuid)
	}
	if got := town.capture.Count(simulator.EndpointIssue); got != 2 {
		t.Errorf("%d calls of getAccessToken, want 2", got)
	}

	status := must[api.StatusAnswer](t, town, 200, "GET", "/session", nil)
	if !status.Active || status.UUID != uuid || status.Mode != "token" || status.ExpiresIn < 3590 {
		t.Errorf("status %+v", status)
	}
	must[struct{}](t, town, 204, "POST", "/session/activity", nil)
	must[struct{}](t, town, 204, "DELETE", "/session", nil)
	if problem := must[api.Problem](t, town, 401, "GET", "/session", nil); problem.Code != api.SessionMissing {
		t.Errorf("after the end: %s", problem.Code)
	}
	must[struct{}](t, town, 204, "DELETE", "/session", nil)
}

func TestEndedSessionsSayWhy(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, town *town, uuid, token string){
		"the idle limit": func(_ *testing.T, town *town, _, _ string) { town.pass(3 * time.Hour) },
		"the account is gone": func(t *testing.T, town *town, uuid, token string) {
			town.capture.Delete(uuid)
			problem := must[api.Problem](t, town, 401, "POST", "/session/token",
				api.TokenRequest{Reason: api.ReasonInvalid, Have: token})
			if problem.Code != api.SessionEnded {
				t.Errorf("at the renewal: %s", problem.Code)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			town := newTown(t)
			uuid, token := town.capture.SignIn("ada@example.com", "Ada")
			must[api.TokenAnswer](t, town, 201, "POST", "/session", api.OpenRequest{AccessToken: token})
			end(t, town, uuid, token)
			if problem := must[api.Problem](t, town, 401, "POST", "/session/token",
				api.TokenRequest{Reason: api.ReasonStart}); problem.Code != api.SessionEnded {
				t.Errorf("code %s, want session_ended", problem.Code)
			}
		})
	}
}

func TestAnotherUsersTokenOpensNothing(t *testing.T) {
	town := newTown(t)
	ada, _ := town.capture.SignIn("ada@example.com", "Ada")
	_, bobs := town.capture.SignIn("bob@example.com", "Bob")

	problem := must[api.Problem](t, town, 403, "POST", "/session", api.OpenRequest{AccessToken: bobs, UUID: ada})
	if problem.Code != api.IdentityMismatch {
		t.Errorf("code %s", problem.Code)
	}
	// No cookie came back, so there is no session to ask about.
	if problem := must[api.Problem](t, town, 401, "POST", "/session/token",
		api.TokenRequest{Reason: api.ReasonStart}); problem.Code != api.SessionMissing {
		t.Errorf("afterwards: %s", problem.Code)
	}
	if got := town.capture.Count(simulator.EndpointIssue); got != 0 {
		t.Errorf("%d calls of getAccessToken, want none", got)
	}
	for _, token := range []string{strings.Repeat("x", 16), bobs[:15] + "0"} {
		if problem := must[api.Problem](t, town, 403, "POST", "/session",
			api.OpenRequest{AccessToken: token}); problem.Code != api.GrantRefused {
			t.Errorf("an unknown token: %s", problem.Code)
		}
	}
}

func TestOutageEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFort(t, func(c *session.Config) { c.IdleTimeout = 3 * time.Hour })
		page := f.visit(t, 1)
		ask := func() *http.Response {
			return f.do(request("POST", "/session/token",
				`{"reason":"due","have":"`+*page.token.Load()+`"}`, cookie(page.cookie)))
		}
		f.capture.SetOutage(true)
		<-time.After(59 * time.Minute)
		if got := decodeJSON[api.TokenAnswer](t, ask()); got.AccessToken != *page.token.Load() {
			t.Error("not the token that still lives")
		}
		<-time.After(time.Minute)
		wantProblem(t, ask(), api.UpstreamUnavailable)
		f.capture.SetOutage(false)
		<-time.After(6 * time.Second) // beyond the Retry-After
		if response := ask(); response.StatusCode != http.StatusOK {
			t.Errorf("after the outage: %s", response.Status)
		}
	})
}

// The bar: 200 at once on an expired token, Capture takes 300 ms.
func TestTwoHundredAtOnceAreOneCall(t *testing.T) {
	town := newTown(t)
	_, token := town.capture.SignIn("ada@example.com", "Ada")
	must[api.TokenAnswer](t, town, 201, "POST", "/session", api.OpenRequest{AccessToken: token})
	town.pass(time.Hour)
	town.capture.Fail(simulator.Fault{Endpoint: simulator.EndpointIssue, Delay: 300 * time.Millisecond})

	const callers = 200
	statuses, answers, errs := make([]int, callers), make([]string, callers), make([]error, callers)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			var raw []byte
			statuses[i], raw, errs[i] = town.call("POST", "/session/token",
				api.TokenRequest{Reason: api.ReasonExpired, Have: token})
			answers[i] = string(raw)
		})
	}
	group.Wait()
	var first api.TokenAnswer
	if err := json.Unmarshal([]byte(answers[0]), &first); err != nil {
		t.Fatalf("%d %s: %v", statuses[0], answers[0], err)
	}
	if first.AccessToken == token || !town.capture.Valid(first.AccessToken) {
		t.Error("the token was not renewed")
	}
	for i := range callers {
		if errs[i] != nil || statuses[i] != http.StatusOK {
			t.Fatalf("caller %d: %d %v", i, statuses[i], errs[i])
		}
		var got api.TokenAnswer
		if err := json.Unmarshal([]byte(answers[i]), &got); err != nil {
			t.Fatal(err)
		}
		if got.AccessToken != first.AccessToken || got.ExpiresAt != first.ExpiresAt || got.UUID != first.UUID {
			t.Fatalf("caller %d got another answer than caller 0", i)
		}
	}
	if got := town.capture.Count(simulator.EndpointIssue); got != 1 {
		t.Errorf("%d calls of getAccessToken, want 1", got)
	}
}
