//go:build js && wasm

package browser

import (
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
	stop *session.Latch, call session.Call, counts session.Counts,
) session.Answer {
	method, route, body := "POST", api.PathSession, object()
	add := func(name, value string) {
		if value != "" {
			assign(body, name, value)
		}
	}
	switch call.Kind {
	case session.CallOpen:
		add("accessToken", call.Token.Reveal())
		add("uuid", call.UUID)
		add("authorizationCode", call.Code.Reveal())
		add("redirectUri", call.RedirectURI)
	case session.CallToken:
		route = api.PathToken
		add("reason", call.Why.String())
		add("have", call.Token.Reveal())
		addCounts(body, counts)
	case session.CallEnd:
		method, body = "DELETE", safejs.Undefined()
	}
	answer := session.Answer{Why: session.WhyOffline}
	s.fetch(stop, method, route, body, func(response safejs.Value) {
		answer = decode(response, call.Kind)
	})
	return answer
}

// Activity implements session.Server.
func (s *server) Activity(stop *session.Latch, counts session.Counts) (heard bool) {
	body := object()
	addCounts(body, counts)
	s.fetch(stop, "POST", api.PathActivity, body, func(response safejs.Value) {
		status, _ := number(get(response, "status"))
		heard = status == 204
	})
	return heard
}

// addCounts adds api.PageCounts to a body, if there is anything to tell.
func addCounts(body safejs.Value, counts session.Counts) {
	if counts == (session.Counts{}) {
		return
	}
	assign(body, "counts", object(
		"finished", counts.Finished, "held", counts.Held, "sent", counts.Sent,
		"kept", counts.Kept, "signInsAvoided", counts.SignInsAvoided,
	))
}

// fetch makes a request, and has the response read as soon as its head is here.
// It is aborted, head and body, when its time is up or stop is closed.
func (s *server) fetch(
	stop *session.Latch, method, route string, body safejs.Value, read func(response safejs.Value),
) {
	abort, err := newAbort(safejs.Undefined())
	if err != nil {
		return
	}
	defer time.AfterFunc(s.timeout, abort.now).Stop()
	stop.OnClose(abort.now)
	headers := object(api.HeaderKeepalive, api.HeaderKeepaliveValue, "Accept", "application/json")
	init := object(
		"method", method,
		// The cookie also where the server is on another host of the same site.
		"credentials", "include",
		"cache", "no-store",
		// The API never redirects; a captive portal does.
		"redirect", "error",
		"headers", headers,
		"signal", abort.signal,
		// A login or a logout often leaves the page at once; a token asked for
		// by a page that is gone is of no use.
		"keepalive", route != api.PathToken,
	)
	if present(body) {
		encoded, err := invoke(path("JSON"), "stringify", body)
		if err != nil {
			return
		}
		assign(headers, "Content-Type", "application/json")
		assign(init, "body", encoded)
	}
	promise, err := invoke(safejs.Global(), "fetch", s.endpoint+route, init)
	if err != nil {
		return
	}
	if response, err := await(promise); err == nil {
		read(response)
	}
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
	if n, ok := wholeNumber(spelling); ok {
		return time.Duration(min(n, int64(maxLife/time.Second))) * time.Second
	}
	at := parseDate(spelling)
	if at.IsZero() {
		return 0
	}
	return min(max(0, at.Sub(session.AtWall(time.Now().UnixMilli()))), maxLife)
}
