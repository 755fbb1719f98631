// Command capture-keepalive keeps people signed in on sites that use the
// Registration UI: it serves the page's module and gets new access tokens from
// the Capture API. Run it with "help" for what it can do.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// version is set by the build.
var version = "dev"

// The exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

const usage = `capture-keepalive keeps people signed in on sites that use the Registration UI.

Usage: capture-keepalive <command> [flags]

  serve          serve pages and renew their tokens; configured by the environment;
                 SIGHUP has it read keys and client secrets again from their files
  check [-live]  say what is wrong with the configuration; with -live, ask Capture and Redis as well
  check -running say whether the server that runs here is well
  revoke -uuid U end all sessions of a user, at the server that runs here
  demo           show it all on this machine, against a stand-in for Capture
  version        print the version
  help           print this

The environment, each name with ` + prefix + ` in front (names ending in ` + fileSuffix + ` hold the
path of a file with the value):

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks; from then on the second one kills.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run is the whole program, so that tests can run it with ports and files of
// their own. It returns when the work is done or ctx is, with the exit code.
func run(ctx context.Context, args, environment []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		printUsage(stderr)
		return exitUsage
	}
	command, args := args[0], args[1:]
	var err error
	switch command {
	case "serve":
		return serveCommand(ctx, args, environment, stderr)
	case "check":
		return checkCommand(ctx, args, environment, stdout, stderr)
	case "revoke":
		return revokeCommand(ctx, args, environment, stdout, stderr)
	case "demo":
		return demoCommand(ctx, args, stdout, stderr)
	case "version":
		_, err = fmt.Fprintf(stdout, "capture-keepalive %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	case "help", "-h", "-help", "--help":
		printUsage(stdout)
	default:
		fmt.Fprintf(stderr, "There is no command %q.\n\n", command)
		printUsage(stderr)
		return exitUsage
	}
	if err != nil {
		return exitError
	}
	return exitOK
}

func printUsage(to io.Writer) {
	fmt.Fprint(to, usage)
	known := fields()
	for _, name := range names() {
		fallback := known[name].Tag.Get("envDefault")
		if fallback == "" {
			fallback = "-"
		}
		fmt.Fprintf(to, "  %-26s %s\n", name, fallback)
	}
}

// parseFlags reads the flags of a command. If it returns false, code is what
// to exit with.
func parseFlags(flags *flag.FlagSet, args []string, stderr io.Writer) (code int, ok bool) {
	flags.SetOutput(stderr)
	switch err := flags.Parse(args); {
	case err == flag.ErrHelp:
		return exitOK, false
	case err != nil:
		return exitUsage, false
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "%s takes no argument %q.\n", flags.Name(), flags.Arg(0))
		flags.Usage()
		return exitUsage, false
	}
	return exitOK, true
}

// say prints an error of the whole program.
func say(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "capture-keepalive: %s\n", err)
	return exitError
}

func newLog(config *Config, to io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: config.level}
	if config.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(to, options))
	}
	return slog.New(slog.NewJSONHandler(to, options))
}
