//go:build js && wasm

package browser

import (
	"errors"
	"fmt"
	"strconv"
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
}

var _ session.Server = (*server)(nil)

// Do implements session.Server.
func (s *server) Do(
	stop <-chan struct{}, call session.Call, counts session.Counts,
) session.Answer {
	signal, release, err := s.abortSignal(stop)
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
		addCounts(body, counts)
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
func (s *server) Activity(stop <-chan struct{}, counts session.Counts) bool {
	signal, release, err := s.abortSignal(stop)
	if err != nil {
		return false
	}
	defer release()
	body := map[string]any{}
	addCounts(body, counts)
	response, err := s.fetch(signal, "POST", api.PathActivity, body)
	if err != nil {
		return false
	}
	status, _ := number(get(response, "status"))
	return status == 204
}

// addCounts adds api.PageCounts to a body, if there is anything to tell.
func addCounts(body map[string]any, counts session.Counts) {
	if counts == (session.Counts{}) {
		return
	}
	body["counts"] = map[string]any{
		"finished": counts.Finished, "held": counts.Held, "sent": counts.Sent,
		"kept": counts.Kept, "signInsAvoided": counts.SignInsAvoided,
	}
}

// abortSignal ends a request, head and body, when its time is up or stop is
// closed. The func lets go of it.
func (s *server) abortSignal(stop <-chan struct{}) (safejs.Value, func(), error) {
	abort, err := newAbort(safejs.Undefined())
	if err != nil {
		return safejs.Undefined(), nil, err
	}
	timer := time.AfterFunc(s.timeout, abort.now)
	done := make(chan struct{})
	go func() {
		select {
		case <-stop:
			abort.now()
		case <-done:
		}
	}()
	return abort.signal, func() { timer.Stop(); close(done) }, nil
}

// fetch makes a request and returns the response as soon as its head is here.
func (s *server) fetch(
	signal safejs.Value, method, route string, body map[string]any,
) (safejs.Value, error) {
	headers := map[string]any{
		api.HeaderKeepalive: api.HeaderKeepaliveValue, "Accept": "application/json",
	}
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

// decode reads an answer.
func decode(response safejs.Value, kind session.CallKind) session.Answer {
	status, _ := number(get(response, "status"))
	wait := retryAfter(response)
	body := safejs.Undefined()
	if promise, err := invoke(response, "json"); err == nil {
		body, _ = await(promise)
	}
	answer := decodeAnswer(status, body, kind)
	if answer.OK || wait == 0 {
		return answer
	}
	if answer.Why == session.WhyUnintelligible {
		// The Retry-After of a proxy counts, too.
		switch status {
		case 429:
			answer.Why = session.WhyRateLimited
		case 503:
			answer.Why = session.WhyServer
		default:
			return answer
		}
	}
	answer.RetryAfter = wait
	return answer
}

// decodeAnswer says what an answer means. Only our server's own words decide: a
// 200 of a captive portal says nothing, and neither does its 403.
func decodeAnswer(status float64, body safejs.Value, kind session.CallKind) session.Answer {
	good := status >= 200 && status < 300
	if kind == session.CallEnd && status == 204 {
		return session.Answer{OK: true}
	}
	if good && kind != session.CallEnd {
		grant, ok := decodeGrant(body)
		if !ok {
			return session.Answer{Why: session.WhyUnintelligible}
		}
		return session.Answer{OK: true, Grant: grant}
	}
	code := api.Code(text(get(body, "code")))
	if !code.Known() {
		return session.Answer{Why: session.WhyUnintelligible}
	}
	return decodeProblem(code)
}

func decodeGrant(body safejs.Value) (session.Grant, bool) {
	g := session.Grant{
		Token:             session.NewToken(text(get(body, "accessToken"))),
		UUID:              text(get(body, "uuid")),
		ExpiresIn:         seconds(get(body, "expiresIn")),
		IdleExpiresIn:     seconds(get(body, "idleExpiresIn")),
		AbsoluteExpiresIn: seconds(get(body, "absoluteExpiresIn")),
	}
	if ms, ok := number(get(body, "serverTime")); ok && ms > 0 && ms < float64(latest) {
		g.ServerTime = session.AtWall(int64(ms))
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

// decodeProblem says what a code means to the page.
func decodeProblem(code api.Code) session.Answer {
	return session.Answer{Why: whyOf(code), Final: code.Final(), Missing: code == api.SessionMissing}
}

func whyOf(code api.Code) session.Why {
	switch code {
	case api.SessionMissing, api.SessionEnded:
		return session.WhySessionEnded
	case api.CodeUsed:
		return session.WhyCodeUsed
	case api.GrantRefused:
		return session.WhyGrantRefused
	case api.IdentityMismatch:
		return session.WhyMismatch
	case api.RateLimited:
		return session.WhyRateLimited
	case api.UpstreamRefused, api.UpstreamUnavailable, api.StoreUnavailable, api.Internal:
		return session.WhyServer
	}
	return session.WhyRefused
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
