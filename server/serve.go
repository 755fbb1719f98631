package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/capture-keepalive/capture-keepalive/server/app"
	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/web"
)

func (p *program) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve pages and renew their tokens",
		Long: settingsHelp("Serve pages and renew their tokens. " +
			"SIGHUP has the server read keys and client secrets\nagain from their files."),
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			settings, err := config.Read(p.environment)
			if err != nil {
				return fmt.Errorf("the configuration is wrong:\n%w", err)
			}
			hangups := make(chan os.Signal, 1)
			signal.Notify(hangups, syscall.SIGHUP)
			defer signal.Stop(hangups)
			again := func() (*config.Config, error) { return config.Read(p.environment) }
			options := app.Options{
				Version: version,
				Files:   web.Dist(),
				Log:     app.NewLog(settings, p.stderr),
			}
			return app.Run(command.Context(), settings, options, hangups, again)
		},
	}
}
