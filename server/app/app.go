// Package app is the server as a process: it assembles the parts that a
// configuration asks for, runs the listeners, reads secrets again, and ends in
// the time that supervisors allow.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/clock"
	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
	"github.com/capture-keepalive/capture-keepalive/server/monitor"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// App is the server without its listeners.
type App struct {
	api      *httpapi.Server
	sessions *session.Service
	store    *store.Store
	secrets  *secrets
	log      *slog.Logger
	settings *config.Config

	stopSweep context.CancelFunc
	swept     sync.WaitGroup
}

// Options are what an App needs beside its configuration.
type Options struct {
	// Version is what the metrics name.
	Version string
	// Files are the page's files and their manifest; see [httpapi.Config].
	Files fs.FS
	Log   *slog.Logger
	// LogDropped is how many lines of the log were lost. Nil: none.
	LogDropped func() int64
	// Transport reaches Capture. Nil: one for this App alone.
	Transport http.RoundTripper
}

// New puts the parts together. The store is open until Close; ctx is for
// opening it.
func New(ctx context.Context, settings *config.Config, options Options) (*App, error) {
	watch := monitor.New(options.Version)
	client, err := NewCapture(settings, options.Transport, watch.CaptureCalled)
	if err != nil {
		return nil, err
	}
	log := options.Log
	backend, risks, err := openBackend(ctx, settings, log)
	if err != nil {
		return nil, fmt.Errorf("KEEPALIVE_STORE: %w", err)
	}
	secrets := newSecrets(settings, client)
	reference := &databaseTime{backend: backend}
	reference.measure(ctx, log)
	steady := clock.Following(reference.now)
	if options.LogDropped == nil {
		options.LogDropped = func() int64 { return 0 }
	}
	watch.Log(options.LogDropped)
	a := &App{
		store:    store.New(backend, &secrets.keys, steady.Now),
		secrets:  secrets,
		log:      log,
		settings: settings,
	}
	a.store.Watch(watch.StoreCalled)
	a.sessions = session.New(a.sessionConfig(watch, steady.Now))
	watch.Breaker(a.sessions.BreakerOpen)
	a.api, err = httpapi.New(a.httpConfig(watch, steady.Now, options.Files))
	if err != nil {
		return nil, errors.Join(err, a.store.Close())
	}

	sweeping, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.stopSweep = cancel
	for name, work := range map[string]func(){
		"sweep":             func() { a.sweep(sweeping, watch) },
		"the store's clock": func() { reference.measure(sweeping, log) },
		"the store's risks": func() { risks.look(sweeping) },
		"census":            a.census(sweeping, watch),
	} {
		a.swept.Go(func() { often(sweeping, log, name, work) })
	}
	return a, nil
}

func (a *App) sessionConfig(watch *monitor.Monitor, now func() time.Time) session.Config {
	settings := a.settings
	return session.Config{
		Store:   a.store,
		Capture: a.secrets.client,
		Application: session.ApplicationOf(
			settings.CaptureURL, settings.TypeName, settings.ClientID, settings.LoginClientID),
		MaxSessionsPerUser: settings.MaxSessionsPerUser,
		Now:                now,
		RedirectURIs:       settings.RedirectURIs,
		TokenLifetime:      settings.TokenLifetime,
		IdleTimeout:        settings.IdleTimeout,
		AbsoluteTimeout:    settings.AbsoluteTimeout,
		UpstreamTimeout:    settings.UpstreamTimeout,
		Forced:             settings.RateForced,
		Upstream:           settings.RateUpstream,
		Observer:           watch,
		Log:                a.log,
	}
}

func (a *App) httpConfig(watch *monitor.Monitor, now func() time.Time, files fs.FS) httpapi.Config {
	settings := a.settings
	return httpapi.Config{
		Sessions:        a.sessions,
		Modes:           settings.Modes(),
		Keys:            &a.secrets.keys,
		BasePath:        settings.BasePath,
		Origins:         settings.Origins,
		Files:           files,
		InsecureCookie:  settings.InsecureCookie,
		TrustedProxies:  settings.Proxies,
		RateLogin:       settings.RateLogin,
		Timeout:         requestTimeout(settings.UpstreamTimeout),
		AuthTokenHeader: settings.AuthTokenHeader,
		AuthIsActivity:  settings.AuthIsActivity,
		Pprof:           settings.Pprof,
		List:            a.store.Sessions,
		Observer:        watch,
		Metrics:         watch,
		Now:             now,
		Log:             a.log,
	}
}

// Public is the handler for pages.
func (a *App) Public() http.Handler { return a.api.Public() }

// Admin is the handler for the operator.
func (a *App) Admin() http.Handler { return a.api.Admin() }

// sweep removes dead sessions. They are dead without it: this only saves room.
func (a *App) sweep(ctx context.Context, watch *monitor.Monitor) {
	swept, err := a.store.Sweep(ctx, func(ended store.Ended) {
		watch.SessionExpired(ended.Limit)
		a.log.Info("The record of a session that had ended was removed.",
			"event", "removed", "why", string(ended.Limit), "session", ended.Key.Tag(), "at", ended.At)
	})
	watch.StoreSwept(swept)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		a.log.Error("dead sessions could not be removed; the next try is in a minute", "error", err)
	case swept > 0:
		a.log.Info("dead sessions and spent codes were removed", "rows", swept)
	}
}

// NewLog is the log that the configuration asks for.
func NewLog(settings *config.Config, to io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: settings.LogLevel}
	if settings.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(to, options))
	}
	return slog.New(slog.NewJSONHandler(to, options))
}
