package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/monitor"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/bolt"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis"
	"github.com/capture-keepalive/capture-keepalive/web"
)

const (
	// drainTimeout bounds how long work in flight may hold up the end: a refresh
	// that is cut off can cost its session. Supervisors kill after 30 s.
	drainTimeout = 25 * time.Second
	// lastTimeout of it is kept for what /auth began meanwhile, and closeTimeout
	// of that for closing the store.
	lastTimeout  = 5 * time.Second
	closeTimeout = time.Second
	// sweepInterval is how often dead sessions are thrown out. They are dead
	// without it: this only saves room.
	sweepInterval = time.Minute

	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	// writeTimeout lets a slow line fetch the module.
	writeTimeout   = 2 * time.Minute
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10
)

func serveCommand(ctx context.Context, args, environment []string, stderr io.Writer) int {
	if code, ok := parseFlags(flag.NewFlagSet("serve", flag.ContinueOnError), args, stderr); !ok {
		return code
	}
	config, err := ParseConfig(environment)
	if err != nil {
		return say(stderr, fmt.Errorf("the configuration is wrong:\n%w", err))
	}
	log := newLog(config, stderr)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	again := func() (*Config, error) { return ParseConfig(environment) }
	if err := serve(ctx, config, hangups, again, log); err != nil {
		return say(stderr, err)
	}
	return exitOK
}

// serve runs both listeners until ctx is done, then lets requests in flight
// finish. At each hangup it takes keys and client secrets from again.
func serve(ctx context.Context, config *Config, hangups <-chan os.Signal, again func() (*Config, error), log *slog.Logger) (err error) {
	public, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return fmt.Errorf("KEEPALIVE_LISTEN: %w", err)
	}
	defer public.Close()
	admin, err := net.Listen("tcp", config.AdminListen)
	if err != nil {
		return fmt.Errorf("KEEPALIVE_ADMIN_LISTEN: %w", err)
	}
	defer admin.Close()

	app, err := newApp(ctx, config, web.Dist(), log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, app.Close()) }()

	reloading, stop := context.WithCancel(ctx)
	var reloads sync.WaitGroup
	reloads.Go(func() { app.secrets.reload(reloading, hangups, again, log) })
	defer reloads.Wait()
	defer stop()

	if advice := loginAdvice(config); advice != "" {
		log.Warn("all visitors share one limit of logins", "advice", advice)
	}
	log.Info("serving", "version", version, "public", public.Addr().String(), "admin", admin.Addr().String(), "origins", config.Origins)
	return app.serve(ctx,
		[]endpoint{{public, newHTTPServer(app.api.Public(), log)}},
		[]endpoint{{admin, newHTTPServer(app.api.Admin(), log)}})
}

// app is the server without its listeners.
type app struct {
	api      *httpapi.Server
	sessions *session.Service
	store    *store.Store
	secrets  *live
	log      *slog.Logger

	stopSweep context.CancelFunc
	swept     sync.WaitGroup
}

// newApp puts the parts together. The store is open until Close; ctx is for
// opening it.
func newApp(ctx context.Context, config *Config, files fs.FS, log *slog.Logger) (*app, error) {
	secrets, err := newLive(config)
	if err != nil {
		return nil, err
	}
	backend, err := openBackend(ctx, config, log)
	if err != nil {
		return nil, fmt.Errorf("KEEPALIVE_STORE: %w", err)
	}
	watch := monitor.New(version)
	a := &app{store: store.New(watch.Backend(backend), &secrets.keys, nil), secrets: secrets, log: log}
	a.sessions = session.New(session.Config{
		Store:           a.store,
		Capture:         watch.Capture(secrets),
		RedirectURIs:    config.RedirectURIs,
		TokenLifetime:   config.TokenLifetime,
		IdleTimeout:     config.IdleTimeout,
		AbsoluteTimeout: config.AbsoluteTimeout,
		UpstreamTimeout: config.UpstreamTimeout,
		Forced:          config.RateForced,
		Ceiling:         watch.Ceiling(limit.NewBucket(config.RateUpstream)),
		Observer:        watch,
		Log:             log,
	})
	watch.Breaker(a.sessions.LeavesCaptureAlone)
	a.api, err = httpapi.New(httpapi.Config{
		Sessions:        a.sessions,
		Modes:           config.modes(),
		Keys:            &secrets.keys,
		BasePath:        config.BasePath,
		Origins:         config.Origins,
		Files:           files,
		InsecureCookie:  config.InsecureCookie,
		TrustedProxies:  config.proxies,
		RateLogin:       config.RateLogin,
		AuthTokenHeader: config.AuthTokenHeader,
		AuthIsActivity:  config.AuthIsActivity,
		Observer:        watch,
		Metrics:         watch,
		Log:             log,
	})
	if err != nil {
		return nil, errors.Join(err, a.store.Close())
	}

	sweeping, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.stopSweep = cancel
	a.swept.Go(func() { a.sweep(sweeping) })
	return a, nil
}

func newCapture(config *Config) (*capture.Client, error) {
	return capture.New(capture.Config{
		URL:           config.CaptureURL,
		ClientID:      config.ClientID,
		Issuer:        capture.Credentials{ID: config.IssuerClientID, Secret: config.IssuerClientSecret},
		Login:         capture.Credentials{ID: config.LoginClientID, Secret: config.LoginClientSecret},
		Scheme:        config.AuthScheme,
		TypeName:      config.TypeName,
		TokenLifetime: config.TokenLifetime,
		Timeout:       config.UpstreamTimeout,
	})
}

func openBackend(ctx context.Context, config *Config, log *slog.Logger) (store.Backend, error) {
	switch {
	case config.backend.redis:
		return openRedis(ctx, config.Store, func(advice string) { log.Warn("the store can lose sessions", "advice", advice) })
	case config.backend.path == "":
		return memory.New(), nil
	}
	return bolt.Open(config.backend.path)
}

// openRedis tells what its settings put at risk.
func openRedis(ctx context.Context, url secret.String, tell func(advice string)) (store.Backend, error) {
	backend, err := redis.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	for _, advice := range backend.Advice(ctx) {
		tell(advice)
	}
	return backend, nil
}

func (a *app) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		swept, err := a.store.Sweep(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			a.log.Error("dead sessions could not be thrown out; trying again in a minute", "error", err)
		case swept > 0:
			a.log.Info("dead sessions and spent codes thrown out", "rows", swept)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Close ends what runs in the background and closes the store.
func (a *app) Close() error {
	a.stopSweep()
	a.swept.Wait()
	return a.store.Close()
}

func newHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// endpoint is a server and where it listens.
type endpoint struct {
	listener net.Listener
	server   *http.Server
}

// serve serves front and back until ctx is done or a listener fails. Then the
// front takes no new work and finishes what is in flight; the back is there
// until that is done, so that /readyz can be asked all the while.
func (a *app) serve(ctx context.Context, front, back []endpoint) error {
	failed := make(chan error, 1)
	for _, each := range append(front, back...) {
		go func() {
			if err := each.server.Serve(each.listener); !errors.Is(err, http.ErrServerClosed) {
				select {
				case failed <- fmt.Errorf("serving %s: %w", each.listener.Addr(), err):
				default: // one reason to stop is enough
				}
			}
		}()
	}
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		a.log.Info("draining: no new work, requests in flight finish")
	}

	a.api.Drain()
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout-closeTimeout)
	defer cancelLast()
	drain, cancel := context.WithTimeout(last, drainTimeout-lastTimeout)
	defer cancel()
	// A slow download must not use up the time that renewals need.
	requests, cancelRequests := context.WithTimeout(drain, drainTimeout/2)
	defer cancelRequests()
	a.shut(requests, front)
	drained := a.sessions.Drain(drain)
	a.shut(drain, back)
	// What /auth began in the meantime has to be stored as well.
	if errors.Join(drained, a.sessions.Drain(last)) != nil {
		a.log.Error("a renewal did not finish in time: its token is lost, and with a refresh token the session too")
	}
	return err
}

// shut lets requests finish, and cuts off those that do not.
func (a *app) shut(drain context.Context, endpoints []endpoint) {
	var group sync.WaitGroup
	for _, each := range endpoints {
		group.Go(func() {
			if each.server.Shutdown(drain) != nil {
				a.log.Warn("requests in flight did not finish in time and were cut off", "listener", each.listener.Addr().String())
				_ = each.server.Close() // nothing is left to be told
			}
		})
	}
	group.Wait()
}
