package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/config"
)

const (
	// adminTimeout is for a server on the same machine, or in the same rack.
	adminTimeout = 15 * time.Second
	// healthTimeout is for one that has nothing to do but to say that it is
	// there.
	healthTimeout = 2 * time.Second
	// maxAnswer bounds what is read of a refusal, in bytes.
	maxAnswer = 64 << 10
)

// revokeCommand talks to the operator's listener of a server that runs, since
// that server may own the store alone. Of the environment it needs that
// listener's address and no secret.
func (p *program) revokeCommand() *cobra.Command {
	var uuid string
	command := &cobra.Command{
		Use:   "revoke --uuid UUID",
		Short: "End all sessions of a user, at the server that runs here",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if uuid == "" {
				return usageError("--uuid is missing; name the user whose sessions are to end")
			}
			address, err := adminAddress(p.environment)
			if err != nil {
				return err
			}
			if err := revoke(command.Context(), address, uuid); err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.stdout, "All sessions of the user have ended.")
			return err
		},
	}
	command.Flags().StringVar(&uuid, "uuid", "", "the user whose sessions are to end")
	return command
}

// adminAddress is where the operator's listener can be reached from here.
func adminAddress(environment []string) (string, error) {
	address, err := config.AdminListen(environment)
	if err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	// One that listens everywhere listens here as well.
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port), nil
}

// adminClient has a transport of its own: a proxy of the environment must not
// see a uuid, and its health is not the server's.
func adminClient() *http.Client { return &http.Client{Transport: new(http.Transport)} }

var errNotRevoked = errors.New("nothing is known to have ended")

func revoke(ctx context.Context, address, uuid string) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	body, err := json.Marshal(api.RevokeRequest{UUID: uuid})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+api.PathRevoke, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	client := adminClient()
	defer client.CloseIdleConnections()
	response, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("the server's KEEPALIVE_ADMIN_LISTEN cannot be reached (%w); %w", err, errNotRevoked)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNoContent {
		return nil
	}
	var problem api.Problem
	err = json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&problem)
	if err != nil || !problem.Code.Known() {
		return fmt.Errorf("%s answers %s, and is no listener of this program; %w", address, response.Status, errNotRevoked)
	}
	return fmt.Errorf("the server refuses: %s (%s); %w", problem.Detail, problem.Code, errNotRevoked)
}

// checkRunning is the health check of a container, whose image has no other
// program to ask with. It asks /healthz and not /readyz: a server whose store is
// down must not be restarted for it.
func (p *program) checkRunning(ctx context.Context) error {
	address, err := adminAddress(p.environment)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/healthz", nil)
	if err != nil {
		return err
	}
	client := adminClient()
	defer client.CloseIdleConnections()
	response, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("the server's KEEPALIVE_ADMIN_LISTEN cannot be reached: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s; is it this program's KEEPALIVE_ADMIN_LISTEN?", address, response.Status)
	}
	_, err = fmt.Fprintln(p.stdout, "The server is well.")
	return err
}
