// Command test runs everything that must hold, one step after the other, and
// stops at the first that fails:
//
//	go run ./scripts/test               # setup, build, lint, unit, wasm, journeys
//	go run ./scripts/test lint unit     # these
//	go run ./scripts/test fuzz          # every fuzz target, for a minute each
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/gotool"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "test:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string) error {
	chosen, err := choose(steps, names)
	if err != nil {
		return err
	}
	root, err := gotool.Root(ctx, "")
	if err != nil {
		return err
	}
	s := shell{root: root, out: os.Stdout}
	return perform(chosen, os.Stdout, func(st step) error { return st.do(ctx, s) })
}

// step is one thing that must hold.
type step struct {
	name  string
	do    func(context.Context, shell) error
	extra bool // runs only when asked for
}

var steps = []step{
	{name: "setup", do: command(nil, "go", "run", "./scripts/setup")},
	{name: "build", do: command(nil, "go", "run", "./scripts/build")},
	{name: "lint", do: lint},
	{name: "unit", do: unit},
	{name: "wasm", do: wasm},
	{name: "journeys", do: runJourneys},
	{name: "fuzz", do: fuzz, extra: true},
}

// choose picks steps by name, in the order of all; without names, the standard
// ones.
func choose(all []step, names []string) ([]step, error) {
	var known []string
	for _, st := range all {
		known = append(known, st.name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no step %q: choose from %s", name, strings.Join(known, ", "))
		}
	}
	var chosen []step
	for _, st := range all {
		if slices.Contains(names, st.name) || len(names) == 0 && !st.extra {
			chosen = append(chosen, st)
		}
	}
	return chosen, nil
}

// perform runs the steps and says how long each took.
func perform(chosen []step, out io.Writer, do func(step) error) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer table.Flush()
	for _, st := range chosen {
		fmt.Fprintf(out, "== %s\n", st.name)
		start := time.Now()
		err := do(st)
		took := time.Since(start).Round(100 * time.Millisecond)
		if err != nil {
			fmt.Fprintf(table, "FAIL\t%s\t%s\n", st.name, took)
			return fmt.Errorf("%s: %w", st.name, err)
		}
		fmt.Fprintf(table, "ok\t%s\t%s\n", st.name, took)
	}
	return nil
}

// shell runs commands in the module's root.
type shell struct {
	root string
	out  io.Writer
}

func (s shell) run(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = s.root, env
	cmd.Stdout, cmd.Stderr = s.out, s.out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return nil
}

// lines returns what a command prints, line by line.
func (s shell) lines(ctx context.Context, name string, args ...string) ([]string, error) {
	out, err := gotool.Output(ctx, s.root, nil, name, args...)
	return strings.Fields(string(out)), err
}

func command(env []string, name string, args ...string) func(context.Context, shell) error {
	return func(ctx context.Context, s shell) error { return s.run(ctx, env, name, args...) }
}

// lint reads the sources: their form, and what vet and staticcheck say of them
// for the machine and for the browser.
func lint(ctx context.Context, s shell) error {
	unformatted, err := s.lines(ctx, "gofmt", "-l", ".")
	if err != nil {
		return err
	}
	if len(unformatted) > 0 {
		return fmt.Errorf("not formatted, run `gofmt -w %s`", strings.Join(unformatted, " "))
	}
	// With GOOS set, go tool would compile the tool itself for the browser.
	staticcheck, err := s.lines(ctx, "go", "tool", "-n", "staticcheck")
	if err != nil {
		return err
	}
	if len(staticcheck) != 1 {
		return fmt.Errorf("go tool -n staticcheck names no program: %q", staticcheck)
	}
	for _, target := range []struct {
		env      []string
		packages string
	}{
		{nil, "./..."},
		{gotool.WasmEnv(), "./wasm/..."},
	} {
		if err := s.run(ctx, target.env, "go", "vet", target.packages); err != nil {
			return err
		}
		if err := s.run(ctx, target.env, staticcheck[0], target.packages); err != nil {
			return err
		}
	}
	return nil
}

const journeys = gotool.ModulePath + "/scripts/journeys"

// unit runs all tests but the journeys, which take a browser and a while.
func unit(ctx context.Context, s shell) error {
	all, err := s.lines(ctx, "go", "list", "-buildvcs=false", "./...")
	if err != nil {
		return err
	}
	packages := slices.DeleteFunc(all, func(path string) bool { return path == journeys })
	return s.run(ctx, nil, "go", append([]string{"test", "-race"}, packages...)...)
}

// wasm runs the module's tests in each browser.
func wasm(ctx context.Context, s shell) error {
	for _, browser := range []string{"chromium", "firefox", "webkit"} {
		if err := s.run(ctx, nil, "go", "run", "./scripts/wasmtest", "-browser", browser, "./wasm/..."); err != nil {
			return err
		}
	}
	return nil
}

// runJourneys drives the program that the build step made. The test cache does not know of
// that program, so -count=1; most of the time they wait, so several at once.
func runJourneys(ctx context.Context, s shell) error {
	return s.run(ctx, nil, "go", "test", "-count=1", "-parallel=3", "-timeout=15m", journeys)
}

// fuzz runs every fuzz target; go test takes one at a time.
func fuzz(ctx context.Context, s shell) error {
	packages, err := s.lines(ctx, "go", "list", "-buildvcs=false", "./...")
	if err != nil {
		return err
	}
	targets := 0
	for _, path := range packages {
		listed, err := s.lines(ctx, "go", "test", "-list=^Fuzz", path)
		if err != nil {
			return err
		}
		for _, name := range listed {
			if !strings.HasPrefix(name, "Fuzz") {
				continue // the summary that go test adds
			}
			targets++
			if err := s.run(ctx, nil, "go", "test", "-run=^$", "-fuzz=^"+name+"$", "-fuzztime=60s", path); err != nil {
				return err
			}
		}
	}
	if targets == 0 {
		return errors.New("there are no fuzz targets")
	}
	return nil
}
