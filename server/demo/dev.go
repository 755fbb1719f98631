package demo

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/web"
)

//go:embed dev.js
var devScript []byte

// DevOptions are the flags of the dev command.
type DevOptions struct {
	// Origin is that of the developer's own page, on this machine.
	Origin  string
	Listen  string        // as in Options
	Life    time.Duration // as in Options
	Verbose bool          // as in Options
	Version string        // as in Options
}

// Dev serves a keepalive server and a stand-in for Capture, sign-in included,
// for a page that another server of this machine serves, until ctx is done.
func Dev(ctx context.Context, options DevOptions, stdout, stderr io.Writer) (err error) {
	front, err := listenLocal(options.Listen)
	if err != nil {
		return err
	}
	defer closeAll(front)
	base := fmt.Sprintf("http://localhost:%d", portOf(front))
	s, err := newStage(ctx, stageOptions{
		life: options.Life, verbose: options.Verbose, version: options.Version,
		origins: []string{options.Origin, base},
	}, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	fmt.Fprintf(stdout, devGuide, options.Origin, base)
	handler := devHandler(s.server.Public(), s.standIn, web.Demo(), options.Origin, hostsOf(front))
	return s.serve(ctx, front, handler)
}

const devGuide = `Pages of %[1]s can use the server at %[2]s/keepalive now. Put this on one:

  <div id="signIn"></div><div id="editProfile"></div>
  <script src="%[2]s/dev.js"></script>

It loads keepalive.js and a stand-in for the Registration UI: sign in as any
user, with any password. Press Ctrl-C to stop.
`

// devHandler is the server, the stand-in service for pages of the origin, and
// the two scripts of the stand-in UI.
func devHandler(
	keepalive, standIn http.Handler, pages fs.FS, origin string, hosts map[string]bool,
) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(api.DefaultBasePath+"/", keepalive)
	mux.Handle("/capture/", allow(origin, http.StripPrefix("/capture", standIn)))
	mux.Handle("GET /registration-ui.js", open(http.FileServerFS(pages)))
	mux.Handle("GET /dev.js", open(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = w.Write(devScript) // a browser that has gone needs no script
	})))
	return onlyHere(hosts, mux)
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
