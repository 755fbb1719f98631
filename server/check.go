package server

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/capture-keepalive/capture-keepalive/server/config"
)

// checkOptions are the flags of check.
type checkOptions struct {
	live, running bool
	uuid          string // of a real user; empty: none
	url           string // of a server, as pages see it; empty: none
	origin        string // of the pages, with url
}

func (p *program) checkCommand() *cobra.Command {
	var options checkOptions
	command := &cobra.Command{
		Use:   "check",
		Short: "Say what is wrong with the configuration, or with a server from outside",
		Long: settingsHelp("Say what is wrong with the configuration. With --url, say what is " +
			"wrong with a server\n" +
			"as pages see it, through its proxy; that needs no setting.\n\n" +
			"The exit code is 0 if it works, with risks or without, 1 if it does not, and 2 if\n" +
			"the command line is wrong."),
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx := command.Context()
			switch {
			case options.origin != "" && options.url == "":
				return usageError("--origin goes with --url")
			case options.url != "" && (options.live || options.running || options.uuid != ""),
				options.running && (options.live || options.uuid != ""):
				return usageError("--url, --running and --live (or --uuid) are three different checks; " +
					"run them one after the other")
			case options.running:
				return p.checkRunning(ctx)
			case options.url != "":
				return p.checkURL(ctx, options.url, options.origin)
			}
			return p.check(ctx, options)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&options.live, "live", false, "ask Capture whether it takes the credentials, "+
		"and Redis whether it does")
	flags.StringVar(&options.uuid, "uuid", "", "with --live: get a token for this user, which "+
		"ends Capture's doubt about who is who")
	flags.BoolVar(&options.running, "running", false, "ask the server that runs here whether "+
		"it is well, and nothing else")
	flags.StringVar(&options.url, "url", "", "look at a server from outside, such as "+
		"https://www.example.com/keepalive")
	flags.StringVar(&options.origin, "origin", "", "with --url: the origin of the pages, if it "+
		"is another one")
	return command
}

func (p *program) check(ctx context.Context, options checkOptions) error {
	if options.uuid != "" {
		uuid, err := parseUUID(options.uuid)
		if err != nil {
			return err
		}
		options.uuid, options.live = uuid, true
	}
	found := report{to: p.stdout}
	settings, err := p.readConfig()
	if err != nil {
		found.add(bad("%s", err))
		return errReported
	}
	found.add(checkStore(ctx, settings, options.live)...)
	for _, advice := range append(settings.Advice(), p.adviseOnPageFiles()...) {
		found.add(risky("%s", advice))
	}
	if options.live {
		found.add(checkCapture(ctx, settings, options.uuid)...)
	}
	return found.end("The configuration")
}

// checkStore asks a database that is another process only if live, and says
// what its settings put at risk.
func checkStore(ctx context.Context, settings *config.Config, live bool) []finding {
	driver := settings.Driver
	var advice []string
	var err error
	switch {
	case driver.Diagnose != nil && (live || !driver.Remote):
		advice, err = driver.Diagnose(ctx, settings.Store)
	case driver.Advise != nil:
		advice = driver.Advise(settings.Store)
	}
	var found []finding
	for _, one := range advice {
		found = append(found, risky("KEEPALIVE_STORE: %s", one))
	}
	if err != nil {
		found = append(found, bad("KEEPALIVE_STORE: %s", err))
	}
	return found
}

// grade is how serious a finding is.
type grade int

const (
	fine  grade = iota
	risk        // it works, and is not as it should be
	fault       // it does not work
)

// finding is what the answer to a question says.
type finding struct {
	sentence string
	grade    grade
	skew     time.Duration // of Capture's clock; see capture.Error
}

func good(format string, values ...any) finding  { return newFinding(fine, format, values) }
func risky(format string, values ...any) finding { return newFinding(risk, format, values) }
func bad(format string, values ...any) finding   { return newFinding(fault, format, values) }

func newFinding(grade grade, format string, values []any) finding {
	return finding{sentence: fmt.Sprintf(format, values...), grade: grade}
}

// report prints what a check finds, and counts it.
type report struct {
	to            io.Writer
	risks, faults int
}

func (r *report) add(findings ...finding) {
	for _, f := range findings {
		fmt.Fprintln(r.to, visible(f.sentence))
		switch f.grade {
		case fine:
		case risk:
			r.risks++
		case fault:
			r.faults++
		}
	}
}

// end prints the verdict on the subject, unless the faults have said it.
func (r *report) end(subject string) error {
	switch {
	case r.faults > 0:
		return errReported
	case r.risks > 0:
		fmt.Fprintf(r.to, "%s works, with %s: see above.\n", subject, counted(r.risks, "risk"))
	default:
		fmt.Fprintf(r.to, "%s is fine.\n", subject)
	}
	return nil
}
