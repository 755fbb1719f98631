package bolt_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/bolt"
	"github.com/capture-keepalive/capture-keepalive/server/store/storetest"
)

// childFile, in the environment, makes this binary the writer that
// TestKilled kills.
const childFile = "BOLT_TEST_CHILD_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		if err := writeUntilKilled(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func TestContract(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: package memory has the same suite")
	}
	storetest.Run(t, func(t *testing.T) store.Backend { return mustOpen(t, newPath(t)) })
}

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "store.db") }

func mustOpen(t *testing.T, path string) *bolt.Backend {
	t.Helper()
	b, err := bolt.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustClose(t *testing.T, b *bolt.Backend) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func testRow(n uint32) store.Row {
	row := store.Row{
		Version: 1,
		Expires: time.UnixMilli(1_800_000_000_000).UTC(),
		Value:   fmt.Appendf(nil, "value %d", n),
	}
	binary.BigEndian.PutUint32(row.Key[:], n)
	binary.BigEndian.PutUint32(row.Owner[:], 1<<24+n%7)
	return row
}

func TestReopen(t *testing.T) {
	path := newPath(t)
	b := mustOpen(t, path)
	rows := []store.Row{testRow(1), testRow(2), testRow(3)}
	rows[2].Expires = time.UnixMilli(-5).UTC()
	for _, row := range rows {
		if err := b.Insert(t.Context(), row, 0); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, b)

	b = mustOpen(t, path)
	defer mustClose(t, b)
	for _, want := range rows {
		got, err := b.Lookup(t.Context(), want.Key)
		if err != nil || got.Version != want.Version || got.Owner != want.Owner ||
			!got.Expires.Equal(want.Expires) ||
			!bytes.Equal(got.Value, want.Value) {
			t.Errorf("Lookup() = %v, %v, want %v", got, err, want)
		}
	}
	// Before 1970 sorts before after.
	if rows, err := b.Sweep(t.Context(), time.UnixMilli(0), 10); len(rows) != 1 || err != nil {
		t.Errorf("Sweep(1970) = %v, %v, want 1", rows, err)
	}
	if _, err := b.Lookup(t.Context(), rows[2].Key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Lookup(swept) = %v, want ErrNotFound", err)
	}
}

// A login from before a revocation is refused after a restart, too; one from after
// it is not, though the clock may have been set back meanwhile.
func TestRevocationOutlivesARestart(t *testing.T) {
	path := newPath(t)
	b := mustOpen(t, path)
	before, err := b.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.RemoveOwner(t.Context(), testRow(1).Owner); err != nil {
		t.Fatal(err)
	}
	mustClose(t, b)
	// The moment of a machine with a clock that was an hour ahead.
	ahead := store.Moment(time.Now().Add(time.Hour).UnixMicro())
	editFile(t, path, func(tx *bbolt.Tx) error {
		owner := testRow(2).Owner
		return tx.Bucket([]byte("revoked")).Put(owner[:], binary.BigEndian.AppendUint64(nil, uint64(ahead)))
	})

	b = mustOpen(t, path)
	defer mustClose(t, b)
	after, err := b.Now(t.Context())
	if err != nil || after <= ahead {
		t.Errorf("Now() = %v, %v, want more than at the last revocation, %v", after, err, ahead)
	}
	for n, tc := range map[uint32]struct {
		begun store.Moment
		want  error
	}{1: {before, store.ErrRevoked}, 2: {ahead, store.ErrRevoked}, 8: {after, nil}} {
		if err := b.Insert(t.Context(), testRow(n), tc.begun); !errors.Is(err, tc.want) {
			t.Errorf("Insert(%d) = %v, want %v", n, err, tc.want)
		}
	}
}

func TestFileMode(t *testing.T) {
	path := newPath(t)
	mustClose(t, mustOpen(t, path))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, want 0600", info.Mode().Perm())
	}
}

func TestOpenRefuses(t *testing.T) {
	// edit returns a function that changes a good store file.
	edit := func(fn func(tx *bbolt.Tx) error) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			mustClose(t, mustOpen(t, path))
			editFile(t, path, fn)
		}
	}
	schema := func(v []byte) func(tx *bbolt.Tx) error {
		return func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("schema"), v) }
	}
	for name, tc := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    error
	}{
		"open elsewhere": {func(t *testing.T, path string) {
			b := mustOpen(t, path)
			t.Cleanup(func() { mustClose(t, b) })
		}, bolt.ErrInUse},
		"a newer schema":  {edit(schema(binary.BigEndian.AppendUint64(nil, 2))), bolt.ErrNewer},
		"a broken schema": {edit(schema([]byte("1"))), bolt.ErrForeign},
		"no schema": {edit(func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("meta")).Delete([]byte("schema"))
		}), bolt.ErrForeign},
		"another program's": {func(t *testing.T, path string) {
			editFile(t, path, func(tx *bbolt.Tx) error {
				_, err := tx.CreateBucket([]byte("raft"))
				return err
			})
		}, bolt.ErrForeign},
		"no bolt file": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("SQLite format 3\x00"), 1024), 0o600); err != nil {
				t.Fatal(err)
			}
		}, bolt.ErrForeign},
		"a short text": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("hello\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, bolt.ErrForeign},
		"a file cut short": {func(t *testing.T, path string) {
			mustClose(t, mustOpen(t, path))
			if err := os.Truncate(path, int64(os.Getpagesize())); err != nil {
				t.Fatal(err)
			}
		}, bolt.ErrForeign},
		"a directory": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			tc.prepare(t, path)
			b, err := bolt.Open(t.Context(), path)
			if err == nil {
				mustClose(t, b)
				t.Fatal("Open() = nil, want an error")
			}
			if tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("Open() = %v, want %v", err, tc.want)
			}
			if !strings.Contains(err.Error(), path) {
				t.Errorf("Open() = %v: does not name the file", err)
			}
			// What check says is what serve does.
			_, err = bolt.Driver.Diagnose(t.Context(), secret.New("bolt:"+path))
			inUse := tc.want == bolt.ErrInUse
			if (err == nil) != inUse || !inUse && tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("Diagnose() = %v, want %v", err, tc.want)
			}
		})
	}
	t.Run("no directory", func(t *testing.T) {
		if _, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "absent", "store.db")); !errors.Is(
			err,
			fs.ErrNotExist,
		) {
			t.Errorf("Open() = %v, want fs.ErrNotExist", err)
		}
	})
	t.Run("refusing leaves the file free", func(t *testing.T) {
		path := newPath(t)
		edit(schema(binary.BigEndian.AppendUint64(nil, 2)))(t, path)
		if _, err := bolt.Open(t.Context(), path); !errors.Is(err, bolt.ErrNewer) {
			t.Fatalf("Open() = %v, want ErrNewer", err)
		}
		editFile(t, path, schema(binary.BigEndian.AppendUint64(nil, 1)))
		mustClose(t, mustOpen(t, path))
	})
}

// A crash during the very first write must not need a person afterwards. Nothing
// was stored by then.
func TestOpenAfterACrashWhileTheFileWasMade(t *testing.T) {
	path := newPath(t)
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	for _, left := range [][]byte{
		whole[:1], whole[:70], whole[:100], whole[:page], whole[:page+1], whole[:2*page], whole[:4*page-1],
		make([]byte, 1), make([]byte, 4*page), append(whole[:page:page], make([]byte, 3*page)...),
	} {
		if err := os.WriteFile(path, left, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := bolt.Driver.Diagnose(t.Context(), secret.New("bolt:"+path)); err != nil {
			t.Errorf("%d bytes: Diagnose() = %v", len(left), err)
		}
		b := mustOpen(t, path)
		if err := b.Insert(t.Context(), testRow(1), 0); err != nil {
			t.Errorf("%d bytes: %v", len(left), err)
		}
		mustClose(t, b)
	}
}

// editFile changes the file as someone with access to it could.
func editFile(t *testing.T, path string, fn func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedRows(t *testing.T) {
	now := testRow(0).Expires.Add(time.Hour)
	for _, raw := range [][]byte{{}, {1}, bytes.Repeat([]byte{1}, 47)} {
		t.Run(fmt.Sprintf("%d bytes", len(raw)), func(t *testing.T) {
			// damaged returns a store with a good row and one of these bytes,
			// both indexed.
			damaged := func(t *testing.T) *bolt.Backend {
				path := newPath(t)
				b := mustOpen(t, path)
				if err := errors.Join(b.Insert(t.Context(), testRow(1), 0),
					b.Insert(t.Context(), testRow(2), 0)); err != nil {
					t.Fatal(err)
				}
				mustClose(t, b)
				key := testRow(1).Key
				editFile(t, path, func(tx *bbolt.Tx) error {
					return errors.Join(
						tx.Bucket([]byte("rows")).Put(key[:], raw),
						tx.Bucket([]byte("owners")).Put([]byte{0, 0, 0, 1}, nil),
						tx.Bucket([]byte("expiry")).Put([]byte{0}, nil),
					)
				})
				b = mustOpen(t, path)
				t.Cleanup(func() { mustClose(t, b) })
				return b
			}
			gone := func(t *testing.T, b *bolt.Backend) {
				t.Helper()
				if _, err := b.Lookup(t.Context(), testRow(1).Key); !errors.Is(
					err,
					store.ErrNotFound,
				) {
					t.Errorf("Lookup(damaged and removed) = %v, want ErrNotFound", err)
				}
			}
			t.Run("read and write", func(t *testing.T) {
				b := damaged(t)
				if _, err := b.Lookup(t.Context(), testRow(1).Key); !errors.Is(
					err,
					store.ErrTampered,
				) {
					t.Errorf("Lookup() = %v, want ErrTampered", err)
				}
				next := testRow(1)
				next.Version = 2
				if err := b.Replace(t.Context(), next); !errors.Is(err, store.ErrTampered) {
					t.Errorf("Replace() = %v, want ErrTampered", err)
				}
				if err := b.Insert(t.Context(), testRow(1), 0); !errors.Is(err, store.ErrExists) {
					t.Errorf("Insert() = %v, want ErrExists", err)
				}
				if _, err := b.Lookup(t.Context(), testRow(2).Key); err != nil {
					t.Errorf("Lookup(the good row) = %v", err)
				}
			})
			t.Run("remove", func(t *testing.T) {
				b := damaged(t)
				if _, err := b.Remove(t.Context(), testRow(1).Key); err != nil {
					t.Errorf("Remove() = %v", err)
				}
				gone(t, b)
				// The row is back: what the damaged one left in the indexes does
				// not count it twice.
				if err := b.Insert(t.Context(), testRow(1), 0); err != nil {
					t.Fatal(err)
				}
				if n, err := b.RemoveOwner(t.Context(), testRow(1).Owner); n != 1 || err != nil {
					t.Errorf("RemoveOwner() = %d, %v, want 1", n, err)
				}
			})
			t.Run("remove owner", func(t *testing.T) {
				b := damaged(t)
				if n, err := b.RemoveOwner(t.Context(), testRow(1).Owner); n != 1 || err != nil {
					t.Errorf("RemoveOwner() = %d, %v, want 1", n, err)
				}
				gone(t, b)
			})
			t.Run("sweep", func(t *testing.T) {
				b := damaged(t)
				if rows, err := b.Sweep(t.Context(), now, 10); len(rows) != 2 || err != nil {
					t.Errorf("Sweep() = %v, %v, want 2", rows, err)
				}
				gone(t, b)
			})
		})
	}
}

// check looks at the file without opening the store.
func TestDiagnose(t *testing.T) {
	dir := t.TempDir()
	good, foreign, pipe := newPath(t), filepath.Join(dir, "passwd"), filepath.Join(dir, "pipe")
	b := mustOpen(t, good)
	content := bytes.Repeat([]byte("root:x:0:0:root:/root:/bin/bash\n"), 1000)
	if err := errors.Join(os.WriteFile(foreign, content, 0o600), exec.Command("mkfifo", pipe).Run()); err != nil {
		t.Fatal(err)
	}
	diagnose := func(path string) error {
		_, err := bolt.Driver.Diagnose(t.Context(), secret.New("bolt:"+path))
		return err
	}
	advice, err := bolt.Driver.Diagnose(t.Context(), secret.New("bolt:"+good))
	if err != nil || len(advice) != 0 {
		t.Errorf("open in a server: %q, %v", advice, err)
	}
	mustClose(t, b)
	for _, path := range []string{good, filepath.Join(dir, "new")} {
		if err := diagnose(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	ahead, astray := filepath.Join(dir, "ahead"), filepath.Join(dir, "astray")
	if err := errors.Join(os.Symlink("made-later.db", ahead), os.Symlink("none/x.db", astray)); err != nil {
		t.Fatal(err)
	}
	if err := diagnose(ahead); err != nil {
		t.Errorf("a link to a file that is not there yet: %v", err)
	}
	for _, path := range []string{dir + "/none/x.db", dir + "/none/../x.db", astray} {
		if err := diagnose(path); err == nil || !strings.Contains(err.Error(), "create the directory") {
			t.Errorf("%s: %v, and serve cannot open it", path, err)
		}
	}
	if err := diagnose(foreign); !errors.Is(err, bolt.ErrForeign) {
		t.Errorf("the file of another program: %v, want ErrForeign", err)
	}
	for _, path := range []string{pipe, "/dev/null"} {
		if err := diagnose(path); err == nil || !strings.Contains(err.Error(), "plain file") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A file that no path leads to any more is lost at the next start, and is told
// of while there is time. A backup that copies the file is not told of.
func TestAdviceOnAFileThatIsGone(t *testing.T) {
	for name, tc := range map[string]struct {
		happens func(path string) error
		lost    bool
	}{
		"nothing": {func(string) error { return nil }, false},
		"copied":  {func(path string) error { return exec.Command("cp", path, path+".bak").Run() }, false},
		"deleted": {os.Remove, true},
		"moved":   {func(path string) error { return os.Rename(path, path+".old") }, true},
		"replaced": {func(path string) error {
			return errors.Join(exec.Command("cp", path, path+".new").Run(), os.Rename(path+".new", path))
		}, true},
		"moved and put back": {func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.Rename(path+".old", path))
		}, false},
		"its directory moved": {func(path string) error {
			return os.Rename(filepath.Dir(path), filepath.Dir(path)+".old")
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sub", "store.db")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			b := mustOpen(t, path)
			defer mustClose(t, b)
			if err := errors.Join(b.Insert(t.Context(), testRow(1), 0), tc.happens(path)); err != nil {
				t.Fatal(err)
			}
			advice := b.Advice(t.Context())
			if lost := len(advice) == 1 && strings.Contains(advice[0], path); lost != tc.lost {
				t.Errorf("Advice() = %q", advice)
			}
			if _, err := b.Lookup(t.Context(), testRow(1).Key); err != nil {
				t.Errorf("Lookup() = %v: the server serves on", err)
			}
		})
	}
}

// A file that was spoilt under a running server does not end the process, which
// has renewals to finish: closing the store is an error.
func TestDamageMetByClosing(t *testing.T) {
	for name, spoil := range map[string]func(*os.File) error{
		"zeros": func(file *os.File) error {
			_, err := file.WriteAt(make([]byte, 40*os.Getpagesize()), int64(2*os.Getpagesize()))
			return err
		},
		"cut off": func(file *os.File) error { return file.Truncate(int64(2 * os.Getpagesize())) },
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			b := mustOpen(t, path)
			if err := b.Insert(t.Context(), testRow(1), 0); err != nil {
				t.Fatal(err)
			}
			file, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(spoil(file), file.Close()); err != nil {
				t.Fatal(err)
			}
			if err := b.Close(); !errors.Is(err, bolt.ErrDamaged) {
				t.Errorf("Close() = %v, want ErrDamaged", err)
			}
		})
	}
}

func TestDamagedPages(t *testing.T) {
	// damage overwrites the head of every page with these bytes in it.
	damage := func(t *testing.T, path string, with []byte) {
		t.Helper()
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for page := 0; page < len(file); page += os.Getpagesize() {
			if bytes.Contains(file[page:page+os.Getpagesize()], with) {
				found = true
				copy(file[page:], bytes.Repeat([]byte{0xaa}, 16))
			}
		}
		if !found {
			t.Fatalf("no page has %q in it", with)
		}
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Rows large enough to have pages to themselves.
	row := func(n uint32) store.Row {
		row := testRow(n)
		row.Value = bytes.Repeat(fmt.Appendf(nil, "row %d.", n), 400)
		return row
	}
	path := newPath(t)
	b := mustOpen(t, path)
	for n := range uint32(40) {
		if err := b.Insert(t.Context(), row(n), 0); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, b)

	damage(t, path, []byte("row 20."))
	if _, err := bolt.Driver.Diagnose(t.Context(), secret.New("bolt:"+path)); !errors.Is(err, bolt.ErrDamaged) {
		t.Errorf("Diagnose() = %v, want ErrDamaged", err)
	}
	b = mustOpen(t, path)
	defer mustClose(t, b)
	next := row(20)
	next.Version = 2
	for name, call := range map[string]func() error{
		"Lookup":      func() error { _, err := b.Lookup(t.Context(), next.Key); return err },
		"Replace":     func() error { return b.Replace(t.Context(), next) },
		"Remove":      func() error { _, err := b.Remove(t.Context(), next.Key); return err },
		"RemoveOwner": func() error { _, err := b.RemoveOwner(t.Context(), next.Owner); return err },
		"Sweep":       func() error { _, err := b.Sweep(t.Context(), next.Expires, 100); return err },
	} {
		if err := call(); !errors.Is(err, bolt.ErrDamaged) || errors.Is(err, store.ErrNotFound) ||
			errors.Is(err, store.ErrTampered) {
			t.Errorf("%s() = %v, want ErrDamaged and nothing about the row", name, err)
		}
	}
	if _, err := b.Lookup(t.Context(), row(1).Key); err != nil {
		t.Errorf("Lookup(a row elsewhere) = %v", err)
	}

	t.Run("the root", func(t *testing.T) {
		path := newPath(t)
		mustClose(t, mustOpen(t, path))
		damage(t, path, []byte("schema"))
		for range 2 { // the second time: the first one has let go of the file
			if _, err := bolt.Open(t.Context(), path); !errors.Is(err, bolt.ErrDamaged) {
				t.Errorf("Open() = %v, want ErrDamaged", err)
			}
		}
	})
}

// A commit reads pages that no writer asked for: where a page has become empty
// its neighbours are looked at. One that is damaged fails the writers that
// need it, and neither the process nor other writers.
func TestDamageMetByACommit(t *testing.T) {
	// Leaves of several rows each.
	row := func(n uint32) store.Row {
		row := testRow(n)
		row.Value = bytes.Repeat(fmt.Appendf(nil, "row %02d.", n), 60)
		return row
	}
	path := newPath(t)
	b := mustOpen(t, path)
	for n := range uint32(60) {
		if err := b.Insert(t.Context(), row(n), 0); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, b)

	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var leaves [][]byte
	inUse := map[int]bool{} // other pages have rows too, as they once were
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		for page := range len(file) / os.Getpagesize() {
			if info, err := tx.Page(page); err == nil && info != nil && info.Type == "leaf" {
				inUse[page] = true
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for page := range len(file) / os.Getpagesize() {
		if leaf := file[page*os.Getpagesize() : (page+1)*os.Getpagesize()]; inUse[page] &&
			bytes.Contains(leaf, []byte("row ")) {
			leaves = append(leaves, leaf)
		}
	}
	if len(leaves) < 3 {
		t.Fatalf("the rows are in %d leaves, want several", len(leaves))
	}
	intact := leaves[0]
	for _, leaf := range leaves[1:] {
		copy(leaf[8:], []byte{0xaa, 0xaa}) // the flags, which say that it is a leaf
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}

	b = mustOpen(t, path)
	defer mustClose(t, b)
	var doomed []store.Key
	for n := range uint32(60) {
		if bytes.Contains(intact, row(n).Value) {
			doomed = append(doomed, row(n).Key)
		}
	}
	failures := 0
	for _, key := range doomed {
		var group sync.WaitGroup
		var err error
		group.Go(func() { _, err = b.Remove(t.Context(), key) })
		for range 20 {
			group.Go(func() {
				if _, err := b.RemoveOwner(t.Context(), store.Owner{0xff}); err != nil {
					t.Errorf("RemoveOwner() beside a writer that meets damage = %v", err)
				}
			})
		}
		group.Wait()
		switch {
		case errors.Is(err, bolt.ErrDamaged):
			failures++
		case err != nil:
			t.Errorf("Remove() = %v, want ErrDamaged", err)
		}
	}
	if failures == 0 || failures == len(doomed) {
		t.Errorf("%d of %d removals met the damage, want some", failures, len(doomed))
	}
}

// A row is not removed with another owner, or before its time, because an
// index says so.
func TestIndexIsNotBelieved(t *testing.T) {
	path := newPath(t)
	b := mustOpen(t, path)
	row := testRow(1)
	if err := b.Insert(t.Context(), row, 0); err != nil {
		t.Fatal(err)
	}
	mustClose(t, b)
	other := testRow(2).Owner
	editFile(t, path, func(tx *bbolt.Tx) error {
		return errors.Join(
			tx.Bucket([]byte("owners")).Put(append(other[:], row.Key[:]...), nil),
			tx.Bucket([]byte("expiry")).Put(append(make([]byte, 8), row.Key[:]...), nil),
		)
	})
	b = mustOpen(t, path)
	defer mustClose(t, b)
	if n, err := b.RemoveOwner(t.Context(), other); n != 0 || err != nil {
		t.Errorf("RemoveOwner() = %d, %v, want 0", n, err)
	}
	if rows, err := b.Sweep(t.Context(), row.Expires.Add(-1), 10); len(rows) != 0 || err != nil {
		t.Errorf("Sweep() = %v, %v, want 0", rows, err)
	}
	if _, err := b.Lookup(t.Context(), row.Key); err != nil {
		t.Errorf("Lookup() = %v, want the row", err)
	}
	if rows, err := b.Sweep(t.Context(), row.Expires, 10); len(rows) != 1 || err != nil {
		t.Errorf("Sweep() = %v, %v, want 1", rows, err)
	}
}

func TestNothingReadableInTheFile(t *testing.T) {
	path := newPath(t)
	b := mustOpen(t, path)
	ring, err := keyring.Parse(
		secret.New(
			"k1:" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")),
		),
	)
	if err != nil {
		t.Fatal(err)
	}
	st, id := store.New(b, ring, nil), store.NewID()
	r := store.Record{
		Mode: store.ModeCode, UUID: "c0ffee00-dead-4bee-8bad-0123456789ab",
		AccessToken: secret.New(
			"access-0123456789",
		), RefreshToken: secret.New("refresh-0123456789"),
		RedirectURI: "https://www.example.com/back",
		IdleExpires: time.Now().Add(time.Hour), AbsoluteExpires: time.Now().Add(time.Hour),
	}
	if err := errors.Join(st.Create(t.Context(), id, r, 0), st.Close()); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if key := id.Key(); !bytes.Contains(file, key[:]) {
		t.Error("the row is not in the file")
	}
	for _, plain := range []string{string(id[:]), r.UUID, r.AccessToken.Reveal(),
		r.RefreshToken.Reveal(), r.RedirectURI} {
		if bytes.Contains(file, []byte(plain)) {
			t.Errorf("the file contains %q", plain)
		}
	}
}

// writeUntilKilled writes rows of its own in four goroutines, and prints the
// number of each one as soon as it has been inserted and replaced.
func writeUntilKilled(path string) error {
	b, err := bolt.Open(context.Background(), path)
	if err != nil {
		return err
	}
	seed, err := strconv.ParseUint(os.Getenv(childFile+"_FROM"), 10, 32)
	if err != nil {
		return err
	}
	var next atomic.Uint32
	next.Store(uint32(seed))
	errs := make(chan error)
	for range 4 {
		go func() {
			for {
				n := next.Add(1)
				row := testRow(n)
				if err := b.Insert(context.Background(), row, 0); err != nil {
					errs <- err
					return
				}
				row.Version, row.Value = 2, append(row.Value, " again"...)
				if err := b.Replace(context.Background(), row); err != nil {
					errs <- err
					return
				}
				// One write call for each line: a line is whole or absent.
				if _, err := fmt.Fprintf(os.Stdout, "%d\n", n); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	return <-errs
}

func TestKilled(t *testing.T) {
	path := newPath(t)
	var written []uint32
	for round := range uint32(5) {
		from := round * 1_000_000
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(
			os.Environ(),
			childFile+"="+path,
			fmt.Sprintf("%s_FROM=%d", childFile, from),
		)
		var stderr bytes.Buffer
		child.Stderr = &stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		// Killed while it writes on; what it still printed counts too.
		lines, inRound := bufio.NewScanner(out), 0
		for lines.Scan() {
			n, err := strconv.ParseUint(lines.Text(), 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			written = append(written, uint32(n))
			if inRound++; inRound == 20+int(round) {
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := child.Wait(); inRound < 20 {
			t.Fatalf("the writer ended by itself: %v\n%s", err, &stderr)
		}

		b := mustOpen(t, path)
		for _, n := range written {
			got, err := b.Lookup(t.Context(), testRow(n).Key)
			if err != nil || got.Version != 2 ||
				!bytes.Equal(got.Value, append(testRow(n).Value, " again"...)) {
				t.Errorf("round %d: row %d = %v, %v, want version 2 of it", round, n, got, err)
			}
		}
		mustClose(t, b)
	}
}

func BenchmarkReplace(b *testing.B) {
	for _, writers := range []int{1, 200} {
		b.Run(fmt.Sprintf("%d writers", writers), func(b *testing.B) {
			backend, err := bolt.Open(b.Context(), filepath.Join(b.TempDir(), "store.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := backend.Close(); err != nil {
					b.Error(err)
				}
			}()
			var next atomic.Uint32
			b.SetParallelism((writers + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
			if writers == 1 {
				row := testRow(1)
				row.Value = make([]byte, 600)
				if err := backend.Insert(b.Context(), row, 0); err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					row.Version++
					if err := backend.Replace(b.Context(), row); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				row := testRow(next.Add(1))
				row.Value = make([]byte, 600)
				if err := backend.Insert(b.Context(), row, 0); err != nil {
					b.Error(err)
				}
				for pb.Next() {
					row.Version++
					if err := backend.Replace(b.Context(), row); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
