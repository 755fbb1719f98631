package session_test

import (
	"context"
	"fmt"
	"maps"
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

// ear is an Observer that counts what it hears.
type ear struct {
	mu    sync.Mutex // guards heard
	heard map[string]int
}

func (e *ear) add(n int, format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n > 0 {
		e.heard[fmt.Sprintf(format, args...)] += n
	}
}

func (e *ear) TokenAsked(r api.Reason, o session.Outcome)   { e.add(1, "asked %s %s", r, o) }
func (e *ear) RenewalEnded(r api.Reason, o session.Outcome) { e.add(1, "renewal %s %s", r, o) }
func (e *ear) SessionOpened(mode store.Mode)                { e.add(1, "opened %s", mode) }
func (e *ear) TokenReplayed()                               { e.add(1, "replayed") }
func (e *ear) SessionsEnded(why session.Why, n int)         { e.add(n, "ended %s", why) }
func (e *ear) CallLimited(kind session.Calls)               { e.add(1, "limited %s", kind) }

func TestObserver(t *testing.T) {
	due := func(t *testing.T, h *house) session.Session {
		opened := h.login(t, "alicestoken01")
		<-time.After(lifetime - time.Minute) // due, and not dead
		return opened
	}
	for _, tc := range []struct {
		name string
		do   func(t *testing.T, h *house)
		want map[string]int
	}{
		{"fresh", func(t *testing.T, h *house) {
			ask(t, h, h.login(t, "alicestoken01").ID, api.ReasonStart, "")
		}, map[string]int{"opened token": 1, "asked start fresh": 1}},
		{"many share a renewal", func(t *testing.T, h *house) {
			h.capture.set(func(f *fakeCapture) { f.latency = time.Second })
			opened := h.login(t, "alicestoken01")
			parallel(t, h, 20, func() (session.Grant, error) {
				return h.Token(t.Context(), opened.ID, api.ReasonInvalid, secret.New("alicestoken01"))
			})
		}, map[string]int{"opened token": 1, "asked invalid renewed": 20, "renewal invalid renewed": 1}},
		{"kept", func(t *testing.T, h *house) {
			opened := due(t, h)
			h.capture.set(func(f *fakeCapture) { f.issueErr = &capture.Error{} })
			ask(t, h, opened.ID, api.ReasonDue, "")
		}, map[string]int{"opened token": 1, "asked due kept": 1, "renewal due upstream_unavailable": 1}},
		{"the caller leaves", func(t *testing.T, h *house) {
			opened := h.login(t, "alicestoken01")
			h.capture.set(func(f *fakeCapture) { f.latency = time.Second })
			ctx, leave := context.WithTimeout(t.Context(), time.Millisecond)
			defer leave()
			_, err := h.Token(ctx, opened.ID, api.ReasonDenied, secret.New("alicestoken01"))
			wantCode(t, err, api.UpstreamUnavailable)
			if err := h.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, map[string]int{"opened token": 1, "asked denied left": 1, "renewal denied renewed": 1}},
		{"the account is gone", func(t *testing.T, h *house) {
			opened := h.login(t, "alicestoken01")
			h.login(t, "alicestoken02")
			h.capture.set(func(f *fakeCapture) { f.issueErr = &capture.Error{Kind: capture.AccountGone} })
			_, err := h.Token(t.Context(), opened.ID, api.ReasonExpired, secret.New("alicestoken01"))
			wantCode(t, err, api.SessionEnded)
		}, map[string]int{"opened token": 2, "asked expired session_ended": 1,
			"renewal expired session_ended": 1, "ended account_gone": 2}},
		{"the grant is gone", func(t *testing.T, h *house) {
			opened := h.login(t, "alicestoken01")
			h.capture.set(func(f *fakeCapture) { f.issueErr = &capture.Error{Kind: capture.GrantGone} })
			_, err := h.Token(t.Context(), opened.ID, api.ReasonExpired, secret.New("alicestoken01"))
			wantCode(t, err, api.SessionEnded)
		}, map[string]int{"opened token": 1, "asked expired session_ended": 1,
			"renewal expired session_ended": 1, "ended grant_gone": 1}},
		{"signed out, replaced, revoked", func(t *testing.T, h *house) {
			gone := h.login(t, "alicestoken01")
			for range 2 { // once it has ended, there is nothing to end
				if _, err := h.End(t.Context(), gone.ID); err != nil {
					t.Fatal(err)
				}
			}
			first := h.login(t, "bobstoken0001")
			if _, err := h.Open(t.Context(),
				session.Login{Token: secret.New("bobstoken0001"), Previous: first.ID}); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Open(t.Context(),
				session.Login{Token: secret.New("alicestoken02"), Previous: gone.ID}); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Revoke(t.Context(), bob); err != nil {
				t.Fatal(err)
			}
		}, map[string]int{"opened token": 4, "ended signed_out": 1, "ended replaced": 1, "ended revoked": 1}},
		{"a code", func(t *testing.T, h *house) { h.exchange(t) }, map[string]int{"opened code": 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hears := &ear{heard: map[string]int{}}
				h := newHouse(t, func(c *session.Config) { c.Observer, c.IdleTimeout = hears, absolute })
				tc.do(t, h)
				if !maps.Equal(hears.heard, tc.want) {
					t.Errorf("heard %v, want %v", hears.heard, tc.want)
				}
			})
		})
	}
}

// Every call that the ceiling refuses is counted, by the kind of call.
func TestObserverHearsOfTheCeiling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hears := &ear{heard: map[string]int{}}
		h := newHouse(t, func(c *session.Config) {
			c.Observer, c.Upstream = hears, limit.Rate{Events: 1, Per: time.Hour}
		})
		opened := h.login(t, "alicestoken01") // the one call there is
		for range 2 {
			_, err := h.Open(t.Context(), session.Login{Token: secret.New("bobstoken0001")})
			wantCode(t, err, api.UpstreamUnavailable)
		}
		ask(t, h, opened.ID, api.ReasonStart, "")
		_, err := h.Token(t.Context(), opened.ID, api.ReasonInvalid, secret.New("alicestoken01"))
		wantCode(t, err, api.UpstreamUnavailable)
		if hears.heard["limited logins"] != 2 || hears.heard["limited renewals"] != 1 {
			t.Errorf("heard %v, want two limited logins and one renewal", hears.heard)
		}
	})
}
