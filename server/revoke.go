package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// revokeTimeout is for a server on the same machine, or in the same rack.
const revokeTimeout = 15 * time.Second

// revokeCommand talks to the operator's listener of a server that runs, since
// that server may own the store alone. Of the environment it needs that
// listener's address and no secret.
func revokeCommand(ctx context.Context, args, environment []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("revoke", flag.ContinueOnError)
	uuid := flags.String("uuid", "", "whose sessions are to end")
	if code, ok := parseFlags(flags, args, stderr); !ok {
		return code
	}
	if *uuid == "" {
		fmt.Fprintln(stderr, "revoke: -uuid is missing; name the user whose sessions are to end")
		return exitUsage
	}
	address, err := adminAddress(environment)
	if err != nil {
		return say(stderr, err)
	}
	if err := revoke(ctx, address, *uuid); err != nil {
		return say(stderr, err)
	}
	fmt.Fprintln(stdout, "All sessions of the user have ended.")
	return exitOK
}

// adminAddress is where the operator's listener can be reached from here.
func adminAddress(environment []string) (string, error) {
	address := ours(environment)[prefix+"ADMIN_LISTEN"]
	if address == "" {
		address = fields()["ADMIN_LISTEN"].Tag.Get("envDefault")
	}
	if err := checkAddress(address); err != nil {
		return "", fmt.Errorf("%sADMIN_LISTEN: %w", prefix, err)
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

var errNotRevoked = errors.New("nothing is known to have ended")

func revoke(ctx context.Context, address, uuid string) error {
	ctx, cancel := context.WithTimeout(ctx, revokeTimeout)
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
	// A transport of its own: no proxy of the environment is to see a uuid.
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	response, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("the server's %sADMIN_LISTEN cannot be reached (%w); %w", prefix, err, errNotRevoked)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNoContent {
		return nil
	}
	var problem api.Problem
	if err := json.NewDecoder(io.LimitReader(response.Body, maxSecretFile)).Decode(&problem); err != nil || !problem.Code.Known() {
		return fmt.Errorf("%s answers %s, and is no listener of this program; %w", address, response.Status, errNotRevoked)
	}
	return fmt.Errorf("the server refuses: %s (%s); %w", problem.Detail, problem.Code, errNotRevoked)
}
