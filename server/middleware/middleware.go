// Package middleware makes the sessions of capture-keepalive the sessions of a
// Go site. For each request it asks the server which user the visitor's cookie
// stands for, and puts the answer into the request's context.
//
//	keepalive, err := middleware.New(middleware.Config{URL: "http://127.0.0.1:9090"})
//	…
//	mux.Handle("/account/", keepalive.Require(account))
//
// and in account
//
//	visitor, _ := middleware.FromContext(r.Context())
//
// With echo: e.Use(echo.WrapMiddleware(keepalive.Require)).
//
// A visitor is signed out when the server says so, and only then. While the
// server cannot be asked, or cannot tell, the answer is 503.
//
// The site has to be on the host that the cookie is for: the host of the pages
// that use keepalive.js. Wrap the handlers that need to know the visitor, but
// not images and scripts: each request asks once.
package middleware

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// DefaultTimeout leaves the server the time for a refresh at Capture.
const DefaultTimeout = 15 * time.Second

// spoofable reports whether a header has a name of those that the server sets
// for a site. A visitor must not set one, also not with underscores: PHP, CGI
// and WSGI behind this middleware read them as hyphens.
func spoofable(name string) bool {
	return strings.HasPrefix(strings.ToLower(strings.ReplaceAll(name, "_", "-")), "x-capture-")
}

// maxAnswer bounds what is read of an answer's body, in bytes.
const maxAnswer = 4 << 10

// Config says where the server is, and what the site does without a visitor.
type Config struct {
	// URL is the server's ADMIN_LISTEN, such as http://127.0.0.1:9090. Cookies
	// travel there: over networks that others can read, put TLS in front of it.
	URL string
	// Timeout bounds one question; 0 means DefaultTimeout.
	Timeout time.Duration
	// SignedOut answers in [Middleware.Require] to visitors who are not signed in;
	// nil answers 401.
	SignedOut http.Handler
	// Unavailable answers where the server could not be asked, or could not
	// tell; the reason is in [Reason]. Nil answers 503.
	Unavailable http.Handler
	// Transport carries the questions; nil means one of its own that uses no
	// proxy.
	Transport http.RoundTripper
}

// Middleware asks the server. It is safe for concurrent use.
type Middleware struct {
	auth                   string
	timeout                time.Duration
	signedOut, unavailable http.Handler
	client                 *http.Client
}

// New returns a Middleware, or what is wrong with config.
func New(config Config) (*Middleware, error) {
	base, err := url.Parse(config.URL)
	if err != nil || !plainAddress(base) {
		// The parse error quotes the value.
		return nil, errors.New("middleware: URL: it is not the address of a listener; write it " +
			"like http://127.0.0.1:9090")
	}
	if config.Timeout < 0 {
		return nil, fmt.Errorf("middleware: Timeout: %s is negative; set it to the bound of one "+
			"question, such as 15s", config.Timeout)
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	m := &Middleware{
		auth:        base.JoinPath(api.PathAuth).String(),
		timeout:     config.Timeout,
		signedOut:   config.SignedOut,
		unavailable: config.Unavailable,
		client: &http.Client{
			Transport: config.Transport,
			// The cookie is for the configured host alone.
			CheckRedirect: stay,
		},
	}
	if m.timeout == 0 {
		m.timeout = DefaultTimeout
	}
	if m.signedOut == nil {
		m.signedOut = plain(http.StatusUnauthorized, "Sign in first.")
	}
	if m.unavailable == nil {
		m.unavailable = plain(http.StatusServiceUnavailable, "We can't check your sign-in right "+
			"now. Please try again shortly.")
	}
	if config.Transport == nil {
		m.client.Transport = &http.Transport{
			MaxIdleConnsPerHost: 16, IdleConnTimeout: 90 * time.Second,
		}
	}
	return m, nil
}

// plainAddress reports whether u is the address of a listener and nothing more.
func plainAddress(u *url.URL) bool {
	web := u.Scheme == "http" || u.Scheme == "https"
	bare := u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
	return web && bare && u.Hostname() != ""
}

func plain(status int, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, text, status)
	})
}

// Visitor is who is signed in.
type Visitor struct {
	UUID string
	// Token is a valid access token, if the server tells it
	// (KEEPALIVE_AUTH_TOKEN_HEADER). It prints as [redacted]; Reveal it for
	// Capture alone.
	Token secret.String
}

type contextKey int

const (
	keyVisitor contextKey = iota
	keyReason
)

// FromContext returns the visitor of a request that came through a Middleware;
// ok is false for a visitor who is not signed in.
func FromContext(ctx context.Context) (visitor Visitor, ok bool) {
	visitor, ok = ctx.Value(keyVisitor).(Visitor)
	return visitor, ok
}

// Reason returns, in Config.Unavailable, why the server could not tell; it is
// for the log and holds no secret.
func Reason(ctx context.Context) error {
	reason, _ := ctx.Value(keyReason).(error)
	return reason
}

// Require lets visitors through who are signed in.
func (m *Middleware) Require(next http.Handler) http.Handler { return m.handler(next, m.signedOut) }

// Recognize lets every visitor through; next finds out with [FromContext] who
// is signed in.
func (m *Middleware) Recognize(next http.Handler) http.Handler { return m.handler(next, next) }

func (m *Middleware) handler(signedIn, signedOut http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		for name := range r.Header {
			if spoofable(name) {
				delete(r.Header, name)
			}
		}
		header := w.Header()
		// What is answered depends on who asks; no cache may hand it to another.
		header.Add("Vary", "Cookie")
		visitor, cookies, err := m.ask(r)
		// A cookie that is issued anew belongs to the visitor, whatever follows.
		for _, cookie := range cookies {
			header.Add("Set-Cookie", cookie)
		}
		switch {
		case errors.Is(err, errSignedOut):
			signedOut.ServeHTTP(w, r)
		case err != nil:
			told := context.WithValue(r.Context(), keyReason, err)
			m.unavailable.ServeHTTP(w, r.WithContext(told))
		default:
			known := context.WithValue(r.Context(), keyVisitor, visitor)
			signedIn.ServeHTTP(w, r.WithContext(known))
		}
	})
}

var (
	errSignedOut = errors.New("middleware: the visitor is not signed in")
	errAnswer    = errors.New("middleware: the answer is not one of /auth; set URL to the " +
		"server's ADMIN_LISTEN")
	errTrouble = errors.New("middleware: the server cannot tell now")
)

// ask is one question; cookies are the Set-Cookie headers of the answer.
func (m *Middleware) ask(visitor *http.Request) (_ Visitor, cookies []string, err error) {
	sent := visitor.Header.Values("Cookie")
	if len(sent) == 0 {
		return Visitor{}, nil, errSignedOut // without a cookie there is no session to ask about
	}
	ctx, cancel := context.WithTimeout(visitor.Context(), m.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.auth, nil)
	if err != nil {
		return Visitor{}, nil, fmt.Errorf("middleware: %w", err)
	}
	r.Header["Cookie"] = sent
	response, err := m.client.Do(r)
	if err != nil {
		return Visitor{}, nil, fmt.Errorf("middleware: the server cannot be asked: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusSwitchingProtocols {
		// The body is the connection, which ctx does not end.
		return Visitor{}, nil, fmt.Errorf("%w (it answered 101)", errAnswer)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return Visitor{}, nil, fmt.Errorf("middleware: the server's answer broke off: %w", err)
	}

	uuid := response.Header.Get(api.HeaderUUID)
	switch {
	case response.StatusCode == http.StatusNoContent && uuid != "":
		token := secret.New(response.Header.Get(api.HeaderAccessToken))
		return Visitor{UUID: uuid, Token: token}, response.Header.Values("Set-Cookie"), nil
	case response.StatusCode == http.StatusUnauthorized && saysSignedOut(body):
		return Visitor{}, nil, errSignedOut
	case response.StatusCode >= 500:
		return Visitor{}, nil, fmt.Errorf("%w: it answered %d", errTrouble, response.StatusCode)
	}
	return Visitor{}, nil, fmt.Errorf("%w (it answered %d)", errAnswer, response.StatusCode)
}

// saysSignedOut reports whether a 401 is the server's own: one of a proxy in
// between, which wants a password of its own, says nothing about the session.
func saysSignedOut(body []byte) bool {
	var problem api.Problem
	if json.Unmarshal(body, &problem) != nil {
		return false
	}
	return problem.Code == api.SessionMissing || problem.Code == api.SessionEnded
}
