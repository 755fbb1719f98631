package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
)

// wire carries the calls of a real capture.Client to the stand-in service
// without a network, so that they can run in fake time.
type wire struct {
	service *simulator.Service
	reset   bool // every connection breaks once the question is sent
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if w.reset {
		return nil, syscall.ECONNRESET
	}
	recorder := httptest.NewRecorder()
	w.service.ServeHTTP(recorder, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return recorder.Result(), nil
}

// world is a Service over the real client and the stand-in service.
type world struct {
	*session.Service
	service *simulator.Service
	wire    *wire
	log     *bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{log: new(bytes.Buffer)}
	issuer := capture.Credentials{ID: "issuer", Secret: secret.New("issuer-secret-0001")}
	login := capture.Credentials{ID: "login", Secret: secret.New("login-secret-00001")}
	w.service = simulator.New(simulator.Options{Clients: []simulator.Client{
		{ID: "page"},
		{ID: issuer.ID, Secret: issuer.Secret, AccessIssuer: true},
		{ID: login.ID, Secret: login.Secret, Login: true},
	}})
	w.wire = &wire{service: w.service}
	client, err := capture.New(capture.Config{
		URL: "https://app.example.com", ClientID: "page", Issuer: issuer, Login: login,
		TokenLifetime: lifetime, Transport: w.wire,
	})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.Parse(secret.New("k1:c2V2ZW50ZWVuIGJ5dGVzIGFuZCBmaWZ0ZWVuIG1vcmU="))
	if err != nil {
		t.Fatal(err)
	}
	w.Service = session.New(session.Config{
		Store: store.New(memory.New(), ring, nil), Capture: client, RedirectURIs: []string{redirectURI},
		TokenLifetime: lifetime, IdleTimeout: absolute, AbsoluteTimeout: absolute, UpstreamTimeout: 10 * time.Second,
		Log: slog.New(slog.NewTextHandler(w.log, nil)),
	})
	return w
}

// asked is how often Capture was asked for anything.
func (w *world) asked() int {
	return w.service.Count(simulator.EndpointEntity) + w.service.Count(simulator.EndpointIssue) +
		w.service.Count(simulator.EndpointExchange) + w.service.Count(simulator.EndpointRefresh)
}

// resident is a user's session.
type resident struct {
	id          store.ID
	uuid, token string
	mode        store.Mode
}

// settle opens n sessions, of as many users, by turns of either kind.
func (w *world) settle(t *testing.T, n int) []resident {
	t.Helper()
	all := make([]resident, n)
	for i := range all {
		one, name := &all[i], fmt.Sprintf("user%d@example.com", i)
		var opened session.Session
		var err error
		if one.mode = store.ModeToken; i%2 == 0 {
			var token string
			one.uuid, token = w.service.SignIn(name, name)
			opened, err = w.Open(t.Context(), session.Login{Token: secret.New(token)})
		} else {
			one.mode = store.ModeCode
			var code string
			one.uuid, code = w.service.SignInCode(name, name, redirectURI)
			opened, err = w.Exchange(t.Context(), session.CodeLogin{Code: secret.New(code)})
		}
		if err != nil || opened.UUID != one.uuid {
			t.Fatalf("login %d: %v", i, err)
		}
		one.id, one.token = opened.ID, opened.Token.Reveal()
	}
	return all
}

// renew has a session's token refused.
func (w *world) renew(t *testing.T, one resident) (session.Grant, error) {
	t.Helper()
	return w.Token(t.Context(), one.id, api.ReasonInvalid, secret.New(one.token))
}

// The bar: a thousand sessions, and everything that can be wrong with Capture
// or with the operator's settings, one after the other. None ends, and when the
// trouble is over each of them is renewed.
func TestTroubleEndsNoSession(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test has a thousand sessions in trouble")
	}
	const sessions = 1000
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		residents := w.settle(t, sessions)
		fault := func(f simulator.Fault) func() func() { return func() func() { return w.service.Fail(f) } }
		answer := func(status int, contentType, body string) func() func() {
			return fault(simulator.Fault{Answer: simulator.Body(status, contentType, body)})
		}
		for _, trouble := range []struct {
			name  string
			begin func() (end func())
			code  api.Code
		}{
			{"timeout", fault(simulator.Fault{Delay: time.Hour}), api.UpstreamUnavailable},
			{"reset", func() func() {
				w.wire.reset = true
				return func() { w.wire.reset = false }
			}, api.UpstreamUnavailable},
			{"HTML 502", fault(simulator.Fault{Answer: simulator.HTML(http.StatusBadGateway)}),
				api.UpstreamUnavailable},
			{"unexpected error", fault(simulator.Fault{Number: 500}), api.UpstreamUnavailable},
			{"API limit", fault(simulator.Fault{Number: 510}), api.UpstreamUnavailable},
			{"too many requests", fault(simulator.Fault{Answer: simulator.TooMany("1")}), api.UpstreamUnavailable},
			{"invalid client", fault(simulator.Fault{Number: 402}), api.UpstreamRefused},
			{"no permission", fault(simulator.Fault{Number: 403}), api.UpstreamRefused},
			{"garbage", answer(http.StatusOK, "application/json", "\x00\xff{]"), api.UpstreamUnavailable},
			{"nothing", answer(http.StatusOK, "application/json", ""), api.UpstreamUnavailable},
			{"no token", answer(http.StatusOK, "application/json", `{"stat":"ok"}`), api.UpstreamUnavailable},
			{"an unknown number", fault(simulator.Fault{Number: 999}), api.UpstreamUnavailable},
		} {
			calls := w.asked()
			end := trouble.begin()
			for i, one := range residents {
				_, err := w.renew(t, one)
				failure := (*session.Error)(nil)
				if !errors.As(err, &failure) || failure.Code.Final() || failure.RetryAfter <= 0 {
					t.Fatalf("%s, session %d: %v", trouble.name, i, err)
				}
				if i == 0 && failure.Code != trouble.code {
					t.Errorf("%s: %v, want %s", trouble.name, err, trouble.code)
				}
			}
			end()
			if trouble.name != "reset" && w.asked() == calls {
				t.Errorf("%s: Capture was not asked", trouble.name)
			}
			for i, one := range residents {
				if _, err := w.Status(t.Context(), one.id); err != nil {
					t.Fatalf("%s ended session %d: %v", trouble.name, i, err)
				}
			}

			<-time.After(time.Minute) // as long as any page was told to wait
			for i := range residents {
				one := &residents[i]
				grant, err := w.renew(t, *one)
				if err != nil || grant.Token.Equal(secret.New(one.token)) ||
					w.service.TokenOwner(grant.Token.Reveal()) != one.uuid {
					t.Fatalf("after %s, session %d (%s): %v", trouble.name, i, one.mode, err)
				}
				one.token = grant.Token.Reveal()
			}
		}

		// An account is gone: that user's sessions end, no other.
		gone := residents[0]
		_, another := w.service.SignIn("user0@example.com", "user0@example.com")
		second, err := w.Open(t.Context(), session.Login{Token: secret.New(another)})
		if err != nil {
			t.Fatal(err)
		}
		w.service.Fail(simulator.Fault{Number: 310, Times: 1})
		_, err = w.renew(t, gone)
		wantCode(t, err, api.SessionEnded)
		_, err = w.Status(t.Context(), second.ID)
		wantCode(t, err, api.SessionEnded)
		for i, one := range residents[1:] {
			if _, err := w.Status(t.Context(), one.id); err != nil {
				t.Fatalf("another's account took session %d with it: %v", i+1, err)
			}
		}
		log := w.log.String()
		for _, one := range residents[:10] {
			if strings.Contains(log, one.token) || strings.Contains(log, one.uuid) {
				t.Fatal("the log shows a token or a uuid")
			}
		}
	})
}

// A Capture that fails for everyone is not asked by everyone.
func TestTheBreakerOpensOnAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		residents := w.settle(t, 100)
		before := w.asked()
		asked := func() int { return w.asked() - before }
		w.service.SetOutage(true)
		for _, one := range residents[:50] {
			_, err := w.renew(t, one)
			wantCode(t, err, api.UpstreamUnavailable)
		}
		if !w.BreakerOpen() {
			t.Error("BreakerOpen() is false")
		}
		if got := asked(); got != 10 {
			t.Errorf("%d calls of a service that fails, want 10", got)
		}
		if !strings.Contains(w.log.String(), "level=ERROR") {
			t.Error("the operator does not hear of it")
		}
		// No code is spent on a call that is not made.
		uuid, code := w.service.SignInCode("late@example.com", "Late", redirectURI)
		_, err := w.Exchange(t.Context(), session.CodeLogin{Code: secret.New(code)})
		if failure := wantCode(t, err, api.UpstreamUnavailable); failure.RetryAfter <= 0 ||
			failure.RetryAfter > 5*time.Second {
			t.Errorf("retry after %v, want at most 5s", failure.RetryAfter)
		}

		<-time.After(5*time.Second + time.Millisecond)
		for _, one := range residents[50:] {
			_, err := w.renew(t, one)
			wantCode(t, err, api.UpstreamUnavailable)
		}
		if got := asked(); got != 11 {
			t.Errorf("%d calls, want one more that finds out", got)
		}

		w.service.SetOutage(false)
		<-time.After(5*time.Second + time.Millisecond)
		opened, err := w.Exchange(t.Context(), session.CodeLogin{Code: secret.New(code)})
		if err != nil || opened.UUID != uuid {
			t.Errorf("the code after the outage: %v", err)
		}
		if w.BreakerOpen() {
			t.Error("BreakerOpen() is true, and Capture has answered")
		}
		for _, one := range residents {
			if _, err := w.renew(t, one); err != nil {
				t.Fatalf("after the outage: %v", err)
			}
		}
	})
}

// Visitors who hang up cannot make it look as if Capture failed.
func TestHangingUpIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		opened := h.login(t, reported)
		h.capture.set(func(f *fakeCapture) { f.latency = time.Second })
		for range 50 {
			ctx, hangUp := context.WithTimeout(t.Context(), time.Millisecond)
			_, err := h.Open(ctx, session.Login{Token: secret.New("bobstoken0001")})
			hangUp()
			wantCode(t, err, api.UpstreamUnavailable)
		}
		ask(t, h, opened.ID, api.ReasonInvalid, reported)
	})
}

// A token that Capture does not accept is asked about once in a while.
func TestRejectedTokensAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		report := func(token string, calls int) error {
			t.Helper()
			_, err := h.Open(t.Context(), session.Login{Token: secret.New(token)})
			if h.capture.identified() != calls {
				t.Fatalf("%d calls, want %d", h.capture.identified(), calls)
			}
			return err
		}
		wantCode(t, report("rejected00001", 1), api.GrantRefused)
		again := wantCode(t, report("rejected00001", 1), api.GrantRefused)
		if kind := (*capture.Error)(nil); !errors.As(again, &kind) {
			t.Error("the cause is lost")
		}
		wantCode(t, report("rejected00002", 2), api.GrantRefused)
		if err := report(reported, 3); err != nil {
			t.Errorf("a good token: %v", err)
		}
		// Trouble is no verdict.
		h.capture.set(func(f *fakeCapture) { f.identErr = &capture.Error{} })
		wantCode(t, report("alicestoken02", 4), api.UpstreamUnavailable)
		h.capture.set(func(f *fakeCapture) { f.identErr = nil })
		if err := report("alicestoken02", 5); err != nil {
			t.Errorf("a good token after trouble: %v", err)
		}
		// Nor is a verdict for ever: Capture may have come to know the token.
		h.capture.set(func(f *fakeCapture) { f.owners["rejected00001"] = bob })
		<-time.After(time.Minute)
		if err := report("rejected00001", 6); err != nil {
			t.Errorf("a token that Capture came to know: %v", err)
		}
	})
}
