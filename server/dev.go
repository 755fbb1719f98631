package server

import (
	"github.com/spf13/cobra"

	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/demo"
)

func (p *program) devCommand() *cobra.Command {
	options := demo.Options{Version: version}
	command := &cobra.Command{
		Use:   "dev --origin http://localhost:5173",
		Short: "Serve your own page on this machine, with a stand-in for Capture",
		Long: "Run a keepalive server and a stand-in for Capture, sign-in included, for a " +
			"page that\n" +
			"your own development server serves. There is nothing to configure.",
		Args: noArgs,
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
			return p.runStage(command.Context(), options, demo.Dev)
		},
	}
	addStageFlags(command.Flags(), &options)
	command.Flags().StringVar(&options.Origin, "origin", "", "the origin of your page, such as "+
		"http://localhost:5173 (required)")
	return command
}
