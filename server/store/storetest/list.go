package storetest

import (
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

func (s suite) sessions(t *testing.T) {
	st, b, clock := s.store(t)
	ids := map[store.Key]store.ID{}
	var order []store.Key
	for i := range 4 {
		r := s.record("u1")
		r.Created = s.base.Add(time.Duration(-i) * time.Hour)
		r.Seen = s.base.Add(time.Duration(-i) * time.Minute)
		id := mustCreate(t, st, r)
		ids[id.Key()] = id
		order = append([]store.Key{id.Key()}, order...) // the oldest first
	}
	mustCreate(t, st, s.record("u2"))
	over := s.record("u1")
	over.IdleExpires = s.base.Add(time.Minute)
	mustCreate(t, st, over)
	foreign := store.New(b, ring(t, "k9"), clock.Now) // another ring's: out of reach
	mustCreate(t, foreign, s.record("u1"))
	clock.Set(s.base.Add(2 * time.Minute))

	listed, err := st.Sessions(t.Context(), "u1")
	if err != nil || len(listed) != len(order) {
		t.Fatalf("Sessions() = %d, %v, want %d", len(listed), err, len(order))
	}
	for i, each := range listed {
		r, err := st.Get(t.Context(), ids[each.Key])
		want := store.Listed{
			Key: order[i], Mode: r.Mode, Opened: r.Created,
			Seen: r.Seen, Renewed: r.AccessIssued,
			IdleExpires: r.IdleExpires, AbsoluteExpires: r.AbsoluteExpires, KeyID: "k1",
		}
		if err != nil || each != want {
			t.Errorf("session %d is %+v, want %+v (%v)", i, each, want, err)
		}
	}
	if listed, err := st.Sessions(t.Context(), "unknown"); len(listed) != 0 || err != nil {
		t.Errorf("Sessions(of no user) = %v, %v", listed, err)
	}

	// The two oldest go, except the one that was just opened.
	ended, err := st.EndOldest(t.Context(), "u1", 2, ids[order[0]])
	if err != nil || len(ended) != 2 || ended[0].Key != order[1] || ended[1].Key != order[2] {
		t.Errorf("EndOldest() = %+v, %v", ended, err)
	}
	wantVerdict(t, st, ids[order[1]], store.ErrNotFound)
	wantVerdict(t, st, ids[order[2]], store.ErrNotFound)
	for _, key := range []store.Key{order[0], order[3]} {
		if _, err := st.Get(t.Context(), ids[key]); err != nil {
			t.Errorf("EndOldest() ended another: %v", err)
		}
	}
	if ended, err := st.EndOldest(t.Context(), "u1", 2, ids[order[0]]); len(ended) != 0 ||
		err != nil {
		t.Errorf("EndOldest(again) = %v, %v", ended, err)
	}
}

func (s suite) count(t *testing.T) {
	b, clock := s.open(t), &clock{now: s.base}
	before := store.New(b, ring(t, "k1"), clock.Now)
	both := store.New(b, ring(t, "k2", "k1"), clock.Now)
	want := func(living, k1, k2 int) {
		t.Helper()
		byKey, err := both.Count(t.Context())
		all := 0
		for _, sessions := range byKey {
			all += sessions
		}
		if err != nil || all != living || byKey["k1"] != k1 || byKey["k2"] != k2 {
			t.Errorf("Count() = %v, %v, want %d: %d and %d", byKey, err, living, k1, k2)
		}
	}
	want(0, 0, 0)
	var ids []store.ID
	for range 3 {
		ids = append(ids, mustCreate(t, before, s.record("u1")))
	}
	mustCreate(t, both, s.record("u2"))
	mustRemember(t, both, "a note", "is no session", time.Hour)
	if err := both.MarkOnce(t.Context(), "a mark", time.Hour); err != nil {
		t.Fatal(err)
	}
	want(4, 3, 1)

	// A record that is read under an old key says so, and is sealed anew with the
	// next write.
	r, err := both.Get(t.Context(), ids[0])
	if err != nil || !r.OldKey {
		t.Errorf("Get(sealed under an old key) = OldKey %v, %v", r.OldKey, err)
	}
	if r, err = both.Update(t.Context(), ids[0], r); err != nil || r.OldKey {
		t.Errorf("Update() = OldKey %v, %v", r.OldKey, err)
	}
	if r, err = both.Get(t.Context(), ids[0]); err != nil || r.OldKey {
		t.Errorf("Get(sealed anew) = OldKey %v, %v", r.OldKey, err)
	}
	want(4, 2, 2)
	if _, err := both.Delete(t.Context(), ids[1]); err != nil {
		t.Fatal(err)
	}
	want(3, 1, 2)
	clock.Set(s.record("u1").IdleExpires)
	want(0, 0, 0)
}
