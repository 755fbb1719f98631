package server

import (
	"github.com/spf13/cobra"

	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/demo"
)

func (p *program) demoCommand() *cobra.Command {
	options := demo.Options{Version: version}
	command := &cobra.Command{
		Use:   "demo",
		Short: "Show it all on this machine, against a stand-in for Capture",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if !config.LoopbackAddress(options.Listen) {
				return usageError("--listen must be on this machine, such as localhost:8080: " +
					"the demo lets everyone sign in as anyone")
			}
			if err := config.CheckTokenLifetime(options.Life); err != nil {
				return usageError("--life " + err.Error())
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
