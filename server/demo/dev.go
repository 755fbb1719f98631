package demo

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/web"
)

//go:embed dev.js
var devScript []byte

// Dev serves a keepalive server and a stand-in for Capture, sign-in included,
// for a page that another server of this machine serves, until ctx is done.
func Dev(ctx context.Context, options Options, stdout, stderr io.Writer) error {
	return run(ctx, options, stderr, func(s *stage) http.Handler {
		fmt.Fprintf(stdout, devGuide, options.Origin, s.base)
		return devHandler(s, options.Origin)
	})
}

const devGuide = `Pages of %[1]s can use the server at %[2]s/keepalive now. Put this on one:

  <div id="signIn"></div><div id="editProfile"></div>
  <script src="%[2]s/dev.js"></script>

It loads keepalive.js and a stand-in for the Registration UI: sign in as any
user, with any password. Press Ctrl-C to stop.
`

// devHandler is the server, the stand-in service for pages of the origin, and
// the two scripts of the stand-in UI.
func devHandler(s *stage, origin string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(api.DefaultBasePath+"/", s.server.Public())
	mux.Handle("/capture/", allow(origin, http.StripPrefix("/capture", s.standIn)))
	mux.Handle("GET /registration-ui.js", open(http.FileServerFS(web.Demo())))
	mux.Handle("GET /dev.js", open(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = w.Write(devScript) // a browser that has gone needs no script
	})))
	return mux
}

// open lets pages of any origin load a file that holds no secret.
func open(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// allow lets pages of the origin call the stand-in service, as the real one
// lets the pages of its application.
func allow(origin string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Vary", "Origin")
		if r.Header.Get("Origin") == origin {
			header.Set("Access-Control-Allow-Origin", origin)
			header.Set("Access-Control-Allow-Headers", "Content-Type")
			header.Set("Access-Control-Allow-Methods", "GET, POST")
		}
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
