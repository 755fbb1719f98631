package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/capture-keepalive/capture-keepalive/server/config"
)

// Endpoint is a listener and what answers there.
type Endpoint struct {
	Listener net.Listener
	Handler  http.Handler
}

// Run is the serve command: both listeners, until ctx is done. At each hangup
// it takes keys and client secrets from again.
func Run(
	ctx context.Context, settings *config.Config, options Options,
	hangups <-chan os.Signal, again func() (*config.Config, error),
) (err error) {
	// The store comes first: opening it can take a while, and a connection that is
	// refused has a proxy ask another server, where one that waits does not.
	a, err := New(ctx, settings, options)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil // told to stop while the store was being opened
	case err != nil:
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()

	public, err := Listen("KEEPALIVE_LISTEN", settings.Listen)
	if err != nil {
		return err
	}
	defer public.Close()
	admin, err := Listen("KEEPALIVE_ADMIN_LISTEN", settings.AdminListen)
	if err != nil {
		return err
	}
	defer admin.Close()

	// The end does not wait for it: a file may stand still, too.
	go a.secrets.reload(ctx, hangups, again, a.log)

	for _, advice := range settings.Advice() {
		a.log.Warn("the configuration has a risk", "advice", advice)
	}
	a.log.Info("serving", "version", options.Version,
		"public", public.Addr().String(), "admin", admin.Addr().String(),
		"origins", settings.Origins)
	return a.Serve(ctx, []Endpoint{{public, a.Public()}}, []Endpoint{{admin, a.Admin()}})
}

// Listen listens on a TCP address. Its error names the setting that gave it.
func Listen(setting, address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("the server cannot listen where %s says (%w); choose a port that is "+
			"free, at an address that this machine has", setting, err)
	}
	return listener, nil
}

// Serve serves front and back until ctx is done or a listener fails, then ends
// as drain.go says.
func (a *App) Serve(ctx context.Context, front, back []Endpoint) error {
	failed := make(chan error, 1)
	serve := func(endpoints []Endpoint, watch func(net.Conn, http.ConnState)) []*http.Server {
		servers := make([]*http.Server, len(endpoints))
		for i, each := range endpoints {
			server := a.newHTTPServer(each.Handler)
			server.ConnState = watch
			servers[i] = server
			go func() {
				err := server.Serve(each.Listener)
				if errors.Is(err, http.ErrServerClosed) {
					return
				}
				select {
				case failed <- fmt.Errorf("serving %s: %w", each.Listener.Addr(), err):
				default: // one reason to stop is enough
				}
			}()
		}
		return servers
	}
	fronts := serve(front, newConnections(mostConnections()).changed)
	backs := serve(back, nil)
	var err error
	select {
	case err = <-failed:
		a.linger(0)
	case <-ctx.Done():
		a.linger(a.settings.ShutdownDelay)
	}
	a.drain(context.WithoutCancel(ctx), fronts, backs)
	return err
}
