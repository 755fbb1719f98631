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
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// first is the access token of the first exchange or refresh of a house.
const first = "access000001"

// refused asks for another token because Capture refused this one.
func (h *house) refused(t *testing.T, id store.ID, have string) (session.Grant, error) {
	t.Helper()
	return h.Token(t.Context(), id, api.ReasonInvalid, secret.New(have))
}

// pairOf is the pair in the store.
func pairOf(t *testing.T, h *house, id store.ID) (access, refresh string) {
	t.Helper()
	record, err := h.store.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return record.AccessToken.Reveal(), record.RefreshToken.Reveal()
}

func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(c *session.Config) { c.IdleTimeout = absolute })
		opened := h.exchange(t)
		if got := ask(t, h, opened.ID, api.ReasonDue, first); !got.Token.Equal(secret.New(first)) ||
			h.capture.refreshes() != 0 {
			t.Error("a young token was refreshed")
		}
		<-time.After(lifetime - 2*time.Minute)
		h.capture.set(func(f *fakeCapture) { f.latency = 3 * time.Second })
		began := time.Now()
		got := ask(t, h, opened.ID, api.ReasonDue, first)
		if got.Token.Equal(secret.New(first)) || got.TokenExpires.Sub(began) != lifetime {
			t.Errorf("the same token, or one that lives %v from before the call", got.TokenExpires.Sub(began))
		}
		if !got.AbsoluteExpires.Equal(opened.AbsoluteExpires) {
			t.Error("refreshing moved the absolute limit")
		}
		if access, refresh := pairOf(t, h, opened.ID); access != "access000002" || refresh != "refresh000002" {
			t.Errorf("stored: %s and %s", access, refresh)
		}
		if h.capture.mints() != 0 {
			t.Error("getAccessToken was called for a server-side session")
		}
	})
}

// Fifty at once over two services on one store, which in one process stand for
// two replicas, with a Capture that takes 5 s and takes each refresh token once.
func TestOneRefreshHoweverManyAsk(t *testing.T) {
	for _, tc := range []struct {
		name  string
		after time.Duration
	}{{"refused", 0}, {"expired", lifetime}} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				one := newHouse(t, func(c *session.Config) { c.IdleTimeout = absolute })
				two := newHouse(t, func(c *session.Config) {
					c.IdleTimeout, c.Store, c.Capture = absolute, one.store, one.capture
				})
				opened := one.exchange(t)
				<-time.After(tc.after)
				one.capture.set(func(f *fakeCapture) { f.latency = 5 * time.Second })
				var mu sync.Mutex
				var outcomes []outcome
				var group sync.WaitGroup
				for i := range 50 {
					h := []*house{one, two}[i%2]
					group.Go(func() {
						grant, err := h.Token(t.Context(), opened.ID, api.ReasonExpired, secret.New(first))
						mu.Lock()
						defer mu.Unlock()
						outcomes = append(outcomes, outcome{grant, err})
					})
				}
				group.Wait()
				for _, got := range outcomes {
					if got.err != nil {
						t.Fatal(got.err)
					}
					if !got.grant.Token.Equal(secret.New("access000002")) {
						t.Fatal("an answer with another token")
					}
				}
				if got := one.capture.refreshes(); got != 1 {
					t.Errorf("%d refreshes, want 1", got)
				}
				// The lock is released at once, and the session lives on.
				if got, err := two.refused(t, opened.ID, "access000002"); err != nil ||
					!got.Token.Equal(secret.New("access000003")) {
					t.Errorf("the next refresh: %v", err)
				}
			})
		})
	}
}

// Where the lock keeps no server out, the intent does.
func TestTheIntentKeepsServersApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newHouse(t)
		one.store.freeForAll = true
		two := newHouse(t, func(c *session.Config) { c.Store, c.Capture = one.store, one.capture })
		opened := one.exchange(t)
		one.capture.set(func(f *fakeCapture) { f.latency = time.Second })
		answers := make(chan outcome, 2)
		renew := func(h *house) {
			grant, err := h.refused(t, opened.ID, first)
			answers <- outcome{grant, err}
		}
		// The second server comes between the first one's look and its intent.
		one.store.beforeUpdate = func() {
			go renew(two)
			synctest.Wait()
		}
		go renew(one)
		for range 2 {
			got := <-answers
			if got.err != nil {
				t.Fatal(got.err)
			}
			if !got.grant.Token.Equal(secret.New("access000002")) {
				t.Error("an answer with another token than the second server's")
			}
		}
		if got := one.capture.refreshes(); got != 1 {
			t.Errorf("%d refreshes, want 1", got)
		}
		one.wantAlive(t, opened.ID)
	})
}

// pausing is Capture for a server that is paused once the answer to a refresh is
// in its socket.
type pausing struct {
	session.Capture
	resumed chan struct{}
}

func (p pausing) Refresh(ctx context.Context, token secret.String) (capture.Tokens, error) {
	tokens, err := p.Capture.Refresh(ctx, token)
	<-p.resumed
	return tokens, err
}

// A: refresh token sent, paused.  B: gets the lock, since A's lease is over.
// A: answer arrives late.  B must not delete the session in between.
func TestPausedReplica(t *testing.T) {
	for _, tc := range []struct {
		pause   time.Duration
		second  api.Code // what B's page hears; empty: the new token
		survive bool
	}{
		{6 * time.Second, "", true},
		{25 * time.Second, api.UpstreamUnavailable, true},
		{100 * time.Second, api.UpstreamUnavailable, true},
		{time.Hour, api.UpstreamUnavailable, false},
	} {
		t.Run(tc.pause.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				resumed := make(chan struct{})
				one := newHouse(t, func(c *session.Config) {
					c.Capture, c.IdleTimeout = pausing{c.Capture, resumed}, absolute
				})
				one.store.freeForAll = true
				two := newHouse(t, func(c *session.Config) {
					c.Store, c.Capture, c.IdleTimeout = one.store, one.capture, absolute
				})
				opened := one.exchange(t)
				began := time.Now()
				go func() {
					_, _ = one.refused(t, opened.ID, first) // its page has long gone
				}()
				synctest.Wait()
				time.AfterFunc(tc.pause, func() { close(resumed) })
				_, err := two.refused(t, opened.ID, first)
				if tc.second == "" && err != nil || tc.second != "" && wantCode(t, err, tc.second) == nil {
					t.Fatalf("the page at the other server: %v", err)
				}
				for time.Since(began) < tc.pause-time.Second {
					if time.Since(began) < 2*time.Minute {
						if _, err := two.Status(t.Context(), opened.ID); err != nil {
							t.Fatalf("after %v the session has ended: %v", time.Since(began), err)
						}
					}
					_, _ = two.refused(t, opened.ID, first)
					<-time.After(10 * time.Second)
				}
				<-time.After(time.Minute)
				if err := one.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				got, err := two.Token(t.Context(), opened.ID, api.ReasonStart, secret.String{})
				if !tc.survive {
					wantCode(t, err, api.SessionEnded)
					return
				}
				if err != nil || !got.Token.Equal(secret.New("access000002")) {
					t.Errorf("after the pause: %v", err)
				}
			})
		})
	}
}

// The winner's pair arrives in the very moment in which the session is given up.
func TestPairThatCameInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		opened := h.exchange(t)
		h.capture.lose = 1
		h.store.beforeUpdate = func() {
			record, err := h.store.Get(t.Context(), opened.ID)
			if err != nil {
				t.Fatal(err)
			}
			record.AccessToken, record.RefreshToken = secret.New("fromthewinner1"), secret.New("winnersrefresh")
			if _, err := h.store.Store.Update(t.Context(), opened.ID, record); err != nil {
				t.Fatal(err)
			}
		}
		got, err := h.refused(t, opened.ID, first)
		if err != nil || !got.Token.Equal(secret.New("fromthewinner1")) {
			t.Fatalf("the loser got another token than the winner's: %v", err)
		}
		if access, refresh := pairOf(t, h, opened.ID); access != "fromthewinner1" || refresh != "winnersrefresh" {
			t.Errorf("stored: %s and %s", access, refresh)
		}
	})
}

// A server learned that the grant of a record is dead, and died before it could
// delete the record: it is no session.
func TestTombstoneIsNoSession(t *testing.T) {
	h := newHouse(t)
	opened := h.exchange(t)
	record, err := h.store.Get(t.Context(), opened.ID)
	if err != nil {
		t.Fatal(err)
	}
	record.RefreshToken = secret.String{}
	if _, err := h.store.Update(t.Context(), opened.ID, record); err != nil {
		t.Fatal(err)
	}
	_, err = h.Token(t.Context(), opened.ID, api.ReasonStart, secret.String{})
	wantCode(t, err, api.SessionEnded)
	_, err = h.Status(t.Context(), opened.ID)
	wantCode(t, err, api.SessionEnded)
	wantCode(t, h.Touch(t.Context(), opened.ID), api.SessionEnded)
}

func TestLostAnswer(t *testing.T) {
	lost := func(f *fakeCapture) { f.refreshErr = &capture.Error{Op: "oauth/token", Lost: true} }
	t.Run("Capture had not heard the question", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			opened := h.exchange(t)
			h.capture.set(func(f *fakeCapture) { f.latency, f.refreshErr = time.Minute, nil })
			time.AfterFunc(9*time.Second, func() { h.capture.set(func(f *fakeCapture) { f.latency = 0 }) })
			if got, err := h.refused(t, opened.ID, first); err != nil || !got.Token.Equal(secret.New("access000002")) {
				t.Errorf("after a second question: %v", err)
			}
			if got := h.capture.refreshes(); got != 2 {
				t.Errorf("%d refreshes, want 2", got)
			}
		})
	})
	t.Run("Capture had done it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			opened := h.exchange(t)
			h.capture.lose = 1
			_, err := h.refused(t, opened.ID, first)
			wantCode(t, err, api.SessionEnded)
			if got := h.capture.refreshes(); got != 2 {
				t.Errorf("%d refreshes, want 2", got)
			}
		})
	})
	t.Run("lost again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			opened := h.exchange(t)
			h.capture.set(lost)
			_, err := h.refused(t, opened.ID, first)
			wantCode(t, err, api.UpstreamUnavailable)
			if got := h.capture.refreshes(); got != 2 {
				t.Errorf("%d refreshes, want 2", got)
			}
			h.capture.set(func(f *fakeCapture) { f.refreshErr = nil })
			<-time.After(5 * time.Second)
			if _, err := h.refused(t, opened.ID, first); err != nil {
				t.Errorf("the session did not survive: %v", err)
			}
		})
	})
	t.Run("not lost", func(t *testing.T) {
		h := newHouse(t)
		opened := h.exchange(t)
		h.capture.set(func(f *fakeCapture) { f.refreshErr = &capture.Error{Op: "oauth/token", Status: 503} })
		_, err := h.refused(t, opened.ID, first)
		wantCode(t, err, api.UpstreamUnavailable)
		if got := h.capture.refreshes(); got != 1 {
			t.Errorf("%d refreshes, want 1: Capture has answered", got)
		}
	})
}

func TestRefreshFailures(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		code api.Code
		ends bool // this session
		all  bool // and the user's others
	}{
		{"dead refresh token", &capture.Error{Kind: capture.GrantGone, Number: 200}, api.SessionEnded, true, false},
		{"grant deleted", &capture.Error{Kind: capture.GrantGone, Number: 413}, api.SessionEnded, true, false},
		{"account gone", &capture.Error{Kind: capture.AccountGone, Number: 310}, api.SessionEnded, true, true},
		{"operator's fault", &capture.Error{Kind: capture.OperatorFault, Number: 402},
			api.UpstreamRefused, false, false},
		{"temporary", &capture.Error{Kind: capture.Temporary}, api.UpstreamUnavailable, false, false},
		{"limited", &capture.Error{Kind: capture.RateLimited}, api.UpstreamUnavailable, false, false},
		{"not understood", errors.New("strange"), api.UpstreamUnavailable, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				opened, other := h.exchange(t), h.login(t, reported)
				bobs, err := h.Exchange(t.Context(), session.CodeLogin{Code: secret.New("bobscode00001")})
				if err != nil {
					t.Fatal(err)
				}
				h.capture.set(func(f *fakeCapture) { f.refreshErr = tc.err })
				_, err = h.refused(t, opened.ID, first)
				wantCode(t, err, tc.code)
				for _, check := range []struct {
					name  string
					id    store.ID
					ended bool
				}{{"this", opened.ID, tc.ends}, {"the user's other", other.ID, tc.all}, {"bob's", bobs.ID, false}} {
					if _, err := h.Status(t.Context(), check.id); (err != nil) != check.ended {
						t.Errorf("%s session: %v, want ended: %v", check.name, err, check.ended)
					}
				}
			})
		})
	}
}

// The bar: a client leaves during a 1 s refresh; the next one gets the new
// token, after one call in all.
func TestRefreshOutlivesItsClient(t *testing.T) {
	for name, waits := range map[string]bool{"the next one comes at once": false, "the next one comes later": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				opened := h.exchange(t)
				h.capture.set(func(f *fakeCapture) { f.latency = time.Second })
				ctx, leave := context.WithCancel(t.Context())
				time.AfterFunc(200*time.Millisecond, leave)
				_, err := h.Token(ctx, opened.ID, api.ReasonInvalid, secret.New(first))
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("err = %v, want context.Canceled in it", err)
				}
				if waits {
					<-time.After(5 * time.Second)
				}
				if got, err := h.refused(t, opened.ID, first); err != nil ||
					!got.Token.Equal(secret.New("access000002")) {
					t.Errorf("the next client: %v", err)
				}
				if got := h.capture.refreshes(); got != 1 {
					t.Errorf("%d refreshes, want 1", got)
				}
			})
		})
	}
}

// The bar: logout during a 2 s refresh. It is answered at once, the waiting
// caller gets no token, and nothing of the session is left.
func TestLogoutDuringARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		opened := h.exchange(t)
		h.capture.set(func(f *fakeCapture) { f.latency = 2 * time.Second })
		answer := make(chan outcome, 1)
		go func() {
			grant, err := h.refused(t, opened.ID, first)
			answer <- outcome{grant, err}
		}()
		<-time.After(time.Second)
		began := time.Now()
		if _, err := h.End(t.Context(), opened.ID); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took >= 500*time.Millisecond {
			t.Errorf("the logout took %v", took)
		}
		_, err := h.Status(t.Context(), opened.ID)
		wantCode(t, err, api.SessionEnded)
		got := <-answer
		wantCode(t, got.err, api.SessionEnded)
		if !got.grant.Token.Empty() {
			t.Error("the waiting caller got a token")
		}
		if _, err := h.store.Get(t.Context(), opened.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the store has %v, want ErrNotFound", err)
		}
		held, err := h.store.Lock(t.Context(), "renewal "+keyOf(opened.ID), time.Minute)
		if err != nil {
			t.Errorf("the session's lock is still taken: %v", err)
		} else if err := held.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Trouble of the store while a pair is stored costs no session, and no caller
// waits for its end.
func TestPairIsStoredPatiently(t *testing.T) {
	while := func(t *testing.T, lockLost bool) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			h.store.oneProcess = true // no intent is written
			h.store.freeForAll = lockLost
			opened := h.exchange(t)
			h.capture.set(func(f *fakeCapture) { f.latency = 100 * time.Millisecond })
			h.store.failUpdates(errDisk)
			time.AfterFunc(10*time.Second, func() { h.store.failUpdates(nil) })
			began := time.Now()
			for _, got := range parallel(t, h, 20,
				func() (session.Grant, error) { return h.refused(t, opened.ID, first) }) {
				if failure := wantCode(t, got.err, api.StoreUnavailable); failure.RetryAfter == 0 {
					t.Error("no page is told when to ask again")
				}
			}
			if took := time.Since(began); took >= time.Second {
				t.Errorf("the trouble was told after %v", took)
			}
			// A page that asks while the store cannot be written waits, and gets what is stored in the end.
			if got, err := h.refused(t, opened.ID, first); err != nil || !got.Token.Equal(secret.New("access000002")) {
				t.Errorf("after the trouble: %v", err)
			}
			if err := h.Drain(t.Context()); err != nil || h.capture.refreshes() != 1 {
				t.Errorf("%d refreshes, want 1; %v", h.capture.refreshes(), err)
			}
			if access, refresh := pairOf(t, h, opened.ID); access != "access000002" || refresh != "refresh000002" {
				t.Errorf("stored: %s and %s", access, refresh)
			}
		})
	}
	t.Run("for a while", func(t *testing.T) { while(t, false) })
	t.Run("though the lock is lost", func(t *testing.T) { while(t, true) })
	t.Run("as long as a failover", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			h.store.oneProcess = true // no intent is written
			opened := h.exchange(t)
			h.store.failUpdates(errDisk)
			time.AfterFunc(time.Minute, func() { h.store.failUpdates(nil) })
			_, err := h.refused(t, opened.ID, first)
			wantCode(t, err, api.StoreUnavailable)
			if err := h.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if access, refresh := pairOf(t, h, opened.ID); access != "access000002" || refresh != "refresh000002" {
				t.Errorf("stored: %s and %s", access, refresh)
			}
		})
	})
	t.Run("too long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			h.store.oneProcess = true // no intent is written
			opened := h.exchange(t)
			h.store.failUpdates(errDisk)
			_, err := h.refused(t, opened.ID, first)
			wantCode(t, err, api.StoreUnavailable)
			if err := h.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(h.log.String(), "could not be stored") {
				t.Error("the operator does not hear of it")
			}
		})
	})
}

// A server that died with the lock of a session holds the others up for the
// lease, no longer.
func TestLockOfADeadServer(t *testing.T) {
	for _, mode := range []store.Mode{store.ModeToken, store.ModeCode} {
		t.Run(string(mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				opened, have := h.login(t, reported), reported
				if mode == store.ModeCode {
					opened, have = h.exchange(t), first
				}
				dying, die := context.WithCancel(t.Context())
				defer die()
				if _, err := h.store.Lock(dying, "renewal "+keyOf(opened.ID), 3*time.Second); err != nil {
					t.Fatal(err)
				}
				died := time.Now().Add(5 * time.Second)
				time.AfterFunc(5*time.Second, die)
				if _, err := h.refused(t, opened.ID, have); err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(died); waited < 0 || waited > 3*time.Second+100*time.Millisecond {
					t.Errorf("the lock came %v after the death, want 3s at most", waited)
				}
			})
		})
	}
}

func TestNoRenewalWithoutItsLock(t *testing.T) {
	h := newHouse(t)
	opened := h.exchange(t)
	h.store.fail["lock"] = errDisk
	_, err := h.refused(t, opened.ID, first)
	wantCode(t, err, api.StoreUnavailable)
	if h.capture.refreshes() != 0 {
		t.Error("Capture was asked without the lock")
	}
}

// The page of one session cannot hammer a Capture in trouble.
func TestFailedRenewalCoolsDown(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  *capture.Error
		code api.Code
		rest time.Duration
	}{
		{"temporary", &capture.Error{}, api.UpstreamUnavailable, 5 * time.Second},
		{"told to wait long", &capture.Error{Kind: capture.RateLimited, RetryAfter: time.Minute},
			api.UpstreamUnavailable, time.Minute},
		{"told to wait a moment",
			&capture.Error{Kind: capture.RateLimited, RetryAfter: time.Second},
			api.UpstreamUnavailable, 2 * time.Second},
		{"operator's fault", &capture.Error{Kind: capture.OperatorFault}, api.UpstreamRefused, 30 * time.Second},
	} {
		for _, mode := range []store.Mode{store.ModeToken, store.ModeCode} {
			t.Run(tc.name+", "+string(mode), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHouse(t, func(c *session.Config) { c.IdleTimeout = absolute })
					opened, calls := h.login(t, reported), h.capture.mints
					if mode == store.ModeCode {
						opened, calls = h.exchange(t), h.capture.refreshes
					}
					<-time.After(lifetime)
					h.capture.set(func(f *fakeCapture) { f.issueErr, f.refreshErr = tc.err, tc.err })
					_, err := h.Token(t.Context(), opened.ID, api.ReasonDue, secret.String{})
					wantCode(t, err, tc.code)
					<-time.After(tc.rest - time.Millisecond)
					for range 10 {
						_, err := h.Token(t.Context(), opened.ID, api.ReasonDue, secret.String{})
						if failure := wantCode(t, err, tc.code); failure.RetryAfter != time.Millisecond {
							t.Errorf("retry after %v, want what is left", failure.RetryAfter)
						}
					}
					if calls() != 1 {
						t.Errorf("%d calls, want 1", calls())
					}
					<-time.After(time.Millisecond)
					h.capture.set(func(f *fakeCapture) { f.issueErr, f.refreshErr = nil, nil })
					ask(t, h, opened.ID, api.ReasonDue, "")
					if calls() != 2 {
						t.Errorf("%d calls, want 2", calls())
					}
				})
			})
		}
	}
}
