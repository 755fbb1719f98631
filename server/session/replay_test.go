package session_test

import (
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// steal has a session's token renewed, and returns the new one, as a script in
// the page could read it.
func (h *house) steal(t *testing.T, id store.ID) string {
	t.Helper()
	old := ask(t, h, id, api.ReasonRequest, "").Token.Reveal()
	stolen := ask(t, h, id, api.ReasonInvalid, old).Token.Reveal()
	if stolen == old {
		t.Fatal("there is no new token to steal")
	}
	return stolen
}

// wantDead fails unless a login with the token is answered as one with a token
// that Capture does not know. In truth Capture accepts it all the while.
func wantDead(t *testing.T, h *house, token string, previous store.ID) {
	t.Helper()
	if _, known := h.capture.owners[token]; !known {
		t.Fatalf("Capture does not know %s either", token)
	}
	_, err := h.Open(t.Context(), session.Login{Token: secret.New("unknowntoken1")})
	dead := wantCode(t, err, api.GrantRefused)
	_, err = h.Open(t.Context(), session.Login{Token: secret.New(token), Previous: previous})
	got := wantCode(t, err, api.GrantRefused)
	if got.Detail != dead.Detail || got.RetryAfter != dead.RetryAfter {
		t.Errorf("the answer tells the token from a dead one: %q, %v", got.Detail, got.RetryAfter)
	}
}

func (h *house) wantAlive(t *testing.T, id store.ID) {
	t.Helper()
	if _, err := h.Status(t.Context(), id); err != nil {
		t.Errorf("the session has ended: %v", err)
	}
}

// replica is another server with the same store and the same Capture.
func (h *house) replica(t *testing.T) *house {
	t.Helper()
	other := newHouse(t, func(c *session.Config) { c.Store, c.Capture = h.store, h.capture })
	other.store, other.capture = h.store, h.capture
	return other
}

// A thief has the newest token of a session. Whenever it is reported, and to
// whichever server, it opens nothing, though Capture knows it.
func TestTheServersTokensOpenNothing(t *testing.T) {
	open := map[string]func(t *testing.T, h *house) session.Session{
		"client-side": func(t *testing.T, h *house) session.Session { return h.login(t, reported) },
		"server-side": func(t *testing.T, h *house) session.Session { return h.exchange(t) },
	}
	for when, pass := range map[string]func(t *testing.T, h *house, id store.ID){
		"while its owner is there": func(t *testing.T, h *house, id store.ID) { h.wantAlive(t, id) },
		"after a sign-out": func(t *testing.T, h *house, id store.ID) {
			if _, err := h.End(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		},
		"after a revocation": func(t *testing.T, h *house, _ store.ID) {
			if _, err := h.Revoke(t.Context(), alice); err != nil {
				t.Fatal(err)
			}
		},
		"after the idle limit":     func(*testing.T, *house, store.ID) { <-time.After(10 * time.Minute) },
		"after the absolute limit": func(*testing.T, *house, store.ID) { <-time.After(20 * time.Minute) },
		"at the end of its life":   func(*testing.T, *house, store.ID) { <-time.After(lifetime) },
	} {
		for mode, open := range open {
			t.Run(mode+" "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHouse(t,
						func(c *session.Config) { c.IdleTimeout, c.AbsoluteTimeout = 10*time.Minute, 20*time.Minute })
					opened := open(t, h)
					bobs := h.login(t, "bobstoken0001")
					stolen := h.steal(t, opened.ID)
					pass(t, h, opened.ID)
					for name, server := range map[string]*house{"this server": h, "another": h.replica(t)} {
						for cookie, previous := range map[string]store.ID{"no": {},
							"an unknown": store.NewID(), "another user's": bobs.ID} {
							t.Logf("with %s cookie at %s", cookie, name)
							wantDead(t, server, stolen, previous)
						}
					}
				})
			})
		}
	}
}

// The tokens that a code was exchanged for are the server's from the first on.
func TestExchangedTokenOpensNothing(t *testing.T) {
	h := newHouse(t)
	opened := h.exchange(t)
	wantDead(t, h, opened.Token.Reveal(), store.ID{})
	h.wantAlive(t, opened.ID)
}

// A page that has lost sight of its session, but not its cookie, is given the
// session as it is.
func TestOwnPageReportsTheServersToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hears := &ear{heard: map[string]int{}}
		h := newHouse(t, func(c *session.Config) { c.Observer = hears })
		opened := h.login(t, reported)
		<-time.After(5 * time.Minute)
		older := h.steal(t, opened.ID)
		newest := h.steal(t, opened.ID)
		wantDead(t, h, newest, store.ID{}) // a thief's try must not spoil the owner's
		<-time.After(5 * time.Minute)
		mints, heard := h.capture.mints(), maps.Clone(hears.heard)
		before, err := h.Status(t.Context(), opened.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{older, newest} {
			for _, server := range []*house{h, h.replica(t)} {
				again, err := server.Open(t.Context(),
					session.Login{Token: secret.New(token), Previous: opened.ID, Claim: alice})
				if err != nil {
					t.Fatalf("Open(%s): %v", token, err)
				}
				if again.ID != opened.ID || again.UUID != alice || !again.Token.Equal(secret.New(newest)) {
					t.Errorf("Open(%s): another session, or another token than the present one", token)
				}
				if !again.AbsoluteExpires.Equal(before.AbsoluteExpires) ||
					!again.IdleExpires.Equal(before.IdleExpires) || !again.TokenExpires.Equal(before.TokenExpires) {
					t.Errorf("Open(%s) moved a limit: %+v, was %+v", token, again.Grant, before)
				}
			}
		}
		if h.capture.mints() != mints || !maps.Equal(hears.heard, heard) {
			t.Errorf("%d mints, were %d; heard %v, was %v", h.capture.mints(), mints, hears.heard, heard)
		}
		_, err = h.Open(t.Context(), session.Login{Token: secret.New(newest), Previous: opened.ID, Claim: bob})
		wantCode(t, err, api.IdentityMismatch)
		if h.capture.identified() != 2 { // the login, and wantDead's unknown token
			t.Errorf("%d questions for the user of a token, want 2", h.capture.identified())
		}
	})
}

// The moment a token could be had it is known as the server's. (What is tried is
// judged later: a renewal that is stopped in the middle would never end.)
func TestTokensAreKnownBeforeTheyAreAnswered(t *testing.T) {
	for name, open := range map[string]func(t *testing.T, h *house) session.Session{
		"issued":    func(t *testing.T, h *house) session.Session { return h.login(t, reported) },
		"refreshed": func(t *testing.T, h *house) session.Session { return h.exchange(t) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			opened := open(t, h)
			var tried error
			h.store.beforeUpdate = func() {
				token := "access000002"
				if h.capture.mints() > 0 {
					token = "mintedz"
				}
				_, tried = h.Open(t.Context(), session.Login{Token: secret.New(token)})
			}
			stolen := h.steal(t, opened.ID)
			wantCode(t, tried, api.GrantRefused)
			if stolen != "mintedz" && stolen != "access000002" {
				t.Errorf("what was tried is not the new token, %s", stolen)
			}
		})
	}
	t.Run("exchanged", func(t *testing.T) {
		h := newHouse(t)
		var tried error
		h.store.beforeCreate = func() {
			_, tried = h.Open(t.Context(), session.Login{Token: secret.New("access000001")})
		}
		if opened := h.exchange(t); !opened.Token.Equal(secret.New("access000001")) {
			t.Error("what was tried is not the token of the session")
		}
		wantCode(t, tried, api.GrantRefused)
	})
}

// A token is known for as long as it can live, also where TOKEN_LIFETIME is
// less than Capture's hour; and then no longer.
func TestHowLongTokensAreKnown(t *testing.T) {
	for _, setting := range []time.Duration{time.Minute, time.Hour, 3 * time.Hour} {
		t.Run(setting.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(c *session.Config) { c.TokenLifetime, c.IdleTimeout = setting, absolute })
				h.capture.life = setting
				stolen := h.steal(t, h.login(t, reported).ID)
				fresh := h.login(t, "alicestoken02")
				if _, err := h.Revoke(t.Context(), alice); err != nil {
					t.Fatal(err)
				}
				<-time.After(max(setting, time.Hour))
				wantDead(t, h, stolen, store.ID{})
				wantDead(t, h, "alicestoken02", fresh.ID)
				<-time.After(5 * time.Minute)
				h.login(t, stolen)
				h.login(t, "alicestoken02")
			})
		})
	}
}

// A login may be reported again, until all sessions of its user are revoked.
func TestRevocationReachesReportedTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		other := h.replica(t)
		revoke := func(at *house) {
			t.Helper()
			if _, err := at.Revoke(t.Context(), alice); err != nil {
				t.Fatal(err)
			}
		}
		h.login(t, "alicestoken01")
		other.login(t, "alicestoken01")
		if _, err := h.End(t.Context(), h.login(t, "alicestoken01").ID); err != nil {
			t.Fatal(err)
		}
		h.login(t, "alicestoken01") // a sign-out is no revocation

		revoke(other)
		for _, server := range []*house{h, other} {
			wantDead(t, server, "alicestoken01", store.ID{})
			server.login(t, "bobstoken0001")
		}
		// A user who signs in anew is let in at once, and the answer may get lost.
		h.login(t, "alicestoken02")
		other.login(t, "alicestoken02")
		wantDead(t, h, "alicestoken01", store.ID{})

		<-time.After(50 * time.Minute)
		revoke(h) // the first one must not stand for it
		wantDead(t, other, "alicestoken02", store.ID{})
		<-time.After(9 * time.Minute)
		wantDead(t, h, "alicestoken02", store.ID{})
		if n, err := h.Revoke(t.Context(), alice); n != 0 || err != nil {
			t.Errorf("%d sessions are left, %v", n, err)
		}
	})
}

// A revocation that comes while a session is made has to end it, too.
func TestRevocationDuringALogin(t *testing.T) {
	for _, reports := range []int{1, 2} {
		hears := &ear{heard: map[string]int{}}
		h := newHouse(t, func(c *session.Config) { c.Observer = hears })
		for range reports - 1 {
			h.login(t, reported)
		}
		h.store.beforeCreate = func() {
			if n, err := h.Revoke(t.Context(), alice); n != reports-1 || err != nil {
				t.Errorf("Revoke() = %d, %v", n, err)
			}
		}
		wantDead(t, h, reported, store.ID{})
		if n, err := h.Revoke(t.Context(), alice); n != 0 || err != nil {
			t.Errorf("report %d: %d sessions are left, %v", reports, n, err)
		}
		want := map[string]int{"replayed": 1}
		if reports > 1 {
			want["opened token"], want["ended revoked"] = 1, 1 // the first one; the other opened none
		}
		if !maps.Equal(hears.heard, want) {
			t.Errorf("report %d: heard %v, want %v", reports, hears.heard, want)
		}
	}
}

// Nor does it help to report a token again in the very moment in which it is
// reported elsewhere, and all sessions are revoked.
func TestReportAndRevocationDuringALogin(t *testing.T) {
	for _, note := range []string{"issued", "reported"} {
		t.Run(note, func(t *testing.T) {
			h := newHouse(t)
			h.store.beforeRecall = map[string]func(){note: func() {
				h.login(t, reported)
				if n, err := h.Revoke(t.Context(), alice); n != 1 || err != nil {
					t.Errorf("Revoke() = %d, %v", n, err)
				}
			}}
			_, err := h.Open(t.Context(), session.Login{Token: secret.New(reported)})
			wantCode(t, err, api.GrantRefused)
			if n, err := h.Revoke(t.Context(), alice); n != 0 || err != nil {
				t.Errorf("%d sessions are left, %v", n, err)
			}
		})
	}
}

// The page keeps its session until nothing can go wrong with the new one.
func TestOldSessionOutlivesAFailedLogin(t *testing.T) {
	h := newHouse(t)
	old := h.login(t, reported)
	for _, what := range []string{"create", "remember replaced"} {
		h.store.fail[what] = errDisk
		_, err := h.Open(t.Context(), session.Login{Token: secret.New("alicestoken02"), Previous: old.ID})
		wantCode(t, err, api.StoreUnavailable)
		delete(h.store.fail, what)
		h.wantAlive(t, old.ID)
	}
	if n, err := h.Revoke(t.Context(), alice); n != 1 || err != nil {
		t.Errorf("there were %d sessions, %v, want the old one alone", n, err)
	}
}

// A sign-out that arrives behind the next login of its browser is known as such
// for ten minutes. It ends nothing, and takes no cookie away.
func TestLateSignOut(t *testing.T) {
	h := newHouse(t)
	old := h.login(t, reported)
	next, err := h.Open(t.Context(), session.Login{Token: secret.New("alicestoken02"), Previous: old.ID})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[store.ID]bool{old.ID: true, next.ID: false} {
		if replaced, err := h.End(t.Context(), id); replaced != want || err != nil {
			t.Errorf("End = %t, %v, want %t", replaced, err, want)
		}
	}
}

// What cannot be looked up or remembered is trouble of the store, and no
// verdict on a user.
func TestReplayWhenTheStoreFails(t *testing.T) {
	down := func(t *testing.T, h *house, err error, what string) {
		t.Helper()
		if failure := wantCode(t, err, api.StoreUnavailable); failure.RetryAfter == 0 {
			t.Error("no RetryAfter")
		}
		delete(h.store.fail, what)
	}
	for _, what := range []string{"recall issued", "now", "recall reported", "remember reported", "create"} {
		t.Run("open, "+what, func(t *testing.T) {
			h := newHouse(t)
			h.store.fail[what] = errDisk
			_, err := h.Open(t.Context(), session.Login{Token: secret.New(reported)})
			down(t, h, err, what)
			if n, err := h.Revoke(t.Context(), alice); n != 0 || err != nil {
				t.Errorf("%d sessions were made, %v", n, err)
			}
			h.login(t, "alicestoken02")
		})
	}
	t.Run("open again", func(t *testing.T) {
		h := newHouse(t)
		opened := h.login(t, reported)
		h.store.fail["now"] = errDisk
		_, err := h.Open(t.Context(), session.Login{Token: secret.New(reported), Previous: opened.ID})
		down(t, h, err, "now")
		h.wantAlive(t, opened.ID)
	})
	t.Run("own page", func(t *testing.T) {
		h := newHouse(t)
		opened := h.login(t, reported)
		stolen := h.steal(t, opened.ID)
		h.store.fail["get"] = errDisk
		_, err := h.Open(t.Context(), session.Login{Token: secret.New(stolen), Previous: opened.ID})
		down(t, h, err, "get")
		h.wantAlive(t, opened.ID)
	})
	t.Run("renewal", func(t *testing.T) {
		h := newHouse(t)
		opened := h.login(t, reported)
		h.store.fail["remember issued"] = errDisk
		_, err := h.Token(t.Context(), opened.ID, api.ReasonInvalid, secret.New(reported))
		down(t, h, err, "remember issued")
		if kept := ask(t, h, opened.ID, api.ReasonRequest, ""); !kept.Token.Equal(secret.New(reported)) {
			t.Error("a token was stored that is not known as the server's")
		}
		wantDead(t, h, h.steal(t, opened.ID), store.ID{})
	})
	t.Run("exchange", func(t *testing.T) {
		h := newHouse(t)
		h.store.fail["remember issued"] = errDisk
		_, err := h.Exchange(t.Context(), codeLogin())
		down(t, h, err, "remember issued")
	})
	// A refresh token works once: what it gave is worth more, though it is not
	// what those hear who wait.
	t.Run("refresh", func(t *testing.T) {
		h := newHouse(t)
		opened := h.exchange(t)
		h.store.fail["remember issued"] = errDisk
		_, err := h.refused(t, opened.ID, first)
		wantCode(t, err, api.StoreUnavailable)
		if err := h.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		delete(h.store.fail, "remember issued")
		if access, refresh := pairOf(t, h, opened.ID); access != "access000002" || refresh != "refresh000002" {
			t.Errorf("the pair is lost: %s and %s are stored", access, refresh)
		}
		if !strings.Contains(h.log.String(), "not marked as issued") {
			t.Errorf("the operator does not hear of it:\n%s", h.log)
		}
	})
}

// A note under a key that was removed still stands.
func TestNotesUnderARemovedKey(t *testing.T) {
	h := newHouse(t)
	stolen := h.steal(t, h.login(t, reported).ID)
	h.store.fail["recall issued"] = store.ErrTampered
	wantDeadWithout := func(token string) {
		t.Helper()
		_, err := h.Open(t.Context(), session.Login{Token: secret.New(token)})
		wantCode(t, err, api.GrantRefused)
	}
	wantDeadWithout(stolen)
	delete(h.store.fail, "recall issued")

	if _, err := h.Revoke(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	wantDeadWithout(reported)
	h.login(t, "alicestoken02") // a login that begins now is let in
	h.login(t, "alicestoken02")
	h.store.fail["recall reported"] = store.ErrTampered
	wantDeadWithout("alicestoken02")
}

// The log tells an attack, and which account to look at, without names.
func TestReplayIsAudited(t *testing.T) {
	hears := &ear{heard: map[string]int{}}
	h := newHouse(t, func(c *session.Config) { c.Observer = hears })
	stolen := h.steal(t, h.login(t, reported).ID)
	wantDead(t, h, stolen, store.ID{})
	if _, err := h.Revoke(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	wantDead(t, h, reported, store.ID{})
	log := h.log.String()
	if n := strings.Count(log, `"event":"token_replayed"`); n != 2 {
		t.Errorf("%d lines tell of 2 replays:\n%s", n, log)
	}
	if n := hears.heard["replayed"]; n != 2 {
		t.Errorf("the metrics hear of %d replays, want 2", n)
	}
	// Capture was asked about the tokens of the logins and about unknown ones.
	if h.capture.identified() != 3 {
		t.Errorf("%d questions for the user of a token, want 3", h.capture.identified())
	}
	for _, hidden := range []string{alice, reported, stolen} {
		if strings.Contains(log, hidden) {
			t.Errorf("the log shows %s", hidden)
		}
	}
}
