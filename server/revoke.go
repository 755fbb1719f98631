package server

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

func (p *program) revokeCommand() *cobra.Command {
	return p.userCommand("revoke", "End all sessions of a user, at the server that runs here",
		func(ctx context.Context, address, uuid string) error {
			ended := api.RevokeAnswer{Ended: -1} // another program's answer does not set it
			if err := askAbout(ctx, address, api.PathRevoke, uuid, &ended); err != nil {
				return fmt.Errorf("%w; nothing is known to have ended", err)
			}
			switch {
			case ended.Ended < 0:
				return fmt.Errorf("%s answers, and does not say how many sessions have ended", address)
			case ended.Ended == 0:
				return errNoSession
			}
			_, err := fmt.Fprintf(p.stdout, "Ended %s of the user.\n", counted(ended.Ended, "session"))
			return err
		})
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
