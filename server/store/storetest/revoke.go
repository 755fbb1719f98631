package storetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

func now(t *testing.T, b store.Backend) store.Moment {
	t.Helper()
	m, err := b.Now(t.Context())
	if err != nil {
		t.Fatalf("Now() = %v", err)
	}
	return m
}

func (s suite) moments(t *testing.T) {
	b := s.open(t)
	seen := make([][]store.Moment, 8)
	if err := errors.Join(together(len(seen), func(i int) error {
		for range 50 {
			m, err := b.Now(t.Context())
			if err != nil {
				return err
			}
			seen[i] = append(seen[i], m)
		}
		return nil
	})...); err != nil {
		t.Fatal(err)
	}
	var all []store.Moment
	for i, some := range seen {
		if !slices.IsSorted(some) {
			t.Errorf("caller %d: moments go back: %v", i, some)
		}
		all = append(all, some...)
	}
	slices.Sort(all)
	if len(slices.Compact(all)) != 8*50 {
		t.Error("two moments are the same")
	}
	if off := time.Since(time.UnixMicro(int64(all[0]))).Abs(); off > time.Hour {
		t.Errorf("a moment is %v from now, want microseconds since 1970", off)
	}
}

// A login that began before a revocation is refused, one that began after is
// not, and other users notice nothing.
func (s suite) revocationRefuses(t *testing.T) {
	b := s.open(t)
	before := now(t, b)
	if n, err := b.RemoveOwner(t.Context(), s.row(1).Owner); n != 0 || err != nil {
		t.Fatalf("RemoveOwner() = %d, %v", n, err)
	}
	if err := b.Insert(t.Context(), s.row(1), before); !errors.Is(err, store.ErrRevoked) {
		t.Errorf("Insert(of a login before the revocation) = %v, want ErrRevoked", err)
	}
	wantAbsent(t, b, s.row(1).Key)
	if err := b.Insert(t.Context(), s.row(2), before); err != nil {
		t.Errorf("Insert(of another user) = %v", err)
	}
	after := now(t, b)
	if err := b.Insert(t.Context(), s.row(1), after); err != nil {
		t.Errorf("Insert(of a login after the revocation) = %v", err)
	}
	wantRow(t, b, s.row(1))
	// A session of that login lives on, and is written as any other.
	next := s.row(1)
	next.Version = 2
	if err := b.Replace(t.Context(), next); err != nil {
		t.Errorf("Replace() = %v", err)
	}
	// A sweep does not forget the revocation before its time.
	if _, err := b.Sweep(t.Context(), s.base.Add(-store.Grace), 1000); err != nil {
		t.Fatal(err)
	}
	row := s.row(3)
	row.Owner = s.row(1).Owner
	if err := b.Insert(t.Context(), row, before); !errors.Is(err, store.ErrRevoked) {
		t.Errorf("Insert(before the revocation, after a sweep) = %v, want ErrRevoked", err)
	}
}

// However a revocation and the inserts of logins that began before it meet, no
// row is left.
func (s suite) revocationBeatsALoginUnderWay(t *testing.T) {
	b := s.open(t)
	const logins = 6
	for round := range byte(60) {
		owner := store.Owner{3, round}
		begun := now(t, b)
		errs := together(logins+1, func(i int) error {
			for range rand.N(4) { // spread them: calls that cost a little
				if _, err := b.Lookup(t.Context(), store.Key{0xff}); !errors.Is(
					err, store.ErrNotFound,
				) {
					return err
				}
			}
			if i == logins {
				_, err := b.RemoveOwner(t.Context(), owner)
				return err
			}
			row := s.row(0)
			row.Key, row.Owner = store.Key{5, round, byte(i)}, owner
			if err := b.Insert(t.Context(), row, begun); !errors.Is(err, store.ErrRevoked) {
				return err
			}
			return nil
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		for i := range byte(logins) {
			wantAbsent(t, b, store.Key{5, round, i})
		}
	}
}

func (s suite) owned(t *testing.T) {
	b := s.open(t)
	owner := store.Owner{7}
	var want []store.Row
	for n := range byte(4) {
		row := s.row(n)
		row.Owner = owner
		mustInsert(t, b, row)
		want = append(want, row)
	}
	want[1].Version, want[1].Value = 2, []byte("changed")
	if err := b.Replace(t.Context(), want[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Remove(t.Context(), want[0].Key); err != nil {
		t.Fatal(err)
	}
	want = want[1:]
	mustInsert(t, b, s.row(20)) // another's
	got, err := b.Owned(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	sameRows(t, "Owned()", got, want)
	if got, err := b.Owned(t.Context(), store.Owner{8}); len(got) != 0 || err != nil {
		t.Errorf("Owned(no rows) = %v, %v", got, err)
	}
	clear(got[0].Value)
	wantRow(t, b, want[0])
}

func (s suite) walk(t *testing.T) {
	b := s.open(t)
	var want []store.Row
	for i := range 600 {
		row := s.row(0)
		row.Key, row.Owner = store.Key{4, byte(i), byte(i >> 8)}, store.Owner{5, byte(i)}
		if i%3 == 0 {
			row.Owner = store.Owner(row.Key) // of no user
		} else {
			want = append(want, row)
		}
		mustInsert(t, b, row)
	}
	var got []store.Row
	if err := b.Walk(t.Context(), func(row store.Row) error {
		got = append(got, row)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	sameRows(t, "Walk()", got, want)

	stop := errors.New("enough")
	visits := 0
	err := b.Walk(t.Context(), func(store.Row) error {
		visits++
		return stop
	})
	if !errors.Is(err, stop) || visits < 1 || visits > 10 {
		t.Errorf("Walk() goes on after an error: %d visits, %v", visits, err)
	}
}

// sameRows compares what two rows have by their keys.
func sameRows(t *testing.T, what string, got, want []store.Row) {
	t.Helper()
	byKey := map[store.Key]store.Row{}
	for _, row := range got {
		byKey[row.Key] = row
	}
	if len(got) != len(want) || len(byKey) != len(want) {
		t.Errorf("%s has %d rows, %d different, want %d", what, len(got), len(byKey), len(want))
	}
	for _, row := range want {
		if !equal(byKey[row.Key], row) {
			t.Errorf("%s: %.200v, want %.200v", what, byKey[row.Key], row)
		}
	}
}
