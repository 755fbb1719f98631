package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Claim takes a name, for ttl at most, for one caller among all that share the
// backend; it is ErrExists while somebody has it. Only a hash of the name is
// kept.
//
// release gives the name back; never called, the claim ends with its ttl. A
// claim says who may begin, not who may write: its holder can be late, so what
// must not happen twice has to be guarded by [Store.Update] as well.
func (s *Store) Claim(ctx context.Context, name string, ttl time.Duration) (release func(context.Context) error, err error) {
	row, err := s.take(ctx, name, ttl)
	if err != nil {
		return nil, fmt.Errorf("store: claim: %w", err)
	}
	return func(ctx context.Context) error { return s.release(ctx, row) }, nil
}

// Hold is a Claim that lasts as long as its holder lives: it is renewed three
// times in each ttl until it is released or ctx is done. What a holder that
// died had is free after ttl; one that cannot reach the backend for so long has
// lost the name without noticing.
func (s *Store) Hold(ctx context.Context, name string, ttl time.Duration) (release func(context.Context) error, err error) {
	row, err := s.take(ctx, name, ttl)
	if err != nil {
		return nil, fmt.Errorf("store: hold: %w", err)
	}
	holding, stop := context.WithCancel(ctx)
	renewed := make(chan Row, 1)
	go func() { renewed <- s.renew(holding, row, ttl) }()
	last := sync.OnceValue(func() Row {
		stop()
		return <-renewed
	})
	return func(ctx context.Context) error { return s.release(ctx, last()) }, nil
}

// renew moves the end of a claim until ctx is done or somebody else has it, and
// returns the row as it was written last.
func (s *Store) renew(ctx context.Context, row Row, ttl time.Duration) Row {
	ticks := time.NewTicker(ttl / 3)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return row
		case <-ticks.C:
		}
		next := row
		next.Version++
		next.Expires = milli(s.now().Add(ttl))
		var err error
		if next.Value, err = s.ring.Seal(nil, binding(next)); err != nil {
			return row // without keys nothing was claimed either
		}
		// Not under ctx: one that is cut off may have been written, and then
		// nobody could tell whose the row is.
		writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), ttl)
		err = s.backend.Replace(writing, next)
		cancel()
		switch {
		case err == nil:
			row = next
		case errors.Is(err, ErrConflict), errors.Is(err, ErrNotFound):
			return row
		}
	}
}

// take writes the row of a claim.
func (s *Store) take(ctx context.Context, name string, ttl time.Duration) (Row, error) {
	key := Key(sha256.Sum256([]byte("keepalive claim " + name)))
	// An owner of its own: the claims of all sessions under one owner would
	// make an index that every login and renewal writes to.
	row := Row{Key: key, Owner: Owner(key), Version: 1, Expires: milli(s.now().Add(ttl))}
	for {
		// What is sealed is nothing; that no two seals are equal tells one
		// claim from the next.
		var err error
		if row.Value, err = s.ring.Seal(nil, binding(row)); err != nil {
			return Row{}, err
		}
		if err = s.insertOver(ctx, &row); !errors.Is(err, errAgain) {
			return row, err
		}
	}
}

// errAgain: the row in the way is not what it was.
var errAgain = errors.New("store: the row in the way has changed")

// insertOver inserts row, or replaces an expired one, which a backend may keep
// until it is swept. The row that is written has the version it needs.
func (s *Store) insertOver(ctx context.Context, row *Row) error {
	if row.Version == 1 {
		err := s.backend.Insert(ctx, *row)
		if !errors.Is(err, ErrExists) {
			return err
		}
	} else {
		switch err := s.backend.Replace(ctx, *row); {
		case errors.Is(err, ErrConflict):
			return ErrExists // somebody else was first
		case errors.Is(err, ErrNotFound):
			row.Version = 1
			return errAgain
		default:
			return err
		}
	}
	old, err := s.backend.Lookup(ctx, row.Key)
	switch {
	case errors.Is(err, ErrNotFound):
		return errAgain
	case errors.Is(err, ErrTampered):
		return ErrExists // it cannot be read, so nobody can say that it has ended
	case err != nil:
		return err
	case s.now().Round(0).Before(old.Expires):
		return ErrExists
	}
	row.Version = old.Version + 1
	return errAgain
}

// release removes row if it is still there. A claim that ended meanwhile may be
// another's.
func (s *Store) release(ctx context.Context, row Row) error {
	held, err := s.backend.Lookup(ctx, row.Key)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("store: release: %w", err)
	case !bytes.Equal(held.Value, row.Value):
		return nil
	}
	if _, err := s.backend.Remove(ctx, row.Key); err != nil {
		return fmt.Errorf("store: release: %w", err)
	}
	return nil
}
