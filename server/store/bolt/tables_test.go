package bolt

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

func openTemp(t *testing.T) *Backend {
	t.Helper()
	b, err := Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Whatever is done, the indexes say what the rows say and no more: a stale
// entry would never be found out about, and never go away. Row 1 belongs to
// no user and needs no entry.
func TestIndexesFollowRows(t *testing.T) {
	b := openTemp(t)
	at := time.UnixMilli(1_800_000_000_000)
	row := func(n, owner byte, version uint64, expires time.Duration) store.Row {
		return store.Row{
			Key:     store.Key{n},
			Owner:   store.Owner{owner},
			Version: version,
			Expires: at.Add(expires),
			Value:   []byte{n},
		}
	}
	for _, step := range []struct {
		name string
		do   func(ctx context.Context) error
		rows int // that are left
	}{
		{"insert", func(ctx context.Context) error {
			return errors.Join(b.Insert(ctx, row(1, 1, 1, 0), 0), b.Insert(ctx, row(2, 1, 1, 0), 0),
				b.Insert(ctx, row(3, 2, 1, time.Hour), 0), b.Insert(ctx, row(4, 2, 1, 0), 0))
		}, 4},
		{"replace, other expiry",
			func(ctx context.Context) error { return b.Replace(ctx, row(1, 1, 2, time.Hour)) }, 4},
		{"replace, same expiry", func(ctx context.Context) error { return b.Replace(ctx, row(1, 1, 3, time.Hour)) }, 4},
		{"sweep", func(ctx context.Context) error { _, err := b.Sweep(ctx, at, 10); return err }, 2},
		{"insert again", func(ctx context.Context) error { return b.Insert(ctx, row(4, 1, 1, 0), 0) }, 3},
		{"remove owner",
			func(ctx context.Context) error { _, err := b.RemoveOwner(ctx, store.Owner{1}); return err }, 2},
		{"remove", func(ctx context.Context) error { _, err := b.Remove(ctx, store.Key{3}); return err }, 1},
		{"remove, of no user",
			func(ctx context.Context) error { _, err := b.Remove(ctx, store.Key{1}); return err }, 0},
	} {
		if err := step.do(t.Context()); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		err := b.db.View(func(tx *bbolt.Tx) error {
			tables := tables{tx}
			owners, expiry := map[string]bool{}, map[string]bool{}
			err := tables.rows().ForEach(func(k, raw []byte) error {
				row, err := decodeRow(store.Key(k), raw)
				if row.Key != (store.Key{1}) {
					owners[string(ownerEntry(row.Owner, row.Key))] = true
				}
				expiry[string(expiryEntry(row.Expires, row.Key))] = true
				return err
			})
			if err != nil {
				return err
			}
			if len(expiry) != step.rows {
				t.Errorf("%s: %d rows are left, want %d", step.name, len(expiry), step.rows)
			}
			for name, index := range map[string]struct {
				bucket *bbolt.Bucket
				want   map[string]bool
			}{"owners": {tables.owners(), owners}, "expiry": {tables.expiry(), expiry}} {
				got := map[string]bool{}
				err := index.bucket.ForEach(func(k, _ []byte) error {
					got[string(k)] = true
					return nil
				})
				if err != nil {
					return err
				}
				if !maps.Equal(got, index.want) {
					t.Errorf(
						"%s: the index %s has %d entries, or other ones, for %d rows",
						step.name,
						name,
						len(got),
						len(index.want),
					)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// lateCancel is a context that is fine when a call begins, and done the next
// time it is asked.
type lateCancel struct {
	context.Context
	asked *int
}

func (c lateCancel) Err() error {
	*c.asked++
	if *c.asked == 1 {
		return nil
	}
	return context.Canceled
}

func TestCanceledWhileWaiting(t *testing.T) {
	b := openTemp(t)
	row := store.Row{Key: store.Key{1}, Version: 1, Expires: time.Now()}
	if err := b.Insert(lateCancel{t.Context(), new(int)}, row, 0); !errors.Is(
		err,
		context.Canceled,
	) {
		t.Errorf("Insert() = %v, want context.Canceled", err)
	}
	if _, err := b.Lookup(t.Context(), row.Key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Lookup() = %v, want ErrNotFound: no caller waited for that row", err)
	}
}

func FuzzDecodeRow(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, rowHeader-1))
	f.Add(make([]byte, rowHeader))
	f.Add(bytes.Repeat([]byte{0xff}, rowHeader+5))
	f.Fuzz(func(t *testing.T, raw []byte) {
		key := store.Key{1}
		row, err := decodeRow(key, raw)
		if err != nil {
			if !errors.Is(err, store.ErrTampered) || len(raw) >= rowHeader {
				t.Fatalf("decodeRow(%d bytes) = %v", len(raw), err)
			}
			return
		}
		if row.Key != key || !bytes.Equal(encodeRow(row), raw) {
			t.Fatalf("encodeRow(decodeRow(%x)) = %x", raw, encodeRow(row))
		}
	})
}

// A file that can be read and not written is noticed by Ping. What makes it so
// here is that bbolt's file is closed under it: its map of the file stays.
func TestPingWrites(t *testing.T) {
	var file *os.File
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "store.db"), 0o600, &bbolt.Options{
		OpenFile: func(name string, flag int, perm os.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, perm)
			return file, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := setUp(db); err != nil {
		t.Fatal(err)
	}
	b := newBackend(db)
	row := store.Row{
		Key:     store.Key{1},
		Version: 1,
		Expires: time.Now().Add(time.Hour),
		Value:   []byte("v"),
	}
	if err := errors.Join(b.Insert(t.Context(), row, 0), b.Ping(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Lookup(t.Context(), row.Key); err != nil || string(got.Value) != "v" {
		t.Errorf("Lookup() = %q, %v: the test makes more than writing impossible", got.Value, err)
	}
	if err := b.Ping(t.Context()); err == nil {
		t.Error("Ping() is fine with a file that cannot be written")
	}
	_ = b.Close() // of a file that is closed already
}
