package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/bolt"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis"
)

const (
	// peak is how many sessions a store has had at the same time.
	peak = 1_000_000
	// peakTurns is how often the token endpoint is measured; the middle one counts.
	peakTurns = 5
	// maxSlower is the most by which its p99 may grow with that many sessions.
	maxSlower = 2
	// maxWritten is the most that one activity may write after they were swept.
	maxWritten = 64 << 10

	fillers = 512 // at the same time
	// value is as large as the sealed record of a session.
	value = 400
)

// peaked is a store with few sessions and with many.
type peaked struct {
	store     string
	few, many sample
}

// swept is a bolt file after its peak.
type swept struct {
	full, after int64 // bytes of the file before and after the sweep
	took        time.Duration
	written     int64 // bytes that one activity writes then
}

// filler is the n-th row of a session that expires at end. Rows come in the
// order of their keys, which fills a bolt file in minutes and not in hours.
func filler(n uint32, end time.Time) store.Row {
	row := store.Row{Version: 1, Expires: end, Value: make([]byte, value)}
	binary.BigEndian.PutUint32(row.Key[:], n*(1<<32/peak))
	binary.BigEndian.PutUint32(row.Owner[:], n*(1<<32/peak))
	return row
}

func fill(ctx context.Context, backend store.Backend, end time.Time) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	begun, err := backend.Now(ctx)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	for first := range uint32(fillers) {
		group.Go(func() {
			for n := first; n < peak && ctx.Err() == nil; n += fillers {
				if err := backend.Insert(ctx, filler(n, end), begun); err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// measurePeak measures both stores that last.
func measurePeak(ctx context.Context, binary, dir string) ([]peaked, swept, error) {
	inBolt, after, err := measurePeakBolt(ctx, binary, dir)
	if err != nil {
		return nil, swept{}, fmt.Errorf("bolt: %w", err)
	}
	inRedis, err := measurePeakRedis(ctx, binary, dir)
	if err != nil {
		return nil, swept{}, fmt.Errorf("redis: %w", err)
	}
	return []peaked{inBolt, inRedis}, after, nil
}

// measurePeakRedis measures one server before and after its Redis is filled.
func measurePeakRedis(ctx context.Context, binary, dir string) (p peaked, err error) {
	w, err := newWorld(ctx, binary, dir)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	server, err := w.startServer("redis")
	if err != nil {
		return p, err
	}
	cookies, err := w.signIn(ctx, server.public, users)
	if err != nil {
		return p, err
	}
	p.store = "Redis"
	if p.few, err = tokens(ctx, server.public, cookies); err != nil {
		return p, err
	}
	backend, err := redis.Open(ctx, secret.New("redis://"+w.redis))
	if err != nil {
		return p, err
	}
	err = fill(ctx, backend, time.Now().Add(time.Hour))
	if err := errors.Join(err, backend.Close()); err != nil {
		return p, err
	}
	p.many, err = tokens(ctx, server.public, cookies)
	return p, err
}

// measurePeakBolt stops the server while its file is filled, as only one process
// can have it open.
func measurePeakBolt(ctx context.Context, binary, dir string) (p peaked, s swept, err error) {
	if dir, err = os.MkdirTemp(dir, "peak"); err != nil {
		return p, s, err
	}
	end, path := time.Now().Add(time.Hour), filepath.Join(dir, "keepalive.db")
	p.store = "bolt"
	var cookies []string
	if p.few, err = withBolt(ctx, binary, dir, &cookies); err != nil {
		return p, s, err
	}
	if err := inFile(ctx, path, func(b *bolt.Backend) error { return fill(ctx, b, end) }); err != nil {
		return p, s, err
	}
	if p.many, err = withBolt(ctx, binary, dir, &cookies); err != nil {
		return p, s, err
	}
	err = inFile(ctx, path, func(b *bolt.Backend) error {
		s, err = sweep(ctx, b, path, end)
		return err
	})
	return p, s, err
}

// withBolt measures a server over the file in dir. The first time it signs in,
// and later the same cookies are good.
func withBolt(ctx context.Context, binary, dir string, cookies *[]string) (found sample, err error) {
	w, err := newWorld(ctx, binary, dir)
	if err != nil {
		return sample{}, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	w.dir = dir
	server, err := w.startServer("bolt")
	if err != nil {
		return sample{}, err
	}
	if *cookies == nil {
		if *cookies, err = w.signIn(ctx, server.public, users); err != nil {
			return sample{}, err
		}
	}
	return tokens(ctx, server.public, *cookies)
}

func inFile(ctx context.Context, path string, do func(*bolt.Backend) error) error {
	backend, err := bolt.Open(ctx, path)
	if err != nil {
		return err
	}
	return errors.Join(do(backend), backend.Close())
}

// tokens loads the token endpoint some times, and returns the middle one by p99.
func tokens(ctx context.Context, address string, cookies []string) (sample, error) {
	var requests [][]byte
	for _, cookie := range cookies {
		requests = append(requests, tokenRequest(cookie))
	}
	var found []sample
	for range peakTurns {
		took, err := load(ctx, address, requests, turn)
		if err != nil {
			return sample{}, err
		}
		found = append(found, took)
	}
	slices.SortFunc(found, func(a, b sample) int { return int(a.p99 - b.p99) })
	return found[peakTurns/2], nil
}

func sweep(ctx context.Context, b *bolt.Backend, path string, end time.Time) (s swept, err error) {
	if s.full, err = fileSize(path); err != nil {
		return s, err
	}
	began := time.Now()
	for {
		rows, err := b.Sweep(ctx, end, 100)
		if err != nil {
			return s, err
		}
		if len(rows) < 100 {
			break
		}
	}
	s.took = time.Since(began)
	survivor := filler(1, end.Add(24*time.Hour))
	if err := b.Insert(ctx, survivor, 0); err != nil {
		return s, err
	}
	before, err := writtenSoFar()
	if err != nil {
		return s, err
	}
	survivor.Version++
	if err := b.Replace(ctx, survivor); err != nil {
		return s, err
	}
	after, err := writtenSoFar()
	if err != nil {
		return s, err
	}
	s.written = after - before
	s.after, err = fileSize(path)
	return s, err
}

func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// writtenSoFar is what this process has passed to write calls (proc_pid_io(5)).
func writtenSoFar() (written int64, err error) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, err
	}
	_, line, _ := strings.Cut(string(text), "wchar:")
	_, err = fmt.Sscan(line, &written)
	return written, err
}

// peakPage is the section of the page about many sessions.
func peakPage(stores []peaked, s swept) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
## A million sessions

The token endpoint of one server with %d sessions in the store, and with %d more. The bar: its p99
grows at most %d times.

| | sessions | requests/s | p50 | p99 |
| --- | --: | --: | --: | --: |
`, users, peak, maxSlower)
	for _, p := range stores {
		fmt.Fprintf(&b, "| %s | %d | %.0f | %s | %s |\n", p.store, users, p.few.perSecond, millis(p.few.p50), millis(p.few.p99))
		fmt.Fprintf(&b, "| %s | %d | %.0f | %s | %s |\n", p.store, users+peak, p.many.perSecond, millis(p.many.p50), millis(p.many.p99))
	}
	fmt.Fprintf(&b, `
Then the million is swept from the bolt file, 100 at a time, in %s. The file had %d MB and has %d MB.
One activity writes %.1f KB after it; the bar is %d KB.
`, s.took.Round(time.Second), s.full>>20, s.after>>20, float64(s.written)/1024, maxWritten>>10)
	return b.String()
}

// peakMet is an error that says which bar is missed.
func peakMet(stores []peaked, s swept) error {
	var missed []error
	for _, p := range stores {
		if p.many.p99 > maxSlower*p.few.p99 {
			missed = append(missed, fmt.Errorf("%s: p99 is %s with a million sessions and %s without, the bar is %d times that",
				p.store, millis(p.many.p99), millis(p.few.p99), maxSlower))
		}
	}
	if s.written > maxWritten {
		missed = append(missed, fmt.Errorf("bolt: one activity writes %d bytes after the sweep, the bar is %d", s.written, maxWritten))
	}
	if s.after > s.full {
		missed = append(missed, fmt.Errorf("bolt: the file grew from %d to %d bytes while it was swept", s.full, s.after))
	}
	return errors.Join(missed...)
}
