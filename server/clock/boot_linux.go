package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

const countsSleep = true

// sinceBoot counts while the machine sleeps, and cannot be set.
func sinceBoot() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return time.Since(start) // a kernel older than Linux 2.6.39
	}
	return time.Duration(now.Nano())
}

var start = time.Now()
