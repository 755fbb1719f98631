package server

import (
	"context"
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

// untilAsked returns a context that ends with the first SIGINT or SIGTERM.
//
// Only a second Ctrl-C on a terminal kills. Platforms send SIGTERM more than
// once, and a refresh that is cut off loses its session:
//
//	A: refresh sent.  B: second SIGTERM.  A: answer arrives, must be stored.
//
// See TestSecondSIGTERMKillsNothing.
func untilAsked(interactive bool, stderr io.Writer) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		interrupts := 0
		for received := range signals {
			cancel()
			if !interactive || received != os.Interrupt {
				continue
			}
			interrupts++
			if interrupts == 2 {
				os.Exit(exitInterrupted)
			}
			fmt.Fprintln(stderr, "Stopping. Press Ctrl-C again to end at once; a renewal under way may "+
				"then lose its session.")
		}
	}()
	return ctx
}

// outliveReaders keeps a reader of the log that has gone from ending the
// process: the runtime would die of SIGPIPE, which systemd takes for a clean
// end, so that it would not start the server again.
func outliveReaders() { signal.Ignore(syscall.SIGPIPE) }
