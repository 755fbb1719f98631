package httpapi

import (
	"net/http"
	"net/http/pprof"

	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// routePprof adds the profiles of the process, for go tool pprof. A profile
// takes as long as it is asked to, so that these routes have no deadline but the
// listener's.
func (s *Server) routePprof() {
	for path, handler := range map[string]http.HandlerFunc{
		"/debug/pprof/":        pprof.Index,
		"/debug/pprof/*":       pprof.Index, // a profile by its name
		"/debug/pprof/profile": pprof.Profile,
		"/debug/pprof/trace":   pprof.Trace,
		"/debug/pprof/symbol":  pprof.Symbol,
	} {
		get(s.admin, path, echo.WrapHandler(handler), programsOnly)
	}
}

// programsOnly refuses what a page sends through the browser of an operator.
// Browsers add these headers, programs do not. An address that a person typed is
// no page.
func programsOnly(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		header := c.Request().Header
		sites := header.Values("Sec-Fetch-Site")
		typed := len(sites) == 0 || len(sites) == 1 && sites[0] == "none"
		if len(header.Values(echo.HeaderOrigin)) > 0 || !typed {
			return refuse(api.OriginRefused, "the request comes from a page; use go tool pprof, "+
				"or type the address")
		}
		return next(c)
	}
}
