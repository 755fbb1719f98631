package server

import (
	"context"
	"fmt"
	"io"

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
			"as pages see it, through its proxy; that needs no setting."),
		Args: cobra.NoArgs,
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
	settings, err := config.Read(p.environment)
	if err != nil {
		fmt.Fprintln(p.stdout, err)
		return errReported
	}
	fine := true
	if err := checkStore(ctx, settings, options.live, p.stdout); err != nil {
		fmt.Fprintf(p.stdout, "KEEPALIVE_STORE: %s\n", err)
		fine = false
	}
	for _, advice := range append(settings.Advice(), p.adviseOnPageFiles()...) {
		fmt.Fprintln(p.stdout, advice)
	}
	if options.live && !checkCapture(ctx, settings, options.uuid, p.stdout) {
		fine = false
	}
	if !fine {
		return errReported
	}
	fmt.Fprintln(p.stdout, "The configuration is fine.")
	return nil
}

// checkStore asks a database that is another process only if live, and says
// what its settings put at risk.
func checkStore(ctx context.Context, settings *config.Config, live bool, stdout io.Writer) error {
	driver := settings.Driver
	var advice []string
	var err error
	switch {
	case driver.Diagnose != nil && (live || !driver.Remote):
		advice, err = driver.Diagnose(ctx, settings.Store)
	case driver.Advise != nil:
		advice = driver.Advise(settings.Store)
	}
	for _, one := range advice {
		fmt.Fprintf(stdout, "KEEPALIVE_STORE: %s\n", one)
	}
	return err
}
