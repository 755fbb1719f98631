// Package memory is a store backend that keeps rows in the process: for the
// demo, for tests, and for a single server whose users may be signed out by a
// restart.
package memory

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

var errClosed = errors.New("memory: the store is closed")

// Backend implements store.Backend. The zero value is empty and ready.
type Backend struct {
	mu     sync.Mutex
	rows   map[store.Key]store.Row // guarded by mu
	closed bool                    // guarded by mu
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
func (b *Backend) Insert(ctx context.Context, row store.Row) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.mu.Unlock()
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
	return b.removeIf(ctx, func(row store.Row) bool { return row.Owner == owner })
}

// Sweep implements store.Backend.
func (b *Backend) Sweep(ctx context.Context, now time.Time) (int, error) {
	now = now.Round(0)
	return b.removeIf(ctx, func(row store.Row) bool { return !row.Expires.After(now) })
}

func (b *Backend) removeIf(ctx context.Context, doomed func(store.Row) bool) (int, error) {
	if err := b.enter(ctx); err != nil {
		return 0, err
	}
	defer b.mu.Unlock()
	n := 0
	for key, row := range b.rows {
		if doomed(row) {
			delete(b.rows, key)
			n++
		}
	}
	return n, nil
}

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
