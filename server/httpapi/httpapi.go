// Package httpapi is the server as the network sees it: routes, checks,
// cookies, problem answers and the page's files. It is the only package that
// knows echo.
//
// Checks run from cheap to expensive, and all of them before the session store or
// Capture is asked for anything.
package httpapi

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// rememberedClients is for how many client addresses logins are counted.
	rememberedClients = 1 << 14
	// rememberedReports is for how many sessions page reports are counted.
	rememberedReports = 1 << 14

	// readyTimeout bounds the answer to the question whether the server is ready.
	readyTimeout = 2 * time.Second
)

// pageReports bounds how often one session's page can say what it did.
var pageReports = limit.Rate{Events: 6, Per: time.Minute}

// Sessions is what the routes do. Its errors are *session.Error.
type Sessions interface {
	Open(ctx context.Context, login session.Login) (session.Session, error)
	Exchange(ctx context.Context, login session.CodeLogin) (session.Session, error)
	Token(
		ctx context.Context, id store.ID, reason api.Reason, have secret.String,
	) (session.Grant, error)
	Status(ctx context.Context, id store.ID) (session.Grant, error)
	Touch(ctx context.Context, id store.ID) error
	// replaced: a login of the same browser has taken the session's place.
	End(ctx context.Context, id store.ID) (replaced bool, err error)
	Revoke(ctx context.Context, uuid string) (int, error)
	Ping(ctx context.Context) error
}

// Observer hears of the requests, for the operator's metrics. It is called
// while a client waits, so it must not.
type Observer interface {
	// Request: one was answered. pattern is that of the route, or a dash where
	// none matched; code is empty where the answer is no problem.
	Request(pattern, method string, code api.Code, took time.Duration)
	// PageCounts: a page told what it did for its user. The numbers are bounded
	// and may be made up.
	PageCounts(counts api.PageCounts)
}

// Keys sign and verify the cookie.
type Keys interface {
	// SigningKey is the key to sign with, and its name.
	SigningKey() (kid string, key []byte)
	// VerificationKey is the key of that name, if it is still accepted.
	VerificationKey(kid string) (key []byte, ok bool)
}

// Config is what a Server needs. What may be left out says so.
type Config struct {
	Sessions Sessions
	Keys     Keys

	// Modes are the kinds of session that can be opened. A session that exists
	// lives on, whatever its kind.
	Modes []store.Mode

	// BasePath is in front of every public route, with a leading slash and
	// none at the end.
	BasePath string
	// Origins are the pages that may ask, each exactly as a browser sends it.
	Origins []string
	// Files holds the built page files and their manifest. Nil, or without a
	// manifest: the routes of the files say that they were not built.
	Files fs.FS

	// InsecureCookie is for plain http on this machine.
	InsecureCookie bool
	// TrustedProxies may name the client in X-Forwarded-For. IPv4 is written as
	// IPv4.
	TrustedProxies []netip.Prefix
	// RateLogin bounds the logins of one client address. Zero: no limit.
	RateLogin limit.Rate

	// Timeout bounds every request: whatever stands still behind the server, the
	// answer comes by then. It must be longer than a renewal that goes well.
	Timeout time.Duration

	// AuthTokenHeader has /auth tell the access token as well.
	AuthTokenHeader bool
	// AuthIsActivity has /auth move the idle limit: a page that was loaded is a
	// user who is there.
	AuthIsActivity bool

	// List returns a user's living sessions, for the operator.
	List func(ctx context.Context, uuid string) ([]store.Listed, error)

	// Observer hears of every request. Nil: there is none.
	Observer Observer
	// Metrics answers /metrics of the operator's listener.
	Metrics http.Handler
	// Pprof adds net/http/pprof to the operator's listener.
	Pprof bool

	// Now is the clock.
	Now func() time.Time
	// Log gets a line for each request, at debug where there is no news.
	Log *slog.Logger
}

// Server is both listeners' handlers.
type Server struct {
	config   Config
	cookies  cookies
	origins  map[string]bool
	logins   *limit.Table[netip.Prefix]
	reports  *limit.Table[store.Key]
	lines    *sampler
	draining atomic.Bool

	public, admin *echo.Echo
}

// New returns a Server. It fails if Files are not what their manifest says.
func New(config Config) (*Server, error) {
	s := &Server{
		config:  config,
		cookies: cookies{config.Keys, config.InsecureCookie, config.Now},
		origins: make(map[string]bool, len(config.Origins)),
		logins:  limit.NewTable[netip.Prefix](config.RateLogin, rememberedClients),
		reports: limit.NewTable[store.Key](pageReports, rememberedReports),
		lines:   newSampler(),
	}
	for _, origin := range config.Origins {
		s.origins[origin] = true
	}

	if err := s.routePublic(); err != nil {
		return nil, err
	}
	s.routeAdmin()
	return s, nil
}

func (s *Server) routePublic() error {
	s.public = s.newEcho(s.bounded)
	base := s.config.BasePath
	s.public.POST(base+api.PathSession, s.open, s.pageOnly)
	get(s.public, base+api.PathSession, s.status, s.pageOnly)
	s.public.DELETE(base+api.PathSession, s.end, s.pageOnly)
	s.public.POST(base+api.PathToken, s.token, s.pageOnly)
	s.public.POST(base+api.PathActivity, s.activity, s.pageOnly)
	for _, path := range []string{api.PathSession, api.PathToken, api.PathActivity} {
		s.public.OPTIONS(base+path, s.preflight)
	}
	return s.routeFiles()
}

func (s *Server) routeAdmin() {
	s.admin = s.newEcho()
	get(s.admin, "/healthz", s.healthy)
	get(s.admin, "/readyz", s.ready, s.bounded)
	// A proxy may ask with the method of the visitor's request. Echo's own answer to
	// OPTIONS is 204, which lets a visitor without a session in.
	s.admin.Any(api.PathAuth, s.auth, s.bounded)
	s.admin.POST(api.PathRevoke, s.revoke, s.bounded, programsOnly)
	s.admin.POST(api.PathSessions, s.list, s.bounded, programsOnly)
	get(s.admin, "/metrics", echo.WrapHandler(s.config.Metrics), s.bounded)
	if s.config.Pprof {
		s.routePprof()
	}
}

// newEcho returns an echo whose own errors, too, pass through observe. around is
// around every route.
func (s *Server) newEcho(around ...echo.MiddlewareFunc) *echo.Echo {
	e := echo.New()
	e.Use(s.observe)
	e.Use(around...)
	return e
}

// bounded gives a request its deadline.
func (s *Server) bounded(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ctx, cancel := limit.LazyTimeout(c.Request().Context(), s.config.Timeout)
		defer cancel()
		c.SetRequest(c.Request().WithContext(ctx))
		return next(c)
	}
}

// get adds a route for GET and HEAD: some proxies and balancers ask for the head
// of an answer alone (RFC 9110 section 9.3.2). net/http leaves the body out.
func get(e *echo.Echo, path string, handler echo.HandlerFunc, around ...echo.MiddlewareFunc) {
	e.Match([]string{http.MethodGet, http.MethodHead}, path, handler, around...)
}

// Public is the handler for pages.
func (s *Server) Public() http.Handler { return s.public }

// Admin is the handler for the operator; keep it away from the internet.
func (s *Server) Admin() http.Handler { return s.admin }

// Drain makes /readyz answer that no new work should come, and has each answer
// close its connection: a proxy that keeps connections finds another server
// before this one is gone. Nothing else changes.
func (s *Server) Drain() { s.draining.Store(true) }

func (s *Server) healthy(c echo.Context) error { return c.String(http.StatusOK, api.WellAnswer) }

func (s *Server) ready(c echo.Context) error {
	if s.draining.Load() {
		return c.String(http.StatusServiceUnavailable, "draining\n")
	}
	ctx, cancel := limit.Timeout(c.Request().Context(), readyTimeout)
	defer cancel()
	if err := s.config.Sessions.Ping(ctx); err != nil {
		return err
	}
	return c.String(http.StatusOK, api.WellAnswer)
}
