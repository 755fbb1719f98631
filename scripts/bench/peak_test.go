package bench

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/bolt"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis"
)

const (
	// peak is how many sessions a store has at the same time.
	peak = 1_000_000
	// mostSlower is the most by which the p99 of the token endpoint may grow
	// with that many sessions.
	mostSlower = 2
	// mostWritten is the most, in bytes, that one activity may write after they
	// were swept.
	mostWritten = 64 << 10
)

// One server, before and after its Redis is filled.
func BenchmarkPeakRedis(b *testing.B) {
	for b.Loop() {
		w := newWorld(b)
		server := w.start("redis")
		few := typical(b, server)
		backend, err := redis.Open(b.Context(), secret.New("redis://"+w.redis))
		if err != nil {
			b.Fatal(err)
		}
		fill(b, backend, time.Now().Add(time.Hour))
		if err := backend.Close(); err != nil {
			b.Fatal(err)
		}
		reportPeak(b, few, typical(b, server))
	}
}

// Only one process can have a bolt file open: the server stops while its file
// is filled. Then the million is swept, and one activity follows.
func BenchmarkPeakBolt(b *testing.B) {
	for b.Loop() {
		w := newWorld(b)
		server := w.start("bolt")
		few := typical(b, server)
		w.stop()
		path, end := filepath.Join(w.dir, "keepalive.db"), time.Now().Add(time.Hour)
		open := func() *bolt.Backend {
			backend, err := bolt.Open(b.Context(), path)
			if err != nil {
				b.Fatal(err)
			}
			return backend
		}
		backend := open()
		fill(b, backend, end)
		if err := backend.Close(); err != nil {
			b.Fatal(err)
		}
		again := w.startReal("bolt")
		again.requests = server.requests
		reportPeak(b, few, typical(b, again))
		w.stop()

		backend = open()
		sweep(b, backend, path, end)
		if err := backend.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// typical is the middle one, by p99, of some loads.
func typical(b *testing.B, s server) sample {
	b.Helper()
	const turns = 5
	var found []sample
	for range turns {
		found = append(found, s.load(b))
	}
	slices.SortFunc(found, func(a, b sample) int { return int(a.p99 - b.p99) })
	return found[turns/2]
}

func reportPeak(b *testing.B, few, many sample) {
	b.Helper()
	many.report(b)
	b.ReportMetric(few.perSecond, "few-req/s")
	b.ReportMetric(few.p99.Seconds()*1000, "few-p99-ms")
	if many.p99 > mostSlower*few.p99 {
		b.Errorf("p99 is %s with a million sessions and %s without, want at most %d times that",
			many.p99, few.p99, mostSlower)
	}
}

// filler is the n-th row of a session that expires at end, as large as a real
// one. Rows come in the order of their keys, which fills a bolt file in minutes
// and not in hours.
func filler(n uint32, end time.Time) store.Row {
	row := store.Row{Version: 1, Expires: end, Value: make([]byte, 400)}
	binary.BigEndian.PutUint32(row.Key[:], n*(1<<32/peak))
	binary.BigEndian.PutUint32(row.Owner[:], n*(1<<32/peak))
	return row
}

func fill(b *testing.B, backend store.Backend, end time.Time) {
	b.Helper()
	const writers = 512
	begun, err := backend.Now(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	failures := make(chan error, writers)
	for first := range uint32(writers) {
		go func() {
			var err error
			for n := first; n < peak && err == nil; n += writers {
				err = backend.Insert(b.Context(), filler(n, end), begun)
			}
			failures <- err
		}()
	}
	for range writers {
		if err := <-failures; err != nil {
			b.Fatal(err)
		}
	}
}

func sweep(b *testing.B, backend *bolt.Backend, path string, end time.Time) {
	b.Helper()
	full := fileSize(b, path)
	began := time.Now()
	for {
		rows, err := backend.Sweep(b.Context(), end, 100)
		if err != nil {
			b.Fatal(err)
		}
		if len(rows) < 100 {
			break
		}
	}
	b.ReportMetric(time.Since(began).Seconds(), "sweep-s")
	survivor := filler(1, end.Add(24*time.Hour))
	if err := backend.Insert(b.Context(), survivor, 0); err != nil {
		b.Fatal(err)
	}
	before := writtenSoFar(b)
	survivor.Version++
	if err := backend.Replace(b.Context(), survivor); err != nil {
		b.Fatal(err)
	}
	written, after := writtenSoFar(b)-before, fileSize(b, path)
	b.ReportMetric(float64(written)/1024, "KB-an-activity")
	b.ReportMetric(float64(full)/1e6, "MB-full")
	b.ReportMetric(float64(after)/1e6, "MB-swept")
	if written > mostWritten {
		b.Errorf("one activity writes %d bytes after the sweep, want at most %d", written, mostWritten)
	}
	if after > full {
		b.Errorf("the file grew from %d to %d bytes while it was swept", full, after)
	}
}

func fileSize(b *testing.B, path string) int64 {
	b.Helper()
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return info.Size()
}

// writtenSoFar is how many bytes this process has passed to write calls
// (proc_pid_io(5)).
func writtenSoFar(b *testing.B) (written int64) {
	b.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Fatal(err)
	}
	_, line, _ := strings.Cut(string(text), "wchar:")
	if _, err := fmt.Sscan(line, &written); err != nil {
		b.Fatal(err)
	}
	return written
}
