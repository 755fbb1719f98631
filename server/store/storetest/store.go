package storetest

import (
	"errors"
	"maps"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// clock is a settable clock.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

func (s suite) store(t *testing.T) (*store.Store, store.Backend, *clock) {
	t.Helper()
	b, c := s.open(t), &clock{now: s.base}
	return store.New(b, ring(t, "k1"), c.Now), b, c
}

// record returns a record of which every field is set.
func (s suite) record(uuid string) store.Record {
	return store.Record{
		Mode: store.ModeCode, UUID: uuid,
		AccessToken:     secret.New("access-" + uuid),
		AccessIssued:    s.base.Add(-time.Minute),
		AccessExpires:   s.base.Add(59 * time.Minute),
		RefreshToken:    secret.New("refresh-" + uuid + "-\xff\x00"),
		RedirectURI:     "https://www.example.com/back?a=b",
		Created:         s.base.Add(-2 * time.Minute),
		Seen:            s.base.Add(-time.Minute),
		IdleExpires:     s.base.Add(time.Hour),
		AbsoluteExpires: s.base.Add(12 * time.Hour),
		Application:     "https://app.example.com",
		Sent: store.Sent{
			Token:   [32]byte{1, 31: 2},
			By:      "replica 1",
			Version: 7,
			At:      s.base.Add(-time.Second),
		},
		Version: 1,
	}
}

func mustCreate(t *testing.T, st *store.Store, r store.Record) store.ID {
	t.Helper()
	id := store.NewID()
	begun, err := st.Now(t.Context())
	if err != nil {
		t.Fatalf("Now() = %v", err)
	}
	if err := st.Create(t.Context(), id, r, begun); err != nil {
		t.Fatalf("Create() = %v", err)
	}
	return id
}

func wantRecord(t *testing.T, st *store.Store, id store.ID, want store.Record) {
	t.Helper()
	got, err := st.Get(t.Context(), id)
	if err != nil {
		t.Errorf("Get() = %v, want a record", err)
	} else if !reflect.DeepEqual(got, want) {
		t.Errorf("Get() = %+v, want %+v (or a token differs)", got, want)
	}
}

// wantVerdict checks that Get fails with want and with no other verdict.
func wantVerdict(t *testing.T, st *store.Store, id store.ID, want error) {
	t.Helper()
	r, err := st.Get(t.Context(), id)
	if verdict(err) != want {
		t.Errorf("Get() = %v, want %v", err, want)
	}
	if !reflect.DeepEqual(r, store.Record{}) {
		t.Errorf("Get() failed and returned a record all the same: %+v", r)
	}
}

func (s suite) create(t *testing.T) {
	st, _, _ := s.store(t)
	wantVerdict(t, st, store.NewID(), store.ErrNotFound)

	r := s.record("u1")
	r.Version = 77
	id := mustCreate(t, st, r)
	r.Version = 1
	wantRecord(t, st, id, r)
	if err := st.Create(t.Context(), id, s.record("u2"), 0); !errors.Is(err, store.ErrExists) {
		t.Errorf("Create(taken) = %v, want ErrExists", err)
	}
	wantRecord(t, st, id, r)

	sparse := store.Record{
		Mode:            store.ModeToken,
		UUID:            "u3",
		IdleExpires:     r.IdleExpires,
		AbsoluteExpires: r.AbsoluteExpires,
		Version:         1,
	}
	wantRecord(t, st, mustCreate(t, st, sparse), sparse)
	wantVerdict(t, st, store.NewID(), store.ErrNotFound)
}

func (s suite) update(t *testing.T) {
	st, _, _ := s.store(t)
	id, r := store.NewID(), s.record("u1")
	if _, err := st.Update(t.Context(), id, r); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Update(absent) = %v, want ErrNotFound", err)
	}
	wantVerdict(t, st, id, store.ErrNotFound)

	id = mustCreate(t, st, r)
	changed := r
	changed.AccessToken = secret.New("a newer token")
	changed.IdleExpires = r.IdleExpires.Add(time.Hour + 123456*time.Nanosecond)
	got, err := st.Update(t.Context(), id, changed)
	if err != nil {
		t.Fatalf("Update() = %v", err)
	}
	changed.Version, changed.IdleExpires = 2, r.IdleExpires.Add(time.Hour)
	if !reflect.DeepEqual(got, changed) {
		t.Errorf("Update() = %+v, want %+v", got, changed)
	}
	wantRecord(t, st, id, changed)

	if _, err := st.Update(t.Context(), id, r); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Update(stale) = %v, want ErrConflict", err)
	}
	stolen := changed
	stolen.UUID = "u2"
	if _, err := st.Update(t.Context(), id, stolen); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Update(another uuid) = %v, want ErrConflict", err)
	}
	wantRecord(t, st, id, changed)

	if _, err := st.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Update(t.Context(), id, changed); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Update(deleted) = %v, want ErrNotFound", err)
	}
	wantVerdict(t, st, id, store.ErrNotFound)
}

func (s suite) updateLosesNothing(t *testing.T) {
	st, _, _ := s.store(t)
	id := mustCreate(t, st, s.record("u1"))
	const writers, each = 8, 5
	errs := together(writers, func(int) error {
		for done := 0; done < each; {
			r, err := st.Get(t.Context(), id)
			if err != nil {
				return err
			}
			r.AbsoluteExpires = r.AbsoluteExpires.Add(time.Second)
			switch _, err := st.Update(t.Context(), id, r); {
			case err == nil:
				done++
			case !errors.Is(err, store.ErrConflict):
				return err
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	want := s.record("u1")
	want.Version += writers * each
	want.AbsoluteExpires = want.AbsoluteExpires.Add(writers * each * time.Second)
	wantRecord(t, st, id, want)
}

func (s suite) expiry(t *testing.T) {
	st, _, c := s.store(t)
	idle, absolute := s.record("u1"), s.record("u2")
	absolute.AbsoluteExpires = idle.IdleExpires
	absolute.IdleExpires = absolute.AbsoluteExpires.Add(time.Hour)
	for name, r := range map[string]store.Record{"idle": idle, "absolute": absolute} {
		t.Run(name, func(t *testing.T) {
			c.Set(s.base)
			id, end := mustCreate(t, st, r), r.Expires()
			c.Set(end.Add(-1))
			wantRecord(t, st, id, r)
			c.Set(end)
			wantVerdict(t, st, id, store.ErrExpired)
			c.Set(end.AddDate(1, 0, 0))
			wantVerdict(t, st, id, store.ErrExpired)
			wantVerdict(t, st, store.NewID(), store.ErrNotFound)
			if _, err := st.Delete(t.Context(), id); err != nil {
				t.Errorf("Delete(expired) = %v", err)
			}
			wantVerdict(t, st, id, store.ErrNotFound)
		})
	}
}

func (s suite) refuses(t *testing.T) {
	st, _, _ := s.store(t)
	id := mustCreate(t, st, s.record("u1"))
	for name, tc := range map[string]struct {
		change func(*store.Record)
		want   error
	}{
		"no uuid":           {func(r *store.Record) { r.UUID = "" }, nil},
		"unknown mode":      {func(r *store.Record) { r.Mode = "cookie" }, nil},
		"past its idle":     {func(r *store.Record) { r.IdleExpires = s.base }, store.ErrExpired},
		"past its absolute": {func(r *store.Record) { r.AbsoluteExpires = s.base }, store.ErrExpired},
		"no expiry":         {func(r *store.Record) { r.IdleExpires = time.Time{} }, store.ErrExpired},
	} {
		r, fresh := s.record("u1"), store.NewID()
		tc.change(&r)
		if err := st.Create(t.Context(), fresh, r, 0); err == nil || verdict(err) != tc.want {
			t.Errorf("%s: Create() = %v, want an error, verdict %v", name, err, tc.want)
		}
		wantVerdict(t, st, fresh, store.ErrNotFound)
		if _, err := st.Update(t.Context(), id, r); err == nil || verdict(err) != tc.want {
			t.Errorf("%s: Update() = %v, want an error, verdict %v", name, err, tc.want)
		}
		wantRecord(t, st, id, s.record("u1"))
	}
}

func (s suite) delete(t *testing.T) {
	st, _, _ := s.store(t)
	one, two := mustCreate(t, st, s.record("u1")), mustCreate(t, st, s.record("u1"))
	for _, want := range []bool{true, false} {
		if removed, err := st.Delete(t.Context(), one); removed != want || err != nil {
			t.Errorf("Delete() = %v, %v, want %v", removed, err, want)
		}
		wantVerdict(t, st, one, store.ErrNotFound)
	}
	wantRecord(t, st, two, s.record("u1"))
	if err := st.Ping(t.Context()); err != nil {
		t.Errorf("Ping() = %v", err)
	}
}

func (s suite) deleteByUUID(t *testing.T) {
	st, _, clock := s.store(t)
	begun, err := st.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	one, two, other := mustCreate(t, st, s.record("u1")), mustCreate(
		t, st, s.record("u1"),
	), mustCreate(t, st, s.record("u2"))
	if n, err := st.DeleteByUUID(t.Context(), "u1"); n != 2 || err != nil {
		t.Errorf("DeleteByUUID() = %d, %v, want 2", n, err)
	}
	wantVerdict(t, st, one, store.ErrNotFound)
	wantVerdict(t, st, two, store.ErrNotFound)
	wantRecord(t, st, other, s.record("u2"))
	late := store.NewID()
	if err := st.Create(t.Context(), late, s.record("u1"), begun); verdict(
		err,
	) != store.ErrRevoked {
		t.Errorf("Create(of a login before it) = %v, want ErrRevoked", err)
	}
	wantVerdict(t, st, late, store.ErrNotFound)
	wantRecord(t, st, mustCreate(t, st, s.record("u1")), s.record("u1"))
	if n, err := st.DeleteByUUID(t.Context(), "unknown"); n != 0 || err != nil {
		t.Errorf("DeleteByUUID(unknown) = %d, %v, want 0", n, err)
	}
	// What is over is removed as well, and is no session that has ended now.
	over, lives := s.record("u3"), s.record("u3")
	lives.IdleExpires = lives.AbsoluteExpires
	last, living := mustCreate(t, st, over), mustCreate(t, st, lives)
	clock.Set(over.IdleExpires)
	if n, err := st.DeleteByUUID(t.Context(), "u3"); n != 1 || err != nil {
		t.Errorf("DeleteByUUID(one lives, one is over) = %d, %v, want 1", n, err)
	}
	wantVerdict(t, st, last, store.ErrNotFound)
	wantVerdict(t, st, living, store.ErrNotFound)
}

func noSession(t *testing.T) func(store.Ended) {
	return func(ended store.Ended) { t.Errorf("a session ended: %+v", ended) }
}

// A sweep deletes what has been over for longer than the grace, and says which
// sessions those were; a clock that is an hour ahead for a while ends none.
func (s suite) storeSweep(t *testing.T) {
	st, _, c := s.store(t)
	idle, absolute, long := s.record("u1"), s.record("u2"), s.record("u3")
	absolute.AbsoluteExpires, absolute.IdleExpires = s.base.Add(30*time.Minute), s.base.Add(
		2*time.Hour,
	)
	long.IdleExpires = long.IdleExpires.Add(time.Hour)
	gone, goneToo, kept := mustCreate(t, st, idle), mustCreate(
		t, st, absolute,
	), mustCreate(t, st, long)

	c.Set(s.base.Add(time.Hour)) // an hour ahead
	wantVerdict(t, st, gone, store.ErrExpired)
	if n, err := st.Sweep(t.Context(), noSession(t)); n != 0 || err != nil {
		t.Errorf("Sweep(an hour ahead) = %d, %v", n, err)
	}
	c.Set(s.base)
	wantRecord(t, st, gone, idle)
	wantRecord(t, st, goneToo, absolute)

	c.Set(idle.IdleExpires.Add(store.Grace))
	ended := map[store.Key]store.Ended{}
	n, err := st.Sweep(t.Context(), func(e store.Ended) { ended[e.Key] = e })
	want, after := map[store.Key]store.Ended{
		gone.Key(): {Key: gone.Key(), Limit: store.LimitIdle, At: idle.IdleExpires},
		goneToo.Key(): {
			Key:   goneToo.Key(),
			Limit: store.LimitAbsolute,
			At:    absolute.AbsoluteExpires,
		},
	}, store.ErrNotFound
	if s.selfExpiring {
		want, after = map[store.Key]store.Ended{}, store.ErrExpired
	}
	if n != len(want) || err != nil || !maps.Equal(ended, want) {
		t.Errorf("Sweep() = %d, %v, and said %v, want %v", n, err, ended, want)
	}
	wantVerdict(t, st, gone, after)
	c.Set(s.base)
	wantRecord(t, st, kept, long)
}
