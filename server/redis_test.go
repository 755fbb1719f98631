package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis/redistest"
)

// Two servers share a Redis, which fails under load and comes back: every
// request is refused in time, no cookie is touched, and nothing is restarted.
func TestRedisFailsUnderLoad(t *testing.T) {
	for name, tc := range map[string]struct {
		fail, mend func(*testing.T, *redistest.Server)
	}{
		"it stands still": {
			fail: func(t *testing.T, database *redistest.Server) { database.Stop(t) },
			mend: func(t *testing.T, database *redistest.Server) { database.Continue(t) },
		},
		"it is killed": {
			fail: func(_ *testing.T, database *redistest.Server) { database.Kill() },
			mend: func(t *testing.T, database *redistest.Server) { database.Restart(t) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			service, upstreamURL := upstream(t)
			_, token := service.SignIn("ada@example.com", "Ada")
			database := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
			env := serving(upstreamURL, "", "STORE="+database.URL())
			servers := []*process{start(t, env), start(t, env)}
			browser := newPage(t, servers[0].public)
			browser.login(t, token)

			tc.fail(t, database)
			var group sync.WaitGroup
			for range 50 {
				for _, server := range servers {
					// Not DELETE: a Redis that stands still does it when it goes on.
					group.Go(func() {
						wantUnavailable(t, browser, server.public, http.MethodPost, api.PathToken, `{"reason":"invalid","have":"`+token+`"}`)
					})
					group.Go(func() {
						wantUnavailable(t, browser, server.public, http.MethodPost, api.PathToken, `{"reason":"start"}`)
					})
					group.Go(func() { wantUnavailable(t, browser, server.public, http.MethodGet, api.PathSession, "") })
				}
			}
			group.Wait()
			for _, server := range servers {
				if status := get(t, server.admin+"/readyz"); status != http.StatusServiceUnavailable {
					t.Errorf("/readyz during the outage: %d", status)
				}
			}

			tc.mend(t, database)
			for _, server := range servers {
				deadline := time.Now().Add(patience / 3)
				for get(t, server.admin+"/readyz") != http.StatusOK {
					if time.Now().After(deadline) {
						t.Fatalf("/readyz stays 503\n%s", server.log())
					}
				}
				var answer api.TokenAnswer
				status, err := browser.at(server.public).post(t.Context(), api.PathToken, api.TokenRequest{Reason: api.ReasonStart}, &answer)
				if err != nil || status != http.StatusOK || answer.AccessToken != token {
					t.Errorf("token: %d %v, the same token: %v\n%s", status, err, answer.AccessToken == token, server.log())
				}
			}
		})
	}
}

// A session of one server is a session of the other, until it ends at either.
func TestServersShareSessions(t *testing.T) {
	service, upstreamURL := upstream(t)
	_, token := service.SignIn("ada@example.com", "Ada")
	cluster := redistest.StartCluster(t)
	env := serving(upstreamURL, "", "STORE="+cluster.URL())
	one, two := start(t, env), start(t, env)
	here := newPage(t, one.public)
	here.login(t, token)
	there := here.at(two.public)

	var renewed, kept api.TokenAnswer
	if status, err := there.post(t.Context(), api.PathToken, api.TokenRequest{Reason: api.ReasonInvalid, Have: token}, &renewed); err != nil || status != http.StatusOK || renewed.AccessToken == token {
		t.Fatalf("renewing at the other server: %d %v, the same token: %v", status, err, renewed.AccessToken == token)
	}
	if status, err := here.post(t.Context(), api.PathToken, api.TokenRequest{Reason: api.ReasonStart}, &kept); err != nil || status != http.StatusOK || kept.AccessToken != renewed.AccessToken {
		t.Errorf("the first server: %d %v, the new token: %v", status, err, kept.AccessToken == renewed.AccessToken)
	}
	for _, server := range []*process{one, two} {
		if strings.Contains(server.log(), "redis-cluster://") || !strings.Contains(server.log(), "can lose sessions") {
			t.Errorf("the log names the store's URL, or does not tell that nothing is on disk:\n%s", server.log())
		}
	}
}

func TestCheckRedis(t *testing.T) {
	_, upstreamURL := upstream(t)
	database := redistest.Start(t, "--requirepass", testSecret)
	at := func(password string) []string {
		return serving(upstreamURL, "", "STORE=redis://:"+password+"@"+database.Address)
	}
	for _, tc := range []struct {
		name string
		args []string
		env  []string
		code int
		says string
	}{
		{"not asked", nil, at("wrong-password-7"), exitOK, "is fine"},
		{"settings that lose sessions", []string{"-live"}, at(testSecret), exitOK, "KEEPALIVE_STORE: Redis keeps nothing on disk"},
		{"a wrong password", []string{"-live"}, at("wrong-password-7"), exitError, "KEEPALIVE_STORE: redis: it does not take the user and password"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stdout, stderr output
			if code := run(t.Context(), append([]string{"check"}, tc.args...), tc.env, &stdout, &stderr); code != tc.code {
				t.Errorf("exit %d, want %d", code, tc.code)
			}
			all := stdout.String() + stderr.String()
			if !strings.Contains(all, tc.says) {
				t.Errorf("%q does not say %q", all, tc.says)
			}
			if strings.Contains(all, testSecret) || strings.Contains(all, "wrong-password-7") {
				t.Errorf("a password is in %q", all)
			}
		})
	}
}

// wantUnavailable makes one request and wants it to be refused within the bar.
func wantUnavailable(t *testing.T, browser *page, base, method, path, body string) {
	t.Helper()
	url := base + "/keepalive" + path
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	r.Header.Set("Origin", testOrigin)
	r.Header.Set("X-Keepalive", "1")
	r.Header.Set("Content-Type", "application/json")
	began := time.Now()
	response, err := browser.client.Do(r)
	took := time.Since(began)
	if err != nil {
		t.Errorf("%s %s: %v", method, url, err)
		return
	}
	defer response.Body.Close()
	var problem struct{ Code api.Code }
	if err := json.NewDecoder(response.Body).Decode(&problem); err != nil || response.StatusCode != http.StatusServiceUnavailable || problem.Code != api.StoreUnavailable {
		t.Errorf("%s %s: %d %q %v, want 503 %s", method, url, response.StatusCode, problem.Code, err, api.StoreUnavailable)
	}
	if took >= 2*time.Second {
		t.Errorf("%s %s: refused after %v", method, url, took)
	}
	if cookies := response.Header.Values("Set-Cookie"); len(cookies) != 0 {
		t.Errorf("%s %s: the cookie was touched: %d headers", method, url, len(cookies))
	}
}
