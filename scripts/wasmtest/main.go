// Command wasmtest runs js/wasm tests in a real browser:
//
//	go run ./scripts/wasmtest ./wasm/...
//	go run ./scripts/wasmtest -browser firefox -run Storage -v ./wasm/browser
//
// Each package's test binary, compiled as the module is, gets a browser with a
// fresh profile and a page of its own origin on loopback, under a strict
// Content-Security-Policy. It fails when a test fails, when a package with
// tests ran none, and when the program crashed or did not end in time.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/browsers"
	"github.com/capture-keepalive/capture-keepalive/scripts/internal/gotool"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, "", os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "wasmtest:", err)
		}
		stop()
		os.Exit(1)
	}
}

// errFailed: what failed has been printed already.
var errFailed = errors.New("some packages failed")

type settings struct {
	browser browsers.Browser
	run     string
	verbose bool
	timeout time.Duration
}

func run(ctx context.Context, dir string, args []string, stdout io.Writer) error {
	var names []string
	for _, b := range browsers.All() {
		names = append(names, b.Name)
	}
	flags := flag.NewFlagSet("wasmtest", flag.ContinueOnError)
	name := flags.String("browser", names[0], "the browser: "+strings.Join(names, ", "))
	var s settings
	flags.StringVar(&s.run, "run", "", "run only the tests that match this pattern, as in go test")
	flags.BoolVar(&s.verbose, "v", false, "print all output, not only that of packages that fail")
	flags.DurationVar(&s.timeout, "timeout", 2*time.Minute, "how long one package may take")
	if err := flags.Parse(args); err != nil {
		return err
	}
	i := slices.Index(names, *name)
	if i < 0 {
		return fmt.Errorf("-browser %q is not known: choose from %s", *name, strings.Join(names, ", "))
	}
	s.browser = browsers.All()[i]
	if flags.NArg() == 0 {
		return errors.New("no packages: name some, such as ./wasm/... for all")
	}
	if _, err := s.browser.Need.Find(); err != nil {
		return err
	}

	packages, err := withTests(ctx, dir, flags.Args())
	if err != nil {
		return err
	}
	runtime, err := gotool.Runtime(ctx, dir)
	if err != nil {
		return err
	}
	total, failed := 0, false
	for _, pkg := range packages {
		start := time.Now()
		result, err := test(ctx, dir, pkg, runtime, s, stdout)
		if err != nil {
			return fmt.Errorf("%s: %w", pkg, err)
		}
		total += result.ran
		if result.failed == "" && result.ran == 0 && s.run == "" {
			result.failed = "no test ran"
		}
		took := time.Since(start).Round(10 * time.Millisecond)
		if result.failed == "" {
			fmt.Fprintf(stdout, "ok    %s  %d tests in %s, %s\n", pkg, result.ran, s.browser.Name, took)
			continue
		}
		failed = true
		if !s.verbose {
			fmt.Fprint(stdout, result.output)
		}
		fmt.Fprintf(stdout, "FAIL  %s  %s, in %s, %s\n", pkg, result.failed, s.browser.Name, took)
	}
	if failed {
		return errFailed
	}
	if total == 0 {
		return fmt.Errorf("no test matches -run %q", s.run)
	}
	return nil
}

// withTests lists those of the packages that have tests for js/wasm.
func withTests(ctx context.Context, dir string, patterns []string) ([]string, error) {
	args := append([]string{"list", "-buildvcs=false", "-json=ImportPath,TestGoFiles,XTestGoFiles"}, patterns...)
	out, err := gotool.Output(ctx, dir, gotool.WasmEnv(), "go", args...)
	if err != nil {
		return nil, err
	}
	var found []string
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var pkg struct {
			ImportPath                string
			TestGoFiles, XTestGoFiles []string
		}
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if len(pkg.TestGoFiles)+len(pkg.XTestGoFiles) > 0 {
			found = append(found, pkg.ImportPath)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: no package has tests for js/wasm", strings.Join(patterns, " "))
	}
	return found, nil
}

// test compiles one package's tests and runs them.
func test(ctx context.Context, dir, pkg string, runtime []byte, s settings, stdout io.Writer) (outcome, error) {
	wasm, err := compile(ctx, dir, pkg)
	if err != nil {
		return outcome{}, err
	}
	argv := []string{"test", "-test.v", "-test.timeout=" + s.timeout.String()}
	if s.run != "" {
		argv = append(argv, "-test.run="+s.run)
	}
	var echo io.Writer
	if s.verbose {
		echo = stdout
	}
	p := newPage(wasm, runtime, argv, echo)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return outcome{}, err
	}
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with Close
	defer server.Close()

	shown, closeBrowser := context.WithCancel(ctx)
	defer closeBrowser()
	browser, err := s.browser.Show(shown, "http://"+listener.Addr().String()+"/")
	if err != nil {
		return outcome{}, err
	}
	await(p, browser, s.timeout)
	closeBrowser()
	<-browser.Ended()
	if err := ctx.Err(); err != nil {
		return outcome{}, err
	}
	return p.outcome(), nil
}

const (
	// startTimeout bounds the start of a browser and of the program in it on a
	// busy machine.
	startTimeout = 2 * time.Minute
	// grace is for testing itself: it stops tests that take too long, and prints
	// where they are, if the page still answers.
	grace = 10 * time.Second
)

// await returns when the program or the browser has ended, or took too long. The
// timeout is that of the tests: it begins with their first word.
func await(p *page, browser *browsers.Shown, timeout time.Duration) {
	late := time.NewTimer(startTimeout)
	defer late.Stop()
	reason := "it did not begin within " + startTimeout.String()
	begun := p.begun
	for {
		select {
		case <-begun:
			begun = nil
			late.Reset(timeout + grace)
			reason = "not done after " + timeout.String()
			continue
		case <-late.C:
			p.finish(0, reason)
		case <-browser.Ended():
			p.finish(0, browser.Err().Error())
		case <-p.ended:
		}
		return
	}
}

// compile returns the test binary of one package.
func compile(ctx context.Context, dir, pkg string) ([]byte, error) {
	tmp, err := os.MkdirTemp("", "keepalive-wasmtest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	out := filepath.Join(tmp, "test.wasm")
	if _, err := gotool.Output(ctx, dir, gotool.WasmEnv(), "go",
		gotool.Wasm("test", "-c", "-o", out, pkg)...); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}
