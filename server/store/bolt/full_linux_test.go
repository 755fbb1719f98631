package bolt

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Given a disk with room for a part of a new file, when there is room again, then
// the store opens: what could not be written is not taken for a damaged file.
func TestAStartOnAFullDiskLeavesNoDamagedFile(t *testing.T) {
	if !ownProcess(t) {
		return
	}
	path := filepath.Join(t.TempDir(), "store.db")
	room := unlimited(t)
	room(2 * 4096)
	_, full := Open(t.Context(), path)
	if !errors.Is(full, unix.EFBIG) {
		t.Errorf("Open() without room = %v, want what the system said", full)
	}
	wantNoRoom(t, path)
	room(unix.RLIM_INFINITY)
	b, err := Open(t.Context(), path)
	if err != nil {
		t.Fatalf("Open() with room again = %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := checkFile(t.Context(), path); err != nil {
		t.Errorf("the check with room again = %v", err)
	}
	room(2 * 4096)
	wantNoRoom(t, path)
}

// ownProcess runs the test again in a process of its own, and reports whether
// this is that process: what bounds files bounds those of the test tool, too.
func ownProcess(t *testing.T) bool {
	t.Helper()
	const name = "KEEPALIVE_TEST_PROCESS"
	if os.Getenv(name) == t.Name() {
		return true
	}
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	again.Env = append(os.Environ(), name+"="+t.Name())
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

func wantNoRoom(t *testing.T, path string) {
	t.Helper()
	if _, err := checkFile(t.Context(), path); !errors.Is(err, errNoRoom) {
		t.Errorf("the check without room = %v, want errNoRoom", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".keepalive-check-*")); len(left) > 0 {
		t.Errorf("the check leaves %q", left)
	}
}

// unlimited returns what bounds the size of files, in bytes, until the test ends.
func unlimited(t *testing.T) (bound func(size uint64)) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	set := func(limit unix.Rlimit) {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { set(before) })
	return func(size uint64) { set(unix.Rlimit{Cur: min(size, before.Max), Max: before.Max}) }
}
