package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/session"
)

// problem is a refusal by this package.
type problem struct {
	code       api.Code
	detail     string
	retryAfter time.Duration
}

func (p *problem) Error() string { return "httpapi: " + string(p.code) + ": " + p.detail }

func refuse(code api.Code, detail string) *problem { return &problem{code: code, detail: detail} }

func badRequest(detail string) *problem { return refuse(api.BadRequest, detail) }

// retryLate is when to ask again after the server ran out of time.
const retryLate = 5 * time.Second

// problemOf finds the answer to any error: of this package, of the session, of
// echo, of the request's deadline. The page learns nothing about any other.
func problemOf(err error) *problem {
	var own *problem
	var failure *session.Error
	var framework *echo.HTTPError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &failure):
		return &problem{code: failure.Code, detail: failure.Detail, retryAfter: failure.RetryAfter}
	case errors.As(err, &framework):
		switch framework.Code {
		case http.StatusNotFound:
			return refuse(api.NotFound, "no route has this path")
		case http.StatusMethodNotAllowed:
			return refuse(api.MethodNotAllowed, "the route has other methods; header Allow "+
				"names them")
		}
	case errors.Is(err, context.DeadlineExceeded):
		return &problem{code: api.StoreUnavailable, retryAfter: retryLate, detail: "the server " +
			"did not get an answer in time; ask again in a moment"}
	}
	return refuse(api.Internal, "this is a fault of the server; its log has more under the "+
		"requestId")
}

// fail writes an error as application/problem+json (RFC 9457) and returns its
// code, or none if the answer is under way already.
func (s *Server) fail(c echo.Context, err error) api.Code {
	response := c.Response()
	if response.Committed {
		return ""
	}
	found := problemOf(err)
	body, err := json.Marshal(api.Problem{
		Type:      "about:blank",
		Title:     found.code.Title(),
		Status:    found.code.Status(),
		Detail:    found.detail,
		Code:      found.code,
		RequestID: response.Header().Get(echo.HeaderXRequestID),
	})
	if err != nil {
		panic(err) // a struct of strings and a number always marshals
	}
	if found.retryAfter > 0 {
		// Whole seconds (RFC 9110 section 10.2.3), rounded up: a page that
		// comes back too early is refused again.
		seconds := int64((found.retryAfter + time.Second - 1) / time.Second)
		response.Header().Set(echo.HeaderRetryAfter, strconv.FormatInt(seconds, 10))
	}
	response.Header()[echo.HeaderCacheControl] = noStore
	// A write that fails means that the client disconnected.
	_ = c.Blob(found.code.Status(), api.ContentTypeProblem, body)
	return found.code
}
