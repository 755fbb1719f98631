package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/capture-keepalive/capture-keepalive/server/explain"
)

// untilDone is a reader that ends with ctx: a log of gigabytes takes minutes.
type untilDone struct {
	ctx context.Context
	io.Reader
}

// Read implements io.Reader.
func (r untilDone) Read(to []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(to)
}

func (p *program) explainCommand() *cobra.Command {
	var uuid string
	var since time.Duration
	command := &cobra.Command{
		Use:   "explain --uuid UUID [--since 2h] < LOG",
		Short: "Say from the log why a user was signed out",
		Long: "Read the server's JSON log, of one server or of several, and tell what became " +
			"of the sessions\n" +
			"of a user, with times in UTC. No token and no uuid is printed.\n\n" +
			"  journalctl -u capture-keepalive -o cat | capture-keepalive explain --uuid UUID " +
			"--since 2h\n" +
			"  zcat -f capture-keepalive.log* | capture-keepalive explain --uuid UUID",
		Args: func(command *cobra.Command, args []string) error {
			if err := noArgs(command, args); err != nil {
				return usageError(err.Error() + ". The log comes on standard input: put < in front " +
					"of its name")
			}
			return nil
		},
		RunE: func(command *cobra.Command, _ []string) error {
			uuid, err := parseUUID(uuid)
			if err != nil {
				return err
			}
			if since < 0 {
				return usageError("--since must be a time back from now, such as 2h")
			}
			if file, ok := p.stdin.(*os.File); ok && isatty.IsTerminal(file.Fd()) {
				return usageError("there is no log; give it on standard input, with < LOG or a pipe")
			}
			var from time.Time
			if since > 0 {
				from = time.Now().Add(-since)
			}
			ctx := command.Context()
			sentences, err := explain.Story(untilDone{ctx, p.stdin}, uuid, from)
			if ctx.Err() != nil {
				return errors.New("explain was stopped before the end of the log; nothing is " +
					"known yet")
			}
			if err != nil {
				return err
			}
			if len(sentences) == 0 {
				return fmt.Errorf("the log says nothing about this user in that time; " +
					"see that it is the log of all servers, written at KEEPALIVE_LOG_LEVEL " +
					"info or debug")
			}
			fmt.Fprintln(p.stdout, "Times are in UTC.")
			for _, sentence := range sentences {
				fmt.Fprintln(p.stdout, sentence)
			}
			return nil
		},
	}
	command.Flags().StringVar(&uuid, "uuid", "", "the user, as Capture names them")
	command.Flags().DurationVar(&since, "since", 0, "how far back, such as 2h (default: the "+
		"whole log)")
	return command
}
