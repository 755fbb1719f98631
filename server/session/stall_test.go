package session_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
)

// stalling is a database that stands still from some call on, as a frozen disk
// or a stopped Redis does: there is no answer at all.
type stalling struct {
	store.Backend
	stands atomic.Bool
	left   atomic.Int64 // calls until it stands still, once it counts
	counts atomic.Bool
}

func (s *stalling) enter(ctx context.Context) error {
	if s.counts.Load() && s.left.Add(-1) < 0 {
		s.stands.Store(true)
	}
	if s.stands.Load() {
		<-ctx.Done()
	}
	return ctx.Err()
}

// mend has it work again.
func (s *stalling) mend() {
	s.counts.Store(false)
	s.stands.Store(false)
}

func (s *stalling) Now(ctx context.Context) (store.Moment, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	return s.Backend.Now(ctx)
}

func (s *stalling) Insert(ctx context.Context, row store.Row, begun store.Moment) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	return s.Backend.Insert(ctx, row, begun)
}

func (s *stalling) Lookup(ctx context.Context, key store.Key) (store.Row, error) {
	if err := s.enter(ctx); err != nil {
		return store.Row{}, err
	}
	return s.Backend.Lookup(ctx, key)
}

func (s *stalling) Replace(ctx context.Context, row store.Row) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	return s.Backend.Replace(ctx, row)
}

func (s *stalling) Remove(ctx context.Context, key store.Key) (bool, error) {
	if err := s.enter(ctx); err != nil {
		return false, err
	}
	return s.Backend.Remove(ctx, key)
}

func (s *stalling) RemoveOwner(ctx context.Context, owner store.Owner) (int, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	return s.Backend.RemoveOwner(ctx, owner)
}

func (s *stalling) Ping(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	return s.Backend.Ping(ctx)
}

// The bar, for every moment at which the store can come to stand still: a page
// that asks is refused within two seconds, and when the store is back, the session of
// the cookie is there, and can be renewed.
func TestTheStoreStandsStill(t *testing.T) {
	client := func(t *testing.T, h *house) session.Session { return h.login(t, reported) }
	server := func(t *testing.T, h *house) session.Session { return h.exchange(t) }
	token := func(t *testing.T, h *house, opened session.Session) error {
		_, err := h.Token(t.Context(), opened.ID, api.ReasonInvalid, opened.Token)
		return err
	}
	for name, tc := range map[string]struct {
		open func(t *testing.T, h *house) session.Session
		do   func(t *testing.T, h *house, opened session.Session) error
		// replaces: the session makes way for another.
		replaces bool
		// ends: it is the end of the session that was asked for.
		ends  bool
		least int // calls of the database that the test must have seen fail
	}{
		"renewal": {open: client, do: token, least: 5},
		"refresh": {open: server, do: token, least: 5},
		"sign-out": {open: client, least: 2, ends: true,
			do: func(t *testing.T, h *house, opened session.Session) error {
				return end(t.Context(), h, opened.ID)
			}},
		"status": {open: client, least: 1, do: func(t *testing.T, h *house, opened session.Session) error {
			_, err := h.Status(t.Context(), opened.ID)
			return err
		}},
		"readiness": {open: client, least: 1,
			do: func(t *testing.T, h *house, _ session.Session) error { return h.Ping(t.Context()) }},
		"activity": {open: client, least: 2,
			do: func(t *testing.T, h *house, opened session.Session) error { return h.Touch(t.Context(), opened.ID) }},
		"login": {open: client, least: 6, replaces: true,
			do: func(t *testing.T, h *house, opened session.Session) error {
				_, err := h.Open(t.Context(), session.Login{Token: secret.New("alicestoken02"), Previous: opened.ID})
				return err
			}},
		"login, reported before": {open: func(t *testing.T, h *house) session.Session {
			h.login(t, "alicestoken02")
			return client(t, h)
		}, least: 6, replaces: true, do: func(t *testing.T, h *house, opened session.Session) error {
			_, err := h.Open(t.Context(), session.Login{Token: secret.New("alicestoken02"), Previous: opened.ID})
			return err
		}},
		"exchange": {open: server, least: 4, replaces: true,
			do: func(t *testing.T, h *house, opened session.Session) error {
				_, err := h.Exchange(t.Context(),
					session.CodeLogin{Code: secret.New("alicescode002"), Previous: opened.ID})
				return err
			}},
	} {
		t.Run(name, func(t *testing.T) {
			for after := 0; ; after++ {
				var done bool
				t.Run(fmt.Sprintf("after %d calls", after), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						ring, err := keyring.Parse(secret.New("k1:c2V2ZW50ZWVuIGJ5dGVzIGFuZCBmaWZ0ZWVuIG1vcmU="))
						if err != nil {
							t.Fatal(err)
						}
						database := &stalling{Backend: memory.New()}
						h := newHouse(t, func(c *session.Config) { c.Store = store.New(database, ring, nil) })
						opened := tc.open(t, h)
						<-time.After(10 * time.Minute)

						database.left.Store(int64(after))
						database.counts.Store(true)
						began := time.Now()
						failed := tc.do(t, h, opened)
						took := time.Since(began)
						done = !database.stands.Load()
						<-time.After(5 * time.Second)
						database.mend()
						<-time.After(20 * time.Second) // for what goes on in the background
						if took >= 2*time.Second {
							t.Errorf("answered after %v", took)
						}
						if failed == nil {
							return
						}
						wantCode(t, failed, api.StoreUnavailable)
						h.wantAlive(t, opened.ID)
						// By whatever came of it, the present token can be replaced.
						present := ask(t, h, opened.ID, api.ReasonRequest, "").Token
						if next := ask(t, h, opened.ID, api.ReasonInvalid,
							present.Reveal()).Token; next.Equal(present) {
							t.Error("the session is not renewed any more")
						}
					})
				})
				if done {
					if after < tc.least {
						t.Errorf("it made %d calls of the database, want %d or more", after, tc.least)
					}
					return
				}
			}
		})
	}
}
