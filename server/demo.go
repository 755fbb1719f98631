package server

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/demo"
)

func (p *program) demoCommand() *cobra.Command {
	options := demo.Options{Version: version}
	command := &cobra.Command{
		Use:   "demo",
		Short: "Show it all on this machine, against a stand-in for Capture",
		Args:  noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.runStage(command.Context(), options, demo.Run)
		},
	}
	addStageFlags(command.Flags(), &options)
	command.Flags().StringVar(&options.Store, "store", "", "file to keep the sessions in "+
		"(default: in memory)")
	return command
}

// addStageFlags adds the flags of both commands with a stand-in for Capture.
func addStageFlags(flags *pflag.FlagSet, options *demo.Options) {
	flags.StringVar(&options.Listen, "listen", "localhost:8080", "where to serve, on this "+
		"machine only")
	flags.DurationVar(&options.Life, "life", demo.DefaultLife, "how long an access token lives")
	flags.BoolVar(&options.Verbose, "verbose", false, "log every request")
}

// runStage runs either of them.
func (p *program) runStage(
	ctx context.Context, options demo.Options,
	run func(context.Context, demo.Options, io.Writer, io.Writer) error,
) error {
	if !config.LoopbackAddress(options.Listen) {
		return usageError("--listen must be on this machine, such as localhost:8080: " +
			"the stand-in for Capture lets everyone sign in as anyone")
	}
	if err := config.CheckTokenLifetime(options.Life); err != nil {
		return usageError("--life " + err.Error())
	}
	for _, advice := range p.adviseOnPageFiles() {
		fmt.Fprintf(p.stderr, "capture-keepalive: %s\n", advice)
	}
	tellStopping(ctx, p.stderr)
	return run(ctx, options, p.stdout, p.stderr)
}
