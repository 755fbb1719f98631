package httpapi

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

const (
	allowedMethods = "GET, POST, DELETE"
	allowedHeaders = "x-keepalive, content-type"
	// preflightAge is how long, in seconds, a browser may remember a preflight.
	preflightAge = "600"

	secFetchSite = "Sec-Fetch-Site"
)

// Values of headers, shared like those in observe.
var (
	allowCredentials = []string{"true"}
	exposeHeaders    = []string{echo.HeaderRetryAfter}
)

// pageOnly lets through what a page of a listed origin sent on purpose.
//
// Three things must hold, each of which alone would stop cross-site request
// forgery: the origin, the header that no form can send, and (in the cookie)
// SameSite=Strict.
func (s *Server) pageOnly(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := s.admitOrigin(c); err != nil {
			return err
		}
		r := c.Request()
		if !onlyValue(r.Header.Values(api.HeaderKeepalive), api.HeaderKeepaliveValue) {
			return refuse(api.OriginRefused, "header "+api.HeaderKeepalive+": "+
				api.HeaderKeepaliveValue+" is missing; send it with every call")
		}
		if hasBody(r) && !isJSON(r.Header.Values(echo.HeaderContentType)) {
			return refuse(api.UnsupportedMedia, "header Content-Type must be application/json")
		}
		return next(c)
	}
}

func onlyValue(values []string, want string) bool { return len(values) == 1 && values[0] == want }

// hasBody reports whether the request has a body of one byte or more. A proxy
// may announce a body of unknown length (chunked, or a stream of HTTP/2) that
// then turns out to be empty; such a request is changed to one without a body.
func hasBody(r *http.Request) bool {
	if r.ContentLength >= 0 {
		return r.ContentLength > 0
	}
	var first [1]byte
	n, err := io.ReadFull(r.Body, first[:])
	if errors.Is(err, io.EOF) {
		r.Body, r.ContentLength = http.NoBody, 0
		return false
	}
	rest := r.Body
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(first[:n]), rest), rest}
	return true
}

// admitOrigin refuses requests that are not from a page of a listed origin, and
// lets the browsers of listed pages read the answer, errors included.
func (s *Server) admitOrigin(c echo.Context) error {
	header := c.Response().Header()
	header.Add(echo.HeaderVary, echo.HeaderOrigin)
	r := c.Request()
	origins := r.Header.Values(echo.HeaderOrigin)
	if len(origins) == 0 {
		// Browsers send no Origin with a same-origin GET. Some proxies and privacy
		// extensions remove it from other requests, too. Sec-Fetch-Site proves the
		// same, for any method: no page can set or change it.
		if onlyValue(r.Header.Values(secFetchSite), "same-origin") {
			return nil
		}
		return refuse(api.OriginRefused,
			"the request has neither an Origin nor Sec-Fetch-Site: same-origin; call from a page")
	}
	if len(origins) > 1 || !s.origins[origins[0]] {
		return refuse(api.OriginRefused, "the page's origin is not on the server's list; its "+
			"operator can add it to KEEPALIVE_ORIGINS")
	}
	header.Set(echo.HeaderAccessControlAllowOrigin, origins[0])
	header[echo.HeaderAccessControlAllowCredentials] = allowCredentials
	header[echo.HeaderAccessControlExposeHeaders] = exposeHeaders
	return nil
}

// preflight answers the browser's question before a call from another origin.
func (s *Server) preflight(c echo.Context) error {
	header := c.Response().Header()
	header.Add(echo.HeaderVary, echo.HeaderAccessControlRequestMethod)
	header.Add(echo.HeaderVary, echo.HeaderAccessControlRequestHeaders)
	if err := s.admitOrigin(c); err != nil {
		return err
	}
	header.Set(echo.HeaderAccessControlAllowMethods, allowedMethods)
	header.Set(echo.HeaderAccessControlAllowHeaders, allowedHeaders)
	header.Set(echo.HeaderAccessControlMaxAge, preflightAge)
	return c.NoContent(http.StatusNoContent)
}

func isJSON(values []string) bool {
	if len(values) != 1 {
		return false
	}
	if values[0] == echo.MIMEApplicationJSON {
		return true // what our own page sends
	}
	media, _, err := mime.ParseMediaType(values[0])
	return err == nil && media == echo.MIMEApplicationJSON
}
