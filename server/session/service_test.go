package session_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
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

const (
	alice = "6b1d9c2e-0f0a-4c57-9f63-1d5a0d2b7a11"
	bob   = "f2c7a4d8-3b3e-4a0e-8a53-77c0a1f0be22"

	redirectURI = "https://www.example.com/back?a=b"

	lifetime = time.Hour
	idle     = 30 * time.Minute
	absolute = 12 * time.Hour
)

// fakeCapture is Capture with everything settable. What Issue does when
// nothing is set: a new token for lifetime. Codes and refresh tokens work once.
type fakeCapture struct {
	mu         sync.Mutex // guards all below
	owners     map[string]string
	latency    time.Duration
	issueErr   error
	identErr   error
	same       string        // Issue returns this token again and again
	life       time.Duration // of what Issue returns, as it knows it; 0: lifetime
	panics     bool
	issued     []string // uuids
	identifies int

	codes       map[string]string // to the uuid
	grants      map[string]string // refresh tokens, to the uuid
	refreshErr  error
	exchangeErr error
	lose        int      // so many answers of oauth/token get lost, the work is done
	exchanged   []string // redirect URIs
	refreshed   int
	rotations   int
}

func (f *fakeCapture) Exchange(ctx context.Context, code secret.String, redirectURI string) (capture.Tokens, error) {
	f.mu.Lock()
	f.exchanged = append(f.exchanged, redirectURI)
	f.mu.Unlock()
	return f.token(ctx, "code", f.codes, code, func() error { return f.exchangeErr })
}

func (f *fakeCapture) Refresh(ctx context.Context, token secret.String) (capture.Tokens, error) {
	f.mu.Lock()
	f.refreshed++
	f.mu.Unlock()
	return f.token(ctx, "refresh_token", f.grants, token, func() error { return f.refreshErr })
}

func (f *fakeCapture) token(ctx context.Context, argument string, kept map[string]string,
	value secret.String, ordered func() error) (capture.Tokens, error) {
	f.mu.Lock()
	latency := f.latency
	f.mu.Unlock()
	if failure := wait(ctx, latency); failure != nil {
		return capture.Tokens{}, &capture.Error{Op: "oauth/token", Lost: true, Cause: failure}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.panics {
		panic("a secret value")
	}
	if err := ordered(); err != nil {
		return capture.Tokens{}, err
	}
	uuid, known := kept[value.Reveal()]
	if !known {
		return capture.Tokens{},
			&capture.Error{Op: "oauth/token", Kind: capture.GrantGone, Number: 200, Argument: argument}
	}
	delete(kept, value.Reveal())
	f.rotations++
	tokens := capture.Tokens{
		Access:  secret.New(fmt.Sprintf("access%06d", f.rotations)),
		Refresh: secret.New(fmt.Sprintf("refresh%06d", f.rotations)),
		Life:    lifetime,
	}
	f.owners[tokens.Access.Reveal()] = uuid
	f.grants[tokens.Refresh.Reveal()] = uuid
	if f.lose > 0 {
		f.lose--
		return capture.Tokens{}, &capture.Error{Op: "oauth/token", Lost: true}
	}
	return tokens, nil
}

// refreshes is how often Refresh was called.
func (f *fakeCapture) refreshes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refreshed
}

// identified is how often Identify was called.
func (f *fakeCapture) identified() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.identifies
}

// exchanges is how often Exchange was called.
func (f *fakeCapture) exchanges() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.exchanged)
}

func (f *fakeCapture) Identify(ctx context.Context, token secret.String) (string, error) {
	f.mu.Lock()
	f.identifies++
	uuid, known := f.owners[token.Reveal()]
	latency, err := f.latency, f.identErr
	f.mu.Unlock()
	if failure := wait(ctx, latency); failure != nil {
		return "", &capture.Error{Op: "entity", Cause: failure}
	}
	switch {
	case err != nil:
		return "", err
	case !known:
		return "", &capture.Error{Op: "entity", Kind: capture.GrantGone, Number: 200}
	}
	return uuid, nil
}

func (f *fakeCapture) Issue(ctx context.Context, uuid string) (capture.Tokens, error) {
	f.mu.Lock()
	f.issued = append(f.issued, uuid)
	value := f.same
	if value == "" {
		value = "minted" + strings.Repeat("z", len(f.issued))
	}
	latency, err, panics, life := f.latency, f.issueErr, f.panics, cmp.Or(f.life, lifetime)
	f.mu.Unlock()
	if panics {
		panic("a secret value")
	}
	if failure := wait(ctx, latency); failure != nil {
		return capture.Tokens{}, &capture.Error{Op: "access/getAccessToken", Cause: failure}
	}
	if err != nil {
		return capture.Tokens{}, err
	}
	f.set(func(f *fakeCapture) { f.owners[value] = uuid })
	return capture.Tokens{Access: secret.New(value), Life: life}, nil
}

func wait(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (f *fakeCapture) set(change func(*fakeCapture)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fakeCapture) mints() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.issued)
}

var (
	errDisk  = errors.New("disk on fire")
	errHangs = errors.New("there is no answer") // until the caller gives up
)

// hookedStore is a store that can be made to fail, or to do something first.
type hookedStore struct {
	session.Store
	beforeUpdate func()
	beforeCreate func()
	beforeRecall map[string]func() // by the kind of note
	fail         map[string]error
	freeForAll   bool // locks keep no other server out
	oneProcess   bool
	slow         time.Duration // of Now, MarkOnce, Remember and Create
	created      func(store.Record)
	updates      atomic.Pointer[error]
}

func (h *hookedStore) Now(ctx context.Context) (store.Moment, error) {
	if err := h.fail["now"]; err != nil {
		return 0, err
	}
	defer h.linger()
	return h.Store.Now(ctx)
}

func (h *hookedStore) MarkOnce(ctx context.Context, name string, ttl time.Duration) error {
	if err := h.fail["mark"]; err != nil {
		return err
	}
	defer h.linger()
	return h.Store.MarkOnce(ctx, name, ttl)
}

func (h *hookedStore) Lock(ctx context.Context, name string, lease time.Duration) (*store.Lock, error) {
	if err := h.fail["lock"]; err != nil {
		return nil, err
	}
	if h.freeForAll {
		name += rand.Text()
	}
	return h.Store.Lock(ctx, name, lease)
}

func (h *hookedStore) linger() {
	if h.slow > 0 {
		<-time.After(h.slow)
	}
}

// Shared says that other processes have the store open, too: another house.
func (h *hookedStore) Shared() bool { return !h.oneProcess }

func (h *hookedStore) Create(ctx context.Context, id store.ID, r store.Record, begun store.Moment) error {
	if hook := h.beforeCreate; hook != nil {
		h.beforeCreate = nil
		hook()
	}
	if err := h.fail["create"]; err != nil {
		return err
	}
	err := h.Store.Create(ctx, id, r, begun)
	h.linger()
	if err == nil && h.created != nil {
		h.created(r)
	}
	return err
}

func (h *hookedStore) Get(ctx context.Context, id store.ID) (store.Record, error) {
	if err := h.fail["get"]; err != nil {
		return store.Record{}, err
	}
	return h.Store.Get(ctx, id)
}

func (h *hookedStore) Update(ctx context.Context, id store.ID, r store.Record) (store.Record, error) {
	if hook := h.beforeUpdate; hook != nil {
		h.beforeUpdate = nil
		hook()
	}
	if err := h.fail["update"]; err != nil {
		return store.Record{}, err
	}
	if err := h.updates.Load(); err != nil && *err != nil {
		return store.Record{}, *err
	}
	return h.Store.Update(ctx, id, r)
}

func (h *hookedStore) Remember(ctx context.Context, name, text string, ttl time.Duration) error {
	kind, _, _ := strings.Cut(name, " ")
	if err := h.fail["remember "+kind]; err != nil {
		if err == errHangs {
			<-ctx.Done()
			return ctx.Err()
		}
		return err
	}
	defer h.linger()
	return h.Store.Remember(ctx, name, text, ttl)
}

func (h *hookedStore) Recall(ctx context.Context, name string) (string, error) {
	kind, _, _ := strings.Cut(name, " ")
	if hook := h.beforeRecall[kind]; hook != nil {
		delete(h.beforeRecall, kind)
		hook()
	}
	if err := h.fail["recall "+kind]; err != nil {
		return "", err
	}
	return h.Store.Recall(ctx, name)
}

func (h *hookedStore) Delete(ctx context.Context, id store.ID) (bool, error) {
	if err := h.fail["delete"]; err != nil {
		return false, err
	}
	return h.Store.Delete(ctx, id)
}

func (h *hookedStore) DeleteByUUID(ctx context.Context, uuid string) (int, error) {
	if err := h.fail["deletebyuuid"]; err != nil {
		return 0, err
	}
	return h.Store.DeleteByUUID(ctx, uuid)
}

func (h *hookedStore) Ping(ctx context.Context) error {
	if err := h.fail["ping"]; err != nil {
		return err
	}
	return h.Store.Ping(ctx)
}

// house is a Service with everything around it. Two houses can share a store,
// as two replicas do.
type house struct {
	*session.Service
	capture *fakeCapture
	store   *hookedStore
	log     *bytes.Buffer
}

// end is End for a table of calls that can fail.
func end(ctx context.Context, h *house, id store.ID) error {
	_, err := h.End(ctx, id)
	return err
}

func newHouse(t *testing.T, change ...func(*session.Config)) *house {
	t.Helper()
	ring, err := keyring.Parse(secret.New("k1:c2V2ZW50ZWVuIGJ5dGVzIGFuZCBmaWZ0ZWVuIG1vcmU="))
	if err != nil {
		t.Fatal(err)
	}
	h := &house{
		capture: &fakeCapture{
			owners: map[string]string{"alicestoken01": alice, "alicestoken02": alice, "bobstoken0001": bob},
			codes:  map[string]string{"alicescode001": alice, "alicescode002": alice, "bobscode00001": bob},
			grants: map[string]string{},
		},
		store: &hookedStore{Store: store.New(memory.New(), ring, nil), fail: map[string]error{}},
		log:   new(bytes.Buffer),
	}
	config := session.Config{
		Store: h.store, Capture: h.capture,
		TokenLifetime: lifetime, IdleTimeout: idle, AbsoluteTimeout: absolute, UpstreamTimeout: 10 * time.Second,
		RedirectURIs: []string{redirectURI, "https://www.example.com/other"},
		Forced:       limit.Rate{Events: 2, Per: time.Minute},
		Log:          slog.New(slog.NewJSONHandler(h.log, nil)),
	}
	for _, f := range change {
		f(&config)
	}
	h.Service = session.New(config)
	return h
}

func (h *house) login(t *testing.T, token string) session.Session {
	t.Helper()
	opened, err := h.Open(t.Context(), session.Login{Token: secret.New(token)})
	if err != nil {
		t.Fatalf("Open(%s): %v", token, err)
	}
	return opened
}

// wantCode fails unless err is a *session.Error with the code, and returns it.
func wantCode(t *testing.T, err error, code api.Code) *session.Error {
	t.Helper()
	var failure *session.Error
	if !errors.As(err, &failure) {
		t.Fatalf("error is %v, want a *session.Error with code %s", err, code)
	}
	if failure.Code != code {
		t.Fatalf("error is %v, want code %s", err, code)
	}
	if failure.Detail == "" {
		t.Errorf("%s says nothing to a person", code)
	}
	return failure
}

func ask(t *testing.T, h *house, id store.ID, reason api.Reason, have string) session.Grant {
	t.Helper()
	grant, err := h.Token(t.Context(), id, reason, secret.New(have))
	if err != nil {
		t.Fatalf("Token(%s): %v", reason, err)
	}
	return grant
}

func TestOpen(t *testing.T) {
	for _, tc := range []struct {
		name    string
		login   session.Login
		expires time.Duration // of the token, from the start of the call
		code    api.Code
	}{
		{name: "no claim", login: session.Login{}, expires: lifetime},
		{name: "true claim", login: session.Login{Claim: alice}, expires: lifetime},
		{name: "false claim", login: session.Login{Claim: bob}, code: api.IdentityMismatch},
		{name: "claim of no uuid", login: session.Login{Claim: "x"}, code: api.IdentityMismatch},
		{name: "expires shortens", login: session.Login{Expires: epoch().Add(time.Minute)}, expires: time.Minute},
		{name: "expires cannot lengthen",
			login: session.Login{Expires: epoch().Add(24 * time.Hour)}, expires: lifetime},
		{name: "expires in the past", login: session.Login{Expires: epoch().Add(-time.Hour)}, expires: 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.capture.latency = 3 * time.Second
				began := time.Now()
				login := tc.login
				login.Token = secret.New("alicestoken01")

				opened, err := h.Open(t.Context(), login)

				if h.capture.mints() != 0 {
					t.Error("opening a session minted a token")
				}
				if tc.code != "" {
					wantCode(t, err, tc.code)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if opened.UUID != alice || !opened.Token.Equal(login.Token) {
					t.Errorf("the session is %s's, and its token the reported one: %v", opened.UUID,
						opened.Token.Equal(login.Token))
				}
				if got := opened.TokenExpires.Sub(began); got != tc.expires {
					t.Errorf("the token lives %v from before the call, want %v", got, tc.expires)
				}
				now := time.Now()
				if got := opened.IdleExpires.Sub(now); got != idle {
					t.Errorf("idle limit in %v, want %v", got, idle)
				}
				if got := opened.AbsoluteExpires.Sub(now); got != absolute {
					t.Errorf("absolute limit in %v, want %v", got, absolute)
				}
			})
		})
	}
}

// epoch is when every synctest bubble begins.
func epoch() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

func TestMismatchIsAuditedWithoutNames(t *testing.T) {
	h := newHouse(t)
	_, err := h.Open(t.Context(), session.Login{Token: secret.New("alicestoken01"), Claim: bob})
	wantCode(t, err, api.IdentityMismatch)
	line := h.log.String()
	if !strings.Contains(line, `"event":"identity_mismatch"`) {
		t.Errorf("no audit line in the log:\n%s", line)
	}
	for _, hidden := range []string{alice, bob, "alicestoken01"} {
		if strings.Contains(line, hidden) {
			t.Errorf("the audit line shows %q:\n%s", hidden, line)
		}
	}
}

func TestOpenFailures(t *testing.T) {
	for _, tc := range []struct {
		name  string
		err   error
		code  api.Code
		retry time.Duration
	}{
		{"unknown token", &capture.Error{Kind: capture.GrantGone}, api.GrantRefused, 0},
		{"expired token", &capture.Error{Kind: capture.TokenExpired}, api.GrantRefused, 0},
		{"no such user", &capture.Error{Kind: capture.AccountGone}, api.GrantRefused, 0},
		{"operator's fault", &capture.Error{Kind: capture.OperatorFault}, api.UpstreamRefused, 30 * time.Second},
		{"temporary", &capture.Error{Kind: capture.Temporary}, api.UpstreamUnavailable, 5 * time.Second},
		{"limited", &capture.Error{Kind: capture.RateLimited, RetryAfter: 7 * time.Second},
			api.UpstreamUnavailable, 7 * time.Second},
		{"not understood", errors.New("strange"), api.UpstreamUnavailable, 5 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHouse(t)
			old := h.login(t, "alicestoken01")
			h.capture.identErr = tc.err
			_, err := h.Open(t.Context(), session.Login{Token: secret.New("alicestoken02"), Previous: old.ID})
			failure := wantCode(t, err, tc.code)
			if failure.RetryAfter != tc.retry {
				t.Errorf("RetryAfter = %v, want %v", failure.RetryAfter, tc.retry)
			}
			if !errors.Is(err, tc.err) {
				t.Error("the cause is lost")
			}
			if _, err := h.Status(t.Context(), old.ID); err != nil {
				t.Errorf("a failed login ended the earlier session: %v", err)
			}
		})
	}
}

func TestLoginEndsTheEarlierSessionOfItsCookie(t *testing.T) {
	h := newHouse(t)
	old, other := h.login(t, "alicestoken01"), h.login(t, "alicestoken01")
	if old.ID == other.ID {
		t.Fatal("two logins have one id")
	}
	fresh, err := h.Open(t.Context(), session.Login{Token: secret.New("alicestoken02"), Previous: old.ID})
	if err != nil {
		t.Fatal(err)
	}
	if fresh.ID == old.ID {
		t.Error("the id survived a login")
	}
	_, err = h.Status(t.Context(), old.ID)
	wantCode(t, err, api.SessionEnded)
	for _, id := range []store.ID{other.ID, fresh.ID} {
		if _, err := h.Status(t.Context(), id); err != nil {
			t.Errorf("another session of the user ended as well: %v", err)
		}
	}
}

func TestStoreFailuresEndNothing(t *testing.T) {
	down := errors.New("disk on fire")
	calls := map[string]func(ctx context.Context, h *house, id store.ID) error{
		"get": func(ctx context.Context, h *house, id store.ID) error { _, err := h.Status(ctx, id); return err },
		"update": func(ctx context.Context, h *house, id store.ID) error {
			<-time.After(time.Minute)
			return h.Touch(ctx, id)
		},
		"delete": func(ctx context.Context, h *house, id store.ID) error { return end(ctx, h, id) },
		"deletebyuuid": func(ctx context.Context, h *house, id store.ID) error {
			_, err := h.Revoke(ctx, alice)
			return err
		},
		"ping": func(ctx context.Context, h *house, id store.ID) error { return h.Ping(ctx) },
		"create": func(ctx context.Context, h *house, id store.ID) error {
			_, err := h.Open(ctx, session.Login{Token: secret.New("alicestoken01")})
			return err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				opened := h.login(t, "alicestoken01")
				h.store.fail[name] = down
				err := call(t.Context(), h, opened.ID)
				if failure := wantCode(t, err, api.StoreUnavailable); failure.RetryAfter == 0 {
					t.Error("no RetryAfter")
				}
				if !errors.Is(err, down) {
					t.Error("the cause is lost")
				}
				delete(h.store.fail, name)
				if _, err := h.Status(t.Context(), opened.ID); err != nil {
					t.Errorf("the session did not survive: %v", err)
				}
			})
		})
	}
}

func TestLimits(t *testing.T) {
	alive := func(t *testing.T, h *house, id store.ID) {
		t.Helper()
		if _, err := h.Status(t.Context(), id); err != nil {
			t.Fatalf("the session ended early: %v", err)
		}
	}
	t.Run("idle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			opened := h.login(t, "alicestoken01")
			<-time.After(idle - time.Millisecond)
			alive(t, h, opened.ID)
			// Neither asking nor renewing is activity.
			ask(t, h, opened.ID, api.ReasonExpired, "alicestoken01")
			<-time.After(time.Millisecond)
			_, err := h.Status(t.Context(), opened.ID)
			wantCode(t, err, api.SessionEnded)
			_, err = h.Token(t.Context(), opened.ID, api.ReasonStart, secret.String{})
			wantCode(t, err, api.SessionEnded)
			wantCode(t, h.Touch(t.Context(), opened.ID), api.SessionEnded)
		})
	})
	t.Run("activity moves idle but not absolute", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			opened := h.login(t, "alicestoken01")
			for elapsed := time.Duration(0); elapsed < absolute-20*time.Minute; elapsed += 20 * time.Minute {
				<-time.After(20 * time.Minute)
				if err := h.Touch(t.Context(), opened.ID); err != nil {
					t.Fatalf("Touch after %v: %v", elapsed, err)
				}
				grant := ask(t, h, opened.ID, api.ReasonDue, "")
				if !grant.AbsoluteExpires.Equal(opened.AbsoluteExpires.Round(time.Millisecond)) {
					t.Fatalf("the absolute limit moved from %v to %v", opened.AbsoluteExpires, grant.AbsoluteExpires)
				}
				if grant.IdleExpires.After(grant.AbsoluteExpires) || grant.TokenExpires.After(grant.AbsoluteExpires) {
					t.Fatalf("idle %v or token %v outlives the session, which ends %v",
						grant.IdleExpires, grant.TokenExpires, grant.AbsoluteExpires)
				}
			}
			<-time.After(20 * time.Minute)
			wantCode(t, h.Touch(t.Context(), opened.ID), api.SessionEnded)
		})
	})
}

func TestTouchWritesOnlyWhatMatters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		opened := h.login(t, "alicestoken01")
		writes := 0
		h.store.beforeUpdate = func() { writes++ }
		if err := h.Touch(t.Context(), opened.ID); err != nil || writes != 0 {
			t.Errorf("a Touch that moves nothing: %d writes, %v", writes, err)
		}
		<-time.After(time.Second)
		if err := h.Touch(t.Context(), opened.ID); err != nil || writes != 1 {
			t.Errorf("a Touch a second later: %d writes, %v; want 1", writes, err)
		}
		status, err := h.Status(t.Context(), opened.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Until(status.IdleExpires); got != idle {
			t.Errorf("idle limit in %v after a Touch, want %v", got, idle)
		}
	})
}

func TestRevokeEndsAllOfOneUser(t *testing.T) {
	h := newHouse(t)
	a1, a2, b := h.login(t, "alicestoken01"), h.login(t, "alicestoken02"), h.login(t, "bobstoken0001")
	ended, err := h.Revoke(t.Context(), alice)
	if err != nil || ended != 2 {
		t.Fatalf("Revoke = %d, %v; want 2", ended, err)
	}
	for _, id := range []store.ID{a1.ID, a2.ID} {
		_, err := h.Status(t.Context(), id)
		wantCode(t, err, api.SessionEnded)
	}
	if _, err := h.Status(t.Context(), b.ID); err != nil {
		t.Errorf("another user's session ended: %v", err)
	}
}

func TestTamperedRecordIsNoSession(t *testing.T) {
	h := newHouse(t)
	opened := h.login(t, "alicestoken01")
	h.store.fail["get"] = store.ErrTampered
	_, err := h.Token(t.Context(), opened.ID, api.ReasonStart, secret.String{})
	wantCode(t, err, api.SessionEnded)
	if !strings.Contains(h.log.String(), "does not authenticate") {
		t.Error("the operator is not told")
	}
}

func TestErrorTellsTheLogButNoSecrets(t *testing.T) {
	h := newHouse(t)
	h.capture.identErr = &capture.Error{Op: "entity", Kind: capture.OperatorFault, Number: 402}
	_, err := h.Open(t.Context(), session.Login{Token: secret.New("alicestoken01")})
	failure := wantCode(t, err, api.UpstreamRefused)
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("failed", "error", failure)
	for _, part := range []string{"upstream_refused", "402", "retryAfter"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("the log line does not say %q: %s", part, out.String())
		}
	}
	if strings.Contains(out.String()+failure.Error()+h.log.String(), "alicestoken01") {
		t.Error("the token is in an error or the log")
	}
	if !strings.Contains(h.log.String(), `"level":"ERROR"`) {
		t.Errorf("no alarm for the operator:\n%s", h.log.String())
	}
}

// failUpdates makes every Update fail with err from now on; nil: no longer.
func (h *hookedStore) failUpdates(err error) { h.updates.Store(&err) }

// keyOf is a session's key as the names of claims have it.
func keyOf(id store.ID) string {
	key := id.Key()
	return hex.EncodeToString(key[:])
}
