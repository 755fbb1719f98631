// Package bolt is the embedded store backend: one file, no other process. A
// write is on the disk (fdatasync) before it is answered; a server that is
// killed loses no session.
package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

var (
	// ErrLocked: another process has the file open.
	ErrLocked = errors.New("the file is open in another process: stop that one, or give each its own file")
	// ErrForeign: the file is no store of ours, or too damaged to tell.
	ErrForeign = errors.New("the file is not a keepalive store: name another one, or move this one away")
	// ErrDamaged: a page of the file is not what it was. It says nothing about
	// the row that was asked for.
	ErrDamaged = errors.New("the file is damaged: put back a copy, or move it away and start with an empty one")
	// ErrNewer: the file was written by a later version of this server.
	ErrNewer = errors.New("the file was written by a newer version of this server: run that version, or name another file")
)

const (
	// lockTimeout lets a predecessor that is just closing finish, and no more.
	lockTimeout = time.Second
	// sweepStep bounds how long one step of a sweep holds up other writers.
	sweepStep = 500

	schema = 1
)

var (
	bucketMeta   = []byte("meta")   // schemaKey → schema
	bucketRows   = []byte("rows")   // key → row
	bucketOwners = []byte("owners") // owner, key → nothing
	bucketExpiry = []byte("expiry") // expires, key → nothing

	schemaKey = []byte("schema")
)

// Backend implements store.Backend.
type Backend struct {
	db      *bbolt.DB
	commits committer
}

var _ store.Backend = (*Backend)(nil)

// Open opens or creates the file, which only its owner may read. Its directory
// has to exist. The error wraps ErrLocked, ErrForeign, ErrDamaged, ErrNewer, or
// what the operating system said.
func Open(path string) (_ *Backend, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("bolt: open %s: %w", path, err)
		}
	}()
	defer catchDamage(&err)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:      lockTimeout,
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true, // nobody reads them, and all readers wait for their lock
	})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, ErrLocked
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %w", ErrForeign, err)
	case err != nil:
		return nil, err
	}
	if err := setUp(db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Backend{db: db, commits: committer{db: db}}, nil
}

func setUp(db *bbolt.DB) (err error) {
	defer catchDamage(&err)
	if err := db.Update(prepare); err != nil {
		return err
	}
	return syncDir(filepath.Dir(db.Path()))
}

// prepare checks that the file is ours and makes the buckets of a new one.
func prepare(tx *bbolt.Tx) error {
	if meta := tx.Bucket(bucketMeta); meta != nil {
		switch v := meta.Get(schemaKey); {
		case len(v) != 8 || binary.BigEndian.Uint64(v) < schema:
			return ErrForeign
		case binary.BigEndian.Uint64(v) > schema:
			return ErrNewer
		}
	} else if first, _ := tx.Cursor().First(); first != nil {
		return ErrForeign
	}
	for _, name := range [...][]byte{bucketMeta, bucketRows, bucketOwners, bucketExpiry} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMeta).Put(schemaKey, binary.BigEndian.AppendUint64(nil, schema))
}

// syncDir makes the name of a new file as durable as what is in it.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Insert implements store.Backend.
func (b *Backend) Insert(ctx context.Context, row store.Row) error {
	return b.write(ctx, func(t tables) (verdict, failure error) {
		if t.rows.Get(row.Key[:]) != nil {
			return store.ErrExists, nil
		}
		if err := t.own(row); err != nil {
			return nil, err
		}
		return nil, t.put(row)
	})
}

// Lookup implements store.Backend.
func (b *Backend) Lookup(ctx context.Context, key store.Key) (store.Row, error) {
	var row store.Row
	err := b.read(ctx, func(tx *bbolt.Tx) (err error) {
		row, err = get(tx.Bucket(bucketRows), key)
		row.Value = bytes.Clone(row.Value) // the file's memory, until the transaction ends
		return err
	})
	if err != nil {
		return store.Row{}, err
	}
	return row, nil
}

// Replace implements store.Backend.
func (b *Backend) Replace(ctx context.Context, row store.Row) error {
	return b.write(ctx, func(t tables) (verdict, failure error) {
		old, err := t.get(row.Key)
		if err != nil {
			return err, nil
		}
		if old.Version != row.Version-1 || old.Owner != row.Owner {
			return store.ErrConflict, nil
		}
		if err := t.expiry.Delete(expiryEntry(old.Expires, old.Key)); err != nil {
			return nil, err
		}
		return nil, t.put(row)
	})
}

// Remove implements store.Backend.
func (b *Backend) Remove(ctx context.Context, key store.Key) (bool, error) {
	var found bool
	err := b.write(ctx, func(t tables) (verdict, failure error) {
		found = t.rows.Get(key[:]) != nil
		return nil, t.remove(key)
	})
	return found && err == nil, err
}

// RemoveOwner implements store.Backend.
func (b *Backend) RemoveOwner(ctx context.Context, owner store.Owner) (int, error) {
	var n int
	err := b.write(ctx, func(t tables) (verdict, failure error) {
		n = 0
		for _, key := range t.ownedBy(owner) {
			row, err := t.get(key)
			// What cannot be read goes too: a revoked session must not come
			// back, however its row looks now.
			if errors.Is(err, store.ErrTampered) || (err == nil && row.Owner == owner) {
				if err := t.remove(key); err != nil {
					return nil, err
				}
				n++
			}
			if err := t.owners.Delete(ownerEntry(owner, key)); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Sweep implements store.Backend. It reads only what is due, and writes only
// if something is.
func (b *Backend) Sweep(ctx context.Context, now time.Time) (int, error) {
	swept := 0
	for {
		idle := false
		err := b.read(ctx, func(tx *bbolt.Tx) error {
			idle = len(open(tx).due(now, 1)) == 0
			return nil
		})
		if err != nil || idle {
			return swept, err
		}
		var n int
		err = b.write(ctx, func(t tables) (verdict, failure error) {
			n, failure = t.sweep(t.due(now, sweepStep), now)
			return nil, failure
		})
		if err != nil {
			return swept, err
		}
		swept += n
	}
}

// Ping implements store.Backend. It is a write that changes no row: bbolt commits
// it as any other, so it fails on a file or a disk that takes none.
func (b *Backend) Ping(ctx context.Context) error {
	return b.write(ctx, func(tables) (verdict, failure error) { return nil, nil })
}

// Close implements store.Backend. It waits for calls under way.
func (b *Backend) Close() error {
	if err := b.db.Close(); err != nil {
		return fmt.Errorf("bolt: close: %w", err)
	}
	return nil
}

// read runs fn in a transaction of its own.
func (b *Backend) read(ctx context.Context, fn func(*bbolt.Tx) error) (err error) {
	defer catchDamage(&err)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.db.View(fn); err != nil {
		return fmt.Errorf("bolt: %w", err)
	}
	return nil
}

// write runs fn in a transaction that it may share with other writers, and
// returns when that is on the disk. fn may run more than once. After a failure
// nothing of it is written, nor after a verdict, before which fn must not write.
//
// The context is looked at again once it is our turn; from then on the write
// happens, whether or not someone still waits for it.
func (b *Backend) write(ctx context.Context, fn func(tables) (verdict, failure error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var verdict error
	failure := b.commits.commit(func(tx *bbolt.Tx) error {
		if verdict = ctx.Err(); verdict != nil {
			return nil
		}
		var failure error
		verdict, failure = fn(open(tx))
		return failure
	})
	if failure != nil {
		return fmt.Errorf("bolt: %w", failure)
	}
	return verdict
}

// catchDamage turns a panic into ErrDamaged. bbolt asserts what it reads and
// panics on a page that is not what it should be; one bad page is no reason to
// take the server away from everyone.
func catchDamage(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", ErrDamaged, p)
	}
}
