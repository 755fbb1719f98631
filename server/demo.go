package server

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/demo"
)

// checkStage is for commands with a stand-in for Capture.
func checkStage(listen string, life time.Duration) error {
	if !config.LoopbackAddress(listen) {
		return usageError("--listen must be on this machine, such as localhost:8080: " +
			"the stand-in for Capture lets everyone sign in as anyone")
	}
	if err := config.CheckTokenLifetime(life); err != nil {
		return usageError("--life " + err.Error())
	}
	return nil
}

func (p *program) demoCommand() *cobra.Command {
	options := demo.Options{Version: version}
	command := &cobra.Command{
		Use:   "demo",
		Short: "Show it all on this machine, against a stand-in for Capture",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := checkStage(options.Listen, options.Life); err != nil {
				return err
			}
			p.sayPageFiles()
			return demo.Run(command.Context(), options, p.stdout, p.stderr)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.Listen, "listen", "localhost:8080", "where to serve the page, on "+
		"this machine only")
	flags.DurationVar(&options.Life, "life", demo.DefaultLife, "how long an access token lives")
	flags.StringVar(&options.Store, "store", "", "file to keep the sessions in (default: one "+
		"that is removed at the end)")
	flags.BoolVar(&options.Verbose, "verbose", false, "log every request")
	return command
}
