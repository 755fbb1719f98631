// Command release makes what a release ships, in dist:
//
//	go run -C scripts/release . -version 0.1.0
//
// It is a program of our own because goreleaser makes images with a container
// engine and lists of parts with syft, and so can do neither on a machine
// without them. The formats are made by the libraries that goreleaser itself
// or its peers use. The same commit and toolchain give the same bytes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/semver"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/gotool"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "release:", err)
		}
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	version := flags.String("version", "", "the version, such as 0.1.0")
	if err := flags.Parse(args); err != nil {
		return err
	}
	root, err := sourceRoot(ctx)
	if err != nil {
		return err
	}
	r := release{root: root, out: filepath.Join(root, "dist"), version: *version, platforms: platforms}
	if err := r.check(); err != nil {
		return err
	}
	if err := isClean(ctx, root); err != nil {
		return err
	}
	if r.time, err = sourceTime(ctx, root); err != nil {
		return err
	}
	// The page's files say their version, too.
	_, err = gotool.Output(ctx, root, nil, "go", "run", "./scripts/build", "-server=false", "-version="+r.version)
	if err != nil {
		return err
	}
	return r.make(ctx)
}

// platform is what a binary runs on, in Go's words.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "_" + p.arch }

var platforms = []platform{
	{"linux", "amd64"}, {"linux", "arm64"},
	{"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"},
}

// release is one run: the sources in root become the files in out.
type release struct {
	root, out string
	version   string    // semantic, without a v
	time      time.Time // of all files
	platforms []platform
}

func (r release) check() error {
	if v := "v" + r.version; !semver.IsValid(v) || semver.Canonical(v) != v {
		return fmt.Errorf("-version %q is not a semantic version. Write it like 0.1.0 or 0.2.0-rc.1", r.version)
	}
	return nil
}

// name is the name of a file in out.
func (r release) name(rest string) string {
	return filepath.Join(r.out, "capture-keepalive_"+r.version+"_"+rest)
}

// make writes everything, and removes what was in out before.
func (r release) make(ctx context.Context) error {
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	compiled, err := r.compile(ctx)
	if err != nil {
		return err
	}
	defer compiled.remove()
	steps := []struct {
		name string
		do   func(binaries) error
	}{
		{"archives", r.archives},
		{"lists of parts", r.boms},
		{"Linux packages", r.packages},
		{"image", r.image},
		{"page files", r.web},
		{"npm package", r.npm},
	}
	for _, step := range steps {
		if err := step.do(compiled); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return r.sums()
}

// sourceRoot is the directory of the main module, two above this one's.
func sourceRoot(ctx context.Context) (string, error) {
	own, err := gotool.Root(ctx, "")
	if err != nil {
		return "", err
	}
	return filepath.Dir(filepath.Dir(own)), nil
}

// isClean refuses sources that no commit has: they could not be built again.
func isClean(ctx context.Context, root string) error {
	changed, err := gotool.Output(ctx, root, nil, "git", "status", "--porcelain")
	if err != nil {
		return err
	}
	if len(changed) > 0 {
		return fmt.Errorf("there are changes that are not committed. Commit them first:\n%s", changed)
	}
	return nil
}

// sourceTime is the time of the commit, or SOURCE_DATE_EPOCH where it is set
// (reproducible-builds.org/specs/source-date-epoch), in seconds.
func sourceTime(ctx context.Context, root string) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		out, err := gotool.Output(ctx, root, nil, "git", "log", "-1", "--format=%ct")
		if err != nil {
			return time.Time{}, err
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q is not a number of seconds since 1970", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
