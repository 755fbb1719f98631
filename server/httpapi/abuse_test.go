package httpapi_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
)

// fort is the whole server with its limits as they are by default, the real
// client, and the stand-in service, all without a network and so in fake time.
type fort struct {
	*httpapi.Server
	sessions *session.Service
	capture  *simulator.Service
}

// RoundTrip implements http.RoundTripper: every call reaches the stand-in.
func (f *fort) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	f.capture.ServeHTTP(recorder, r)
	return recorder.Result(), r.Context().Err()
}

const ceiling = 100 // calls a second

func newFort(t *testing.T, change ...func(*session.Config)) *fort {
	t.Helper()
	issuer := capture.Credentials{ID: "issuer", Secret: secret.New("issuer-secret-0001")}
	login := capture.Credentials{ID: "login", Secret: secret.New("login-secret-00001")}
	f := &fort{capture: simulator.New(simulator.Options{Clients: []simulator.Client{
		{ID: "page"},
		{ID: issuer.ID, Secret: issuer.Secret, AccessIssuer: true},
		{ID: login.ID, Secret: login.Secret, Login: true},
	}})}
	client, err := capture.New(capture.Config{URL: "https://app.example.com", ClientID: "page",
		Issuer: issuer, Login: login, Transport: f})
	if err != nil {
		t.Fatal(err)
	}
	keys, log := ring(t, keyOne), slog.New(slog.DiscardHandler)
	config := session.Config{
		Store: store.New(memory.New(), keys, nil), Capture: client, RedirectURIs: []string{origin + "/back"},
		TokenLifetime: time.Hour, IdleTimeout: 30 * time.Minute, AbsoluteTimeout: 12 * time.Hour,
		UpstreamTimeout: 10 * time.Second,
		Forced:          limit.Rate{Events: 6, Per: time.Minute},
		Upstream:        limit.Rate{Events: ceiling, Per: time.Second}, Log: log,
	}
	for _, each := range change {
		each(&config)
	}
	f.sessions = session.New(config)
	f.Server, err = httpapi.New(httpapi.Config{
		Sessions: f.sessions, Modes: []store.Mode{store.ModeToken, store.ModeCode}, Keys: keys,
		BasePath: api.DefaultBasePath, Origins: []string{origin}, Files: files(),
		Timeout: time.Minute, Now: time.Now, RateLogin: limit.Rate{Events: 30, Per: time.Minute},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fort) do(r *http.Request) *http.Response {
	recorder := httptest.NewRecorder()
	f.Public().ServeHTTP(recorder, r)
	return recorder.Result()
}

// asked is how often the service was asked for anything.
func (f *fort) asked() int {
	return f.capture.Count(simulator.EndpointEntity) + f.capture.Count(simulator.EndpointIssue) +
		f.capture.Count(simulator.EndpointExchange) + f.capture.Count(simulator.EndpointRefresh)
}

// visitor is a user's page.
type visitor struct {
	fort   *fort
	cookie *http.Cookie
	token  atomic.Pointer[string]
}

// from is a client's address, told by the proxy in front.
func from(address string) func(*http.Request) { return header("X-Forwarded-For", address) }

func (f *fort) visit(t *testing.T, n int) *visitor {
	t.Helper()
	response, token := f.login(n)
	if response.StatusCode != http.StatusCreated {
		t.Fatalf("login: %s", response.Status)
	}
	v := &visitor{fort: f, cookie: response.Cookies()[0]}
	v.token.Store(&token)
	return v
}

// login is a user's login from an address of their own.
func (f *fort) login(n int) (response *http.Response, token string) {
	_, token = f.capture.SignIn(fmt.Sprintf("user%d@example.com", n), "Visitor")
	return f.do(request("POST", "/session", `{"accessToken":"`+token+`"}`, from(fmt.Sprintf("198.51.100.%d", n)))),
		token
}

// force refuses the page's token, however new it is.
func (v *visitor) force(t *testing.T) (status int) {
	response := v.fort.do(request("POST", "/session/token",
		`{"reason":"invalid","have":"`+*v.token.Load()+`"}`, cookie(v.cookie)))
	if response.StatusCode == http.StatusOK {
		token := decodeJSON[api.TokenAnswer](t, response).AccessToken
		v.token.Store(&token)
	}
	return response.StatusCode
}

// The bar: a session that refuses every token 200 times a second, nine more that
// do so 20 times, and made-up logins, each from an address of its own: 50 a
// second, or 200, which alone are more than the ceiling. Capture is asked no more
// than that allows, and everyone else is renewed at once; and as long as the
// made-up logins leave room, everyone can sign in.
func TestAnAttackHurtsNoOtherClient(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test opens a flood of sessions")
	}
	for _, logins := range []int{50, 200} {
		t.Run(fmt.Sprintf("%d logins a second", logins), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { attack(t, 20*time.Second, logins) })
		})
	}
}

func attack(t *testing.T, length time.Duration, logins int) {
	f := newFort(t)
	attackers := make([]*visitor, 10)
	for i := range attackers {
		attackers[i] = f.visit(t, i)
	}
	others := make([]*visitor, 19)
	for i := range others {
		others[i] = f.visit(t, len(attackers)+i)
	}
	<-time.After(time.Second) // the ceiling is whole again
	f.capture.Fail(simulator.Fault{Delay: 2 * time.Millisecond})
	before, began := f.asked(), time.Now()

	over := make(chan struct{})
	time.AfterFunc(length, func() { close(over) })
	var group sync.WaitGroup
	every := func(pause time.Duration, do func()) {
		group.Go(func() {
			ticks := time.NewTicker(pause)
			defer ticks.Stop()
			for {
				select {
				case <-over:
					return
				case <-ticks.C:
					group.Go(do)
				}
			}
		})
	}
	var forced, refused atomic.Int32
	for i, attacker := range attackers {
		pause := 50 * time.Millisecond
		if i == 0 {
			pause = 5 * time.Millisecond
		}
		every(pause, func() {
			forced.Add(1)
			if attacker.force(t) != http.StatusOK {
				refused.Add(1)
			}
		})
	}
	every(time.Second/time.Duration(logins), func() {
		address := netip.AddrFrom4([4]byte{203, byte(rand.N(256)), byte(rand.N(256)), byte(rand.N(256))})
		f.do(request("POST", "/session",
			`{"accessToken":"`+fmt.Sprintf("madeup%016x", rand.Uint64())+`"}`, from(address.String())))
	})
	if logins <= ceiling/2 {
		var honest atomic.Int32
		every(600*time.Millisecond, func() {
			if response, _ := f.login(100 + int(honest.Add(1))); response.StatusCode != http.StatusCreated {
				t.Errorf("an honest login during the attack: %s", response.Status)
			}
		})
	}
	for i, other := range others {
		// Not in the moment in which the ceiling has room for one more.
		<-time.After(time.Until(began.Add(time.Duration(i+1)*time.Second + 7*time.Millisecond)))
		asking := time.Now()
		if status := other.force(t); status != http.StatusOK {
			t.Errorf("after %d s another user's renewal: %d", i+1, status)
		}
		if took := time.Since(asking); took >= time.Second {
			t.Errorf("after %d s another user's renewal took %v", i+1, took)
		}
	}
	group.Wait()

	allowed := ceiling * (1 + int(time.Since(began)/time.Second))
	if asked := f.asked() - before; asked > allowed {
		t.Errorf("%d calls in %v, want %d at most", asked, time.Since(began), allowed)
	}
	// Six at once, six a minute, and one for each token that was let grow old.
	each := 6 + int(length/(10*time.Second)) + int(length/(8*time.Second)) + 1
	if minted := int(forced.Load() - refused.Load()); minted > each*len(attackers) {
		t.Errorf("the attackers had %d renewals in %v, want %d at most for each of %d", minted,
			length, each, len(attackers))
	}
	if forced.Load() < 7300 || refused.Load() == 0 {
		t.Errorf("%d renewals were forced, %d refused: there was no attack", forced.Load(), refused.Load())
	}
}

// However many addresses and tokens are made up, what is remembered of them has
// a bound.
func TestMadeUpLoginsTakeNoMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test opens a flood of sessions")
	}
	f := newFort(t, func(c *session.Config) { c.Upstream = limit.Rate{} })
	made := 0
	knock := func(n int) (heap uint64) {
		for range n {
			made++
			address := netip.AddrFrom4([4]byte{10, byte(made >> 16), byte(made >> 8), byte(made)})
			response := f.do(request("POST", "/session",
				`{"accessToken":"`+fmt.Sprintf("madeup%016x", made)+`"}`, from(address.String())))
			if response.StatusCode != http.StatusForbidden {
				t.Fatalf("login %d: %s", made, response.Status)
			}
		}
		for range 2 { // the first one leaves what is in pools
			runtime.GC()
		}
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	const bound = 1 << 14 // of every table
	full := knock(bound + 1<<10)
	const more = bound / 2
	if later := knock(more); later > full+1<<20 {
		t.Errorf("%d KiB more after %d more logins, want the same", (later-full)>>10, more)
	}
}

// The same made-up login again does not reach Capture.
func TestARefusedLoginIsNotAskedTwice(t *testing.T) {
	f := newFort(t)
	_, code := f.capture.SignInCode("ada@example.com", "Ada", origin+"/elsewhere")
	for name, tc := range map[string]struct {
		body string
		want []api.Code
	}{
		"token": {`{"accessToken":"madeup00000001"}`, []api.Code{api.GrantRefused, api.GrantRefused, api.GrantRefused}},
		"code":  {`{"authorizationCode":"madeup00000002"}`, []api.Code{api.GrantRefused, api.CodeUsed, api.CodeUsed}},
		// A code of a page with another redirectUri is the operator's affair.
		"foreign code": {`{"authorizationCode":"` + code + `"}`, []api.Code{api.UpstreamRefused, api.CodeUsed}},
	} {
		before := f.asked()
		for _, want := range tc.want {
			wantProblem(t, f.do(request("POST", "/session", tc.body)), want)
		}
		if asked := f.asked() - before; asked != 1 {
			t.Errorf("%s: Capture was asked %d times, want once", name, asked)
		}
	}
}

// A login does not tell which users and tokens exist: all refusals are the same,
// to the byte, except for the id of the request.
func TestRefusedLoginsAreAllAlike(t *testing.T) {
	f := newFort(t)
	_, expired := f.capture.SignIn("ada@example.com", "Ada")
	_, invalid := f.capture.SignIn("ada@example.com", "Ada")
	_, alive := f.capture.SignIn("ada@example.com", "Ada")
	if !f.capture.Expire(expired) || !f.capture.Invalidate(invalid) {
		t.Fatal("the tokens are not known")
	}
	login := func(body string, number int) (answer string) {
		if number != 0 {
			f.capture.Fail(simulator.Fault{Number: number, Times: 1})
		}
		response := f.do(request("POST", "/session", body))
		id := response.Header.Get("X-Request-Id")
		response.Header.Del("X-Request-Id")
		var all bytes.Buffer
		fmt.Fprintln(&all, response.StatusCode)
		if err := response.Header.Write(&all); err != nil { // in order of names
			t.Fatal(err)
		}
		if _, err := all.ReadFrom(response.Body); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != http.StatusForbidden || len(id) != 32 {
			t.Fatalf("%s with id %q: %s", response.Status, id, all.String())
		}
		return strings.ReplaceAll(all.String(), id, "ID")
	}
	token := func(value string) string { return `{"accessToken":"` + value + `"}` }
	thief := f.visit(t, 1)
	if status := thief.force(t); status != http.StatusOK {
		t.Fatalf("renewal: %d", status)
	}
	victim, revoked := f.capture.SignIn("bob@example.com", "Bob")
	if response := f.do(request("POST", "/session", token(revoked))); response.StatusCode != http.StatusCreated {
		t.Fatalf("login: %s", response.Status)
	}
	if n, err := f.sessions.Revoke(t.Context(), victim); n != 1 || err != nil {
		t.Fatalf("Revoke() = %d, %v", n, err)
	}
	answers := map[string]string{
		"unknown token":                     login(token("madeup00000001"), 0),
		"unknown token, again":              login(token("madeup00000001"), 0),
		"expired token":                     login(token(expired), 0),
		"invalid token":                     login(token(invalid), 0),
		"token of a user who is gone":       login(token("madeup00000002"), 310),
		"token of a deleted grant":          login(token("madeup00000003"), 413),
		"another user's, with another uuid": login(`{"accessToken":"madeup00000004","uuid":"`+uuid+`"}`, 0),
		"token of a session":                login(token(*thief.token.Load()), 0),
		"… with another user's uuid":        login(`{"accessToken":"`+*thief.token.Load()+`","uuid":"`+uuid+`"}`, 0),
		"token from before a revocation":    login(token(revoked), 0),
		"unknown code":                      login(`{"authorizationCode":"madeup00000005"}`, 0),
		"expired code":                      login(`{"authorizationCode":"madeup00000006"}`, 415),
		"code of a user who is gone":        login(`{"authorizationCode":"madeup00000007"}`, 310),
	}
	want := answers["unknown token"]
	for _, name := range slices.Sorted(maps.Keys(answers)) {
		if answers[name] != want {
			t.Errorf("%s is answered\n%s\nan unknown token\n%s", name, answers[name], want)
		}
	}
	if response := f.do(request("POST", "/session", token(alive))); response.StatusCode != http.StatusCreated {
		t.Errorf("a good token: %s", response.Status)
	}
}
