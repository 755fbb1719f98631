package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// lockTimeout lets a predecessor that is just closing finish, and no more.
	lockTimeout = time.Second
	// openTimeout bounds Open, which reads the whole file after a crash.
	openTimeout = time.Minute

	schema = 1
)

var (
	bucketMeta    = []byte("meta")    // schemaKey → schema; tidyKey → nothing
	bucketRows    = []byte("rows")    // key → row
	bucketOwners  = []byte("owners")  // owner, key → nothing
	bucketExpiry  = []byte("expiry")  // expires, key → nothing
	bucketRevoked = []byte("revoked") // owner → moment

	schemaKey = []byte("schema")
	// tidyKey is there while the list of free pages is in the file: from closing
	// to the next start.
	tidyKey = []byte("tidy")
)

// Open opens or creates the file, which only its owner may read. Its directory
// has to exist. The error wraps ErrInUse, ErrForeign, ErrDamaged, ErrNewer,
// ErrStuck, that of ctx, or what the operating system said.
func Open(ctx context.Context, path string) (*Backend, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, openTimeout, ErrStuck)
	defer cancel()
	done := make(chan answer[*Backend], 1)
	go func() {
		b, err := openFile(path)
		done <- answer[*Backend]{b, err}
	}()
	var a answer[*Backend]
	select {
	case a = <-done:
	case <-ctx.Done():
		a.err = context.Cause(ctx)
		go func() { // the file must not stay locked, should the disk come back
			if late := <-done; late.err == nil {
				_ = late.value.Close()
			}
		}()
	}
	if a.err != nil {
		return nil, fmt.Errorf("bolt: open %s: %w", path, a.err)
	}
	return a.value, nil
}

func openFile(path string) (b *Backend, err error) {
	defer catchDamage(&err)
	debug.SetPanicOnFault(true)
	fresh := isNew(path)
	if !fresh {
		err := inspect(path)
		if err != nil && !errors.Is(err, ErrInUse) && unfinished(path) {
			err = os.Truncate(path, 0)
		}
		if err != nil {
			return nil, err
		}
	}
	db, err := bbolt.Open(path, 0o600, options())
	if err != nil {
		if err = openError(err); fresh && !errors.Is(err, ErrInUse) {
			unmake(path)
		}
		return nil, err
	}
	last, err := setUp(db)
	opened, errStat := os.Stat(path)
	if err = errors.Join(err, errStat); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	b = newBackend(db)
	b.opened = opened
	b.moments.After(last)
	return b, nil
}

// options leave the list of free pages out of each commit: after a peak it is
// far larger than what is written.
func options() *bbolt.Options {
	return &bbolt.Options{
		Timeout:        lockTimeout,
		FreelistType:   bbolt.FreelistMapType,
		NoFreelistSync: true,
		NoStatistics:   true, // they are not read, and all readers wait for their lock
	}
}

func openError(err error) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return ErrInUse
	case errors.Is(err, berrors.ErrInvalid),
		errors.Is(err, berrors.ErrChecksum),
		errors.Is(err, berrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %w", ErrForeign, err)
	}
	_, ofSystem := errors.AsType[syscall.Errno](err)
	_, ofPath := errors.AsType[*fs.PathError](err)
	if err != nil && !ofSystem && !ofPath {
		return fmt.Errorf("%w: %w", ErrForeign, err) // bbolt has no name for a short file
	}
	return err
}

func isNew(path string) bool {
	info, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0
}

// firstPages is how many pages bbolt writes at once into a new file.
const firstPages = 4

// unmake empties a new file that could not be made whole, as on a full disk:
// with room again, it would count as damaged. One that is longer can hold
// sessions, whoever made it.
func unmake(path string) {
	info, err := os.Stat(path)
	if err == nil && info.Size() < firstPages*int64(os.Getpagesize()) {
		_ = os.Truncate(path, 0) // if it fails, the file counts as damaged
	}
}

// unfinished reports whether a file is what a crash leaves of the first write to
// a new one: a beginning of it, or room for it without content. The first page of
// a store has counted transactions.
func unfinished(path string) bool {
	info, err := os.Stat(path)
	if err != nil || info.Size() > firstPages*int64(os.Getpagesize()) {
		return false
	}
	content, err := os.ReadFile(path)
	first := content[:min(len(content), len(newMeta()))]
	return err == nil && (bytes.HasPrefix(newMeta(), first) || len(bytes.Trim(content, "\x00")) == 0)
}

// newMeta is what a new file begins with: bbolt's first page up to its checksum.
func newMeta() []byte {
	const metaPage, magic, version, root, freelist, pages = 4, 0xED0CDAED, 2, 3, 2, 4
	order := binary.NativeEndian
	b := order.AppendUint64(nil, 0) // the number of the page
	b = order.AppendUint64(b, metaPage)
	b = order.AppendUint32(b, magic)
	b = order.AppendUint32(b, version)
	b = order.AppendUint64(b, uint64(os.Getpagesize()))
	for _, field := range []uint64{root, 0, freelist, pages, 0} { // the last one counts transactions
		b = order.AppendUint64(b, field)
	}
	return b
}

// inspect reads a file that was not closed, as after a crash, page by page:
// without a list of free pages bbolt does the same, in a goroutine of its own
// that a damaged page ends together with the process.
func inspect(path string) (err error) {
	defer catchDamage(&err)
	readOnly := options()
	readOnly.ReadOnly = true
	db, err := bbolt.Open(path, 0o600, readOnly)
	if err != nil {
		return openError(err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bbolt.Tx) error {
		if meta := tx.Bucket(bucketMeta); meta != nil && meta.Get(tidyKey) != nil {
			return nil
		}
		return tx.ForEach(func(_ []byte, bucket *bbolt.Bucket) error {
			return bucket.ForEach(func(_, _ []byte) error { return nil })
		})
	})
}

// setUp returns the last moment of a revocation.
func setUp(db *bbolt.DB) (last store.Moment, err error) {
	defer catchDamage(&err)
	err = db.Update(func(tx *bbolt.Tx) error {
		if err := prepare(tx); err != nil {
			return err
		}
		last = tables{tx}.lastRevocation()
		return nil
	})
	if err != nil {
		return 0, err
	}
	return last, syncDir(filepath.Dir(db.Path()))
}

// recognize finds a file of another program, or of another version of this one.
func recognize(tx *bbolt.Tx) error {
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
	return nil
}

// prepare checks that the file is ours and makes the buckets of a new one.
func prepare(tx *bbolt.Tx) error {
	if err := recognize(tx); err != nil {
		return err
	}
	for _, name := range [...][]byte{
		bucketMeta, bucketRows, bucketOwners, bucketExpiry, bucketRevoked,
	} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta)
	return errors.Join(
		meta.Delete(tidyKey), meta.Put(schemaKey, binary.BigEndian.AppendUint64(nil, schema)),
	)
}

// closeFile writes the list of free pages for once, so that the next start need
// not read the whole file.
func closeFile(db *bbolt.DB) (err error) {
	defer catchDamage(&err)
	debug.SetPanicOnFault(true) // as readers.run does
	db.NoFreelistSync = false
	_, err = newCommitter(db).update([]*job{{
		do: func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(tidyKey, nil) },
	}})
	return errors.Join(err, db.Close())
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
