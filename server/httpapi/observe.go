package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// CodeDisconnected is what an Observer and the log are told in the place of the
// code that no client reads: a visitor who hangs up is no failure of the store or
// of Capture.
const CodeDisconnected api.Code = "disconnected"

// call is echo's context of one request, and what its handler leaves for the
// log line.
type call struct {
	echo.Context
	session store.ID
	tagged  bool // session is known
	news    bool // a session began or ended
}

// setTag names the session in the request's log line.
func setTag(c echo.Context, id store.ID) {
	here := c.(*call)
	here.session, here.tagged = id, true
}

// announce has the request logged at info: a session began or ended.
func announce(c echo.Context) { c.(*call).news = true }

// The headers that every answer has. Whole values, shared: Header.Set would make
// a slice of each, for each answer.
var (
	nosniff = []string{"nosniff"}
	noStore = []string{"no-store"}
)

// observe is around every request: it names it, sets the headers that every
// answer has, catches panics, writes errors and logs it.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now()
		// A request id from outside is not used: a client that chooses it could
		// make two requests look like one.
		id := newRequestID()
		header := c.Response().Header()
		header.Set(echo.HeaderXRequestID, id)
		header[echo.HeaderXContentTypeOptions] = nosniff
		header[echo.HeaderCacheControl] = noStore
		if s.draining.Load() {
			header.Set(echo.HeaderConnection, "close")
		}

		here, client := &call{Context: c}, c.Request().Context()
		err := s.guarded(here, next)
		var code api.Code
		if err != nil {
			code = s.fail(here, err)
		}
		if client.Err() != nil && errors.Is(err, context.Canceled) {
			code = CodeDisconnected
		}
		took := time.Since(began)
		s.logRequest(here, id, code, took, err)
		if s.config.Observer != nil {
			s.config.Observer.Request(route(c), method(c.Request().Method), code, took)
		}
		return nil
	}
}

// guarded turns a panic into an error, without its value: that may be anything.
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
		s.config.Log.ErrorContext(c.Request().Context(), "a handler "+
			"panicked", "route", route(c), "kind", kind, "stack", string(debug.Stack()))
		err = fmt.Errorf("httpapi: a handler panicked: %s", kind)
	}()
	return next(c)
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
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return name
	}
	return "-"
}

func newRequestID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return hex.EncodeToString(id[:])
}
