package demo

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/app"
	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
	"github.com/capture-keepalive/capture-keepalive/server/store/bolt"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
	"github.com/capture-keepalive/capture-keepalive/web"
)

// stage is a keepalive server with a stand-in for Capture behind it.
type stage struct {
	base     string // where browsers find it
	server   *app.App
	standIn  *simulator.Service
	upstream net.Listener
}

// run serves what handler makes of a stage, until ctx is done.
func run(
	ctx context.Context, options Options, stderr io.Writer, handler func(*stage) http.Handler,
) (err error) {
	front, err := listenLocal(options.Listen)
	if err != nil {
		return err
	}
	defer closeAll(front)
	hosts, name := hostsOf(front), "localhost"
	var origins []string
	if page, err := url.Parse(options.Origin); err == nil && page.Host != "" {
		// localhost and 127.0.0.1 are two sites, and cookies stay in one.
		name = page.Hostname()
		origins = append(origins, options.Origin)
	}
	host := net.JoinHostPort(name, strconv.Itoa(portOf(front)))
	hosts[host] = true
	for host := range hosts {
		origins = append(origins, "http://"+host)
	}
	s, err := newStage(ctx, options, origins, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.base = "http://" + host
	return s.serve(ctx, front, onlyHere(hosts, handler(s)))
}

// newStage makes a stage for pages of the origins.
func newStage(
	ctx context.Context, options Options, origins []string, stderr io.Writer,
) (_ *stage, err error) {
	s := new(stage)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	// The server calls Capture at an address of its own, as it does in life.
	if s.upstream, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	ring, err := keyRing(options.Store)
	if err != nil {
		return nil, err
	}
	settings := settingsOf(options, origins, s.upstream.Addr().String(), ring)
	s.standIn = simulator.New(simulator.Options{
		Clients: []simulator.Client{
			{ID: pageClient},
			{ID: issuerClient, Secret: settings.IssuerClientSecret, AccessIssuer: true},
			{ID: loginClient, Secret: settings.LoginClientSecret, Login: true},
		},
		TokenLifetime: options.Life,
	})
	s.server, err = app.New(ctx, settings, app.Options{
		Version: options.Version, Files: web.Dist(), Log: app.NewLog(settings, stderr),
	})
	return s, err
}

func settingsOf(
	options Options, origins []string, upstream string, ring *keyring.Ring,
) *config.Config {
	settings := &config.Config{
		BasePath:           api.DefaultBasePath,
		CaptureURL:         "http://" + upstream,
		ClientID:           pageClient,
		IssuerClientID:     issuerClient,
		IssuerClientSecret: secret.New(rand.Text()),
		LoginClientID:      loginClient,
		LoginClientSecret:  secret.New(rand.Text()),
		Origins:            origins,
		TokenLifetime:      options.Life,
		IdleTimeout:        30 * time.Minute,
		AbsoluteTimeout:    12 * time.Hour,
		UpstreamTimeout:    10 * time.Second,
		// Safari refuses secure cookies on http://localhost.
		InsecureCookie: true,
		LogFormat:      "text",
		LogLevel:       slog.LevelWarn,
		Store:          secret.New("bolt:" + options.Store),
		Derived:        config.Derived{Ring: ring, Driver: bolt.Driver},
	}
	if options.Store == "" {
		// An image may have no folder for temporary files.
		settings.Store, settings.Driver = secret.New("memory:"), memory.Driver
		settings.Driver.Advise = nil // a demo is to forget
	}
	for _, origin := range origins {
		settings.RedirectURIs = append(settings.RedirectURIs, origin+"/")
	}
	if options.Verbose {
		settings.LogLevel = slog.LevelInfo
	}
	return settings
}

// serve serves handler until ctx is done.
func (s *stage) serve(ctx context.Context, front []net.Listener, handler http.Handler) error {
	pages := make([]app.Endpoint, len(front))
	for i, listener := range front {
		pages[i] = app.Endpoint{Listener: listener, Handler: handler}
	}
	return s.server.Serve(ctx, pages, []app.Endpoint{{Listener: s.upstream, Handler: s.standIn}})
}

func (s *stage) close() error {
	var errs []error
	if s.server != nil {
		errs = append(errs, s.server.Close())
	}
	if s.upstream != nil {
		_ = s.upstream.Close() // the server may have closed it
	}
	return errors.Join(errs...)
}

// keyRing makes the key of a demo. If the sessions are kept, the key is kept
// beside them, or the next run could not read them.
func keyRing(store string) (*keyring.Ring, error) {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	keys := "demo:" + base64.StdEncoding.EncodeToString(raw[:])
	if store == "" {
		return keyring.Parse(secret.New(keys))
	}
	path := store + ".keys"
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		_, err = file.WriteString(keys)
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, err
		}
	case errors.Is(err, fs.ErrExist):
		kept, err := config.ReadKeys(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		keys = kept
	default:
		return nil, err
	}
	ring, err := keyring.Parse(secret.New(keys))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ring, nil
}
