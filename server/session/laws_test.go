package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
)

// user signs a made-up user in and returns the session.
func (h *house) user(t *testing.T, n int) session.Session {
	t.Helper()
	token := fmt.Sprintf("usertoken%05d", n)
	h.capture.set(func(f *fakeCapture) { f.owners[token] = fmt.Sprintf("00000000-0000-0000-0000-%012d", n) })
	return h.login(t, token)
}

// Whatever a visitor posts, and whatever Capture or a firewall in front of it
// says to that: neither other visitors' logins nor renewals are refused.
func TestWhatAVisitorSendsOpensNoBreaker(t *testing.T) {
	for name, fault := range map[string]error{
		"a firewall's page":        &capture.Error{Status: http.StatusForbidden},
		"a firewall's 503":         &capture.Error{Status: http.StatusServiceUnavailable},
		"a reset":                  &capture.Error{Lost: true},
		"silence until the end":    &capture.Error{Lost: true, Cause: context.DeadlineExceeded},
		"too many requests":        &capture.Error{Kind: capture.RateLimited, Status: http.StatusTooManyRequests},
		"refused by configuration": &capture.Error{Kind: capture.OperatorFault, Number: 402},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				opened, coded := h.login(t, reported), h.exchange(t)
				h.capture.set(func(f *fakeCapture) { f.identErr, f.exchangeErr = fault, fault })
				for i := range 30 {
					_, err := h.Open(t.Context(), session.Login{Token: secret.New(fmt.Sprintf("script%08d", i))})
					if err == nil {
						t.Fatal("a made-up token was accepted")
					}
					_, err = h.Exchange(t.Context(), session.CodeLogin{Code: secret.New(fmt.Sprintf("script%08d", i))})
					if err == nil {
						t.Fatal("a made-up code was accepted")
					}
				}
				h.capture.set(func(f *fakeCapture) { f.identErr, f.exchangeErr = nil, nil })
				if h.BreakerOpen() {
					t.Error("a breaker is open")
				}
				ask(t, h, opened.ID, api.ReasonInvalid, reported)
				if _, err := h.refused(t, coded.ID, first); err != nil {
					t.Errorf("a refresh: %v", err)
				}
				h.login(t, "bobstoken0001")
			})
		})
	}
}

// Where there is no connection at all, visitors prove it, too; renewals find out
// by themselves.
func TestLoginsHaveABreakerOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		opened := h.login(t, reported)
		h.capture.set(func(f *fakeCapture) { f.identErr = &capture.Error{Cause: errors.New("connection refused")} })
		asked := h.capture.identified()
		for i := range 30 {
			_, err := h.Open(t.Context(), session.Login{Token: secret.New(fmt.Sprintf("sometoken%05d", i))})
			wantCode(t, err, api.UpstreamUnavailable)
		}
		if got := h.capture.identified() - asked; got != 10 || !h.BreakerOpen() {
			t.Errorf("%d calls without a connection, want 10; open: %v", got, h.BreakerOpen())
		}
		ask(t, h, opened.ID, api.ReasonInvalid, reported)
	})
}

// A call that the ceiling refuses says nothing about Capture: it opens no
// breaker, and keeps none from closing.
func TestTheCeilingMovesNoBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(c *session.Config) {
			c.Upstream, c.IdleTimeout = limit.Rate{Events: 10, Per: 10 * time.Minute}, absolute
		})
		sessions := make([]session.Session, 11)
		for i := range sessions {
			sessions[i] = h.user(t, i)
			<-time.After(2 * time.Minute) // for the ceiling
		}
		for i := range 30 {
			_, _ = h.Open(t.Context(), session.Login{Token: secret.New(fmt.Sprintf("sometoken%05d", i))})
		}
		if h.BreakerOpen() {
			t.Error("refused logins have opened a breaker")
		}
		<-time.After(lifetime)
		h.capture.set(func(f *fakeCapture) { f.issueErr = &capture.Error{Status: http.StatusBadGateway} })
		for _, each := range sessions[:10] { // all that the ceiling lets through
			_, _ = h.Token(t.Context(), each.ID, api.ReasonStart, secret.String{})
		}
		if !h.BreakerOpen() {
			t.Fatal("ten failures in a row have opened no breaker")
		}
		h.capture.set(func(f *fakeCapture) { f.issueErr = nil })
		<-time.After(6 * time.Second)
		_, err := h.Token(t.Context(), sessions[10].ID, api.ReasonStart, secret.String{})
		wantCode(t, err, api.UpstreamUnavailable)
		<-time.After(2 * time.Minute)
		ask(t, h, sessions[10].ID, api.ReasonStart, "")
	})
}

// One user with as many sessions as can be had, each of which forces renewals
// within its rate, takes no more than five sessions could.
func TestForcedRenewalsOfAUserAreLimitedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(c *session.Config) {
			c.Upstream = limit.Rate{Events: 100, Per: time.Second}
		})
		all := make([]session.Session, 100)
		for i := range all {
			all[i] = h.login(t, reported)
			<-time.After(20 * time.Millisecond)
		}
		others := make([]session.Session, 100)
		for i := range others {
			others[i] = h.user(t, i)
			<-time.After(20 * time.Millisecond)
		}
		<-time.After(10 * time.Second)
		limited := 0
		for _, one := range all {
			_, err := h.Token(t.Context(), one.ID, api.ReasonInvalid, secret.New(reported))
			if err != nil {
				wantCode(t, err, api.RateLimited)
				limited++
			}
		}
		if got := h.capture.mints(); got != 10 || limited != 90 {
			t.Errorf("%d renewals of one user and %d refused; want 10 and 90", got, limited)
		}
		for i, one := range others {
			if _, err := h.Token(t.Context(), one.ID, api.ReasonInvalid, one.Token); err != nil {
				t.Fatalf("another user, %d: %v", i, err)
			}
			<-time.After(20 * time.Millisecond)
		}
	})
}

// A page can make its token due at once, by claiming that it dies. Such renewals
// leave room for those that are due by themselves.
func TestAClaimedEndHasLowPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(c *session.Config) {
			c.IdleTimeout = absolute
			c.Upstream = limit.Rate{Events: 30, Per: time.Minute}
		})
		honest := h.login(t, "bobstoken0001")
		<-time.After(lifetime - time.Minute)
		claiming := make([]session.Session, 25)
		for i := range claiming {
			var err error
			claiming[i], err = h.Open(t.Context(), session.Login{Token: secret.New(reported), Expires: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			<-time.After(2 * time.Second)
		}
		<-time.After(10 * time.Second)
		refused := 0
		for _, one := range claiming {
			if _, err := h.Token(t.Context(), one.ID, api.ReasonStart, secret.String{}); err != nil {
				refused++
			}
		}
		if refused == 0 {
			t.Fatal("the claimed ends took no room")
		}
		grant, err := h.Token(t.Context(), honest.ID, api.ReasonDue, secret.String{})
		if err != nil || grant.Token.Equal(secret.New("bobstoken0001")) {
			t.Errorf("a renewal that is due: %v", err)
		}
	})
}

// Logins that hang take their share of connections and no more.
func TestHangingLoginsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		opened := h.login(t, reported)
		before := h.capture.identified()
		h.capture.set(func(f *fakeCapture) { f.latency = time.Hour })
		answers := make(chan error, 200)
		for i := range 200 {
			go func() {
				_, err := h.Open(t.Context(), session.Login{Token: secret.New(fmt.Sprintf("sometoken%05d", i))})
				answers <- err
			}()
		}
		<-time.After(2 * time.Second)
		if got := h.capture.identified() - before; got != 32 {
			t.Errorf("%d calls of logins go on at once, want 32", got)
		}
		if got := len(answers); got != 168 {
			t.Errorf("%d logins have an answer after 2 s, want 168", got)
		}
		h.capture.set(func(f *fakeCapture) { f.latency = 0 })
		ask(t, h, opened.ID, api.ReasonInvalid, reported)
		for range 200 {
			wantCode(t, <-answers, api.UpstreamUnavailable)
		}
	})
}

// 2,000 clients that wait for one renewal, and disconnect, leave nothing behind.
func TestDisconnectedClientsPinNoGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		opened := h.login(t, reported)
		h.capture.set(func(f *fakeCapture) { f.latency = 9 * time.Second })
		ctx, disconnect := context.WithCancel(t.Context())
		for range 2000 {
			go func() {
				_, err := h.Token(ctx, opened.ID, api.ReasonInvalid, secret.New(reported))
				wantLeft(t, err)
			}()
		}
		synctest.Wait()
		disconnect()
		synctest.Wait()
		if got := runtime.NumGoroutine(); got > 50 {
			t.Errorf("%d goroutines after all clients disconnected", got)
		}
		if err := h.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func wantLeft(t *testing.T, err error) {
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

// A Capture or a setting that calls every user gone ends no session in bulk.
func TestGoneUsersAreNotBelievedInBulk(t *testing.T) {
	const users = 200
	for name, verdict := range map[string]*capture.Error{
		"account": {Kind: capture.AccountGone, Number: 310},
		"grant":   {Kind: capture.GrantGone, Number: 413},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(c *session.Config) { c.IdleTimeout = absolute })
				all := make([]session.Session, users)
				for i := range all {
					all[i] = h.user(t, i)
				}
				<-time.After(lifetime) // the logins prove nothing any more
				h.capture.set(func(f *fakeCapture) { f.issueErr = verdict })
				for range 3 {
					for _, one := range all {
						_, _ = h.Token(t.Context(), one.ID, api.ReasonStart, secret.String{})
					}
					<-time.After(2 * time.Minute)
				}
				alive := 0
				for _, one := range all {
					if _, err := h.Status(t.Context(), one.ID); err == nil {
						alive++
					}
				}
				if alive < users-3 {
					t.Errorf("%d of %d sessions are left, want all but three", alive, users)
				}
				if !strings.Contains(h.log.String(), "verdict_doubted") {
					t.Error("the operator is not told")
				}
				// When it is over, everyone is renewed, and one user can be gone.
				h.capture.set(func(f *fakeCapture) { f.issueErr = nil })
				<-time.After(time.Minute)
				for _, one := range all[3:] {
					ask(t, h, one.ID, api.ReasonStart, "")
				}
				h.capture.set(func(f *fakeCapture) { f.issueErr = verdict })
				<-time.After(lifetime - time.Minute)
				for _, one := range all[3:100] { // others are well in the same time
					h.capture.set(func(f *fakeCapture) { f.issueErr = nil })
					ask(t, h, one.ID, api.ReasonDue, "")
				}
				h.capture.set(func(f *fakeCapture) { f.issueErr = verdict })
				_, err := h.Token(t.Context(), all[users-1].ID, api.ReasonDue, secret.String{})
				wantCode(t, err, api.SessionEnded)
			})
		})
	}
}

// Under settings other than those that a session was last good with, Capture's
// word ends none, be it the first or the only one.
func TestAnotherApplicationEndsNoSession(t *testing.T) {
	for name, tc := range map[string]struct {
		kind capture.Kind
		open func(t *testing.T, h *house) session.Session
	}{
		"account": {capture.AccountGone,
			func(t *testing.T, h *house) session.Session { return h.login(t, reported) }},
		"grant": {capture.GrantGone,
			func(t *testing.T, h *house) session.Session { return h.login(t, reported) }},
		"refresh token": {capture.GrantGone, func(t *testing.T, h *house) session.Session { return h.exchange(t) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(c *session.Config) { c.Application, c.IdleTimeout = "right", absolute })
				opened := tc.open(t, h)
				wrong := newHouse(t, func(c *session.Config) {
					c.Store, c.Application, c.IdleTimeout = h.store, "wrong", absolute
				})
				verdict := &capture.Error{Kind: tc.kind}
				wrong.capture.set(func(f *fakeCapture) { f.issueErr, f.refreshErr = verdict, verdict })
				for range 5 {
					_, err := wrong.Token(t.Context(), opened.ID, api.ReasonInvalid, opened.Token)
					wantCode(t, err, api.UpstreamRefused)
					<-time.After(time.Minute)
				}
				// The setting is put right, at another server.
				began := time.Now()
				grant, err := h.Token(t.Context(), opened.ID, api.ReasonInvalid, opened.Token)
				if err != nil || grant.Token.Equal(opened.Token) {
					t.Errorf("under the right settings: %v", err)
				}
				if took := time.Since(began); took >= time.Second {
					t.Errorf("it waited %v for the server with the wrong settings", took)
				}
			})
		})
	}
}

// The entity call after an exchange is refused by no ceiling and no breaker: the
// code is spent.
func TestNothingHoldsUpWhatFollowsASpentCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rate := limit.Rate{Events: 1, Per: time.Hour} // the exchange leaves nothing
		h := newHouse(t, func(c *session.Config) { c.Upstream = rate })
		h.exchange(t)
	})
}

// A server that drains finishes what has begun, to the cookie, and begins
// nothing that it would have to finish.
func TestDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(c *session.Config) { c.IdleTimeout = absolute })
		opened, coded := h.login(t, reported), h.exchange(t)
		h.capture.set(func(f *fakeCapture) { f.latency = 2 * time.Second })
		exchanged, refreshed := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := h.Exchange(t.Context(), session.CodeLogin{Code: secret.New("alicescode002")})
			exchanged <- err
		}()
		go func() {
			_, err := h.refused(t, coded.ID, first)
			refreshed <- err
		}()
		synctest.Wait()
		drained := make(chan error, 2)
		for range 2 {
			go func() { drained <- h.Drain(t.Context()) }()
		}
		synctest.Wait()
		if len(drained) > 0 {
			t.Error("Drain has returned while an exchange and a refresh are under way")
		}
		// What comes while it drains is answered, and spends nothing.
		_, err := h.Exchange(t.Context(), session.CodeLogin{Code: secret.New("bobscode00001")})
		if failure := wantCode(t, err, api.UpstreamUnavailable); failure.RetryAfter == 0 {
			t.Error("the page is not told to post the code again")
		}
		_, err = h.Token(t.Context(), opened.ID, api.ReasonInvalid, secret.New(reported))
		wantCode(t, err, api.UpstreamUnavailable)
		ask(t, h, opened.ID, api.ReasonStart, "")
		for _, done := range []chan error{exchanged, refreshed, drained, drained} {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if h.capture.exchanges() != 2 || h.capture.mints() != 0 {
			t.Errorf("%d exchanges and %d issues; want 2 and none", h.capture.exchanges(), h.capture.mints())
		}
		other := h.replica(t)
		if _, err := other.Exchange(t.Context(), session.CodeLogin{Code: secret.New("bobscode00001")}); err != nil {
			t.Errorf("the code at another server: %v", err)
		}
	})
}

// stepped is a wall clock that can be set.
type stepped struct{ by time.Duration }

func (s *stepped) now() time.Time { return time.Now().Add(s.by) }

// A wait counts by the monotonic clock: no step of the wall clock makes it
// longer. (Package clock keeps the steps away from the limits of sessions.)
func TestAStepOfTheClockLocksNoSessionOut(t *testing.T) {
	for _, by := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock := new(stepped)
				h := newHouse(t, func(c *session.Config) { c.Now, c.IdleTimeout = clock.now, absolute })
				opened := h.login(t, reported)
				<-time.After(lifetime)
				h.capture.set(func(f *fakeCapture) { f.issueErr = &capture.Error{} })
				_, err := h.Token(t.Context(), opened.ID, api.ReasonDue, secret.String{})
				wantCode(t, err, api.UpstreamUnavailable)
				clock.by = by
				h.capture.set(func(f *fakeCapture) { f.issueErr = nil })
				<-time.After(5 * time.Second)
				grant := ask(t, h, opened.ID, api.ReasonExpired, reported)
				if grant.Token.Equal(secret.New(reported)) {
					t.Errorf("the token from before the step is given out again")
				}
				clock.by = 0
				ask(t, h, opened.ID, api.ReasonStart, "")
			})
		})
	}
}

// A login that has begun before a revocation opens no session, whatever stage it
// has reached.
func TestRevocationReachesALoginAtEveryStage(t *testing.T) {
	logins := map[string]func(h *house) error{
		"token": func(h *house) error {
			_, err := h.Open(context.Background(), session.Login{Token: secret.New(reported)})
			return err
		},
		"code": func(h *house) error { _, err := h.Exchange(context.Background(), codeLogin()); return err },
	}
	for name, login := range logins {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// Each call of Capture and each write of the store takes a second.
				for stage := range 8 {
					h := newHouse(t)
					h.store.slow = time.Second
					h.capture.set(func(f *fakeCapture) { f.latency = time.Second })
					answer := make(chan error, 1)
					go func() { answer <- login(h) }()
					<-time.After(time.Duration(stage)*time.Second + 500*time.Millisecond)
					if _, err := h.replica(t).Revoke(t.Context(), alice); err != nil {
						t.Fatal(err)
					}
					err := <-answer
					if n, failure := h.Revoke(t.Context(), alice); n != 0 || failure != nil {
						t.Errorf("stage %d: %d sessions live on after the revocation (%v), %v", stage, n, err, failure)
					}
				}
			})
		})
	}
}

// The oldest sessions of a user end when there are too many.
func TestSessionsOfAUserAreCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hears := &ear{heard: map[string]int{}}
		h := newHouse(t, func(c *session.Config) { c.MaxSessionsPerUser, c.Observer = 3, hears })
		bobs := h.login(t, "bobstoken0001")
		var all []session.Session
		for range 5 {
			all = append(all, h.login(t, reported))
			<-time.After(time.Second)
		}
		for i, one := range all {
			_, err := h.Status(t.Context(), one.ID)
			if ended := err != nil; ended != (i < 2) {
				t.Errorf("session %d: %v", i, err)
			}
		}
		h.wantAlive(t, bobs.ID)
		if hears.heard["ended session_limit"] != 2 || !strings.Contains(h.log.String(), `"why":"session_limit"`) {
			t.Errorf("heard %v\n%s", hears.heard, h.log)
		}
	})
}

// Every line about a session that came, was renewed or ended has the tags of
// the session and its user, and says why.
func TestTheLogTellsTheStoryOfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		opened := h.login(t, reported)
		ask(t, h, opened.ID, api.ReasonInvalid, reported)
		if _, err := h.End(t.Context(), opened.ID); err != nil {
			t.Fatal(err)
		}
		idled := h.login(t, "bobstoken0001")
		<-time.After(idle)
		for range 2 {
			_, err := h.Status(t.Context(), idled.ID)
			wantCode(t, err, api.SessionEnded)
		}
		tags := func(user string, id store.ID) string {
			return fmt.Sprintf(`"session":"%s","user":"%s"`, session.Tag(id), session.UserTag(user))
		}
		log := h.log.String()
		for _, want := range []string{
			`"event":"opened",` + tags(alice, opened.ID),
			`"event":"renewed",` + tags(alice, opened.ID) + `,"reason":"invalid"`,
			`"event":"ended","why":"signed_out",` + tags(alice, opened.ID),
			`"event":"ended","why":"idle",` + tags(bob, idled.ID),
		} {
			if n := strings.Count(log, want); n != 1 {
				t.Errorf("%d lines have %s:\n%s", n, want, log)
			}
		}
	})
}

// The next token call seals a record under the new key, so that the old one can
// be removed.
func TestARecordUnderAnOldKeyIsSealedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const old, fresh = "k1:c2V2ZW50ZWVuIGJ5dGVzIGFuZCBmaWZ0ZWVuIG1vcmU=",
			"k2:c2l4dGVlbiBieXRlcyBhbmQgc2l4dGVlbiBtb3JlISE="
		backend := memory.New()
		under := func(keys string) *house {
			ring, err := keyring.Parse(secret.New(keys))
			if err != nil {
				t.Fatal(err)
			}
			return newHouse(t, func(c *session.Config) { c.Store = store.New(backend, ring, nil) })
		}
		opened, unused := under(old).login(t, reported), under(old).login(t, "bobstoken0001")
		both := under(fresh + "," + old)
		if got := ask(t, both, opened.ID, api.ReasonStart, ""); !got.Token.Equal(secret.New(reported)) {
			t.Error("sealing it anew made another token")
		}
		synctest.Wait()
		under(fresh).wantAlive(t, opened.ID)
		_, err := under(fresh).Status(t.Context(), unused.ID)
		wantCode(t, err, api.SessionEnded)
	})
}

// Tokens live from before the call by this server's clock, however far it is
// from that of the client of the Capture API.
func TestTokensLiveByTheClockOfTheSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := &stepped{by: -time.Hour}
		h := newHouse(t, func(c *session.Config) { c.Now, c.IdleTimeout = clock.now, absolute })
		opened := h.login(t, reported)
		h.capture.set(func(f *fakeCapture) { f.latency = 3 * time.Second })
		began := clock.now()
		grant := ask(t, h, opened.ID, api.ReasonInvalid, reported)
		if got := grant.TokenExpires.Sub(began); got != lifetime {
			t.Errorf("the token lives %v from before the call, want %v", got, lifetime)
		}
		ask(t, h, opened.ID, api.ReasonStart, "")
		if got := h.capture.mints(); got != 1 {
			t.Errorf("%d tokens were issued, want 1", got)
		}
	})
}
