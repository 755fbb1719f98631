package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

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
		"Sweep": func(ctx context.Context) error {
			_, err := b.Sweep(ctx, s.base.Add(2*time.Hour), 10)
			return err
		},
		"Owned": func(ctx context.Context) error { _, err := b.Owned(ctx, s.row(1).Owner); return err },
		"Walk":  func(ctx context.Context) error { return b.Walk(ctx, func(store.Row) error { return nil }) },
		"Now":   func(ctx context.Context) error { _, err := b.Now(ctx); return err },
		"Ping":  b.Ping,
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
