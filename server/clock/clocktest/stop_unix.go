//go:build unix

package clocktest

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// Stop makes a child process stand still until it gets SIGCONT. It returns when
// all threads stand: after the system call alone they may go on for a while.
func Stop(t testing.TB, process *os.Process) {
	t.Helper()
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(process.Pid, &status, syscall.WUNTRACED, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || !status.Stopped() {
			t.Fatalf("the process did not stop: %v, status %#x", err, status)
		}
		return
	}
}
