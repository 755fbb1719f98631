// Package demo shows the whole product on one machine: the demo page, a stand-in
// for Capture and the server, from one address.
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
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/app"
	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
	"github.com/capture-keepalive/capture-keepalive/server/store/bolt"
	"github.com/capture-keepalive/capture-keepalive/web"
)

const (
	// pagePolicy is what the module needs of a page, and nothing more.
	pagePolicy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:"
	// DefaultLife is short enough to watch.
	DefaultLife = 40 * time.Second

	pageClient   = "demo-page"
	issuerClient = "demo-issuer"
	loginClient  = "demo-login"
)

// Options are the flags of the demo.
type Options struct {
	// Listen is on this machine: the demo lets everyone sign in as anyone.
	Listen string
	// Life is how long an access token lives.
	Life time.Duration
	// Store is a file to keep the sessions in. Empty: one that is removed at the
	// end.
	Store string
	// Verbose logs every request.
	Verbose bool
	// Version is what the metrics name.
	Version string
}

// Run serves the demo page, the stand-in service behind it and the server
// itself from one address, until ctx is done.
func Run(ctx context.Context, options Options, stdout, stderr io.Writer) (err error) {
	front, err := listenLocal(options.Listen)
	if err != nil {
		return err
	}
	for _, listener := range front {
		defer listener.Close()
	}
	// The server calls Capture at an address of its own, as it does in life.
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer upstream.Close()

	path := options.Store
	if path == "" {
		dir, err := os.MkdirTemp("", "keepalive-demo-*")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		path = filepath.Join(dir, "keepalive.db")
	}
	ring, err := keyRing(options.Store)
	if err != nil {
		return err
	}

	issuerSecret, loginSecret := secret.New(rand.Text()), secret.New(rand.Text())
	port := front[0].Addr().(*net.TCPAddr).Port
	settings := &config.Config{
		BasePath:           api.DefaultBasePath,
		CaptureURL:         "http://" + upstream.Addr().String(),
		ClientID:           pageClient,
		IssuerClientID:     issuerClient,
		IssuerClientSecret: issuerSecret,
		LoginClientID:      loginClient,
		LoginClientSecret:  loginSecret,
		TokenLifetime:      options.Life,
		IdleTimeout:        30 * time.Minute,
		AbsoluteTimeout:    12 * time.Hour,
		UpstreamTimeout:    10 * time.Second,
		// Safari refuses secure cookies on http://localhost.
		InsecureCookie: true,
		LogFormat:      "text",
		Store:          secret.New("bolt:" + path),
		Derived: config.Derived{
			Level:  slog.LevelWarn,
			Ring:   ring,
			Driver: bolt.Driver,
		},
	}
	hosts := make(map[string]bool)
	for _, listener := range front {
		hosts[listener.Addr().String()] = true
	}
	hosts[net.JoinHostPort("localhost", strconv.Itoa(port))] = true
	for host := range hosts {
		settings.Origins = append(settings.Origins, "http://"+host)
		settings.RedirectURIs = append(settings.RedirectURIs, "http://"+host+"/")
	}
	if options.Verbose {
		settings.Level = slog.LevelInfo
	}
	log := app.NewLog(settings, stderr)
	server, err := app.New(ctx, settings, app.Options{Version: options.Version, Files: web.Dist(), Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()

	standIn := simulator.New(simulator.Options{
		Clients: []simulator.Client{
			{ID: pageClient},
			{ID: issuerClient, Secret: issuerSecret, AccessIssuer: true},
			{ID: loginClient, Secret: loginSecret, Login: true},
		},
		TokenLifetime: options.Life,
	})
	public := handler(server.Public(), standIn, web.Demo(), hosts)
	pages := make([]app.Endpoint, len(front))
	for i, listener := range front {
		pages[i] = app.Endpoint{Listener: listener, Handler: public}
	}

	fmt.Fprintf(stdout, "The demo is at http://localhost:%d. Stop it with Ctrl-C.\n", port)
	return server.Serve(ctx, pages, []app.Endpoint{{Listener: upstream, Handler: standIn}})
}

// listenLocal listens on an address of this machine. localhost is two: which
// of them a browser takes is its own affair.
func listenLocal(address string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	if host != "localhost" {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("--listen: %w", err)
		}
		return []net.Listener{listener}, nil
	}
	four, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	port = strconv.Itoa(four.Addr().(*net.TCPAddr).Port)
	six, err := net.Listen("tcp", net.JoinHostPort("::1", port))
	if err != nil {
		return []net.Listener{four}, nil // a machine without IPv6
	}
	return []net.Listener{four, six}, nil
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

// handler puts everything under one origin: the page, the stand-in service
// that its Registration UI calls, and the server.
func handler(keepalive, standIn http.Handler, pages fs.FS, hosts map[string]bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(api.DefaultBasePath+"/", keepalive)
	mux.Handle("/capture/", http.StripPrefix("/capture", standIn))
	files := http.FileServerFS(pages)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", pagePolicy)
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		files.ServeHTTP(w, r)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A page of another site could point its own name at this machine and
		// press the demo's buttons (DNS rebinding).
		if !hosts[r.Host] {
			http.Error(w, "The demo answers only to the names of this machine.", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}
