// Package storetest is the one suite that every store backend passes: the
// sentences of store.Backend, and store.Store on top of it.
package storetest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
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
		store.ErrNotFound, store.ErrExpired, store.ErrTampered, store.ErrConflict,
		store.ErrExists, store.ErrRevoked, store.ErrLocked,
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
