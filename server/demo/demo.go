// Package demo shows the whole product on one machine: the demo page, a stand-in
// for Capture and the server, from one address.
package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
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

// Options are the flags of the demo and of dev.
type Options struct {
	// Listen is on this machine: both let everyone sign in as anyone.
	Listen string
	// Life is how long an access token lives.
	Life time.Duration
	// Store is a file to keep the sessions in. Empty: they are kept in memory.
	Store string
	// Origin is that of the developer's own page, on this machine. Empty: none.
	Origin string
	// Verbose logs every request.
	Verbose bool
	// Version is what the metrics name.
	Version string
}

// Run serves the demo page, the stand-in service behind it and the server
// itself from one address, until ctx is done.
func Run(ctx context.Context, options Options, stdout, stderr io.Writer) error {
	return run(ctx, options, stderr, func(s *stage) http.Handler {
		fmt.Fprintf(stdout, "The demo is at %s. Stop it with Ctrl-C.\n", s.base)
		return demoHandler(s)
	})
}

// demoHandler puts everything under one origin: the page, the stand-in service
// that its Registration UI calls, the server, and what it measures.
func demoHandler(s *stage) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(api.DefaultBasePath+"/", s.server.Public())
	mux.Handle("GET /metrics", s.server.Admin())
	mux.Handle("/capture/", http.StripPrefix("/capture", s.standIn))
	files := http.FileServerFS(web.Demo())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", pagePolicy)
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		files.ServeHTTP(w, r)
	})
	return mux
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
