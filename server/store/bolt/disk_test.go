package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// disk is a file system that can be made to stand still, and to be full.
type disk struct {
	dir  string
	real bool
}

// newDisk is a real file system where the test may mount one. Elsewhere it is a
// directory, and the tests make bbolt itself stand still.
func newDisk(t *testing.T) disk {
	t.Helper()
	dir := t.TempDir()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return disk{dir: dir}
	}
	image, mount := filepath.Join(dir, "image"), filepath.Join(dir, "mount")
	file, err := os.Create(image)
	if err == nil {
		err = errors.Join(file.Truncate(48<<20), file.Close(), os.Mkdir(mount, 0o700))
	}
	if err != nil {
		t.Fatal(err)
	}
	// nodelalloc: else a full disk has room again a moment later.
	for _, command := range [][]string{
		{"mkfs.ext4", "-q", image}, {"mount", "-o", "loop,nodelalloc", image, mount},
	} {
		if said, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Logf("%v: %v\n%s", command, err, said)
			return disk{dir: dir} // root, but in a container without the right to mount
		}
	}
	d := disk{dir: mount, real: true}
	t.Cleanup(func() {
		_ = exec.Command("fsfreeze", "-u", mount).Run() // it is frozen only if the test failed
		// -l: a call that was left alone may close its file in its own time.
		d.run(t, "umount", "-l", mount)
	})
	return d
}

func (d disk) run(t *testing.T, command ...string) {
	t.Helper()
	if said, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", command, err, said)
	}
}

// freeze makes writes stand still until thaw.
func (d disk) freeze(t *testing.T, b *Backend) (thaw func()) {
	t.Helper()
	if d.real {
		d.run(t, "fsfreeze", "-f", d.dir)
		return sync.OnceFunc(func() { d.run(t, "fsfreeze", "-u", d.dir) })
	}
	frozen := make(chan struct{})
	begin := b.commits.begin
	b.commits.begin = func() (*bbolt.Tx, error) {
		<-frozen
		return begin()
	}
	return sync.OnceFunc(func() { close(frozen) })
}

func openOn(t *testing.T, d disk) *Backend {
	t.Helper()
	b, err := Open(t.Context(), filepath.Join(d.dir, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func numbered(n uint32) store.Row {
	row := store.Row{
		Version: 1,
		Expires: time.UnixMilli(1_800_000_000_000).UTC(),
		Value:   make([]byte, 500),
	}
	binary.BigEndian.PutUint32(row.Key[28:], n)
	binary.BigEndian.PutUint32(row.Key[:], n*2654435761) // spread
	binary.BigEndian.PutUint32(row.Owner[:], n)
	return row
}

// A disk that stands still keeps no caller beyond its context, and two thousand
// of them leave no more goroutines behind than one.
func TestFrozenDiskKeepsNoCaller(t *testing.T) {
	d := newDisk(t)
	b := openOn(t, d)
	if err := b.Insert(t.Context(), numbered(0), 0); err != nil {
		t.Fatal(err)
	}
	clocktest.Start() // its goroutine is not to be counted
	before := runtime.NumGoroutine()
	thaw := d.freeze(t, b)
	defer thaw()

	const patience = 500 * time.Millisecond
	calls := map[string]func(context.Context, uint32) error{
		"Insert": func(ctx context.Context, n uint32) error { return b.Insert(ctx, numbered(n), 0) },
		"Remove": func(ctx context.Context, n uint32) error {
			_, err := b.Remove(ctx, numbered(n).Key)
			return err
		},
		"RemoveOwner": func(ctx context.Context, n uint32) error {
			_, err := b.RemoveOwner(ctx, numbered(n).Owner)
			return err
		},
		"Ping": func(ctx context.Context, _ uint32) error { return b.Ping(ctx) },
	}
	var group sync.WaitGroup
	for n := range uint32(500) {
		for name, call := range calls {
			group.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				watch := clocktest.Start()
				err := call(ctx, n+1)
				if took := watch.Took(); !errors.Is(err, context.DeadlineExceeded) || took > 8*patience {
					t.Errorf("%s() = %v after %v, want the context's error at once", name, err, took)
				}
			})
		}
	}
	group.Wait()
	// A read waits only if it was the head of the file that stood still.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	row, err := b.Lookup(ctx, numbered(0).Key)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) || err == nil && len(row.Value) != 500 {
		t.Errorf("Lookup() beside a commit that stands still = %v", err)
	}
	// A goroutine that has told the group of its end is there for a moment more.
	after := runtime.NumGoroutine()
	for late := time.Now().Add(time.Minute); after > before+3; after = runtime.NumGoroutine() {
		if time.Now().After(late) {
			t.Errorf("%d goroutines, %d before the disk stood still", after, before)
			break
		}
		runtime.Gosched()
	}
	b.commits.mu.Lock()
	waiting := len(b.commits.waiting)
	b.commits.mu.Unlock()
	if waiting > 0 {
		t.Errorf("%d writes wait, and no caller does", waiting)
	}

	thaw()
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := errors.Join(b.Ping(ctx), b.Insert(ctx, numbered(5000), 0), b.Close()); err != nil {
		t.Errorf("after the thaw: %v", err)
	}
}

// A page that the disk does not give holds up a reader, never a caller.
func TestReadsThatStandStillKeepNoCaller(t *testing.T) {
	b := openTemp(t)
	if err := b.Insert(t.Context(), numbered(0), 0); err != nil {
		t.Fatal(err)
	}
	given := make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var group sync.WaitGroup
	for range 2 * readerCount {
		group.Go(func() {
			_, err := read(ctx, b, func(tables) (none, error) {
				<-given
				return none{}, nil
			})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("read() = %v", err)
			}
		})
	}
	group.Wait()
	late, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := b.Lookup(late, numbered(0).Key); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lookup() = %v", err)
	}
	close(given)
	if _, err := b.Lookup(t.Context(), numbered(0).Key); err != nil {
		t.Errorf("Lookup() of a disk that is well again = %v", err)
	}
}

// The queue in front of a disk that stands still has an end.
func TestQueueIsBounded(t *testing.T) {
	b := openTemp(t)
	thaw := disk{}.freeze(t, b)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var group sync.WaitGroup
	var busy, left int
	var mu sync.Mutex
	for range maxWaiting + maxShared + 100 {
		group.Go(func() {
			err := b.Ping(ctx)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, store.ErrBusy):
				if busy++; busy == 100 {
					leave()
				}
			case errors.Is(err, context.Canceled):
				left++
			default:
				t.Errorf("Ping() = %v", err)
			}
		})
	}
	group.Wait()
	if busy < 100 {
		t.Errorf(
			"%d callers were refused at once, %d waited; want a queue of %d",
			busy,
			left,
			maxWaiting,
		)
	}
	thaw()
	if err := b.Ping(t.Context()); err != nil {
		t.Errorf("Ping() after the thaw = %v", err)
	}
}

// Close and Open end although the disk stands still, and what was confirmed is
// there when it moves again.
func TestFrozenDiskIsLeftAndOpenedAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test waits for a disk that stands still")
	}
	d := newDisk(t)
	b := openOn(t, d)
	if err := b.Insert(t.Context(), numbered(1), 0); err != nil {
		t.Fatal(err)
	}
	thaw := d.freeze(t, b)
	defer thaw()
	answered := make(chan error, 1)
	go func() { answered <- b.Insert(context.WithoutCancel(t.Context()), numbered(2), 0) }()
	waits := func() bool {
		b.commits.mu.Lock()
		defer b.commits.mu.Unlock()
		return b.commits.busy
	}
	for !waits() {
		runtime.Gosched()
	}
	watch := clocktest.Start()
	err := b.Close()
	if took := watch.Took(); !errors.Is(err, ErrStuck) || took > closeTimeout+time.Second {
		t.Errorf("Close() = %v after %v, want ErrStuck after %v", err, took, closeTimeout)
	}
	if err := b.Ping(t.Context()); err == nil {
		t.Error("Ping() after Close() is fine")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	watch = clocktest.Start()
	_, err = Open(ctx, filepath.Join(d.dir, "other.db"))
	if took := watch.Took(); d.real &&
		(!errors.Is(err, context.DeadlineExceeded) || took > time.Second) {
		t.Errorf("Open() = %v after %v, want the context's error at once", err, took)
	}
	watch = clocktest.Start()
	_, err = Driver.Diagnose(t.Context(), secret.New("bolt:"+filepath.Join(d.dir, "new.db")))
	if took := watch.Took(); d.real && (!errors.Is(err, ErrStuck) || took > checkTimeout+time.Second) {
		t.Errorf("Diagnose() = %v after %v, want ErrStuck", err, took)
	}
	thaw()
	if err := <-answered; err != nil {
		t.Errorf("the write that stood still = %v", err)
	}
	var again *Backend
	for again == nil { // the old one lets the file go in its own time
		var err error
		if again, err = Open(t.Context(), filepath.Join(d.dir, "store.db")); err != nil &&
			!errors.Is(err, ErrInUse) {
			t.Fatal(err)
		}
	}
	for n := range uint32(2) {
		if _, err := again.Lookup(t.Context(), numbered(n+1).Key); err != nil {
			t.Errorf("Lookup(%d) after the thaw = %v", n+1, err)
		}
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// A full disk fails Ping as it fails a login, and both work when there is room.
func TestFullDisk(t *testing.T) {
	d := newDisk(t)
	if !d.real {
		return // TestPingWrites stands in, with a file that takes no write
	}
	b := openOn(t, d)
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	ballast := filepath.Join(d.dir, "ballast")
	_ = exec.Command("dd", "if=/dev/zero", "of="+ballast, "bs=64k").
		Run()
		// it ends when the disk is full
	logins, failed := uint32(0), error(nil)
	for ; failed == nil && logins < 5000; logins++ {
		failed = b.Insert(t.Context(), numbered(logins), 0)
	}
	if failed == nil {
		t.Fatal("a full disk takes every login")
	}
	if store.IsVerdict(failed) {
		t.Errorf("Insert() on a full disk = %v", failed)
	}
	if err := b.Ping(t.Context()); err == nil {
		t.Error("Ping() is fine on a disk that takes no login")
	}
	if _, err := b.Lookup(t.Context(), numbered(0).Key); err != nil {
		t.Errorf("Lookup() on a full disk = %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(maxCooldown + time.Minute)
	for err := b.Ping(t.Context()); err != nil; err = b.Ping(t.Context()) {
		if time.Now().After(deadline) {
			t.Fatalf("Ping() with room again = %v", err)
		}
		runtime.Gosched()
	}
	if err := b.Insert(t.Context(), numbered(logins), 0); err != nil {
		t.Errorf("Insert() with room again = %v", err)
	}
}
