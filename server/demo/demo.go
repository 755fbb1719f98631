// Package demo shows the whole product on one machine: the demo page, a stand-in
// for Capture and the server, from one address.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/app"
	"github.com/capture-keepalive/capture-keepalive/web"
)

const (
	// pagePolicy is what the module needs of a page, and nothing more.
	pagePolicy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; " +
		"img-src 'self' data:"
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
	defer closeAll(front)
	hosts := hostsOf(front)
	var pages []string
	for host := range hosts {
		pages = append(pages, "http://"+host)
	}
	s, err := newStage(ctx, stageOptions{
		life: options.Life, store: options.Store, verbose: options.Verbose,
		version: options.Version, origins: pages,
	}, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	fmt.Fprintf(stdout, "The demo is at http://localhost:%d. Stop it with Ctrl-C.\n", portOf(front))
	return s.serve(ctx, front, handler(s.server, s.standIn, web.Demo(), hosts))
}

// handler puts everything under one origin: the page, the stand-in service
// that its Registration UI calls, the server, and what it measures.
func handler(server *app.App, standIn http.Handler, pages fs.FS, hosts map[string]bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(api.DefaultBasePath+"/", server.Public())
	mux.Handle("GET /metrics", server.Admin())
	mux.Handle("/capture/", http.StripPrefix("/capture", standIn))
	files := http.FileServerFS(pages)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", pagePolicy)
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		files.ServeHTTP(w, r)
	})
	return onlyHere(hosts, mux)
}

// onlyHere answers only to names of this machine: a page of another site could
// point its own name here and press our buttons (DNS rebinding).
func onlyHere(hosts map[string]bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !hosts[r.Host] {
			http.Error(w, "This server answers only to the names of this "+
				"machine.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
