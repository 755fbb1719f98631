package server

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
	"github.com/capture-keepalive/capture-keepalive/server/config/configtest"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis/redistest"
)

// The bar: two servers share a Redis, which fails while logins, renewals and
// activity of both kinds of sessions are under way, and comes back. Every request
// that is refused is refused in time, no cookie is touched, no session is lost,
// and nothing is restarted.
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
			database := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
			env := serving(upstreamURL, "",
				serverSide("STORE="+database.URL(), "RATE_LOGIN=off", "RATE_FORCED=off", "RATE_UPSTREAM=off")...)
			servers := []*process{start(t, env), start(t, env)}
			users := make([]*user, 16)
			for i := range users {
				users[i] = newUser(t, service, servers[i%2].public, i/2%2 == 0)
			}
			// Renewals are on their way to Capture when the store fails.
			service.Fail(simulator.Fault{Delay: 200 * time.Millisecond})
			l := &load{over: make(chan struct{}), times: map[string][]time.Duration{}}
			for i, each := range users {
				l.repeat(func() {
					l.request(t, each.page, http.MethodPost, api.PathToken,
						`{"reason":"invalid","have":"`+each.token()+`"}`, each.renewed)
				})
				l.repeat(func() { l.request(t, each.page, http.MethodPost, api.PathActivity, "", nil) })
				l.repeat(func() { l.request(t, each.page, http.MethodGet, api.PathSession, "", nil) })
				l.repeat(func() {
					visitor := newPage(t, servers[i%2].public)
					if i/2%2 == 0 {
						_, token := service.SignIn("bob@example.com", "Bob")
						l.request(t, visitor, http.MethodPost, api.PathSession, `{"accessToken":"`+token+`"}`, nil)
					} else {
						_, code := service.SignInCode("bob@example.com", "Bob", testRedirect)
						l.request(t, visitor, http.MethodPost, api.PathSession, `{"authorizationCode":"`+code+`"}`, nil)
					}
					visitor.client.CloseIdleConnections()
				})
			}
			parties := int64(4 * len(users))
			l.wait(t, "served", &l.served, 3*parties)
			waiting := l.answers()
			tc.fail(t, database)
			watch := clocktest.Start()
			l.waitForAll(t, waiting)
			if took := watch.Took(); took >= 10*time.Second { // a server may be paused as well
				t.Errorf("who waited when the store failed had an answer after %v", took)
			}
			l.wait(t, "refused", &l.refused, 3*parties)
			for _, server := range servers {
				if status := get(t, server.admin+"/readyz"); status != http.StatusServiceUnavailable {
					t.Errorf("/readyz during the outage: %d", status)
				}
			}

			tc.mend(t, database)
			for _, server := range servers {
				deadline := time.Now().Add(patience)
				for get(t, server.admin+"/readyz") != http.StatusOK {
					if time.Now().After(deadline) {
						t.Fatalf("/readyz stays 503\n%s", server.log())
					}
				}
			}
			l.wait(t, "served again", &l.served, l.served.Load()+3*parties)
			close(l.over)
			l.group.Wait()
			t.Logf("%d requests served, %d refused", l.served.Load(), l.refused.Load())
			l.wantInTime(t)

			for i, each := range users {
				for _, server := range servers {
					answer, status, err := each.renewal(t, server.public)
					if err != nil || status != http.StatusOK || service.TokenOwner(answer.AccessToken) != each.uuid {
						t.Fatalf("session %d: %d %v\n%s", i, status, err, server.log())
					}
				}
			}
		})
	}
}

// user is a user with a session of either kind.
type user struct {
	page *page
	uuid string
	have atomic.Pointer[string]
}

func newUser(t *testing.T, service *simulator.Service, base string, clientSide bool) *user {
	t.Helper()
	u := &user{page: newPage(t, base)}
	var answer api.TokenAnswer
	if clientSide {
		var token string
		u.uuid, token = service.SignIn("ada@example.com", "Ada")
		answer = u.page.login(t, token)
	} else {
		var code string
		u.uuid, code = service.SignInCode("ada@example.com", "Ada", testRedirect)
		answer = u.page.exchange(t, code)
	}
	u.have.Store(&answer.AccessToken)
	return u
}

// renewal asks for a new token, and again after each 503 for as long as patience
// lasts: a Redis that this machine lets wait for a second loses no session.
func (u *user) renewal(t *testing.T, base string) (answer api.TokenAnswer, status int, err error) {
	t.Helper()
	ticks := time.NewTicker(50 * time.Millisecond)
	defer ticks.Stop()
	for deadline := time.Now().Add(patience); ; <-ticks.C {
		status, err = u.page.at(base).post(t.Context(), api.PathToken,
			api.TokenRequest{Reason: api.ReasonInvalid, Have: u.token()}, &answer)
		if err != nil || status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			return answer, status, err
		}
	}
}

func (u *user) token() string                  { return *u.have.Load() }
func (u *user) renewed(answer api.TokenAnswer) { u.have.Store(&answer.AccessToken) }

// load is requests without end, by many at once.
type load struct {
	over            chan struct{}
	group           sync.WaitGroup
	served, refused atomic.Int64
	parties         []*atomic.Int64 // how many answers each has had

	mu    sync.Mutex
	times map[string][]time.Duration // guarded by mu; of refusals, by what was asked
}

// wantInTime wants refusals within the bar: two seconds are promised, and the
// load of this test may add one. Those that a pause of a server has met are the
// smaller part, of whatever was asked.
func (l *load) wantInTime(t *testing.T) {
	t.Helper()
	for asked, times := range l.times {
		slices.Sort(times)
		if middle := times[len(times)/2]; middle >= 3*time.Second {
			t.Errorf("%s: half of the refusals took more than %v", asked, middle)
		}
	}
}

func (l *load) repeat(do func()) {
	answers := new(atomic.Int64)
	l.parties = append(l.parties, answers)
	l.group.Go(func() {
		// Not without a pause: what is tried is the store, not this machine.
		ticks := time.NewTicker(100 * time.Millisecond)
		defer ticks.Stop()
		for {
			do()
			answers.Add(1)
			select {
			case <-l.over:
				return
			case <-ticks.C:
			}
		}
	})
}

// answers is how many each party has had.
func (l *load) answers() []int64 {
	all := make([]int64, len(l.parties))
	for i, each := range l.parties {
		all[i] = each.Load()
	}
	return all
}

// waitForAll returns when each party has had another answer.
func (l *load) waitForAll(t *testing.T, before []int64) {
	t.Helper()
	for i, each := range l.parties {
		l.wait(t, "answered", each, before[i]+1)
	}
}

// wait returns when so many requests came to that.
func (l *load) wait(t *testing.T, what string, count *atomic.Int64, n int64) {
	t.Helper()
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for deadline := time.Now().Add(patience); count.Load() < n; <-ticks.C {
		if time.Now().After(deadline) {
			t.Fatalf("%d requests were %s, want %d", count.Load(), what, n)
		}
	}
}

// request makes one request. It has to be served, or refused within the bar.
func (l *load) request(t *testing.T, browser *page, method, path, body string, served func(api.TokenAnswer)) {
	r, err := http.NewRequestWithContext(t.Context(), method, browser.base+"/keepalive"+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	r.Header.Set("Origin", testOrigin)
	r.Header.Set("X-Keepalive", "1")
	r.Header.Set("Content-Type", "application/json")
	watch := clocktest.Start()
	response, err := browser.client.Do(r)
	took := watch.Took()
	if err != nil {
		t.Errorf("%s %s: %v", method, path, err)
		return
	}
	defer response.Body.Close()
	if response.StatusCode < 300 {
		l.served.Add(1)
		if served != nil {
			var answer api.TokenAnswer
			if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
				t.Errorf("%s %s: %v", method, path, err)
				return
			}
			served(answer)
		}
		return
	}
	l.refused.Add(1)
	l.mu.Lock()
	l.times[method+" "+path] = append(l.times[method+" "+path], took)
	l.mu.Unlock()
	var problem struct{ Code api.Code }
	if err := json.NewDecoder(response.Body).Decode(&problem); err != nil ||
		response.StatusCode != http.StatusServiceUnavailable || problem.Code != api.StoreUnavailable {
		t.Errorf("%s %s: %d %q %v, want 503 %s", method, path, response.StatusCode, problem.Code,
			err, api.StoreUnavailable)
	}
	if cookies := response.Header.Values("Set-Cookie"); len(cookies) != 0 {
		t.Errorf("%s %s: the cookie was touched: %d headers", method, path, len(cookies))
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
	if status, err := there.post(t.Context(), api.PathToken,
		api.TokenRequest{Reason: api.ReasonInvalid, Have: token}, &renewed); err != nil ||
		status != http.StatusOK || renewed.AccessToken == token {
		t.Fatalf("renewing at the other server: %d %v, the same token: %v", status, err, renewed.AccessToken == token)
	}
	if status, err := here.post(t.Context(), api.PathToken,
		api.TokenRequest{Reason: api.ReasonStart}, &kept); err != nil || status != http.StatusOK ||
		kept.AccessToken != renewed.AccessToken {
		t.Errorf("the first server: %d %v, the new token: %v", status, err, kept.AccessToken == renewed.AccessToken)
	}
	for _, server := range []*process{one, two} {
		server.wantLog(t, "can lose sessions", 0) // nothing is on disk
		server.signal(t, syscall.SIGTERM)
		server.exits(t)
		if strings.Contains(server.log(), "redis-cluster://") {
			t.Errorf("the log names the store's URL:\n%s", server.log())
		}
	}
}

func TestCheckRedis(t *testing.T) {
	_, upstreamURL := upstream(t)
	database := redistest.Start(t, "--requirepass", configtest.IssuerSecret)
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
		{"not asked", nil, at("wrong-password-7"), exitOK, "The configuration "},
		{"settings that lose sessions", []string{"--live"}, at(configtest.IssuerSecret), exitOK,
			"KEEPALIVE_STORE: Redis keeps nothing on disk"},
		{"a wrong password", []string{"--live"}, at("wrong-password-7"), exitError,
			"KEEPALIVE_STORE: redis: the server does not take the user and password of the URL; write them"},
		{"a cluster that is none", []string{"--live"}, serving(upstreamURL, "",
			"STORE=redis-cluster://:"+configtest.IssuerSecret+"@"+database.Address), exitError,
			"is no node of a cluster; use redis://"},
		{"sentinels that are none", []string{"--live"}, serving(upstreamURL, "",
			"STORE=redis-sentinel://"+database.Address+"/mymaster?sentinel_password="+configtest.IssuerSecret),
			exitError, "is no sentinel; name the sentinels"},
		{"a database that is not there", []string{"--live"}, serving(upstreamURL, "",
			"STORE=redis://:"+configtest.IssuerSecret+"@"+database.Address+"/99"),
			exitError, "has no database of the number"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stdout, stderr output
			if code := run(t.Context(), append([]string{"check"}, tc.args...), tc.env, &stdout,
				&stderr); code != tc.code {
				t.Errorf("exit %d, want %d", code, tc.code)
			}
			all := stdout.String() + stderr.String()
			if !strings.Contains(all, tc.says) {
				t.Errorf("%q does not say %q", all, tc.says)
			}
			if strings.Contains(all, configtest.IssuerSecret) || strings.Contains(all, "wrong-password-7") {
				t.Errorf("a password is in %q", all)
			}
		})
	}
}
