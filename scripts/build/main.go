// Command build makes everything that is shipped:
//
//	go run ./scripts/build                 # web/dist, then bin/capture-keepalive
//	go run ./scripts/build -server=false   # web/dist alone
//
// web/dist gets the module (only compressed, under a name with its hash), the
// loader, its types, Go's wasm_exec.js and manifest.json, which says what they
// are. The same sources and toolchain give the same bytes, wherever they are.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/gotool"
)

// next is the version being worked on. A commit with a tag such as v0.1.0 is
// that version; any other is a development state of next.
const next = "0.1.0"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "build:", err)
		}
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	server := flags.Bool("server", true, "build the server binary too")
	version := flags.String("version", "", "the version to build; without it, what git says")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: build takes flags only", flags.Arg(0))
	}

	root, err := gotool.Root(ctx, "")
	if err != nil {
		return err
	}
	if *version == "" {
		*version = describe(ctx, root)
	}
	cache, err := defaultCache()
	if err != nil {
		return err
	}
	made, err := buildWeb(ctx, root, *version, cache)
	if err != nil {
		return err
	}

	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "capture-keepalive %s\traw\tgzip\tbrotli\t\n", *version)
	row := func(name string, a asset) {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t\n", name, a.Size, a.Gzip, a.Brotli)
	}
	row(made.Module.File, made.Module.asset)
	for _, name := range fileNames {
		row(name, made.Files[name])
	}
	if *server {
		size, err := buildServer(ctx, root, *version)
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%s\t%d\t\t\t\n", serverPath, size)
	}
	return table.Flush()
}

const serverPath = "bin/capture-keepalive"

// buildServer compiles the server, with web/dist in it, and returns its size.
func buildServer(ctx context.Context, root, version string) (int64, error) {
	args := gotool.Server(version, "-o", filepath.FromSlash(serverPath))
	if _, err := gotool.Output(ctx, root, gotool.ServerEnv(), "go", args...); err != nil {
		return 0, err
	}
	info, err := os.Stat(filepath.Join(root, filepath.FromSlash(serverPath)))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// describe names the version in root, from git where there is one: a source
// archive has none and is then simply a development state.
func describe(ctx context.Context, root string) string {
	out, err := gotool.Output(ctx, root, nil, "git", "describe", "--tags", "--match=v[0-9]*",
		"--always", "--abbrev=12", "--dirty")
	if err != nil {
		return next + "-dev"
	}
	return versionOf(strings.TrimSpace(string(out)))
}

// versionOf turns what git describe said into a semantic version: a tag is
// itself, and what is not tagged is build metadata of the next version.
func versionOf(described string) string {
	if tag, ok := strings.CutPrefix(described, "v"); ok && !strings.Contains(tag, "-") {
		return tag
	}
	return next + "-dev+" + strings.ReplaceAll(described, "-", ".")
}
