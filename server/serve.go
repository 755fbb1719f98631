package server

import (
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/capture-keepalive/capture-keepalive/server/app"
	"github.com/capture-keepalive/capture-keepalive/server/config"
)

// gcPercent is GOGC where the environment sets none. Sessions are in the store,
// so that the heap is small, and requests fill it anew many times a second. With
// the store in memory it costs as much again as the sessions have.
const gcPercent = 200

func (p *program) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve pages and renew their tokens",
		Long: settingsHelp("Serve pages and renew their tokens. " +
			"SIGHUP has the server read keys and client secrets\nagain from their files."),
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(gcPercent)
			}
			// Never stopped: a late hangup must not end a process that drains.
			hangups := make(chan os.Signal, 1)
			signal.Notify(hangups, syscall.SIGHUP)
			var defaults []string
			if onTerminal() {
				// No balancer is looking. What the environment sets comes later and wins.
				defaults = []string{config.Prefix + "SHUTDOWN_DELAY=0s"}
			}
			read := func() (*config.Config, error) { return p.readConfig(defaults...) }
			settings, err := read()
			if err != nil {
				return fmt.Errorf("the configuration is wrong:\n%w", err)
			}
			options := app.Options{Version: version, Files: p.files, Log: app.NewLog(settings, p.stderr)}
			if log, ok := p.stderr.(*app.LogWriter); ok {
				options.LogDropped = log.Dropped
				log.OnLoss(func(lines int64) {
					options.Log.Warn("log lines were lost: the reader of standard error was "+
						"gone or too slow", "lines", lines)
				})
			}
			for _, advice := range p.adviseOnPageFiles() {
				options.Log.Warn(advice)
			}
			tellStopping(command.Context(), p.stderr)
			return app.Run(command.Context(), settings, options, hangups, read)
		},
	}
}
