package server

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

func (p *program) sessionsCommand() *cobra.Command {
	return p.userCommand("sessions", "List the sessions of a user, at the server that runs here",
		func(ctx context.Context, address, uuid string) error {
			var answer api.ListAnswer
			if err := askAbout(ctx, address, api.PathSessions, uuid, &answer); err != nil {
				return err
			}
			switch {
			case answer.Sessions == nil:
				return fmt.Errorf("%s answers, and does not list sessions", address)
			case len(answer.Sessions) == 0:
				return errNoSession
			}
			table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "SESSION\tMODE\tOPENED\tLAST ACTIVITY\tRENEWED\tENDS WHEN IDLE\tENDS\tKEY")
			for _, s := range answer.Sessions {
				fmt.Fprintln(table, visible(strings.Join([]string{s.Session, s.Mode, s.Opened, s.Seen,
					s.Renewed, s.IdleExpires, s.AbsoluteExpires, s.Key}, "\t")))
			}
			return table.Flush()
		})
}
