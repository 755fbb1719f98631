// Package toystore is the example of docs/extending.md: a store that keeps each
// row in a file of its own. It passes the suite, and is not among the drivers of
// the server: it reads every file for every question about a user.
package toystore

import (
	"context"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// Driver opens toy:DIRECTORY.
var Driver = store.Driver{
	Schemes: []string{"toy"},
	Form:    "toy:DIRECTORY",
	Validate: func(location secret.String) error {
		if directory(location) == "" {
			return errors.New("the location names no directory; write it like " +
				"toy:/var/lib/keepalive")
		}
		return nil
	},
	Open: func(_ context.Context, location secret.String) (store.Backend, error) {
		return &Backend{dir: directory(location)}, os.MkdirAll(directory(location), 0o700)
	},
}

func directory(location secret.String) string {
	return strings.TrimPrefix(location.Reveal(), "toy:")
}

// Backend implements store.Backend. Only one process may use the directory.
type Backend struct {
	dir     string
	moments store.Moments

	mu     sync.Mutex // one call at a time: each is atomic
	closed bool       // guarded by mu
}

var _ store.Backend = (*Backend)(nil)

var errClosed = errors.New("toystore: the store is closed")

// enter locks the backend for one call. A context that is done means its error
// and no change.
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
	var revoked store.Moment
	if err := b.load(b.mark(row.Owner), &revoked); err == nil && begun <= revoked {
		return store.ErrRevoked
	}
	if _, err := b.get(row.Key); !errors.Is(err, store.ErrNotFound) {
		return errors.Join(err, store.ErrExists)
	}
	return b.save(b.row(row.Key), row)
}

// Lookup implements store.Backend.
func (b *Backend) Lookup(ctx context.Context, key store.Key) (store.Row, error) {
	if err := b.enter(ctx); err != nil {
		return store.Row{}, err
	}
	defer b.mu.Unlock()
	return b.get(key)
}

// Replace implements store.Backend.
func (b *Backend) Replace(ctx context.Context, row store.Row) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.mu.Unlock()
	old, err := b.get(row.Key)
	switch {
	case err != nil:
		return err
	case old.Version != row.Version-1 || old.Owner != row.Owner:
		return store.ErrConflict
	}
	return b.save(b.row(row.Key), row)
}

// Remove implements store.Backend.
func (b *Backend) Remove(ctx context.Context, key store.Key) (bool, error) {
	if err := b.enter(ctx); err != nil {
		return false, err
	}
	defer b.mu.Unlock()
	err := os.Remove(b.row(key))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// RemoveOwner implements store.Backend.
func (b *Backend) RemoveOwner(ctx context.Context, owner store.Owner) (int, error) {
	if err := b.enter(ctx); err != nil {
		return 0, err
	}
	defer b.mu.Unlock()
	if err := b.save(b.mark(owner), b.moments.Next()); err != nil {
		return 0, err
	}
	removed := 0
	for _, row := range b.find(func(row store.Row) bool { return row.Owner == owner }) {
		if err := os.Remove(b.row(row.Key)); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// Owned implements store.Backend.
func (b *Backend) Owned(ctx context.Context, owner store.Owner) ([]store.Row, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.mu.Unlock()
	return b.find(func(row store.Row) bool { return row.Owner == owner }), nil
}

// Walk implements store.Backend.
func (b *Backend) Walk(ctx context.Context, visit func(store.Row) error) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	rows := b.find(func(row store.Row) bool { return !row.Unowned() })
	b.mu.Unlock()
	for _, row := range rows {
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
	due := b.find(func(row store.Row) bool { return !row.Expires.After(before) })
	due = due[:min(len(due), limit)]
	for i, row := range due {
		if err := os.Remove(b.row(row.Key)); err != nil {
			return due[:i], err
		}
	}
	return due, nil
}

// Now implements store.Backend.
func (b *Backend) Now(ctx context.Context) (store.Moment, error) {
	if err := b.enter(ctx); err != nil {
		return 0, err
	}
	defer b.mu.Unlock()
	return b.moments.Next(), nil
}

// Locks implements store.Backend: no other process uses the directory.
func (b *Backend) Locks() store.Locks { return nil }

// Ping implements store.Backend: it writes, as a login does.
func (b *Backend) Ping(ctx context.Context) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.mu.Unlock()
	return b.save(filepath.Join(b.dir, "probe"), store.Row{})
}

// Close implements store.Backend.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

func (b *Backend) row(key store.Key) string {
	return filepath.Join(b.dir, "row-"+hex.EncodeToString(key[:]))
}

func (b *Backend) mark(owner store.Owner) string {
	return filepath.Join(b.dir, "revoked-"+hex.EncodeToString(owner[:]))
}

func (b *Backend) get(key store.Key) (row store.Row, err error) {
	switch err := b.load(b.row(key), &row); {
	case errors.Is(err, fs.ErrNotExist):
		return store.Row{}, store.ErrNotFound
	case err != nil:
		return store.Row{}, errors.Join(store.ErrTampered, err)
	}
	return row, nil
}

// find returns the rows that match; what cannot be read is left out.
func (b *Backend) find(match func(store.Row) bool) (rows []store.Row) {
	names, _ := filepath.Glob(filepath.Join(b.dir, "row-*")) // the pattern is good
	for _, name := range names {
		var row store.Row
		if err := b.load(name, &row); err == nil && match(row) {
			rows = append(rows, row)
		}
	}
	return rows
}

func (b *Backend) load(name string, value any) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(gob.NewDecoder(file).Decode(value), file.Close())
}

// save writes durably: the file, then its name.
func (b *Backend) save(name string, value any) error {
	file, err := os.CreateTemp(b.dir, "new-*")
	if err != nil {
		return err
	}
	err = errors.Join(gob.NewEncoder(file).Encode(value), file.Sync(), file.Close())
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return os.Rename(file.Name(), name)
}
