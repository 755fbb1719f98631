package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/mattn/go-isatty"
)

// exitInterrupted is the exit code of a process that Ctrl-C has killed.
const exitInterrupted = 130

// onTerminal reports whether a person started the program by hand.
func onTerminal() bool { return isatty.IsTerminal(os.Stdin.Fd()) }

// errInterrupted is why a context ended that a person's Ctrl-C ended.
var errInterrupted = errors.New("interrupted")

// untilAsked returns a context that ends with the first SIGINT or SIGTERM.
//
// Only a second Ctrl-C on a terminal kills. Platforms send SIGTERM more than
// once, and a refresh that is cut off loses its session:
//
//	A: refresh sent.  B: second SIGTERM.  A: answer arrives, must be stored.
//
// See TestSecondSIGTERMKillsNothing.
func untilAsked(interactive bool) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		interrupts := 0
		for received := range signals {
			if !interactive || received != os.Interrupt {
				cancel(nil)
				continue
			}
			cancel(errInterrupted)
			interrupts++
			if interrupts == 2 {
				os.Exit(exitInterrupted)
			}
		}
	}()
	return ctx
}

// tellStopping has a command that serves say what a second Ctrl-C does.
func tellStopping(ctx context.Context, stderr io.Writer) {
	context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), errInterrupted) {
			fmt.Fprintln(stderr, "Stopping. Press Ctrl-C again to end at once; a renewal under way may "+
				"then lose its session.")
		}
	})
}

// outliveReaders keeps a reader of the log that has gone from ending the
// process: the runtime would die of SIGPIPE, which systemd takes for a clean
// end, so that it would not start the server again.
func outliveReaders() { signal.Ignore(syscall.SIGPIPE) }
