package server

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/config/configtest"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
)

// exchange signs in with a code.
func (p *page) exchange(t *testing.T, code string) api.TokenAnswer {
	t.Helper()
	var answer api.TokenAnswer
	status, err := p.post(t.Context(), api.PathSession,
		api.OpenRequest{AuthorizationCode: code, RedirectURI: testRedirect}, &answer)
	if err != nil || status != http.StatusCreated {
		t.Fatalf("login: %d %v", status, err)
	}
	return answer
}

// The bar: SIGKILL right after an answered refresh, a hundred times, the real
// program on its real store. Capture takes each refresh token once: if the
// newest one were not in the store, the next refresh would end the session.
func TestRefreshTokensSurviveKill(t *testing.T) {
	service, url := upstream(t)
	uuid, code := service.SignInCode("ada@example.com", "Ada", testRedirect)
	env := serving(url, filepath.Join(t.TempDir(), "keepalive.db"), serverSide("RATE_FORCED=off")...)
	server := start(t, env)
	browser := newPage(t, server.public)
	token := browser.exchange(t, code).AccessToken
	for round := range 100 {
		var answer api.TokenAnswer
		if status, err := browser.post(t.Context(), api.PathToken,
			api.TokenRequest{Reason: api.ReasonInvalid, Have: token}, &answer); err != nil || status != http.StatusOK {
			t.Fatalf("round %d: %d %v\n%s", round, status, err, server.log())
		}
		if err := server.command.Process.Kill(); err != nil { // SIGKILL
			t.Fatal(err)
		}
		if answer.AccessToken == token || service.TokenOwner(answer.AccessToken) != uuid {
			t.Fatalf("round %d: the answer holds no new token of the user", round)
		}
		token = answer.AccessToken
		_ = server.command.Wait() // the error is the signal
		server = start(t, env)
		browser = browser.at(server.public)
	}
	if got := service.Count(simulator.EndpointRefresh); got != 100 {
		t.Errorf("%d refreshes, want 100", got)
	}
	// The hundredth pair is there as well.
	var last api.TokenAnswer
	if status, err := browser.post(t.Context(), api.PathToken,
		api.TokenRequest{Reason: api.ReasonInvalid, Have: token}, &last); err != nil || status != http.StatusOK {
		t.Errorf("after the last kill: %d %v", status, err)
	}
}

// The real program, both clients, from login to revocation. Whatever is secret
// is a sentinel, and no log has it.
func TestRevokeCommand(t *testing.T) {
	service, url := upstream(t)
	uuid, code := service.SignInCode("ada@example.com", "Ada", testRedirect)
	_, again := service.SignInCode("ada@example.com", "Ada", testRedirect)
	_, bobs := service.SignIn("bob@example.com", "Bob")
	env := serving(url, filepath.Join(t.TempDir(), "keepalive.db"), serverSide("AUTH_TOKEN_HEADER=true")...)
	server := start(t, env)
	phone, laptop, bob := newPage(t, server.public), newPage(t, server.public), newPage(t, server.public)
	first := phone.exchange(t, code)
	second := laptop.exchange(t, again)
	bob.login(t, bobs)

	// A proxy asks which user has the session.
	response := authorize(t, server, laptop)
	if response.StatusCode != http.StatusNoContent ||
		response.Header.Get("X-Capture-Uuid") != uuid ||
		response.Header.Get("X-Capture-Access-Token") != second.AccessToken {
		t.Errorf("/auth: %s, X-Capture-Uuid %q", response.Status, response.Header.Get("X-Capture-Uuid"))
	}
	if got := get(t, server.public+"/auth"); got != http.StatusNotFound {
		t.Errorf("/auth on the public listener: %d", got)
	}

	admin := "KEEPALIVE_ADMIN_LISTEN=" + strings.TrimPrefix(server.admin, "http://")
	command := func(args ...string) (code int, said string) {
		var stdout, stderr output
		code = run(t.Context(), args, []string{admin}, &stdout, &stderr)
		return code, stdout.String() + stderr.String()
	}
	if code, said := command("sessions", "--uuid", uuid); code != exitOK ||
		strings.Count(said, "\n") != 3 || strings.Count(said, " code ") != 2 || strings.Contains(said, uuid) {
		t.Errorf("sessions: exit %d, %s", code, said)
	}
	// A command tells the truth: nothing has ended, so it fails.
	if code, said := command("revoke", "--uuid", someUUID); code != exitError ||
		!strings.Contains(said, "no session here") {
		t.Errorf("revoke %s: exit %d, %s", someUUID, code, said)
	}
	// Pasted from wherever it is written otherwise.
	if code, said := command("revoke", "--uuid", "\ufeff"+strings.ToUpper(uuid)+" \r\n"); code != exitOK ||
		!strings.Contains(said, "Ended 2 sessions of the user.") {
		t.Errorf("revoke: exit %d, %s", code, said)
	}
	for _, name := range []string{"revoke", "sessions"} {
		if code, said := command(name, "--uuid", uuid); code != exitError ||
			!strings.Contains(said, "no session here") {
			t.Errorf("%s after the revocation: exit %d, %s", name, code, said)
		}
	}
	for name, each := range map[string]*page{"phone": phone, "laptop": laptop} {
		var problem api.Problem
		if status, err := each.post(t.Context(), api.PathToken,
			api.TokenRequest{Reason: api.ReasonStart}, &problem); err != nil ||
			status != http.StatusUnauthorized || problem.Code != api.SessionEnded {
			t.Errorf("%s after the revocation: %d %s %v", name, status, problem.Code, err)
		}
		if response := authorize(t, server, each); response.StatusCode != http.StatusUnauthorized {
			t.Errorf("/auth for the %s after the revocation: %s", name, response.Status)
		}
	}
	var kept api.TokenAnswer
	if status, err := bob.post(t.Context(), api.PathToken,
		api.TokenRequest{Reason: api.ReasonStart}, &kept); err != nil || status != http.StatusOK {
		t.Errorf("bob: %d %v", status, err)
	}

	server.signal(t, syscall.SIGTERM)
	server.exits(t)
	log := server.log()
	if !strings.Contains(log, `"event":"ended","why":"revoked"`) {
		t.Errorf("no audit line:\n%s", log)
	}
	for i, hidden := range []string{
		code, again, first.AccessToken, second.AccessToken, service.RefreshToken(uuid), uuid,
		loginSecret, configtest.IssuerSecret,
		cookieOf(t, phone), cookieOf(t, laptop),
	} {
		if hidden == "" || strings.Contains(log, hidden) {
			t.Errorf("secret %d, %q, is in the log, or was never there", i, hidden)
		}
	}
}

func cookieOf(t *testing.T, p *page) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, p.base, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range p.client.Jar.Cookies(r.URL) {
		if cookie.Name == "keepalive" {
			return cookie.Value
		}
	}
	t.Fatal("there is no cookie")
	return ""
}

// authorize asks as a reverse proxy does, with the page's cookie.
func authorize(t *testing.T, server *process, p *page) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.admin+"/auth", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", "theme=dark; keepalive="+cookieOf(t, p))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response
}

const someUUID = "0c7a9f0e-5d3b-4f6a-9a51-2f1f6f7d8e90"

func TestRevokeCommandFailsClearly(t *testing.T) {
	absent := httptest.NewServer(http.NotFoundHandler())
	address := strings.TrimPrefix(absent.URL, "http://")
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"status":"fine"}`))
	}))
	defer other.Close()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(api.Problem{Code: api.StoreUnavailable, Detail: "the store is away"})
	}))
	defer refusing.Close()
	for _, tc := range []struct {
		name, admin, says string
	}{
		{"no address", "9090", "KEEPALIVE_ADMIN_LISTEN"},
		{"another program", address, "no listener of this program"},
		{"another program that agrees to everything", strings.TrimPrefix(other.URL, "http://"),
			"does not say how many"},
		{"the store is down", strings.TrimPrefix(refusing.URL, "http://"), "the store is away (store_unavailable)"},
	} {
		var stdout, stderr output
		code := run(t.Context(), []string{"revoke", "--uuid", someUUID},
			[]string{"KEEPALIVE_ADMIN_LISTEN=" + tc.admin}, &stdout, &stderr)
		if code != exitError || !strings.Contains(stderr.String(), tc.says) || stdout.String() != "" {
			t.Errorf("%s: exit %d, %q, %q should say %q", tc.name, code, stdout.String(), stderr.String(), tc.says)
		}
	}
	absent.Close()
	var stdout, stderr output
	code := run(t.Context(), []string{"revoke", "--uuid", someUUID},
		[]string{"KEEPALIVE_ADMIN_LISTEN=" + address}, &stdout, &stderr)
	if code != exitError || !strings.Contains(stderr.String(), "cannot be reached") ||
		!strings.Contains(stderr.String(), "nothing is known to have ended") {
		t.Errorf("no server there: exit %d, %q", code, stderr.String())
	}
}

func TestAdminAddress(t *testing.T) {
	for listen, want := range map[string]string{
		"":               "127.0.0.1:9090",
		"127.0.0.1:9191": "127.0.0.1:9191",
		"10.1.2.3:9090":  "10.1.2.3:9090",
		":9090":          "localhost:9090",
		"0.0.0.0:9090":   "localhost:9090",
		"[::]:9090":      "localhost:9090",
		"[::1]:9090":     "[::1]:9090",
	} {
		if got, err := adminAddress([]string{"KEEPALIVE_ADMIN_LISTEN=" + listen}); err != nil || got != want {
			t.Errorf("listening on %q: %q, %v; want %q", listen, got, err, want)
		}
	}
}

// The demo does both: the page chooses, and its own address is the redirectUri.
func TestDemoWithACode(t *testing.T) {
	base := demonstrate(t, "--life", "1h")
	page := newPageOf(t, base, base)
	signed := page.signIn(t, map[string]string{"responseType": "code", "redirectUri": base + "/"})
	if signed.AuthorizationCode == "" || signed.AccessToken != "" {
		t.Fatalf("the sign-in gave a code: %v, a token: %v",
			signed.AuthorizationCode != "", signed.AccessToken != "")
	}
	var opened, renewed api.TokenAnswer
	status, err := page.post(t.Context(), api.PathSession, api.OpenRequest{
		AuthorizationCode: signed.AuthorizationCode, RedirectURI: base + "/",
	}, &opened)
	if err != nil || status != http.StatusCreated {
		t.Fatalf("login: %d %v", status, err)
	}
	status, err = page.post(t.Context(), api.PathToken,
		api.TokenRequest{Reason: api.ReasonInvalid, Have: opened.AccessToken}, &renewed)
	if err != nil || status != http.StatusOK || renewed.AccessToken == opened.AccessToken {
		t.Errorf("refresh: %d %v", status, err)
	}
	response, err := page.client.Get(base + "/capture/control/calls")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var log struct{ Calls []struct{ Endpoint string } }
	if err := json.NewDecoder(response.Body).Decode(&log); err != nil {
		t.Fatal(err)
	}
	var endpoints []string
	for _, call := range log.Calls {
		endpoints = append(endpoints, call.Endpoint)
	}
	if want := []string{simulator.EndpointSignIn, simulator.EndpointExchange,
		simulator.EndpointEntity, simulator.EndpointRefresh}; !slices.Equal(endpoints, want) {
		t.Errorf("the calls were %q, want %q", endpoints, want)
	}
}
