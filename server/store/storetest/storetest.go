// Package storetest is the one suite that every store backend passes: the
// sentences of store.Backend, and store.Store on top of it.
package storetest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// Trait is something that the contract leaves to a backend.
type Trait int

// SelfExpiring: the backend drops rows by itself when they expire, by its own
// clock, and its Sweep has nothing to do.
const SelfExpiring Trait = 1

// Run proves that the backends open returns keep the contract. Each must be
// empty and not shared with another call; the suite closes it. The suite moves
// no clock but that of store.Store: rows that a backend may not have dropped
// expire an hour or more from the real now.
func Run(t *testing.T, open func(t *testing.T) store.Backend, traits ...Trait) {
	s := suite{
		selfExpiring: slices.Contains(traits, SelfExpiring),
		base:         time.Now().Truncate(time.Millisecond).UTC(),
		open: func(t *testing.T) store.Backend {
			t.Helper()
			b := open(t)
			t.Cleanup(func() {
				if err := b.Close(); err != nil {
					t.Errorf("Close() = %v", err)
				}
			})
			return b
		},
	}
	for _, c := range [...]struct {
		name string
		run  func(*testing.T)
	}{
		{"Insert", s.insert},
		{"InsertTaken", s.insertTaken},
		{"Lookup", s.lookup},
		{"Slices", s.slices},
		{"Replace", s.replace},
		{"ReplaceOfAnotherOwner", s.replaceOfAnotherOwner},
		{"Remove", s.remove},
		{"RemoveOwner", s.removeOwner},
		{"Owned", s.owned},
		{"Walk", s.walk},
		{"Moments", s.moments},
		{"RevocationRefuses", s.revocationRefuses},
		{"RevocationBeatsALoginUnderWay", s.revocationBeatsALoginUnderWay},
		{"LocksOfTheBackend", s.locksOfTheBackend},
		{"Sweep", s.sweep},
		{"SweepFollowsReplace", s.sweepFollowsReplace},
		{"SweepMany", s.sweepMany},
		{"Canceled", s.canceled},
		{"Closed", s.closed},
		{"OneInsertWins", s.oneInsertWins},
		{"OneReplaceWins", s.oneReplaceWins},
		{"RemoveBeatsReplace", s.removeBeatsReplace},
		{"RemoveOwnerBeatsReplace", s.removeOwnerBeatsReplace},
		{"Store/Create", s.create},
		{"Store/Update", s.update},
		{"Store/UpdateLosesNothing", s.updateLosesNothing},
		{"Store/Expiry", s.expiry},
		{"Store/Refuses", s.refuses},
		{"Store/Delete", s.delete},
		{"Store/DeleteByUUID", s.deleteByUUID},
		{"Store/Sweep", s.storeSweep},
		{"Store/Tampered", s.tampered},
		{"Store/Swapped", s.swapped},
		{"Store/KeyRotation", s.keyRotation},
		{"Store/NothingReadable", s.nothingReadable},
		{"Store/Sessions", s.sessions},
		{"Store/Count", s.count},
		{"Store/Lock", s.lock},
		{"Store/LockOutlivesItsLease", s.lockOutlivesItsLease},
		{"Store/LockOfTheDead", s.lockOfTheDead},
		{"Store/OneLockWins", s.oneLockWins},
		{"Store/MarkOnce", s.markOnce},
		{"Store/Remember", s.remember},
		{"Store/RememberEnds", s.rememberEnds},
		{"Store/RememberAtOnce", s.rememberAtOnce},
		{"Store/RememberOverAnything", s.rememberOverAnything},
	} {
		t.Run(c.name, c.run)
	}
}

type suite struct {
	open         func(*testing.T) store.Backend
	selfExpiring bool
	base         time.Time
}

// row returns a row, different for each n, that expires in an hour.
func (s suite) row(n byte) store.Row {
	return store.Row{
		Key: store.Key{1, n}, Owner: store.Owner{2, n}, Version: 1,
		Expires: s.base.Add(time.Hour), Value: []byte{3, n, 0, 0xff},
	}
}

func (s suite) insert(t *testing.T) {
	b := s.open(t)
	for name, row := range map[string]store.Row{
		"plain":          s.row(1),
		"high version":   {Key: store.Key{9, 1}, Version: 1<<63 + 7, Expires: s.base.Add(time.Hour), Value: []byte("v")},
		"same owner":     {Key: store.Key{9, 2}, Owner: s.row(1).Owner, Version: 1, Expires: s.base.Add(time.Hour), Value: []byte("v")},
		"far expiry":     {Key: store.Key{9, 3}, Version: 1, Expires: s.base.AddDate(50, 0, 0), Value: []byte("v")},
		"a large value":  {Key: store.Key{9, 4}, Version: 1, Expires: s.base.Add(time.Hour), Value: bytes.Repeat([]byte{0, 1, 0xfe}, 20_000)},
		"not to the ms":  {Key: store.Key{9, 5}, Version: 1, Expires: s.base.Add(time.Hour + 7654321), Value: []byte("v")},
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

// calls is one call of every method that takes a context.
func (s suite) calls(b store.Backend) map[string]func(context.Context) error {
	next := s.row(1)
	next.Version = 2
	return map[string]func(context.Context) error{
		"Insert":      func(ctx context.Context) error { return b.Insert(ctx, s.row(2), 0) },
		"Lookup":      func(ctx context.Context) error { _, err := b.Lookup(ctx, s.row(1).Key); return err },
		"Replace":     func(ctx context.Context) error { return b.Replace(ctx, next) },
		"Remove":      func(ctx context.Context) error { _, err := b.Remove(ctx, s.row(1).Key); return err },
		"RemoveOwner": func(ctx context.Context) error { _, err := b.RemoveOwner(ctx, s.row(1).Owner); return err },
		"Sweep":       func(ctx context.Context) error { _, err := b.Sweep(ctx, s.base.Add(2*time.Hour), 10); return err },
		"Owned":       func(ctx context.Context) error { _, err := b.Owned(ctx, s.row(1).Owner); return err },
		"Walk":        func(ctx context.Context) error { return b.Walk(ctx, func(store.Row) error { return nil }) },
		"Now":         func(ctx context.Context) error { _, err := b.Now(ctx); return err },
		"Ping":        b.Ping,
	}
}

func (s suite) canceled(t *testing.T) {
	b := s.open(t)
	mustInsert(t, b, s.row(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range s.calls(b) {
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s(canceled context) = %v, want context.Canceled", name, err)
		}
		wantRow(t, b, s.row(1))
		wantAbsent(t, b, s.row(2).Key)
	}
	if err := b.Ping(t.Context()); err != nil {
		t.Errorf("Ping() = %v", err)
	}
}

func (s suite) closed(t *testing.T) {
	b := s.open(t)
	mustInsert(t, b, s.row(1))
	if err := b.Close(); err != nil {
		t.Fatalf("Close() = %v", err)
	}
	for name, call := range s.calls(b) {
		err := call(t.Context())
		if err == nil {
			t.Errorf("%s() after Close() is no error", name)
		}
		if v := verdict(err); v != nil {
			t.Errorf("%s() after Close() = %v: that says something about a row", name, v)
		}
	}
	if err := b.Close(); err != nil {
		t.Errorf("Close(), again = %v", err)
	}
}

func (s suite) oneInsertWins(t *testing.T) {
	b := s.open(t)
	errs := together(32, func(i int) error {
		row := s.row(1)
		row.Value = []byte{byte(i)}
		return insert(t.Context(), b, row)
	})
	winner := wantOneWinner(t, errs, store.ErrExists)
	row := s.row(1)
	row.Value = []byte{byte(winner)}
	wantRow(t, b, row)
}

func (s suite) oneReplaceWins(t *testing.T) {
	b := s.open(t)
	row := s.row(1)
	mustInsert(t, b, row)
	for version := uint64(2); version < 12; version++ {
		errs := together(32, func(i int) error {
			row := s.row(1)
			row.Version, row.Value = version, []byte{byte(i)}
			return b.Replace(t.Context(), row)
		})
		winner := wantOneWinner(t, errs, store.ErrConflict)
		row.Version, row.Value = version, []byte{byte(winner)}
		wantRow(t, b, row)
	}
}

func (s suite) removeBeatsReplace(t *testing.T) {
	b := s.open(t)
	s.deletionWins(t, b, func() error { _, err := b.Remove(t.Context(), s.row(1).Key); return err })
}

func (s suite) removeOwnerBeatsReplace(t *testing.T) {
	b := s.open(t)
	s.deletionWins(t, b, func() error {
		n, err := b.RemoveOwner(t.Context(), s.row(1).Owner)
		if err == nil && n != 1 {
			err = fmt.Errorf("RemoveOwner() = %d, want 1", n)
		}
		return err
	})
}

func (s suite) deletionWins(t *testing.T, b store.Backend, remove func() error) {
	for range 40 {
		mustInsert(t, b, s.row(1))
		const replacers = 4
		errs := together(replacers+1, func(i int) error {
			if i == replacers/2 {
				return remove()
			}
			next := s.row(1)
			next.Version = 2
			return b.Replace(t.Context(), next)
		})
		for i, err := range errs {
			if i == replacers/2 {
				if err != nil {
					t.Errorf("removing = %v", err)
				}
			} else if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Replace() = %v, want nil, ErrConflict or ErrNotFound", err)
			}
		}
		wantAbsent(t, b, s.row(1).Key)
	}
}

// together runs fn(0) … fn(n-1) at once.
func together(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

func wantOneWinner(t *testing.T, errs []error, lost error) (winner int) {
	t.Helper()
	var winners []int
	for i, err := range errs {
		if err == nil {
			winners = append(winners, i)
		} else if !errors.Is(err, lost) {
			t.Errorf("a loser got %v, want %v", err, lost)
		}
	}
	if len(winners) != 1 {
		t.Fatalf("%d of %d won, want 1", len(winners), len(errs))
	}
	return winners[0]
}

func mustInsert(t *testing.T, b store.Backend, row store.Row) {
	t.Helper()
	if err := insert(t.Context(), b, row); err != nil {
		t.Fatalf("Insert() = %v", err)
	}
}

// insert adds the row of a login that begins now.
func insert(ctx context.Context, b store.Backend, row store.Row) error {
	begun, err := b.Now(ctx)
	if err != nil {
		return err
	}
	return b.Insert(ctx, row, begun)
}

func wantRow(t *testing.T, b store.Backend, want store.Row) {
	t.Helper()
	got, err := b.Lookup(t.Context(), want.Key)
	if err != nil {
		t.Errorf("Lookup() = %v, want a row", err)
		return
	}
	if !equal(got, want) {
		t.Errorf("Lookup() = %.200v, want %.200v", got, want)
	}
}

func equal(got, want store.Row) bool {
	return got.Key == want.Key && got.Owner == want.Owner && got.Version == want.Version &&
		got.Expires.UnixMilli() == want.Expires.UnixMilli() && bytes.Equal(got.Value, want.Value)
}

func wantAbsent(t *testing.T, b store.Backend, key store.Key) {
	t.Helper()
	if _, err := b.Lookup(t.Context(), key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Lookup() = %v, want ErrNotFound", err)
	}
}

// verdict returns the verdict that err is, if any.
func verdict(err error) error {
	for _, v := range [...]error{
		store.ErrNotFound, store.ErrExpired, store.ErrTampered, store.ErrConflict, store.ErrExists, store.ErrRevoked, store.ErrLocked,
	} {
		if errors.Is(err, v) {
			return v
		}
	}
	return nil
}

// ring makes a key ring with a fixed key for each id.
func ring(t *testing.T, ids ...string) *keyring.Ring {
	t.Helper()
	var text string
	for i, id := range ids {
		if i > 0 {
			text += ","
		}
		raw := bytes.Repeat([]byte(id), 32)[:32]
		raw[31] = 0xff
		text += id + ":" + base64.StdEncoding.EncodeToString(raw)
	}
	r, err := keyring.Parse(secret.New(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
