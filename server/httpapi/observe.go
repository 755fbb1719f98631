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
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// slowAnswer is the time from which on an answer is worth a line in the log
// whatever it says.
const slowAnswer = time.Second

// call is echo's context of one request, and what its handler leaves for the
// log line.
type call struct {
	echo.Context
	session store.ID
	tagged  bool // session is known
	news    bool // somebody came or went
}

// setTag names the session in the request's log line.
func setTag(c echo.Context, id store.ID) {
	here := c.(*call)
	here.session, here.tagged = id, true
}

// announce says that somebody came or went: that is logged at info.
func announce(c echo.Context) { c.(*call).news = true }

// The headers that every answer has. Whole values, shared: Header.Set would make
// a slice of each, for each answer.
var (
	nosniff = []string{"nosniff"}
	noStore = []string{"no-store"}
)

// observe is around every request: it names it, sets the headers that every
// answer has, catches panics, writes errors and logs one line, which most levels
// leave out where there is no news.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := s.config.Now()
		// A request id from outside is not believed: whoever can choose it can
		// make two requests look like one.
		id := newRequestID()
		header := c.Response().Header()
		header.Set(echo.HeaderXRequestID, id)
		header[echo.HeaderXContentTypeOptions] = nosniff
		header[echo.HeaderCacheControl] = noStore

		here := &call{Context: c}
		err := s.guarded(here, next)
		var code api.Code
		if err != nil {
			code = s.fail(here, err)
		}
		took := s.config.Now().Sub(began)
		s.logRequest(here, id, code, took, err)
		if s.config.Observer != nil {
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
func (s *Server) logRequest(c *call, id string, code api.Code, took time.Duration, err error) {
	status, ctx := c.Response().Status, c.Request().Context()
	level := levelOf(status, took, c.news)
	if !s.config.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("requestId", id),
		slog.String("method", method(c.Request().Method)),
		slog.String("route", route(c)),
		slog.Int("status", status),
		slog.Duration("duration", took),
	}
	if c.tagged {
		attrs = append(attrs, slog.String("session", session.Tag(c.session)))
	}
	if code != "" {
		attrs = append(attrs, slog.String("code", string(code)))
	}
	// What this package refused is told by its code; the rest has a cause.
	if own := (*problem)(nil); err != nil && !errors.As(err, &own) {
		attrs = append(attrs, slog.Any("error", err))
	}
	s.config.Log.LogAttrs(ctx, level, "request", attrs...)
}

// levelOf is how loud the line of a request is. Pages and proxies ask all day
// how things stand, and the metrics count them; a line for each would bury those
// about who came and went, and fill the disk.
func levelOf(status int, took time.Duration, news bool) slog.Level {
	switch {
	case status == http.StatusInternalServerError:
		return slog.LevelError // a fault of ours
	case status > http.StatusInternalServerError:
		return slog.LevelWarn // somebody else's, who may be back soon
	case status >= http.StatusBadRequest, took >= slowAnswer, news:
		return slog.LevelInfo
	}
	return slog.LevelDebug
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
