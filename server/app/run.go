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
	public, err := net.Listen("tcp", settings.Listen)
	if err != nil {
		return fmt.Errorf("KEEPALIVE_LISTEN: %w", err)
	}
	defer public.Close()
	admin, err := net.Listen("tcp", settings.AdminListen)
	if err != nil {
		return fmt.Errorf("KEEPALIVE_ADMIN_LISTEN: %w", err)
	}
	defer admin.Close()

	a, err := New(ctx, settings, options)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil // told to stop while the store was being opened
	case err != nil:
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()

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

// Serve serves front and back until ctx is done or a listener fails, then ends
// as drain.go says.
func (a *App) Serve(ctx context.Context, front, back []Endpoint) error {
	failed := make(chan error, 1)
	serve := func(endpoints []Endpoint) []*http.Server {
		servers := make([]*http.Server, len(endpoints))
		for i, each := range endpoints {
			server := a.newHTTPServer(each.Handler)
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
	fronts, backs := serve(front), serve(back)
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
