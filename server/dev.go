package server

import (
	"github.com/spf13/cobra"

	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/demo"
)

func (p *program) devCommand() *cobra.Command {
	options := demo.DevOptions{Version: version}
	command := &cobra.Command{
		Use:   "dev --origin http://localhost:5173",
		Short: "Serve your own page on this machine, with a stand-in for Capture",
		Long: "Run a keepalive server and a stand-in for Capture, sign-in included, for a " +
			"page that\n" +
			"your own development server serves. There is nothing to configure.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if options.Origin == "" {
				return usageError("--origin is missing; name the origin of your page, such as " +
					"http://localhost:5173")
			}
			origin, err := config.LocalOrigin(options.Origin)
			if err != nil {
				return usageError("--origin " + err.Error())
			}
			options.Origin = origin
			if err := checkStage(options.Listen, options.Life); err != nil {
				return err
			}
			p.sayPageFiles()
			return demo.Dev(command.Context(), options, p.stdout, p.stderr)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.Origin, "origin", "", "the origin of your page, such as "+
		"http://localhost:5173 (required)")
	flags.StringVar(&options.Listen, "listen", "localhost:8080", "where to serve, on this "+
		"machine only")
	flags.DurationVar(&options.Life, "life", demo.DefaultLife, "how long an access token lives")
	flags.BoolVar(&options.Verbose, "verbose", false, "log every request")
	return command
}
