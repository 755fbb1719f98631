package server

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
	"regexp"
	"strings"
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
	// maxAnswer bounds what is read of a page's answer, in bytes.
	maxAnswer = 1 << 20
	// maxAdminAnswer has room for 50,000 sessions of one user.
	maxAdminAnswer = 16 << 20
)

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

// askAdmin sends a request to the operator's listener, with a body of JSON or
// none, and returns the answer and its body. The transport is its own: a proxy
// of the environment must not see a uuid, and its health is not the server's.
// Nor must another program see a uuid that a redirect names.
func askAdmin(
	ctx context.Context, method, address, path string, body []byte,
) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: plain{new(http.Transport)}, CheckRedirect: stay}
	defer client.CloseIdleConnections()
	response, err := client.Do(r)
	if err != nil {
		return nil, nil, fmt.Errorf("the server's KEEPALIVE_ADMIN_LISTEN cannot be reached (%w). "+
			"Start the server on this machine, or set the variable here as it is set there", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAdminAnswer+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("the answer of KEEPALIVE_ADMIN_LISTEN broke off (%w)", err)
	case len(answer) > maxAdminAnswer:
		return nil, nil, fmt.Errorf("the answer of KEEPALIVE_ADMIN_LISTEN is longer than %d MiB; "+
			"is that the address of the server?", maxAdminAnswer>>20)
	}
	return response, answer, nil
}

// stay is a CheckRedirect that follows none.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// plain refuses an answer that hands the connection over, which nothing here
// asks for: net/http reads such an answer beyond every deadline.
type plain struct{ *http.Transport }

func (p plain) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := p.Transport.RoundTrip(r)
	if err == nil && response.StatusCode == http.StatusSwitchingProtocols {
		response.Body.Close()
		return nil, errors.New("the answer is HTTP 101, which was not asked for")
	}
	return response, err
}

// userCommand is a command about one user. It asks the operator's listener of a
// server that runs, since that server may own the store alone. Of the
// environment it needs that listener's address and no secret.
func (p *program) userCommand(
	name, short string, do func(ctx context.Context, address, uuid string) error,
) *cobra.Command {
	var uuid string
	command := &cobra.Command{
		Use:   name + " --uuid UUID",
		Short: short,
		Args:  noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			uuid, err := parseUUID(uuid)
			if err != nil {
				return err
			}
			address, err := adminAddress(p.environment)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(command.Context(), adminTimeout)
			defer cancel()
			return do(ctx, address, uuid)
		},
	}
	command.Flags().StringVar(&uuid, "uuid", "", "the user, as Capture names them")
	return command
}

// errNoSession fails revoke as well: nothing has ended.
var errNoSession = errors.New("this user has no session here; check the uuid")

// uuidForm is how Capture writes uuids (RFC 9562 section 4).
var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// parseUUID returns the uuid that an operator typed or pasted as Capture writes
// it: another spelling would be no user.
func parseUUID(text string) (string, error) {
	uuid, err := config.Clean(text)
	switch uuid = strings.ToLower(uuid); {
	case uuid == "" && err == nil:
		return "", usageError("--uuid is missing; name the user")
	case err != nil || !uuidForm.MatchString(uuid):
		return "", usageError("--uuid is no uuid; write it like " +
			"0c7a9f0e-5d3b-4f6a-9a51-2f1f6f7d8e90, as Capture names the user")
	}
	return uuid, nil
}

// askAbout posts the uuid to a path of the operator's listener and reads the
// answer.
func askAbout(ctx context.Context, address, path, uuid string, answer any) error {
	body, err := json.Marshal(api.UserRequest{UUID: uuid})
	if err != nil {
		return err
	}
	response, text, err := askAdmin(ctx, http.MethodPost, address, path, body)
	if err != nil {
		return err
	}
	if response.StatusCode == http.StatusOK {
		if json.Unmarshal(text, answer) == nil {
			return nil
		}
		return fmt.Errorf("%s answers, and is no listener of this program", address)
	}
	var problem api.Problem
	if json.Unmarshal(text, &problem) != nil || !problem.Code.Known() {
		return fmt.Errorf("%s answers %s, and is no listener of this "+
			"program", address, response.Status)
	}
	return fmt.Errorf("the server refuses: %s (%s)", problem.Detail, problem.Code)
}

// checkRunning is the health check of a container: its image has no other
// program to ask with. It asks /healthz and not /readyz: a server without its
// store must not be restarted for it.
func (p *program) checkRunning(ctx context.Context) error {
	address, err := adminAddress(p.environment)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	response, body, err := askAdmin(ctx, http.MethodGet, address, "/healthz", nil)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || string(body) != api.WellAnswer {
		return fmt.Errorf("%s answers %s, but not as this program does; is it the "+
			"KEEPALIVE_ADMIN_LISTEN of the server?", address, response.Status)
	}
	_, err = fmt.Fprintln(p.stdout, "The server is well.")
	return err
}
