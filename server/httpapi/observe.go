package httpapi

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// What a handler leaves in echo's context for the log line.
const (
	keyTag  = "session"
	keyCode = "code"
)

// observe is around every request: it names it, sets the headers that every
// answer has, catches panics, writes errors and logs one line.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := s.config.Now()
		// A request id from outside is not believed: whoever can choose it can
		// make two requests look like one.
		id := newRequestID()
		header := c.Response().Header()
		header.Set(echo.HeaderXRequestID, id)
		header.Set(echo.HeaderXContentTypeOptions, "nosniff")
		header.Set(echo.HeaderCacheControl, "no-store")

		err := s.guarded(c, next)
		if err != nil {
			s.fail(c, err)
		}
		took := s.config.Now().Sub(began)
		s.logRequest(c, id, took, err)
		if s.config.Observer != nil {
			code, _ := c.Get(keyCode).(api.Code)
			s.config.Observer.Request(route(c), method(c.Request().Method), code, took)
		}
		return nil
	}
}

// panicked is a handler's panic. It holds no value: that may be anything.
type panicked struct{ kind string }

func (p *panicked) Error() string { return "httpapi: a handler panicked: " + p.kind }

// guarded turns a panic into an error.
func (s *Server) guarded(c echo.Context, next echo.HandlerFunc) (err error) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		kind := fmt.Sprintf("%T", cause)
		if failure, ok := cause.(error); ok {
			if errors.Is(failure, http.ErrAbortHandler) {
				panic(cause)
			}
			// The runtime's own errors hold no values but numbers and types.
			var fault runtime.Error
			if errors.As(failure, &fault) {
				kind = fault.Error()
			}
		}
		s.config.Log.ErrorContext(c.Request().Context(), "a handler panicked", "route", route(c), "kind", kind, "stack", string(debug.Stack()))
		err = &panicked{kind}
	}()
	return next(c)
}

// logRequest says what happened, in words of ours alone: the path, query,
// cookies and bodies are the client's and may hold secrets.
func (s *Server) logRequest(c echo.Context, id string, took time.Duration, err error) {
	status := c.Response().Status
	attrs := []slog.Attr{
		slog.String("requestId", id),
		slog.String("method", method(c.Request().Method)),
		slog.String("route", route(c)),
		slog.Int("status", status),
		slog.Duration("duration", took),
	}
	if tag, ok := c.Get(keyTag).(string); ok {
		attrs = append(attrs, slog.String("session", tag))
	}
	if code, ok := c.Get(keyCode).(api.Code); ok {
		attrs = append(attrs, slog.String("code", string(code)))
	}
	level := slog.LevelInfo
	switch {
	case status == http.StatusInternalServerError:
		level = slog.LevelError // a fault of ours
	case status > http.StatusInternalServerError:
		level = slog.LevelWarn // somebody else's, who may be back soon
	}
	// What this package refused is told by its code; the rest has a cause.
	if own := (*problem)(nil); err != nil && !errors.As(err, &own) {
		attrs = append(attrs, slog.Any("error", err))
	}
	s.config.Log.LogAttrs(c.Request().Context(), level, "request", attrs...)
}

// route is the pattern that matched, or a dash.
func route(c echo.Context) string {
	if c.Path() == "" {
		return "-"
	}
	return c.Path()
}

// method is one of HTTP's own, or a dash: others are the client's words.
func method(name string) string {
	switch name {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return name
	}
	return "-"
}

func newRequestID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return hex.EncodeToString(id[:])
}
