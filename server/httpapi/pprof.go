package httpapi

import (
	"net/http"
	"net/http/pprof"

	"github.com/labstack/echo/v4"
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
