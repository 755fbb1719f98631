package session_test

import (
	"context"
	"errors"
	"reflect"
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

const reported = "alicestoken01"

func TestTokenRenewsWhenItMust(t *testing.T) {
	const margin = 2 * time.Minute
	for _, tc := range []struct {
		name   string
		after  time.Duration
		reason api.Reason
		have   string
		renews bool
	}{
		{"young", 0, api.ReasonStart, "", false},
		{"young and the page thinks it due", time.Minute, api.ReasonDue, reported, false},
		{"the moment before the margin", lifetime - margin - time.Millisecond, api.ReasonRequest, "", false},
		{"the moment of the margin", lifetime - margin, api.ReasonRequest, "", true},
		{"dead", lifetime, api.ReasonWake, "", true},
		{"long dead", lifetime + time.Hour, api.ReasonStart, "", true},
		{"refused: expired", 0, api.ReasonExpired, reported, true},
		{"refused: invalid", 0, api.ReasonInvalid, reported, true},
		{"refused: denied", 0, api.ReasonDenied, reported, true},
		{"refused: savefailed", 0, api.ReasonSaveFailed, reported, true},
		{"refused, but another", 0, api.ReasonExpired, "anothertoken01", false},
		{"refused, but none", 0, api.ReasonInvalid, "", false},
		{"have it and only ask", 0, api.ReasonRequest, reported, false},
		{"have it and woke", 0, api.ReasonWake, reported, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(c *session.Config) { c.IdleTimeout = absolute })
				opened := h.login(t, reported)
				<-time.After(tc.after)
				grant := ask(t, h, opened.ID, tc.reason, tc.have)
				if renewed := !grant.Token.Equal(secret.New(reported)); renewed != tc.renews ||
					h.capture.mints() != btoi(tc.renews) {
					t.Errorf("another token: %v, mints: %d; want %v", renewed, h.capture.mints(), tc.renews)
				}
				if tc.renews && !grant.TokenExpires.Equal(time.Now().Add(lifetime)) {
					t.Errorf("the new token expires %v, want a life of %v from now", grant.TokenExpires, lifetime)
				}
				// What was answered is what is stored.
				if again := ask(t, h, opened.ID, api.ReasonStart, ""); !again.Token.Equal(grant.Token) {
					t.Error("the token that was answered is not the stored one")
				}
			})
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestMarginOfAShortLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		opened, err := h.Open(t.Context(),
			session.Login{Token: secret.New(reported), Expires: time.Now().Add(40 * time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(32*time.Second - time.Millisecond)
		ask(t, h, opened.ID, api.ReasonDue, reported)
		if h.capture.mints() != 0 {
			t.Error("a token of 40 s was renewed before its last fifth")
		}
		<-time.After(time.Millisecond)
		ask(t, h, opened.ID, api.ReasonDue, reported)
		if h.capture.mints() != 1 {
			t.Error("a token of 40 s was not renewed in its last fifth")
		}
	})
}

func TestTokenNeverOutlivesTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(c *session.Config) { c.AbsoluteTimeout, c.IdleTimeout = 10*time.Minute, 10*time.Minute })
		opened := h.login(t, reported)
		if got := time.Until(opened.TokenExpires); got != 10*time.Minute {
			t.Errorf("the page is told %v of a session of 10m", got)
		}
		<-time.After(9 * time.Minute)
		grant := ask(t, h, opened.ID, api.ReasonDue, reported)
		if got := time.Until(grant.TokenExpires); got > time.Minute || h.capture.mints() != 0 {
			t.Errorf("a minute before the end the page is told %v, after %d mints; want a minute and none",
				got, h.capture.mints())
		}
	})
}

type outcome struct {
	grant session.Grant
	err   error
}

// parallel asks n times at once and returns what each got.
func parallel(t *testing.T, h *house, n int, call func() (session.Grant, error)) []outcome {
	t.Helper()
	outcomes := make([]outcome, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { outcomes[i].grant, outcomes[i].err = call() })
	}
	group.Wait()
	return outcomes
}

func TestOneCallHoweverManyAsk(t *testing.T) {
	for _, tc := range []struct {
		name   string
		after  time.Duration
		reason api.Reason
	}{{"expired", lifetime, api.ReasonStart}, {"refused", 0, api.ReasonSaveFailed}} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(c *session.Config) { c.IdleTimeout = absolute })
				opened := h.login(t, reported)
				<-time.After(tc.after)
				h.capture.set(func(f *fakeCapture) { f.latency = 300 * time.Millisecond })
				outcomes := parallel(t, h, 200, func() (session.Grant, error) {
					return h.Token(t.Context(), opened.ID, tc.reason, secret.New(reported))
				})
				for i, got := range outcomes {
					if got.err != nil {
						t.Fatalf("caller %d: %v", i, got.err)
					}
					if !reflect.DeepEqual(got.grant, outcomes[0].grant) {
						t.Fatalf("caller %d got another answer than caller 0", i)
					}
				}
				if outcomes[0].grant.Token.Equal(secret.New(reported)) {
					t.Error("the token is still the old one")
				}
				if got := h.capture.mints(); got != 1 {
					t.Errorf("%d calls of Issue, want 1", got)
				}
				// One who comes late with the old token gets the new one.
				late := ask(t, h, opened.ID, tc.reason, reported)
				if !late.Token.Equal(outcomes[0].grant.Token) || h.capture.mints() != 1 {
					t.Error("a late refusal of the old token minted again")
				}
			})
		})
	}
}

func TestTheCallOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		opened := h.login(t, reported)
		h.capture.set(func(f *fakeCapture) { f.latency = 2 * time.Second })
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		_, err := h.Token(ctx, opened.ID, api.ReasonInvalid, secret.New(reported))
		wantCode(t, err, api.UpstreamUnavailable)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the cause of %v is not that the caller left", err)
		}
		hurry, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := h.Drain(hurry); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain() = %v while a renewal is under way", err)
		}
		if err := h.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		grant := ask(t, h, opened.ID, api.ReasonStart, "")
		if grant.Token.Equal(secret.New(reported)) || h.capture.mints() != 1 {
			t.Errorf("the minted token was not kept (%d mints)", h.capture.mints())
		}
	})
}

func TestEndBeatsASlowRenewal(t *testing.T) {
	ends := map[string]func(ctx context.Context, h *house, id store.ID) error{
		"End":    func(ctx context.Context, h *house, id store.ID) error { return end(ctx, h, id) },
		"Revoke": func(ctx context.Context, h *house, id store.ID) error { _, err := h.Revoke(ctx, alice); return err },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				opened := h.login(t, reported)
				h.capture.set(func(f *fakeCapture) { f.latency = 5 * time.Second })
				waiter := make(chan error, 1)
				go func() {
					_, err := h.Token(t.Context(), opened.ID, api.ReasonInvalid, secret.New(reported))
					waiter <- err
				}()
				synctest.Wait()
				began := time.Now()
				if err := end(t.Context(), h, opened.ID); err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(began); waited != 0 {
					t.Errorf("%s waited %v for the renewal", name, waited)
				}
				wantCode(t, <-waiter, api.SessionEnded)
				_, err := h.Status(t.Context(), opened.ID)
				wantCode(t, err, api.SessionEnded)
			})
		})
	}
}

func TestEndingTwiceIsFine(t *testing.T) {
	h := newHouse(t)
	opened := h.login(t, reported)
	for range 2 {
		if _, err := h.End(t.Context(), opened.ID); err != nil {
			t.Fatal(err)
		}
	}
}

func TestActivityAndRenewalKeepEachOther(t *testing.T) {
	t.Run("activity during a renewal", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			opened := h.login(t, reported)
			<-time.After(10 * time.Minute)
			h.store.beforeUpdate = func() {
				if err := h.Touch(t.Context(), opened.ID); err != nil {
					t.Error(err)
				}
			}
			grant := ask(t, h, opened.ID, api.ReasonInvalid, reported)
			if grant.Token.Equal(secret.New(reported)) || h.capture.mints() != 1 {
				t.Errorf("the renewal was lost (%d mints)", h.capture.mints())
			}
			if got := time.Until(grant.IdleExpires); got != idle {
				t.Errorf("idle limit in %v: the activity was lost", got)
			}
		})
	})
	t.Run("activity just in time, while the old limit passes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			opened := h.login(t, reported)
			h.capture.set(func(f *fakeCapture) { f.latency = 4 * time.Second })
			<-time.After(idle - 2*time.Second)
			answer := make(chan outcome, 1)
			go func() {
				grant, err := h.Token(t.Context(), opened.ID, api.ReasonInvalid, secret.New(reported))
				answer <- outcome{grant, err}
			}()
			synctest.Wait()
			if err := h.Touch(t.Context(), opened.ID); err != nil {
				t.Fatal(err)
			}
			got := <-answer
			if got.err != nil {
				t.Fatal(got.err)
			}
			if stored := ask(t, h, opened.ID, api.ReasonStart, ""); !stored.Token.Equal(got.grant.Token) {
				t.Error("the renewal was not stored over the activity")
			}
		})
	})
	t.Run("renewal during an activity", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			opened := h.login(t, reported)
			<-time.After(10 * time.Minute)
			var grant session.Grant
			h.store.beforeUpdate = func() { grant = ask(t, h, opened.ID, api.ReasonInvalid, reported) }
			if err := h.Touch(t.Context(), opened.ID); err != nil {
				t.Fatal(err)
			}
			now := ask(t, h, opened.ID, api.ReasonStart, "")
			if !now.Token.Equal(grant.Token) {
				t.Error("the activity wrote the old token back")
			}
			if got := time.Until(now.IdleExpires); got != idle {
				t.Errorf("idle limit in %v: the activity was lost", got)
			}
		})
	})
}

func TestIdleLimitPassesDuringARenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		opened := h.login(t, reported)
		h.capture.set(func(f *fakeCapture) { f.latency = 4 * time.Second })
		<-time.After(idle - 2*time.Second)
		_, err := h.Token(t.Context(), opened.ID, api.ReasonInvalid, secret.New(reported))
		wantCode(t, err, api.SessionEnded)
	})
}

// Two services over one store are two replicas: one of them asks Capture, the
// other waits for what it stores. Where nothing keeps them apart, both ask, and
// the versions decide.
func TestReplicasAgreeOnOneToken(t *testing.T) {
	for _, tc := range []struct {
		name  string
		claim func(*hookedStore)
		calls int
	}{
		{"with the lock", func(*hookedStore) {}, 1},
		{"locks keep no server out", func(h *hookedStore) { h.freeForAll = true }, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				one := newHouse(t)
				two := newHouse(t, func(c *session.Config) { c.Store = one.store })
				opened := one.login(t, reported)
				tc.claim(one.store)
				// Longer than the lease of a lock that is not extended.
				one.capture.set(func(f *fakeCapture) { f.latency, f.same = 5*time.Second, "fromreplicaone" })
				two.capture.set(func(f *fakeCapture) { f.latency, f.same = 6*time.Second, "fromreplicatwo" })
				answers := make(chan outcome, 2)
				for _, replica := range []*house{one, two} {
					go func() {
						grant, err := replica.Token(t.Context(), opened.ID, api.ReasonInvalid, secret.New(reported))
						answers <- outcome{grant, err}
					}()
					synctest.Wait()
				}
				for range 2 {
					got := <-answers
					if got.err != nil {
						t.Fatal(got.err)
					}
					if !got.grant.Token.Equal(secret.New("fromreplicaone")) {
						t.Error("a replica answered with a token that is not the stored one")
					}
				}
				if calls := one.capture.mints() + two.capture.mints(); calls != tc.calls {
					t.Errorf("%d calls, want %d", calls, tc.calls)
				}
			})
		})
	}
}

func TestRenewalFailures(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		code api.Code // for a session with a dead or refused token
		ends int      // sessions of alice's two
	}{
		{"temporary", &capture.Error{Kind: capture.Temporary}, api.UpstreamUnavailable, 0},
		{"limited", &capture.Error{Kind: capture.RateLimited, RetryAfter: time.Minute}, api.UpstreamUnavailable, 0},
		{"token expired, which makes no sense here", &capture.Error{Kind: capture.TokenExpired},
			api.UpstreamUnavailable, 0},
		{"not understood", errors.New("strange"), api.UpstreamUnavailable, 0},
		{"operator's fault", &capture.Error{Kind: capture.OperatorFault}, api.UpstreamRefused, 0},
		{"grant gone", &capture.Error{Kind: capture.GrantGone}, api.SessionEnded, 1},
		{"account gone", &capture.Error{Kind: capture.AccountGone}, api.SessionEnded, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(c *session.Config) { c.IdleTimeout = absolute })
				asking, other, bobs := h.login(t, reported), h.login(t, "alicestoken02"), h.login(t, "bobstoken0001")
				h.capture.set(func(f *fakeCapture) { f.issueErr = tc.err })

				// In its margin, alive, not refused: the old token still works.
				<-time.After(lifetime - time.Minute)
				if tc.ends == 0 {
					grant := ask(t, h, asking.ID, api.ReasonDue, reported)
					if !grant.Token.Equal(secret.New(reported)) {
						t.Error("not the stored token")
					}
					if !strings.Contains(h.log.String(), `"level":"WARN"`) &&
						!strings.Contains(h.log.String(), `"level":"ERROR"`) {
						t.Error("the log does not warn of the failure")
					}
					// Refused: there is nothing to give.
					_, err := h.Token(t.Context(), asking.ID, api.ReasonInvalid, secret.New(reported))
					wantCode(t, err, tc.code)
				}
				<-time.After(2 * time.Minute)
				_, err := h.Token(t.Context(), asking.ID, api.ReasonDue, secret.New(reported))
				failure := wantCode(t, err, tc.code)
				if !errors.Is(err, tc.err) {
					t.Error("the cause is lost")
				}
				if (failure.RetryAfter > 0) != !failure.Code.Final() {
					t.Errorf("RetryAfter = %v with %s", failure.RetryAfter, failure.Code)
				}

				for i, id := range []store.ID{asking.ID, other.ID, bobs.ID} {
					if _, err := h.Status(t.Context(), id); (err != nil) != (i < tc.ends) {
						t.Errorf("session %d: %v; %d of three should have ended", i, err, tc.ends)
					}
				}
				if strings.Contains(h.log.String(), alice) || strings.Contains(h.log.String(), reported) {
					t.Errorf("the log shows a uuid or a token:\n%s", h.log.String())
				}
			})
		})
	}
}

func TestAHangingCaptureIsTemporary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		opened := h.login(t, reported)
		h.capture.set(func(f *fakeCapture) { f.latency = time.Hour })
		began := time.Now()
		_, err := h.Token(t.Context(), opened.ID, api.ReasonInvalid, secret.New(reported))
		wantCode(t, err, api.UpstreamUnavailable)
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("gave up after %v, want the 10s of UpstreamTimeout", took)
		}
		if _, err := h.Status(t.Context(), opened.ID); err != nil {
			t.Errorf("the session ended: %v", err)
		}
	})
}

func TestTheVerdictCountsWhenTheStoreFails(t *testing.T) {
	for name, tc := range map[string]struct {
		kind capture.Kind
		call string
	}{"grant": {capture.GrantGone, "delete"}, "account": {capture.AccountGone, "deletebyuuid"}} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			opened := h.login(t, reported)
			h.capture.issueErr = &capture.Error{Kind: tc.kind}
			h.store.fail[tc.call] = errors.New("disk on fire")
			_, err := h.Token(t.Context(), opened.ID, api.ReasonInvalid, secret.New(reported))
			wantCode(t, err, api.StoreUnavailable)
		})
	}
}

func TestNothingIsAnsweredThatIsNotStored(t *testing.T) {
	h := newHouse(t)
	opened := h.login(t, reported)
	h.store.fail["update"] = errors.New("disk full")
	_, err := h.Token(t.Context(), opened.ID, api.ReasonInvalid, secret.New(reported))
	wantCode(t, err, api.StoreUnavailable)
	delete(h.store.fail, "update")
	if grant := ask(t, h, opened.ID, api.ReasonStart, ""); !grant.Token.Equal(secret.New(reported)) {
		t.Error("a token that could not be stored came back")
	}
}

func TestForcedRenewals(t *testing.T) {
	t.Run("insisting is limited", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t) // two a minute
			opened := h.login(t, reported)
			h.capture.set(func(f *fakeCapture) { f.same = reported })
			for range 2 {
				ask(t, h, opened.ID, api.ReasonInvalid, reported)
			}
			_, err := h.Token(t.Context(), opened.ID, api.ReasonInvalid, secret.New(reported))
			failure := wantCode(t, err, api.RateLimited)
			if failure.RetryAfter <= 0 || failure.RetryAfter > time.Minute {
				t.Errorf("RetryAfter = %v", failure.RetryAfter)
			}
			if got := h.capture.mints(); got != 2 {
				t.Errorf("%d mints, want 2", got)
			}
			// The limit is on force: a page that only asks is served.
			ask(t, h, opened.ID, api.ReasonStart, "")
			<-time.After(failure.RetryAfter)
			ask(t, h, opened.ID, api.ReasonInvalid, reported)
		})
	})
	t.Run("the first refusal of a token that had its time never is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			opened := h.login(t, reported)
			have := secret.New(reported)
			for i := range 20 {
				<-time.After(8 * time.Second)
				grant, err := h.Token(t.Context(), opened.ID, api.ReasonInvalid, have)
				if err != nil {
					t.Fatalf("refusal %d of a token never refused before: %v", i, err)
				}
				have = grant.Token
			}
		})
	})
	t.Run("refusing each new token is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t) // two a minute
			opened := h.login(t, reported)
			have := reported
			for range 2 {
				have = ask(t, h, opened.ID, api.ReasonInvalid, have).Token.Reveal()
			}
			for range 2 {
				_, err := h.Token(t.Context(), opened.ID, api.ReasonInvalid, secret.New(have))
				wantCode(t, err, api.RateLimited)
				<-time.After(4*time.Second - time.Millisecond)
			}
			// It may be true after all: it was not the refusal that was too much.
			<-time.After(2 * time.Millisecond)
			ask(t, h, opened.ID, api.ReasonInvalid, have)
		})
	})
	t.Run("a token that is due anyway needs no force", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			h.capture.set(func(f *fakeCapture) { f.issueErr = &capture.Error{Kind: capture.Temporary} })
			opened, err := h.Open(t.Context(), session.Login{Token: secret.New(reported), Expires: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			for range 10 {
				_, err := h.Token(t.Context(), opened.ID, api.ReasonExpired, secret.New(reported))
				wantCode(t, err, api.UpstreamUnavailable)
			}
		})
	})
	t.Run("sessions do not share a limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			h.capture.set(func(f *fakeCapture) { f.same = reported })
			one, two := h.login(t, reported), h.login(t, reported)
			for range 2 {
				ask(t, h, one.ID, api.ReasonInvalid, reported)
				ask(t, h, two.ID, api.ReasonInvalid, reported)
			}
		})
	})
}

func TestCeiling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(c *session.Config) {
			c.Upstream = limit.Rate{Events: 1, Per: 10 * time.Second}
		})
		opened := h.login(t, reported) // the one call there is
		_, err := h.Open(t.Context(), session.Login{Token: secret.New("bobstoken0001")})
		if failure := wantCode(t, err, api.UpstreamUnavailable); failure.RetryAfter != 10*time.Second {
			t.Errorf("RetryAfter = %v, want 10s", failure.RetryAfter)
		}
		_, err = h.Token(t.Context(), opened.ID, api.ReasonInvalid, secret.New(reported))
		wantCode(t, err, api.UpstreamUnavailable)
		if h.capture.identified() != 1 || h.capture.mints() != 0 {
			t.Errorf("Capture was asked %d and %d times over a ceiling of one",
				h.capture.identified(), h.capture.mints())
		}
	})
}

func TestAPanicStaysInItsRenewal(t *testing.T) {
	h := newHouse(t)
	opened := h.login(t, reported)
	h.capture.panics = true
	_, err := h.Token(t.Context(), opened.ID, api.ReasonInvalid, secret.New(reported))
	wantCode(t, err, api.Internal)
	if log := h.log.String(); !strings.Contains(log, "a renewal panicked") || strings.Contains(log, "a secret value") {
		t.Errorf("the log should tell of the panic but not its value:\n%s", log)
	}
	h.capture.panics = false
	ask(t, h, opened.ID, api.ReasonInvalid, reported)
}
