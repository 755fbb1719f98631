// Package memory is a store backend that keeps rows in the process: for the
// demo, for tests, and for a single server that may sign its users out
// when it restarts.
package memory

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

var errClosed = errors.New("memory: the store is closed")

// Backend implements store.Backend. The zero value is empty and ready.
type Backend struct {
	moments store.Moments

	mu      sync.Mutex
	rows    map[store.Key]store.Row      // guarded by mu
	revoked map[store.Owner]store.Moment // guarded by mu; until Sweep forgets it
	closed  bool                         // guarded by mu
}

var _ store.Backend = (*Backend)(nil)

// New returns an empty backend.
func New() *Backend { return &Backend{} }

// enter locks the backend for one call; the caller unlocks it if there is no
// error.
func (b *Backend) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return errClosed
	}
	return nil
}

// Insert implements store.Backend.
func (b *Backend) Insert(ctx context.Context, row store.Row, begun store.Moment) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.mu.Unlock()
	if at, revoked := b.revoked[row.Owner]; revoked && begun <= at {
		return store.ErrRevoked
	}
	if _, taken := b.rows[row.Key]; taken {
		return store.ErrExists
	}
	if b.rows == nil {
		b.rows = map[store.Key]store.Row{}
	}
	row.Value = bytes.Clone(row.Value)
	b.rows[row.Key] = row
	return nil
}

// Lookup implements store.Backend.
func (b *Backend) Lookup(ctx context.Context, key store.Key) (store.Row, error) {
	if err := b.enter(ctx); err != nil {
		return store.Row{}, err
	}
	defer b.mu.Unlock()
	row, ok := b.rows[key]
	if !ok {
		return store.Row{}, store.ErrNotFound
	}
	row.Value = bytes.Clone(row.Value)
	return row, nil
}

// Replace implements store.Backend.
func (b *Backend) Replace(ctx context.Context, row store.Row) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.mu.Unlock()
	old, ok := b.rows[row.Key]
	if !ok {
		return store.ErrNotFound
	}
	if old.Version != row.Version-1 || old.Owner != row.Owner {
		return store.ErrConflict
	}
	row.Value = bytes.Clone(row.Value)
	b.rows[row.Key] = row
	return nil
}

// Remove implements store.Backend.
func (b *Backend) Remove(ctx context.Context, key store.Key) (bool, error) {
	if err := b.enter(ctx); err != nil {
		return false, err
	}
	defer b.mu.Unlock()
	_, found := b.rows[key]
	delete(b.rows, key)
	return found, nil
}

// RemoveOwner implements store.Backend.
func (b *Backend) RemoveOwner(ctx context.Context, owner store.Owner) (int, error) {
	if err := b.enter(ctx); err != nil {
		return 0, err
	}
	defer b.mu.Unlock()
	if b.revoked == nil {
		b.revoked = map[store.Owner]store.Moment{}
	}
	b.revoked[owner] = b.moments.Next()
	removed := b.removeIf(len(b.rows), func(row store.Row) bool { return row.Owner == owner })
	return len(removed), nil
}

// Owned implements store.Backend.
func (b *Backend) Owned(ctx context.Context, owner store.Owner) ([]store.Row, error) {
	return b.find(ctx, func(row store.Row) bool { return row.Owner == owner })
}

// Walk implements store.Backend.
func (b *Backend) Walk(ctx context.Context, visit func(store.Row) error) error {
	rows, err := b.find(ctx, func(row store.Row) bool { return !row.Unowned() })
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := visit(row); err != nil {
			return err
		}
	}
	return nil
}

// Sweep implements store.Backend.
func (b *Backend) Sweep(ctx context.Context, before time.Time, limit int) ([]store.Row, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.mu.Unlock()
	forget := store.Moment(before.Add(-store.RevokedFor).UnixMicro())
	maps.DeleteFunc(b.revoked, func(_ store.Owner, at store.Moment) bool { return at < forget })
	return b.removeIf(limit, func(row store.Row) bool { return !row.Expires.After(before) }), nil
}

// find returns copies of the rows that match.
func (b *Backend) find(ctx context.Context, match func(store.Row) bool) ([]store.Row, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.mu.Unlock()
	var found []store.Row
	for _, row := range b.rows {
		if match(row) {
			row.Value = bytes.Clone(row.Value)
			found = append(found, row)
		}
	}
	return found, nil
}

// removeIf deletes at most limit rows that match, and returns them. The caller
// holds mu.
func (b *Backend) removeIf(limit int, match func(store.Row) bool) []store.Row {
	var removed []store.Row
	for key, row := range b.rows {
		if len(removed) == limit {
			break
		}
		if match(row) {
			delete(b.rows, key)
			removed = append(removed, row)
		}
	}
	return removed
}

// Now implements store.Backend.
func (b *Backend) Now(ctx context.Context) (store.Moment, error) {
	if err := b.enter(ctx); err != nil {
		return 0, err
	}
	b.mu.Unlock()
	return b.moments.Next(), nil
}

// Locks implements store.Backend: no other process can see the rows.
func (b *Backend) Locks() store.Locks { return nil }

// Ping implements store.Backend.
func (b *Backend) Ping(ctx context.Context) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	b.mu.Unlock()
	return nil
}

// Close implements store.Backend. The rows are gone.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed, b.rows = true, nil
	return nil
}
