package server

import (
	"context"
	"fmt"
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
			if len(answer.Sessions) == 0 {
				return errNoSession
			}
			table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "SESSION\tMODE\tOPENED\tLAST ACTIVITY\tRENEWED\tENDS WHEN IDLE\tENDS\tKEY")
			for _, s := range answer.Sessions {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
					s.Session, s.Mode, s.Opened, s.Seen, s.Renewed, s.IdleExpires, s.AbsoluteExpires, s.Key)
			}
			return table.Flush()
		})
}
