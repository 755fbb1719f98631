package storetest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

func (s suite) insert(t *testing.T) {
	b := s.open(t)
	for name, row := range map[string]store.Row{
		"plain": s.row(1),
		"high version": {Key: store.Key{9, 1}, Version: 1<<63 + 7, Expires: s.base.Add(time.Hour),
			Value: []byte("v")},
		"same owner": {Key: store.Key{9, 2}, Owner: s.row(1).Owner, Version: 1,
			Expires: s.base.Add(time.Hour), Value: []byte("v")},
		"far expiry": {Key: store.Key{9, 3}, Version: 1, Expires: s.base.AddDate(50, 0, 0), Value: []byte("v")},
		"a large value": {Key: store.Key{9, 4}, Version: 1, Expires: s.base.Add(time.Hour),
			Value: bytes.Repeat([]byte{0, 1, 0xfe}, 20_000)},
		"not to the ms": {Key: store.Key{9, 5}, Version: 1,
			Expires: s.base.Add(time.Hour + 7654321), Value: []byte("v")},
		"one byte value": {Key: store.Key{9, 6}, Version: 1, Expires: s.base.Add(time.Hour), Value: []byte{0}},
	} {
		if err := insert(t.Context(), b, row); err != nil {
			t.Fatalf("%s: Insert() = %v", name, err)
		}
		wantRow(t, b, row)
	}
	wantRow(t, b, s.row(1))
}

func (s suite) insertTaken(t *testing.T) {
	b := s.open(t)
	mustInsert(t, b, s.row(1))
	other := s.row(2)
	other.Key = s.row(1).Key
	if err := insert(t.Context(), b, other); !errors.Is(err, store.ErrExists) {
		t.Errorf("Insert(taken key) = %v, want ErrExists", err)
	}
	wantRow(t, b, s.row(1))

	expired := s.row(3)
	expired.Expires = s.base.Add(-time.Hour)
	mustInsert(t, b, expired)
	err := insert(t.Context(), b, expired)
	if s.selfExpiring && err == nil {
		return
	}
	if !errors.Is(err, store.ErrExists) {
		t.Errorf("Insert(key of an expired row) = %v, want ErrExists", err)
	}
}

func (s suite) lookup(t *testing.T) {
	b := s.open(t)
	wantAbsent(t, b, s.row(1).Key)
	mustInsert(t, b, s.row(1))
	wantRow(t, b, s.row(1))
	wantAbsent(t, b, s.row(2).Key)

	expired := s.row(3)
	expired.Expires = s.base.Add(-time.Hour)
	mustInsert(t, b, expired)
	wantRow(t, b, expired) // for a while

	expired = s.row(4)
	expired.Expires = s.base.Add(-store.Grace - time.Hour)
	mustInsert(t, b, expired)
	if s.selfExpiring {
		wantAbsent(t, b, expired.Key)
	} else {
		wantRow(t, b, expired)
	}
}

func (s suite) slices(t *testing.T) {
	b := s.open(t)
	given := s.row(1)
	mustInsert(t, b, given)
	clear(given.Value)
	wantRow(t, b, s.row(1))

	got, err := b.Lookup(t.Context(), s.row(1).Key)
	if err != nil {
		t.Fatal(err)
	}
	clear(got.Value)
	wantRow(t, b, s.row(1))

	next := s.row(1)
	next.Version = 2
	if err := b.Replace(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	want := next
	want.Value = bytes.Clone(next.Value)
	clear(next.Value)
	wantRow(t, b, want)
}

func (s suite) replace(t *testing.T) {
	b := s.open(t)
	if err := b.Replace(t.Context(), s.row(1)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Replace(absent) = %v, want ErrNotFound", err)
	}
	wantAbsent(t, b, s.row(1).Key)

	first := s.row(1)
	first.Version = 5
	mustInsert(t, b, first)
	mustInsert(t, b, s.row(2))
	for _, version := range []uint64{0, 1, 4, 5, 7, 1 << 40} {
		stale := first
		stale.Version, stale.Value = version, []byte("stale")
		if err := b.Replace(t.Context(), stale); !errors.Is(err, store.ErrConflict) {
			t.Errorf("Replace(version %d over 5) = %v, want ErrConflict", version, err)
		}
		wantRow(t, b, first)
	}

	next := first
	next.Version, next.Value, next.Expires = 6, []byte("next"), first.Expires.Add(time.Minute)
	if err := b.Replace(t.Context(), next); err != nil {
		t.Fatalf("Replace(version 6 over 5) = %v", err)
	}
	wantRow(t, b, next)
	wantRow(t, b, s.row(2))
	again := next
	again.Value = []byte("another")
	if err := b.Replace(t.Context(), again); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Replace(same version again) = %v, want ErrConflict", err)
	}

	if _, err := b.Remove(t.Context(), next.Key); err != nil {
		t.Fatal(err)
	}
	next.Version++
	if err := b.Replace(t.Context(), next); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Replace(removed) = %v, want ErrNotFound", err)
	}
	wantAbsent(t, b, next.Key)
}

func (s suite) replaceOfAnotherOwner(t *testing.T) {
	b := s.open(t)
	mustInsert(t, b, s.row(1))
	stolen := s.row(1)
	stolen.Version, stolen.Owner = 2, s.row(2).Owner
	if err := b.Replace(t.Context(), stolen); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Replace(another owner) = %v, want ErrConflict", err)
	}
	wantRow(t, b, s.row(1))
}

func (s suite) remove(t *testing.T) {
	b := s.open(t)
	mustInsert(t, b, s.row(1))
	mustInsert(t, b, s.row(2))
	for _, want := range []bool{true, false} {
		if removed, err := b.Remove(t.Context(), s.row(1).Key); removed != want || err != nil {
			t.Errorf("Remove() = %v, %v, want %v", removed, err, want)
		}
		wantAbsent(t, b, s.row(1).Key)
	}
	wantRow(t, b, s.row(2))
	if n, err := b.RemoveOwner(t.Context(), s.row(1).Owner); n != 0 || err != nil {
		t.Errorf("RemoveOwner() after Remove() = %d, %v, want 0: the row is gone", n, err)
	}
	mustInsert(t, b, s.row(1))
	wantRow(t, b, s.row(1))
}

func (s suite) removeOwner(t *testing.T) {
	b := s.open(t)
	owner := store.Owner{7, 31: 7}
	var own []store.Row
	for n := range byte(5) {
		row := s.row(n)
		row.Owner = owner
		own = append(own, row)
		mustInsert(t, b, row)
	}
	// One of them has been written again, one has gone already.
	own[1].Version = 2
	if err := b.Replace(t.Context(), own[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Remove(t.Context(), own[4].Key); err != nil {
		t.Fatal(err)
	}
	// Neighbours, in whatever order the backend keeps owners.
	below, above := s.row(50), s.row(51)
	below.Owner, above.Owner = store.Owner{7, 31: 6}, store.Owner{7, 31: 8}
	mustInsert(t, b, below)
	mustInsert(t, b, above)

	if n, err := b.RemoveOwner(t.Context(), store.Owner{8}); n != 0 || err != nil {
		t.Errorf("RemoveOwner(no rows) = %d, %v, want 0", n, err)
	}
	if n, err := b.RemoveOwner(t.Context(), owner); n != 4 || err != nil {
		t.Errorf("RemoveOwner() = %d, %v, want 4", n, err)
	}
	for _, row := range own {
		wantAbsent(t, b, row.Key)
	}
	wantRow(t, b, below)
	wantRow(t, b, above)
	if n, err := b.RemoveOwner(t.Context(), owner); n != 0 || err != nil {
		t.Errorf("RemoveOwner(again) = %d, %v, want 0", n, err)
	}
}

// wantSweep sweeps and checks that exactly the rows of gone have gone, or for
// a self-expiring backend that nothing has: their time has not come by its own
// clock.
func (s suite) wantSweep(t *testing.T, b store.Backend, now time.Time, gone, kept []store.Row) {
	t.Helper()
	if s.selfExpiring {
		gone, kept = nil, append(gone, kept...)
	}
	const limit = 100
	var swept []store.Row
	for {
		some, err := b.Sweep(t.Context(), now, limit)
		if err != nil || len(some) > limit {
			t.Fatalf("Sweep(%d) = %d rows, %v", limit, len(some), err)
		}
		swept = append(swept, some...)
		if len(some) < limit {
			break
		}
	}
	sameRows(t, "Sweep()", swept, gone)
	for _, row := range gone {
		wantAbsent(t, b, row.Key)
	}
	for _, row := range kept {
		wantRow(t, b, row)
	}
}

func (s suite) sweep(t *testing.T) {
	b := s.open(t)
	at := s.base.Add(2 * time.Hour)
	early, exact, late := s.row(1), s.row(2), s.row(3)
	early.Expires, exact.Expires, late.Expires = at.Add(-time.Hour), at, at.Add(time.Millisecond)
	for _, row := range []store.Row{late, early, exact} {
		mustInsert(t, b, row)
	}
	s.wantSweep(t, b, s.base, nil, []store.Row{early, exact, late})
	s.wantSweep(t, b, at.Add(999*time.Microsecond), []store.Row{early, exact}, []store.Row{late})
	for _, row := range []store.Row{early, exact} {
		n, err := b.RemoveOwner(t.Context(), row.Owner)
		if want := map[bool]int{true: 1, false: 0}[s.selfExpiring]; n != want || err != nil {
			t.Errorf("RemoveOwner() of a row swept = %d, %v, want %d", n, err, want)
		}
	}
}

func (s suite) sweepFollowsReplace(t *testing.T) {
	b := s.open(t)
	longer, shorter := s.row(1), s.row(2)
	longer.Expires, shorter.Expires = s.base.Add(time.Hour), s.base.Add(3*time.Hour)
	mustInsert(t, b, longer)
	mustInsert(t, b, shorter)
	longer.Version, longer.Expires = 2, s.base.Add(3*time.Hour)
	shorter.Version, shorter.Expires = 2, s.base.Add(time.Hour)
	for _, row := range []store.Row{longer, shorter} {
		if err := b.Replace(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	}
	s.wantSweep(t, b, s.base.Add(2*time.Hour), []store.Row{shorter}, []store.Row{longer})
}

func (s suite) sweepMany(t *testing.T) {
	b := s.open(t)
	var gone, kept []store.Row
	for i := range 600 {
		row := s.row(0)
		row.Key = store.Key{4, byte(i), byte(i >> 8)}
		if i%100 == 0 {
			row.Expires = s.base.Add(3 * time.Hour)
			kept = append(kept, row)
		} else {
			row.Expires = s.base.Add(time.Hour + time.Duration(i)*time.Millisecond)
			gone = append(gone, row)
		}
	}
	errs := together(len(gone)+len(kept), func(i int) error {
		if i < len(gone) {
			return insert(t.Context(), b, gone[i])
		}
		return insert(t.Context(), b, kept[i-len(gone)])
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	s.wantSweep(t, b, s.base.Add(2*time.Hour), gone, kept)
}
