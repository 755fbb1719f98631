package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// runningTimeout is for a server on the same machine that has nothing to do
// but to say that it is there.
const runningTimeout = 2 * time.Second

// checkRunning is the health check of a container, whose image has no other
// program to ask with. It asks /healthz and not /readyz: a server whose store is
// down must not be restarted for it.
func checkRunning(ctx context.Context, environment []string, stdout, stderr io.Writer) int {
	address, err := adminAddress(environment)
	if err != nil {
		return say(stderr, err)
	}
	ctx, cancel := context.WithTimeout(ctx, runningTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/healthz", nil)
	if err != nil {
		return say(stderr, err)
	}
	// A transport of its own: a proxy of the environment is somebody else.
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	response, err := client.Do(r)
	if err != nil {
		return say(stderr, fmt.Errorf("the server's %sADMIN_LISTEN cannot be reached: %w", prefix, err))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return say(stderr, fmt.Errorf("%s answers %s; is it this program's %sADMIN_LISTEN?", address, response.Status, prefix))
	}
	fmt.Fprintln(stdout, "The server is well.")
	return exitOK
}
