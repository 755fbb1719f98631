package bolt

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// wantWrites is the most that one activity may write after a peak.
const wantWrites = 64 << 10

// After a peak and a sweep one activity writes what it changes, and not the list
// of all pages that became free; the sweep lets the file grow by nothing, and
// lets others in all the while.
func TestAfterAPeak(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test fills a file and sweeps it")
	}
	path := filepath.Join(t.TempDir(), "store.db")
	b, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	// Large rows take as many pages as many times more small ones.
	const sessions, bytesEach = 10_000, 3500
	insertMany(t, b, sessions, bytesEach)
	survivor := numbered(sessions)
	survivor.Expires = survivor.Expires.Add(24 * time.Hour)
	if err := b.Insert(t.Context(), survivor, 0); err != nil {
		t.Fatal(err)
	}
	written := countWrites(b)
	full := size(t, path)

	sweeping := make(chan error, 1)
	go func() {
		for {
			rows, err := b.Sweep(t.Context(), numbered(0).Expires, 100)
			if err != nil || len(rows) < 100 {
				sweeping <- err
				return
			}
		}
	}()
	longest, activities := time.Duration(0), 0
	sweep := clocktest.Start()
	for done := false; !done; {
		survivor.Version++
		watch := clocktest.Start()
		if err := b.Replace(t.Context(), survivor); err != nil {
			t.Fatal(err)
		}
		longest = max(longest, watch.Took())
		activities++
		select {
		case err := <-sweeping:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		default:
		}
	}
	// On a slow disk each activity is slow. None waits for the whole sweep.
	all := sweep.Took()
	if longest > max(time.Second, all/3) || activities < sessions/1000 {
		t.Errorf("%d activities got through while it was swept for %v, one took %v",
			activities, all, longest)
	}
	if grown := size(t, path); grown > full {
		t.Errorf("the file grew from %d to %d bytes while it was swept", full, grown)
	}

	written()
	survivor.Version++
	if err := b.Replace(t.Context(), survivor); err != nil {
		t.Fatal(err)
	}
	if n := written(); n == 0 || n > wantWrites {
		t.Errorf("one activity after the sweep writes %d bytes, want at most %d", n, wantWrites)
	}
}

func insertMany(t *testing.T, b *Backend, sessions, bytesEach int) {
	t.Helper()
	var group sync.WaitGroup
	for worker := range 1000 {
		group.Go(func() {
			for n := worker; n < sessions; n += 1000 {
				row := numbered(uint32(n))
				row.Value = make([]byte, bytesEach)
				if err := b.Insert(t.Context(), row, 0); err != nil {
					t.Errorf("Insert() = %v", err)
				}
			}
		})
	}
	group.Wait()
}

// countWrites returns a function that returns the bytes of the pages that were
// written since its last call.
func countWrites(b *Backend) func() int64 {
	var mu sync.Mutex
	var bytes int64
	begin := b.commits.begin
	b.commits.begin = func() (*bbolt.Tx, error) {
		tx, err := begin()
		if err == nil {
			tx.OnCommit(func() {
				mu.Lock()
				defer mu.Unlock()
				stats := tx.Stats()
				bytes += stats.GetPageAlloc()
			})
		}
		return tx, err
	}
	return func() int64 {
		mu.Lock()
		defer mu.Unlock()
		defer func() { bytes = 0 }()
		return bytes
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// crashed returns the path of a copy of a file that is open, as a killed process
// leaves it.
func crashed(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "crashed.db")
	if err := os.WriteFile(to, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

// After a crash the list of free pages is made anew: nothing is lost, and the
// free pages are used again.
func TestFreePagesAreFoundAfterACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	b, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	insertMany(t, b, 5000, 500)
	for rows := make([]store.Row, 1000); len(rows) == 1000; {
		if rows, err = b.Sweep(t.Context(), numbered(0).Expires, 1000); err != nil {
			t.Fatal(err)
		}
	}
	copied := crashed(t, path)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err = Open(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	before := reach(t, b)
	insertMany(t, b, 2000, 500)
	if more := reach(t, b) - before; more > 64<<10 {
		t.Errorf("%d bytes more are in use: the free pages were not found", more)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// reach is how far into the file there are pages in use, in bytes.
func reach(t *testing.T, b *Backend) (n int64) {
	t.Helper()
	err := b.db.View(func(tx *bbolt.Tx) error {
		n = tx.Size()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A damaged page ends neither the process that opens the file after a crash, nor
// one that reads it: bbolt would meet the page in a goroutine of its own, where
// the panic cannot be caught.
func TestDamageAfterACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	b, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	insertMany(t, b, 2000, 500)
	copied := crashed(t, path)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	// The leaves, except a few pages at the front that have the buckets.
	for page := 8 * os.Getpagesize(); page < len(file); page += os.Getpagesize() {
		copy(file[page:], "damaged page ...")
	}
	if err := os.WriteFile(copied, file, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time: the first one has let go of the file
		if _, err := Open(t.Context(), copied); !errors.Is(err, ErrDamaged) {
			t.Errorf("Open(damaged) = %v, want ErrDamaged", err)
		}
	}
}

// A page that the disk cannot give is an error and not the end of the process:
// the file is mapped, and such a page is a fault of memory. Here the file becomes
// shorter under the map.
func TestPageThatCannotBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	b, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	insertMany(t, b, 2000, 500)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(8*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for n := range uint32(2000) {
		if _, err := b.Lookup(t.Context(), numbered(n).Key); errors.Is(err, ErrDamaged) {
			failed++
		} else if err != nil {
			t.Fatalf("Lookup() = %v, want ErrDamaged", err)
		}
	}
	if failed == 0 {
		t.Error("all rows can be read from a file that is not there")
	}
	if _, err := b.Remove(t.Context(), numbered(7).Key); err != nil && !errors.Is(err, ErrDamaged) {
		t.Errorf("Remove() = %v, want ErrDamaged", err)
	}
	// The page is there again: so is the row.
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Lookup(t.Context(), numbered(8).Key); err != nil {
		t.Errorf("Lookup() of a page that can be read again = %v", err)
	}
	_ = b.Close() // the file was exchanged under it
}
