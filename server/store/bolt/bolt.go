// Package bolt is the embedded store backend: one file, no other process. A
// write is on the disk (fdatasync) before it is answered; a server that is
// killed loses no session.
//
// The disk may stand still. No caller waits for it beyond its context: one
// goroutine commits, a few read, and only those wait for the disk.
package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// The errors of the database. None says anything about a row.
var (
	// ErrInUse: another process has the file open.
	ErrInUse = errors.New("the file is open in another process: stop that one, or give each " +
		"its own file")
	// ErrForeign: the file is no store of ours, or too damaged to tell.
	ErrForeign = errors.New("the file is not a keepalive store: name another one, or move this " +
		"one away")
	// ErrDamaged: a page of the file is not what it was.
	ErrDamaged = errors.New("the file is damaged: put back a copy, or move it away and start " +
		"with an empty one")
	// ErrNewer: the file was written by a later version of this server.
	ErrNewer = errors.New("the file was written by a newer version of this server: run that " +
		"version, or name another file")
	// ErrStuck: the disk did not answer.
	ErrStuck = errors.New("the disk does not answer: see whether its file system is frozen or " +
		"its device has failed")

	errClosed = errors.New("bolt: the store is closed")
)

// closeTimeout bounds Close. What is written by then was on the disk before it
// was answered.
const closeTimeout = 2 * time.Second

// Backend implements store.Backend.
type Backend struct {
	db      *bbolt.DB
	commits *committer
	reads   *readers
	moments store.Moments
	opened  os.FileInfo // of the file when it was opened
	close   func() error
}

var (
	_ store.Backend = (*Backend)(nil)
	_ store.Adviser = (*Backend)(nil)
)

func newBackend(db *bbolt.DB) *Backend {
	b := &Backend{db: db, commits: newCommitter(db), reads: newReaders()}
	b.close = sync.OnceValue(b.closeOnce)
	return b
}

// none is the result of a call that has none.
type none struct{}

// Insert implements store.Backend.
func (b *Backend) Insert(ctx context.Context, row store.Row, begun store.Moment) error {
	_, err := write(ctx, b, func(t tables) (_ none, verdict, failure error) {
		switch {
		case t.refuses(row.Owner, begun):
			return none{}, store.ErrRevoked, nil
		case t.rows().Get(row.Key[:]) != nil:
			return none{}, store.ErrExists, nil
		}
		return none{}, nil, t.add(row)
	})
	return err
}

// Lookup implements store.Backend.
func (b *Backend) Lookup(ctx context.Context, key store.Key) (store.Row, error) {
	return read(ctx, b, func(t tables) (store.Row, error) {
		row, err := t.get(key)
		row.Value = bytes.Clone(row.Value) // the file's memory, until the transaction ends
		return row, err
	})
}

// Replace implements store.Backend.
func (b *Backend) Replace(ctx context.Context, row store.Row) error {
	_, err := write(ctx, b, func(t tables) (_ none, verdict, failure error) {
		old, err := t.get(row.Key)
		switch {
		case err != nil:
			return none{}, err, nil
		case old.Version != row.Version-1 || old.Owner != row.Owner:
			return none{}, store.ErrConflict, nil
		}
		if err := t.expiry().Delete(expiryEntry(old.Expires, old.Key)); err != nil {
			return none{}, nil, err
		}
		return none{}, nil, t.put(row)
	})
	return err
}

// Remove implements store.Backend.
func (b *Backend) Remove(ctx context.Context, key store.Key) (bool, error) {
	return write(ctx, b, func(t tables) (found bool, verdict, failure error) {
		found = t.rows().Get(key[:]) != nil
		return found, nil, t.remove(key)
	})
}

// RemoveOwner implements store.Backend.
func (b *Backend) RemoveOwner(ctx context.Context, owner store.Owner) (int, error) {
	return write(ctx, b, func(t tables) (n int, verdict, failure error) {
		if err := t.revoke(owner, b.moments.Next()); err != nil {
			return 0, nil, err
		}
		n, err := t.removeOwned(owner)
		return n, nil, err
	})
}

// Owned implements store.Backend.
func (b *Backend) Owned(ctx context.Context, owner store.Owner) ([]store.Row, error) {
	return read(ctx, b, func(t tables) ([]store.Row, error) {
		var rows []store.Row
		for _, key := range t.ownedBy(owner) {
			if row, err := t.get(key); err == nil && row.Owner == owner {
				row.Value = bytes.Clone(row.Value)
				rows = append(rows, row)
			}
		}
		return rows, nil
	})
}

// walkStep is how many rows one transaction of Walk reads: while it reads, no
// page that a writer frees can be used again.
const walkStep = 500

// Walk implements store.Backend.
func (b *Backend) Walk(ctx context.Context, visit func(store.Row) error) error {
	var after []byte
	for {
		page, err := read(
			ctx, b, func(t tables) (p page, err error) { return t.page(after, walkStep), nil },
		)
		if err != nil {
			return err
		}
		for _, row := range page.rows {
			if err := visit(row); err != nil {
				return err
			}
		}
		if page.last == nil {
			return nil
		}
		after = page.last
	}
}

// Sweep implements store.Backend. It writes only if something is due.
func (b *Backend) Sweep(ctx context.Context, before time.Time, limit int) ([]store.Row, error) {
	forget := store.Moment(before.Add(-store.RevokedFor).UnixMicro())
	idle, err := read(ctx, b, func(t tables) (bool, error) {
		return len(t.due(before, 1)) == 0 && len(t.revokedBefore(forget, 1)) == 0, nil
	})
	if err != nil || idle {
		return nil, err
	}
	return write(ctx, b, func(t tables) (swept []store.Row, verdict, failure error) {
		for _, owner := range t.revokedBefore(forget, limit) {
			if err := t.revoked().Delete(owner); err != nil {
				return nil, nil, err
			}
		}
		swept, err := t.sweep(before, limit)
		return swept, nil, err
	})
}

// Now implements store.Backend.
func (b *Backend) Now(ctx context.Context) (store.Moment, error) {
	if err := errors.Join(ctx.Err(), b.commits.closed()); err != nil {
		return 0, err
	}
	return b.moments.Next(), nil
}

// Locks implements store.Backend: no other process has the file open.
func (b *Backend) Locks() store.Locks { return nil }

// Ping implements store.Backend. It fails on a disk that is full, read-only or
// frozen: it writes what a login writes and takes it back, and it needs as many
// new pages as the largest login, which are free again after the second
// transaction.
func (b *Backend) Ping(ctx context.Context) error {
	_, err := write(ctx, b, func(t tables) (_ none, verdict, failure error) {
		probe := probeRow()
		return none{}, nil, errors.Join(t.add(probe), t.remove(probe.Key), t.meta().Put(probeKey, probePages))
	})
	if err != nil {
		return err
	}
	_, err = write(ctx, b, func(t tables) (_ none, verdict, failure error) {
		return none{}, nil, t.meta().Delete(probeKey)
	})
	return err
}

// Advice implements store.Adviser. The system keeps a file that was deleted or
// replaced for as long as it is open: everything works, until the next start.
func (b *Backend) Advice(context.Context) []string {
	now, err := os.Stat(b.db.Path())
	if err == nil && os.SameFile(now, b.opened) {
		return nil
	}
	return []string{"The file " + b.db.Path() + " was deleted, moved or replaced while this " +
		"server has it open. All sessions are lost when the server stops: what it writes has no " +
		"name any more. Put back what was moved, or restart the server at a quiet hour."}
}

// Close implements store.Backend. It lets writes under way finish.
func (b *Backend) Close() error { return b.close() }

func (b *Backend) closeOnce() error {
	over := make(chan error, 1)
	go func() {
		b.commits.finish()
		b.reads.finish()
		over <- closeFile(b.db)
	}()
	select {
	case err := <-over:
		if err != nil {
			return fmt.Errorf("bolt: close: %w", err)
		}
		return nil
	case <-time.After(closeTimeout):
		b.commits.abandon()
		return fmt.Errorf("bolt: close: %w", ErrStuck)
	}
}
