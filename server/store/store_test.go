package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
)

func testRing(t *testing.T) *keyring.Ring {
	t.Helper()
	ring, err := keyring.Parse(secret.New("k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

var errDisk = errors.New("disk on fire")

// broken is a backend of which every call fails.
type broken struct{}

func (broken) Insert(context.Context, store.Row, store.Moment) error { return errDisk }
func (broken) Lookup(context.Context, store.Key) (store.Row, error)  { return store.Row{}, errDisk }
func (broken) Replace(context.Context, store.Row) error              { return errDisk }
func (broken) Remove(context.Context, store.Key) (bool, error)       { return true, errDisk }
func (broken) RemoveOwner(context.Context, store.Owner) (int, error) {
	return 2, errDisk
}
func (broken) Owned(context.Context, store.Owner) ([]store.Row, error) {
	return nil, errDisk
}
func (broken) Walk(context.Context, func(store.Row) error) error { return errDisk }
func (broken) Sweep(context.Context, time.Time, int) ([]store.Row, error) {
	return make([]store.Row, 3), errDisk
}
func (broken) Now(context.Context) (store.Moment, error) { return 0, errDisk }
func (broken) Locks() store.Locks                        { return brokenLocks{} }
func (broken) Ping(context.Context) error                { return errDisk }
func (broken) Close() error                              { return errDisk }

type brokenLocks struct{}

func (brokenLocks) Lock(context.Context, store.Key, store.Holder, time.Duration) error {
	return errDisk
}
func (brokenLocks) Unlock(context.Context, store.Key, store.Holder) error { return errDisk }

// panicking gives a lock once, and then panics.
type panicking struct {
	store.Backend
	calls *int
}

func (p panicking) Locks() store.Locks { return p }
func (p panicking) Lock(context.Context, store.Key, store.Holder, time.Duration) error {
	if *p.calls++; *p.calls > 1 {
		panic("a fault of the database's client")
	}
	return nil
}
func (panicking) Unlock(context.Context, store.Key, store.Holder) error { return nil }

// The metrics hear of every call of the database, by what it is.
func TestWatchHearsOfEachOperation(t *testing.T) {
	calls := 0
	s := store.New(panicking{memory.New(), &calls}, testRing(t), nil)
	heard := map[string]int{}
	s.Watch(func(operation string, _ time.Duration, err error) {
		if err != nil && !store.IsVerdict(err) {
			t.Errorf("%s: %v", operation, err)
		}
		heard[operation]++
	})
	id, ctx := store.NewID(), t.Context()
	begun, err := s.Now(ctx)
	record := store.Record{
		Mode: store.ModeToken, UUID: "u",
		IdleExpires: time.Now().Add(time.Hour), AbsoluteExpires: time.Now().Add(time.Hour),
	}
	errCreate := s.Create(ctx, id, record, begun)
	record, errGet := s.Get(ctx, id)
	_, errUpdate := s.Update(ctx, id, record)
	_, errCount := s.Count(ctx)
	held, errLock := s.Lock(ctx, "x", time.Hour)
	if err := errors.Join(err, errCreate, errGet, errUpdate, errCount, errLock); err != nil {
		t.Fatal(err)
	}
	errRelease := held.Release(ctx)
	_, errSweep := s.Sweep(ctx, func(store.Ended) {})
	_, errDelete := s.Delete(ctx, id)
	_, errRevoke := s.DeleteByUUID(ctx, "u")
	if err := errors.Join(errRelease, errSweep, errDelete, errRevoke, s.Ping(ctx)); err != nil {
		t.Fatal(err)
	}
	for _, operation := range store.Operations() {
		if heard[operation] != 1 {
			t.Errorf("%s was heard of %d times", operation, heard[operation])
		}
	}
}

// A lock is extended in a goroutine of its own, where nothing else catches a panic.
func TestAPanicOfTheDatabaseLosesTheLockOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		s := store.New(panicking{memory.New(), &calls}, testRing(t), nil)
		held, err := s.Lock(t.Context(), "name", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if calls != 2 {
			t.Errorf("the lock was asked for %d times, want once more until the panic", calls)
		}
		if err := held.Release(t.Context()); err != nil {
			t.Errorf("Release() = %v", err)
		}
	})
}

func TestSystemFailureIsNoVerdict(t *testing.T) {
	st := store.New(broken{}, testRing(t), nil)
	id, r := store.NewID(), store.Record{
		Mode: store.ModeToken, UUID: "u",
		IdleExpires: time.Now().Add(time.Hour), AbsoluteExpires: time.Now().Add(time.Hour),
	}
	for name, call := range map[string]func() error{
		"Create":       func() error { return st.Create(t.Context(), id, r, 0) },
		"Get":          func() error { _, err := st.Get(t.Context(), id); return err },
		"Update":       func() error { _, err := st.Update(t.Context(), id, r); return err },
		"Delete":       func() error { _, err := st.Delete(t.Context(), id); return err },
		"DeleteByUUID": func() error { _, err := st.DeleteByUUID(t.Context(), "u"); return err },
		"Sweep":        func() error { _, err := st.Sweep(t.Context(), func(store.Ended) {}); return err },
		"Ping":         func() error { return st.Ping(t.Context()) },
		"Now":          func() error { _, err := st.Now(t.Context()); return err },
		"Sessions":     func() error { _, err := st.Sessions(t.Context(), "u"); return err },
		"EndOldest":    func() error { _, err := st.EndOldest(t.Context(), "u", 1, id); return err },
		"Count":        func() error { _, err := st.Count(t.Context()); return err },
		"Lock":         func() error { _, err := st.Lock(t.Context(), "n", time.Hour); return err },
		"MarkOnce":     func() error { return st.MarkOnce(t.Context(), "n", time.Hour) },
		"Remember":     func() error { return st.Remember(t.Context(), "n", "", time.Hour) },
		"Recall":       func() error { _, err := st.Recall(t.Context(), "n"); return err },
		"Close":        st.Close,
	} {
		err := call()
		if !errors.Is(err, errDisk) {
			t.Errorf("%s() = %v, want the backend's error", name, err)
		}
		for _, v := range []error{store.ErrNotFound, store.ErrExpired, store.ErrTampered,
			store.ErrConflict, store.ErrExists} {
			if errors.Is(err, v) {
				t.Errorf("%s() = %v: a failing disk says nothing about a record", name, err)
			}
		}
	}
	if n, _ := st.Sweep(t.Context(), func(store.Ended) {}); n != 3 {
		t.Errorf("Sweep() = %d, want the 3 that were swept before it failed", n)
	}
}

// Tampered with is the verdict; why is in the chain, for the log.
func TestTamperedTellsWhy(t *testing.T) {
	backend := memory.New()
	st := store.New(backend, testRing(t), nil)
	id := store.NewID()
	for name, tc := range map[string]struct {
		value []byte
		want  error
	}{
		"nonsense":    {[]byte("nonsense"), keyring.ErrAuthentication},
		"unknown key": {[]byte("\x01\x02k0..."), keyring.ErrUnknownKey},
	} {
		if _, err := backend.Remove(t.Context(), id.Key()); err != nil {
			t.Fatal(err)
		}
		if err := backend.Insert(t.Context(),
			store.Row{Key: id.Key(), Version: 1, Expires: time.Now().Add(time.Hour), Value: tc.value}, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := st.Get(t.Context(), id); !errors.Is(err, store.ErrTampered) ||
			!errors.Is(err, tc.want) {
			t.Errorf("%s: Get() = %v, want ErrTampered and %v", name, err, tc.want)
		}
	}
}

// unreadable is a backend with something in it that is no row.
type unreadable struct{ broken }

func (unreadable) Insert(context.Context, store.Row, store.Moment) error { return store.ErrExists }
func (unreadable) Lookup(context.Context, store.Key) (store.Row, error) {
	return store.Row{}, store.ErrTampered
}

// What a name was marked for must not begin because its mark is damaged, and the
// damage says nothing about a session.
func TestUnreadableMarkIsThere(t *testing.T) {
	err := store.New(unreadable{}, testRing(t), nil).MarkOnce(t.Context(), "n", time.Hour)
	if !errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrTampered) {
		t.Errorf("MarkOnce() = %v, want ErrExists alone", err)
	}
}

// crossed answers every question with the one row it has.
type crossed struct {
	broken
	row store.Row
}

func (c crossed) Lookup(context.Context, store.Key) (store.Row, error) { return c.row, nil }

func TestAnotherRowIsNoAnswer(t *testing.T) {
	backend, ring := memory.New(), testRing(t)
	id := store.NewID()
	err := store.New(backend, ring, nil).Create(t.Context(), id, store.Record{
		Mode: store.ModeToken, UUID: "u",
		IdleExpires: time.Now().Add(time.Hour), AbsoluteExpires: time.Now().Add(time.Hour),
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	row, err := backend.Lookup(t.Context(), id.Key())
	if err != nil {
		t.Fatal(err)
	}
	st := store.New(crossed{row: row}, ring, nil)
	if _, err := st.Get(t.Context(), id); err != nil {
		t.Errorf("Get(its id) = %v", err)
	}
	if r, err := st.Get(t.Context(), store.NewID()); !errors.Is(err, store.ErrTampered) {
		t.Errorf("Get(another id) = %v, %v, want ErrTampered", r, err)
	}
}

func TestExpires(t *testing.T) {
	early, late := time.Unix(1, 0), time.Unix(2, 0)
	for _, tc := range []struct{ idle, absolute, want time.Time }{
		{early, late, early}, {late, early, early}, {early, early, early},
	} {
		if got := (store.Record{IdleExpires: tc.idle, AbsoluteExpires: tc.absolute}).Expires(); !got.Equal(
			tc.want,
		) {
			t.Errorf("Expires() of %v and %v = %v", tc.idle, tc.absolute, got)
		}
	}
}

func TestIDNeverPrints(t *testing.T) {
	id := store.NewID()
	if id == store.NewID() || id == (store.ID{}) {
		t.Fatal("NewID() is not random")
	}
	holder := struct {
		ID  store.ID
		Ptr *store.ID
	}{id, &id}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n"+verb+"\n", id, holder)
	}
	if err := json.NewEncoder(&out).Encode(holder); err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("text", "id", id, "holder", holder)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "id", id, "holder", holder)

	low := strings.ToLower(out.String())
	for _, form := range []string{
		fmt.Sprintf("%x", id[:4]), fmt.Sprintf("%d %d %d", id[0], id[1], id[2]),
		fmt.Sprintf("%d,%d,%d", id[0], id[1], id[2]), fmt.Sprintf("0x%x, 0x%x", id[0], id[1]),
	} {
		if strings.Contains(low, form) {
			t.Errorf("the id was printed, as %s:\n%s", form, low)
		}
	}
	if strings.Count(low, "[redacted]") < 20 {
		t.Errorf("not every form says [redacted]:\n%s", low)
	}
}

// garbled has something under every key that is no row, until it is removed.
type garbled struct {
	store.Backend
	removed bool
}

func (g *garbled) Insert(ctx context.Context, row store.Row, begun store.Moment) error {
	if !g.removed {
		return store.ErrExists
	}
	return g.Backend.Insert(ctx, row, begun)
}

func (g *garbled) Lookup(ctx context.Context, key store.Key) (store.Row, error) {
	if !g.removed {
		return store.Row{}, store.ErrTampered
	}
	return g.Backend.Lookup(ctx, key)
}

func (g *garbled) Remove(ctx context.Context, key store.Key) (bool, error) {
	g.removed = true
	return g.Backend.Remove(ctx, key)
}

func TestRememberOverWhatIsNoRow(t *testing.T) {
	st := store.New(&garbled{Backend: memory.New()}, testRing(t), nil)
	if err := st.Remember(t.Context(), "a name", "text", time.Hour); err != nil {
		t.Fatal(err)
	}
	if text, err := st.Recall(t.Context(), "a name"); text != "text" || err != nil {
		t.Errorf("Recall() = %q, %v", text, err)
	}
}

// meddled is a backend in which something is done just before a Replace.
type meddled struct {
	store.Backend
	before func(store.Row)
}

func (m *meddled) Replace(ctx context.Context, row store.Row) error {
	if before := m.before; before != nil {
		m.before = nil
		before(row)
	}
	return m.Backend.Replace(ctx, row)
}

// The last write of a note is the one that counts, whatever happens to it meanwhile.
func TestRememberAmongOthers(t *testing.T) {
	backend := &meddled{Backend: memory.New()}
	st := store.New(backend, testRing(t), nil)
	for name, before := range map[string]func(store.Row){
		"another write": func(store.Row) {
			if err := st.Remember(t.Context(), "a name", "theirs", time.Hour); err != nil {
				t.Error(err)
			}
		},
		"swept": func(row store.Row) {
			if removed, err := backend.Remove(t.Context(), row.Key); !removed || err != nil {
				t.Errorf("Remove() = %v, %v", removed, err)
			}
		},
	} {
		if err := st.Remember(t.Context(), "a name", "before", time.Hour); err != nil {
			t.Fatal(err)
		}
		backend.before = before
		if err := st.Remember(t.Context(), "a name", "ours", time.Hour); err != nil {
			t.Errorf("%s: Remember() = %v", name, err)
		}
		if text, err := st.Recall(t.Context(), "a name"); text != "ours" || err != nil ||
			backend.before != nil {
			t.Errorf("%s: Recall() = %q, %v", name, text, err)
		}
	}
}
