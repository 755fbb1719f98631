package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
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
	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
	"github.com/capture-keepalive/capture-keepalive/web"
)

const (
	// demoPolicy is what the module needs of a page, and nothing more.
	demoPolicy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:"
	// demoLife is short enough to watch.
	demoLife = 40 * time.Second

	demoPage   = "demo-page"
	demoIssuer = "demo-issuer"
	demoLogin  = "demo-login"
)

// demoOptions are the flags of the demo.
type demoOptions struct {
	listen  string
	life    time.Duration
	store   string
	verbose bool
}

func demoCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var options demoOptions
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.StringVar(&options.listen, "listen", "localhost:8080", "where to serve the page, on this machine only")
	flags.DurationVar(&options.life, "life", demoLife, "how long an access token lives")
	flags.StringVar(&options.store, "store", "", "file to keep the sessions in (default: one that is removed at the end)")
	flags.BoolVar(&options.verbose, "verbose", false, "log every request")
	if code, ok := parseFlags(flags, args, stderr); !ok {
		return code
	}
	if !loopbackAddress(options.listen) {
		fmt.Fprintln(stderr, "demo: -listen must be on this machine, such as localhost:8080: the demo lets everyone sign in as anyone")
		return exitUsage
	}
	if options.life <= 0 || options.life > maxTokenLifetime {
		fmt.Fprintf(stderr, "demo: -life must be more than 0s and at most %s\n", maxTokenLifetime)
		return exitUsage
	}
	if err := demo(ctx, options, stdout, stderr); err != nil {
		return say(stderr, err)
	}
	return exitOK
}

// demo serves the demo page, the stand-in service behind it and the server
// itself from one address, until ctx is done.
func demo(ctx context.Context, options demoOptions, stdout, stderr io.Writer) (err error) {
	front, err := listenLocal(options.listen)
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

	path := options.store
	if path == "" {
		dir, err := os.MkdirTemp("", "keepalive-demo-*")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		path = filepath.Join(dir, "keepalive.db")
	}
	ring, err := demoRing(options.store)
	if err != nil {
		return err
	}

	issuerSecret, loginSecret := secret.New(rand.Text()), secret.New(rand.Text())
	port := front[0].Addr().(*net.TCPAddr).Port
	config := &Config{
		BasePath:           api.DefaultBasePath,
		CaptureURL:         "http://" + upstream.Addr().String(),
		ClientID:           demoPage,
		IssuerClientID:     demoIssuer,
		IssuerClientSecret: issuerSecret,
		LoginClientID:      demoLogin,
		LoginClientSecret:  loginSecret,
		TokenLifetime:      options.life,
		IdleTimeout:        30 * time.Minute,
		AbsoluteTimeout:    12 * time.Hour,
		UpstreamTimeout:    10 * time.Second,
		// Safari refuses secure cookies on http://localhost.
		InsecureCookie: true,
		LogFormat:      "text",
		level:          slog.LevelWarn,
		ring:           ring,
		backend:        backend{path: path},
	}
	hosts := make(map[string]bool)
	for _, listener := range front {
		hosts[listener.Addr().String()] = true
	}
	hosts[net.JoinHostPort("localhost", strconv.Itoa(port))] = true
	for host := range hosts {
		config.Origins = append(config.Origins, "http://"+host)
		config.RedirectURIs = append(config.RedirectURIs, "http://"+host+"/")
	}
	if options.verbose {
		config.level = slog.LevelInfo
	}
	log := newLog(config, stderr)
	app, err := newApp(ctx, config, web.Dist(), log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, app.Close()) }()

	standIn := simulator.New(simulator.Options{
		Clients: []simulator.Client{
			{ID: demoPage},
			{ID: demoIssuer, Secret: issuerSecret, AccessIssuer: true},
			{ID: demoLogin, Secret: loginSecret, Login: true},
		},
		TokenLifetime: options.life,
	})
	handler := demoHandler(app.api.Public(), standIn, web.Demo(), hosts)
	pages := make([]endpoint, len(front))
	for i, listener := range front {
		pages[i] = endpoint{listener, newHTTPServer(handler, log)}
	}

	fmt.Fprintf(stdout, "The demo is at http://localhost:%d. Stop it with Ctrl-C.\n", port)
	return app.serve(ctx, pages, []endpoint{{upstream, newHTTPServer(standIn, log)}})
}

// listenLocal listens on an address of this machine. localhost is two: which
// of them a browser takes is its own affair.
func listenLocal(address string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("-listen: %w", err)
	}
	if host != "localhost" {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("-listen: %w", err)
		}
		return []net.Listener{listener}, nil
	}
	four, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, fmt.Errorf("-listen: %w", err)
	}
	port = strconv.Itoa(four.Addr().(*net.TCPAddr).Port)
	six, err := net.Listen("tcp", net.JoinHostPort("::1", port))
	if err != nil {
		return []net.Listener{four}, nil // a machine without IPv6
	}
	return []net.Listener{four, six}, nil
}

// demoRing makes the key of a demo. If the sessions are kept, the key is kept
// beside them, or the next run could not read them.
func demoRing(store string) (*keyring.Ring, error) {
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
		kept, err := readSecret(path)
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

// demoHandler puts everything under one origin: the page, the stand-in service
// that its Registration UI calls, and the server.
func demoHandler(keepalive, standIn http.Handler, pages fs.FS, hosts map[string]bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(api.DefaultBasePath+"/", keepalive)
	mux.Handle("/capture/", http.StripPrefix("/capture", standIn))
	files := http.FileServerFS(pages)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", demoPolicy)
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
