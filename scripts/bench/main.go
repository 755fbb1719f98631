// Command bench measures the server on this machine, over loopback alone, and
// writes docs/performance.md:
//
//	go run ./scripts/bench
//
// It fails if the token endpoint over bolt is below its bar, with the page
// written all the same. It takes five to fifteen minutes. What is compared is compared in the same run,
// in turns: on a machine that others use as well, only the ratios mean
// something.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/gotool"
	"github.com/capture-keepalive/capture-keepalive/scripts/internal/need"
)

const (
	// rounds is how often each server is measured; the middle one counts.
	rounds = 9
	// turn is how long each server is measured in one round.
	turn = time.Second
	// connections are used at the same time, each for one request after the
	// other.
	connections = 32
	// users have a session each, which the connections share.
	users = 1000
	// crowd is how many sessions the memory is measured with.
	crowd = 100_000

	tabs  = 10
	hours = 24

	// bar is the least that the token endpoint over bolt must reach of the
	// requests of the bare echo handler, for a token that is fresh.
	bar = 0.6
)

func main() {
	// The bare servers are this program again, so that they are processes of
	// their own like the real one.
	if kind, ok := os.LookupEnv(asBare); ok {
		fmt.Fprintln(os.Stderr, "bench:", serveBare(kind))
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	if _, err := need.Redis.Find(); err != nil {
		return err
	}
	root, err := gotool.Root(ctx, "")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "keepalive-bench-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	binary := filepath.Join(dir, "capture-keepalive")
	if _, err := gotool.Output(ctx, root, gotool.ServerEnv(), "go", gotool.Server("bench", "-o", binary)...); err != nil {
		return err
	}

	var found results
	if found.speeds, err = measureSpeed(ctx, binary, dir); err != nil {
		return err
	}
	for _, kind := range []string{"memory", "bolt"} {
		bytes, err := measureMemory(ctx, binary, dir, kind)
		if err != nil {
			return err
		}
		found.memory = append(found.memory, resident{kind, bytes})
	}
	if found.calls, err = measureCalls(ctx); err != nil {
		return err
	}
	peaks, after, err := measurePeak(ctx, binary, dir)
	if err != nil {
		return err
	}
	page := found.page(time.Now()) + peakPage(peaks, after)
	fmt.Print(page)
	if err := os.WriteFile(filepath.Join(root, "docs", "performance.md"), []byte(page), 0o644); err != nil {
		return err
	}
	sentence, met := found.verdict()
	if !met {
		return errors.New(sentence)
	}
	fmt.Println("\n" + sentence)
	return peakMet(peaks, after)
}

// measureSpeed asks all servers in turns.
func measureSpeed(ctx context.Context, binary, dir string) (speeds []speed, err error) {
	w, err := newWorld(ctx, binary, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()

	type subject struct {
		name     string
		address  string
		requests [][]byte
		rounds   []sample
	}
	var subjects []*subject
	for _, kind := range []string{bareHTTP, bareEcho} {
		address, err := w.startBare(kind)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, &subject{name: kind, address: address, requests: [][]byte{tokenRequest(bareCookie)}})
	}
	for _, kind := range []string{"memory", "bolt", boltLoud, "redis"} {
		server, err := w.startServer(kind)
		if err != nil {
			return nil, err
		}
		cookies, err := w.signIn(ctx, server.public, users)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
		one := &subject{name: kind, address: server.public}
		for _, cookie := range cookies {
			one.requests = append(one.requests, tokenRequest(cookie))
		}
		subjects = append(subjects, one)
	}

	for range rounds {
		for _, s := range subjects {
			took, err := load(ctx, s.address, s.requests, turn)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			s.rounds = append(s.rounds, took)
		}
	}
	echo := subjects[slices.IndexFunc(subjects, func(s *subject) bool { return s.name == bareEcho })]
	for _, s := range subjects {
		// The ratio of a round is to the bare handler of the same round.
		ratios := make([]float64, rounds)
		for i := range ratios {
			ratios[i] = s.rounds[i].perSecond / echo.rounds[i].perSecond
		}
		slices.Sort(ratios)
		slices.SortFunc(s.rounds, func(a, b sample) int { return int(a.perSecond - b.perSecond) })
		middle := s.rounds[rounds/2]
		speeds = append(speeds, speed{s.name, middle.perSecond, ratios[rounds/2], middle.p50, middle.p99})
	}
	return speeds, nil
}

// measureMemory opens a crowd of sessions and asks the server how much of it
// is in RAM.
func measureMemory(ctx context.Context, binary, dir, kind string) (bytes float64, err error) {
	w, err := newWorld(ctx, binary, dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	server, err := w.startServer(kind)
	if err != nil {
		return 0, err
	}
	if _, err := w.signIn(ctx, server.public, crowd); err != nil {
		return 0, fmt.Errorf("%s: %w", kind, err)
	}
	return residentMemory(ctx, server.admin)
}
