package monitor

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/metrics"
)

// addProcess adds what the client libraries of Prometheus say of every
// process, under their names, as far as alerts need it. Where there is no
// /proc, those that are read from it are missing.
func addProcess(set *metrics.Set) {
	started := float64(time.Now().UnixMilli()) / 1000
	set.Gauge("process_start_time_seconds", "When the process started, in unix seconds.", func() (float64, bool) { return started, true })
	set.Gauge("process_resident_memory_bytes", "Memory of the process that is in RAM.", residentMemory)
	set.Gauge("process_open_fds", "Open file descriptors.", openFiles)
	set.Gauge("process_max_fds", "The most file descriptors that may be open.", maxFiles)
	set.Gauge("go_goroutines", "Goroutines there are.", func() (float64, bool) { return float64(runtime.NumGoroutine()), true })
}

// residentMemory is the second field of /proc/self/statm, in pages (proc(5)).
func residentMemory() (float64, bool) {
	statm, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(statm))
	if err != nil || len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseFloat(fields[1], 64)
	return pages * float64(os.Getpagesize()), err == nil
}

func openFiles() (float64, bool) {
	entries, err := os.ReadDir("/proc/self/fd")
	return float64(len(entries)), err == nil
}

// maxFiles is the soft limit in /proc/self/limits (proc(5)).
func maxFiles() (float64, bool) {
	limits, err := os.ReadFile("/proc/self/limits")
	_, line, found := strings.Cut(string(limits), "\nMax open files")
	fields := strings.Fields(line)
	if err != nil || !found || len(fields) == 0 {
		return 0, false
	}
	most, err := strconv.ParseFloat(fields[0], 64)
	return most, err == nil
}
