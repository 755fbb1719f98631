//go:build js && wasm

package browser

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// callTimeout is longer than the server gives Capture by default, so that the
// server's own word arrives.
const callTimeout = 20 * time.Second

// maxLife is the longest life of a token or session that is believed: a Go
// duration and a browser's timer can hold it.
const maxLife = 400 * 24 * time.Hour

// server makes the calls of session.Server with fetch.
type server struct {
	// endpoint is the server's base path or URL, without a slash at its end.
	endpoint string
	// timeout ends a call, head and body.
	timeout time.Duration

	mu sync.Mutex
	// calls counts those made, underway has those to abort when stopped.
	calls    uint64
	underway map[uint64]func()
}

var _ session.Server = (*server)(nil)

// Do implements session.Server.
func (s *server) Do(stop <-chan struct{}, call session.Call) session.Answer {
	// A sign-out goes on when the page stops us at once.
	signal, release, err := s.abortSignal(stop, call.Kind != session.CallEnd)
	if err != nil {
		return session.Answer{Why: session.WhyOffline}
	}
	defer release()
	var response safejs.Value
	switch call.Kind {
	case session.CallOpen:
		body := map[string]any{}
		add := func(name, value string) {
			if value != "" {
				body[name] = value
			}
		}
		add("accessToken", call.Token.Reveal())
		add("uuid", call.UUID)
		add("authorizationCode", call.Code.Reveal())
		add("redirectUri", call.RedirectURI)
		response, err = s.fetch(signal, "POST", api.PathSession, body)
	case session.CallToken:
		body := map[string]any{"reason": string(call.Why)}
		if !call.Token.Empty() {
			body["have"] = call.Token.Reveal()
		}
		response, err = s.fetch(signal, "POST", api.PathToken, body)
	case session.CallEnd:
		response, err = s.fetch(signal, "DELETE", api.PathSession, nil)
	}
	if err != nil {
		return session.Answer{Why: session.WhyOffline}
	}
	return decode(response, call.Kind)
}

// Activity implements session.Server.
func (s *server) Activity(stop <-chan struct{}) {
	signal, release, err := s.abortSignal(stop, true)
	if err != nil {
		return
	}
	defer release()
	_, _ = s.fetch(signal, "POST", api.PathActivity, map[string]any{})
}

// abortSignal ends a request when its time is up or, if stops, when stopped.
// The func lets go of it.
func (s *server) abortSignal(stop <-chan struct{}, stops bool) (safejs.Value, func(), error) {
	controller, err := path("AbortController").New()
	if err != nil {
		return safejs.Undefined(), nil, fmt.Errorf("abort controller: %w", err)
	}
	abort := func() { _, _ = invoke(controller, "abort") }
	timer := time.AfterFunc(s.timeout, abort)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.underway == nil {
		s.underway = map[uint64]func(){}
		go s.abortAll(stop)
	}
	s.calls++
	id := s.calls
	if stops {
		s.underway[id] = abort
	}
	return get(controller, "signal"), func() {
		timer.Stop()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.underway, id)
	}, nil
}

// abortAll ends all calls once stopped. (One goroutine for all of them: one
// for each would wait for its own end as well, and the module would pay 3 KB
// for its only select.)
func (s *server) abortAll(stop <-chan struct{}) {
	<-stop
	s.mu.Lock()
	underway := s.underway
	s.underway = nil
	s.mu.Unlock()
	for _, abort := range underway {
		abort()
	}
}

// fetch makes a request and returns the response as soon as its head is here.
func (s *server) fetch(signal safejs.Value, method, route string, body map[string]any) (safejs.Value, error) {
	headers := map[string]any{api.HeaderKeepalive: api.HeaderKeepaliveValue, "Accept": "application/json"}
	init := map[string]any{
		"method": method,
		// The cookie also where the server is on another host of the same site.
		"credentials": "include",
		"cache":       "no-store",
		// The API never redirects; a captive portal does.
		"redirect": "error",
		"headers":  headers,
		"signal":   signal,
		// A login or a logout often leaves the page at once; a token asked for
		// by a page that is gone is of no use.
		"keepalive": route != api.PathToken,
	}
	if body != nil {
		encoded, err := invoke(path("JSON"), "stringify", body)
		if err != nil {
			return safejs.Undefined(), fmt.Errorf("encode the body: %w", err)
		}
		headers["Content-Type"] = "application/json"
		init["body"] = encoded
	}
	promise, err := invoke(safejs.Global(), "fetch", s.endpoint+route, init)
	if err != nil {
		return safejs.Undefined(), fmt.Errorf("fetch: %w", err)
	}
	return await(promise)
}

// decode reads an answer. Only our server's own words decide: a 200 of a
// captive portal says nothing, and neither does its 403.
func decode(response safejs.Value, kind session.CallKind) session.Answer {
	status, _ := number(get(response, "status"))
	if status == 204 && kind == session.CallEnd {
		return session.Answer{OK: true}
	}
	promise, err := invoke(response, "json")
	if err != nil {
		return session.Answer{Why: session.WhyUnintelligible}
	}
	body, err := await(promise)
	if err != nil || body.Type() != safejs.TypeObject {
		return session.Answer{Why: session.WhyUnintelligible}
	}
	if status >= 200 && status < 300 && kind != session.CallEnd {
		grant, ok := decodeGrant(body)
		if !ok {
			return session.Answer{Why: session.WhyUnintelligible}
		}
		return session.Answer{OK: true, Grant: grant}
	}
	answer := decodeProblem(api.Code(text(get(body, "code"))))
	answer.RetryAfter = retryAfter(response)
	return answer
}

func decodeGrant(body safejs.Value) (session.Grant, bool) {
	g := session.Grant{
		Token:             session.NewToken(text(get(body, "accessToken"))),
		UUID:              text(get(body, "uuid")),
		ExpiresIn:         seconds(get(body, "expiresIn")),
		IdleExpiresIn:     seconds(get(body, "idleExpiresIn")),
		AbsoluteExpiresIn: seconds(get(body, "absoluteExpiresIn")),
	}
	return g, !g.Token.Empty() && g.UUID != ""
}

// seconds reads a duration between zero and maxLife.
func seconds(value safejs.Value) time.Duration {
	f, ok := number(value)
	if !ok || f <= 0 {
		return 0
	}
	if f > maxLife.Seconds() {
		return maxLife
	}
	return time.Duration(f * float64(time.Second))
}

// decodeProblem says what a code means to the page. Final is only what says
// that this session or this credential is no good.
func decodeProblem(code api.Code) session.Answer {
	switch code {
	case api.SessionMissing:
		return session.Answer{Why: session.WhySessionEnded, Final: true, Missing: true}
	case api.SessionEnded:
		return session.Answer{Why: session.WhySessionEnded, Final: true}
	case api.CodeUsed:
		return session.Answer{Why: session.WhyCodeUsed, Final: true}
	case api.GrantRefused:
		return session.Answer{Why: session.WhyGrantRefused, Final: true}
	case api.IdentityMismatch:
		return session.Answer{Why: session.WhyMismatch, Final: true}
	case api.RateLimited:
		return session.Answer{Why: session.WhyRateLimited}
	case api.UpstreamRefused, api.UpstreamUnavailable, api.StoreUnavailable, api.Internal:
		return session.Answer{Why: session.WhyServer}
	case api.OriginRefused, api.BadRequest, api.NotFound, api.MethodNotAllowed, api.TooLarge, api.UnsupportedMedia:
		return session.Answer{Why: session.WhyRefused}
	}
	return session.Answer{Why: session.WhyUnintelligible}
}

// retryAfter reads the header in both its forms (RFC 9110, section 10.2.3);
// zero when absent or garbage. package session caps it.
func retryAfter(response safejs.Value) time.Duration {
	value, err := invoke(get(response, "headers"), "get", "Retry-After")
	if err != nil {
		return 0
	}
	spelling := text(value)
	if n, err := strconv.ParseInt(spelling, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(max(n, 0), int64(maxLife/time.Second))) * time.Second
	}
	at := parseDate(spelling)
	if at.IsZero() {
		return 0
	}
	return min(max(0, at.Sub(session.AtWall(time.Now().UnixMilli()))), maxLife)
}
