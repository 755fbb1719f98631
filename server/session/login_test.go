package session_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const code = "alicescode001"

func codeLogin() session.CodeLogin { return session.CodeLogin{Code: secret.New(code)} }

// exchange opens a session with alice's code.
func (h *house) exchange(t *testing.T) session.Session {
	t.Helper()
	opened, err := h.Exchange(t.Context(), codeLogin())
	if err != nil {
		t.Fatalf("Exchange: %v", err)
	}
	return opened
}

func TestExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		earlier := h.login(t, reported)
		h.capture.latency = 3 * time.Second
		began := time.Now()
		opened, err := h.Exchange(t.Context(), session.CodeLogin{Code: secret.New(code), Previous: earlier.ID})
		if err != nil {
			t.Fatal(err)
		}
		if opened.UUID != alice || !opened.Token.Equal(secret.New("access000001")) {
			t.Errorf("the session is %s's, with the exchanged token: %v", opened.UUID,
				opened.Token.Equal(secret.New("access000001")))
		}
		if got := opened.TokenExpires.Sub(began); got != lifetime {
			t.Errorf("the token lives %v from before the call, want %v", got, lifetime)
		}
		status, err := h.Status(t.Context(), opened.ID)
		if err != nil || status.Mode != store.ModeCode {
			t.Errorf("mode %q, %v; want %q", status.Mode, err, store.ModeCode)
		}
		record, err := h.store.Get(t.Context(), opened.ID)
		if err != nil || !record.RefreshToken.Equal(secret.New("refresh000001")) || record.RedirectURI != redirectURI {
			t.Errorf("stored: the refresh token %v, redirect URI %q, %v",
				record.RefreshToken.Equal(secret.New("refresh000001")), record.RedirectURI, err)
		}
		_, err = h.Status(t.Context(), earlier.ID)
		wantCode(t, err, api.SessionEnded)
	})
}

func TestRedirectURI(t *testing.T) {
	for _, tc := range []struct{ sent, used string }{
		{"", redirectURI},
		{redirectURI, redirectURI},
		{"https://www.example.com/other", "https://www.example.com/other"},
		{"https://www.example.com/other/", ""},
		{"https://www.example.com/back", ""},
		{"HTTPS://www.example.com/other", ""},
		{"https://evil.example/", ""},
	} {
		h := newHouse(t)
		login := codeLogin()
		login.RedirectURI = tc.sent
		_, err := h.Exchange(t.Context(), login)
		if tc.used == "" {
			wantCode(t, err, api.BadRequest)
			if h.capture.exchanges() != 0 {
				t.Errorf("%q: Capture was asked", tc.sent)
			}
			// The code is not spent: the page can correct itself.
			h.exchange(t)
			continue
		}
		if err != nil || len(h.capture.exchanged) != 1 || h.capture.exchanged[0] != tc.used {
			t.Errorf("%q: Capture was told %q, %v; want %q", tc.sent, h.capture.exchanged, err, tc.used)
		}
	}
	h := newHouse(t, func(c *session.Config) { c.RedirectURIs = nil })
	_, err := h.Exchange(t.Context(), codeLogin())
	wantCode(t, err, api.BadRequest)
}

// However a code is posted again, Capture sees it once.
func TestCodeWorksOnce(t *testing.T) {
	again := func(t *testing.T, h *house) {
		t.Helper()
		_, err := h.Exchange(t.Context(), codeLogin())
		failure := wantCode(t, err, api.CodeUsed)
		if failure.RetryAfter != 0 {
			t.Error("the page is told to try a used code again")
		}
		if got := h.capture.exchanges(); got != 1 {
			t.Errorf("%d exchanges, want 1", got)
		}
	}
	t.Run("later", func(t *testing.T) {
		h := newHouse(t)
		opened := h.exchange(t)
		again(t, h)
		if _, err := h.Status(t.Context(), opened.ID); err != nil {
			t.Errorf("the second post ended the session of the first: %v", err)
		}
	})
	t.Run("much later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			h.exchange(t)
			<-time.After(59 * time.Minute)
			again(t, h)
		})
	})
	t.Run("after a lost answer", func(t *testing.T) {
		h := newHouse(t)
		h.capture.lose = 1
		_, err := h.Exchange(t.Context(), codeLogin())
		wantCode(t, err, api.UpstreamUnavailable)
		again(t, h)
	})
	t.Run("after a timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			h.capture.latency = time.Hour
			_, err := h.Exchange(t.Context(), codeLogin())
			wantCode(t, err, api.UpstreamUnavailable)
			h.capture.set(func(f *fakeCapture) { f.latency = 0 })
			again(t, h)
		})
	})
	t.Run("after a refusal", func(t *testing.T) {
		h := newHouse(t)
		delete(h.capture.codes, code)
		_, err := h.Exchange(t.Context(), codeLogin())
		wantCode(t, err, api.GrantRefused)
		again(t, h)
	})
	t.Run("after a panic", func(t *testing.T) {
		h := newHouse(t)
		h.capture.panics = true
		_, err := h.Exchange(t.Context(), codeLogin())
		wantCode(t, err, api.Internal)
		if strings.Contains(h.log.String(), "a secret value") {
			t.Error("the log holds the panic's value")
		}
		h.capture.panics = false
		again(t, h)
	})
}

// Two services over one store in one process stand for two replicas.
func TestCodeWorksOnceInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newHouse(t)
		two := newHouse(t, func(c *session.Config) { c.Store, c.Capture = one.store, one.capture })
		one.capture.latency = time.Second
		var mu sync.Mutex
		opened, used := 0, 0
		var group sync.WaitGroup
		for i := range 50 {
			h := []*house{one, two}[i%2]
			group.Go(func() {
				_, err := h.Exchange(t.Context(), codeLogin())
				mu.Lock()
				defer mu.Unlock()
				var failure *session.Error
				switch {
				case err == nil:
					opened++
				case errors.As(err, &failure) && failure.Code == api.CodeUsed:
					used++
				}
			})
		}
		group.Wait()
		if opened != 1 || used != 49 || one.capture.exchanges() != 1 {
			t.Errorf("%d sessions, %d told that the code was used, %d exchanges; want 1, 49, 1",
				opened, used, one.capture.exchanges())
		}
	})
}

func TestExchangeFailures(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		code api.Code
	}{
		{"unknown code", &capture.Error{Kind: capture.GrantGone, Number: 200}, api.GrantRefused},
		{"expired code", &capture.Error{Kind: capture.GrantGone, Number: 415}, api.GrantRefused},
		{"no such user", &capture.Error{Kind: capture.AccountGone, Number: 310}, api.GrantRefused},
		{"operator's fault", &capture.Error{Kind: capture.OperatorFault, Number: 420}, api.UpstreamRefused},
		{"temporary", &capture.Error{Kind: capture.Temporary}, api.UpstreamUnavailable},
		{"limited", &capture.Error{Kind: capture.RateLimited, RetryAfter: 7 * time.Second}, api.UpstreamUnavailable},
		{"not understood", errors.New("strange"), api.UpstreamUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHouse(t)
			old := h.login(t, reported)
			h.capture.exchangeErr = tc.err
			_, err := h.Exchange(t.Context(), session.CodeLogin{Code: secret.New(code), Previous: old.ID})
			failure := wantCode(t, err, tc.code)
			if !errors.Is(err, tc.err) {
				t.Error("the cause is lost")
			}
			if tc.code == api.UpstreamUnavailable && failure.RetryAfter != 0 {
				t.Error("the page is told to try again with a spent code")
			}
			if _, err := h.Status(t.Context(), old.ID); err != nil {
				t.Errorf("a failed login ended the earlier session: %v", err)
			}
		})
	}
}

// Before Capture is asked the code is not spent, and may be posted again.
func TestExchangeThatNeverBegan(t *testing.T) {
	t.Run("the store is down", func(t *testing.T) {
		h := newHouse(t)
		h.store.fail["mark"] = errDisk
		_, err := h.Exchange(t.Context(), codeLogin())
		if failure := wantCode(t, err, api.StoreUnavailable); failure.RetryAfter == 0 || h.capture.exchanges() != 0 {
			t.Errorf("retry after %v, %d exchanges", failure.RetryAfter, h.capture.exchanges())
		}
		delete(h.store.fail, "mark")
		h.exchange(t)
	})
	t.Run("the ceiling", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, func(c *session.Config) {
				c.Upstream = limit.Rate{Events: 1, Per: 3 * time.Second}
			})
			h.login(t, reported)
			_, err := h.Exchange(t.Context(), codeLogin())
			if failure := wantCode(t, err, api.UpstreamUnavailable); failure.RetryAfter == 0 ||
				h.capture.exchanges() != 0 {
				t.Errorf("retry after %v, %d exchanges", failure.RetryAfter, h.capture.exchanges())
			}
			<-time.After(3 * time.Second)
			h.exchange(t)
		})
	})
}

// The tokens are there; it takes a while to learn the user.
func TestIdentifyIsAskedAgain(t *testing.T) {
	for _, tc := range []struct {
		name   string
		err    error
		until  time.Duration // Identify fails; 0: for ever
		code   api.Code      // empty: a session
		within time.Duration
	}{
		{"for a moment", &capture.Error{Kind: capture.Temporary}, 2 * time.Second, "", 4 * time.Second},
		{"limited for a moment", &capture.Error{Kind: capture.RateLimited}, 2 * time.Second, "", 4 * time.Second},
		{"for ever", &capture.Error{Kind: capture.Temporary}, 0, api.UpstreamUnavailable, 10 * time.Second},
		{"operator's fault", &capture.Error{Kind: capture.OperatorFault}, 0, api.UpstreamRefused, 0},
		{"refused", &capture.Error{Kind: capture.GrantGone}, 0, api.GrantRefused, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.capture.identErr = tc.err
				if tc.until > 0 {
					time.AfterFunc(tc.until, func() { h.capture.set(func(f *fakeCapture) { f.identErr = nil }) })
				}
				began := time.Now()
				opened, err := h.Exchange(t.Context(), codeLogin())
				if took := time.Since(began); took > tc.within {
					t.Errorf("answered after %v, want %v at most", took, tc.within)
				}
				if h.capture.exchanges() != 1 {
					t.Errorf("%d exchanges, want 1", h.capture.exchanges())
				}
				if tc.code != "" {
					wantCode(t, err, tc.code)
					return
				}
				if err != nil || opened.UUID != alice {
					t.Errorf("%q, %v; want alice's session", opened.UUID, err)
				}
				if h.capture.identified() > 10 {
					t.Errorf("Identify was asked %d times", h.capture.identified())
				}
			})
		})
	}
}

// A page that leaves changes nothing: the code is spent, its session is made,
// and the server waits for that before it goes down.
func TestExchangeOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		created := make(chan store.Record, 1)
		h.store.created = func(r store.Record) { created <- r }
		h.capture.latency = time.Second
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, leave)
		_, err := h.Exchange(ctx, codeLogin())
		wantCode(t, err, api.UpstreamUnavailable)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v, want context.Canceled in it", err)
		}
		if err := h.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		select {
		case record := <-created:
			if record.UUID != alice || record.RefreshToken.Empty() {
				t.Error("the stored session is not what Capture gave")
			}
		default:
			t.Error("Drain did not wait for the session")
		}
	})
}

func TestExchangeWhenTheStoreFails(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test tries every call of the store")
	}
	for _, call := range []string{"create", "delete"} {
		h := newHouse(t)
		old := h.login(t, reported)
		h.store.fail[call] = errDisk
		_, err := h.Exchange(t.Context(), session.CodeLogin{Code: secret.New(code), Previous: old.ID})
		wantCode(t, err, api.StoreUnavailable)
	}
}

func TestCodesAndRefreshTokensAreInNoLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		opened := h.exchange(t)
		_, err := h.Exchange(t.Context(), codeLogin())
		wantCode(t, err, api.CodeUsed)
		ask(t, h, opened.ID, api.ReasonInvalid, "access000001")
		h.capture.lose = 1
		_, err = h.Token(t.Context(), opened.ID, api.ReasonInvalid, secret.New("access000002"))
		text := h.log.String() + wantCode(t, err, api.SessionEnded).Error()
		if !strings.Contains(text, "lost") {
			t.Fatalf("nothing worth looking at was logged:\n%s", text)
		}
		for _, hidden := range []string{code, "access0000", "refresh0000", alice} {
			if strings.Contains(text, hidden) {
				t.Errorf("%s is in the log:\n%s", hidden, text)
			}
		}
	})
}

// The cause tells a client that disconnected from a store that failed.
func TestADisconnectedClientIsTheCause(t *testing.T) {
	h := newHouse(t)
	opened := h.login(t, reported)
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	for name, call := range map[string]func() error{
		"Open": func() error {
			_, err := h.Open(gone, session.Login{Token: secret.New("bobstoken0001")})
			return err
		},
		"Token": func() error {
			_, err := h.Token(gone, opened.ID, api.ReasonStart, secret.String{})
			return err
		},
		"Touch": func() error { return h.Touch(gone, opened.ID) },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want the cause context canceled", name, err)
		}
	}
}
