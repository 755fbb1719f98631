package app

import (
	"log/slog"
	"net/http"
	"time"
)

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	// writeTimeout lets a slow line fetch the module.
	writeTimeout = 2 * time.Minute
	// maxHeaderBytes has room for the cookies of a large site: browsers send all
	// that other parts of the site have set, and a request that is refused for
	// them is refused for good.
	maxHeaderBytes = 64 << 10
)

// requestTimeout bounds the answer to a request: two calls to Capture, which is
// what the longest renewal makes, and what has to be stored.
func requestTimeout(upstream time.Duration) time.Duration { return 2*upstream + 10*time.Second }

func (a *App) newHTTPServer(handler http.Handler) *http.Server {
	server := newHTTPServer(handler, a.log)
	server.IdleTimeout = a.settings.ConnectionIdleTimeout
	return server
}

func newHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
