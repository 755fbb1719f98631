//go:build js && wasm

package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// request is what the page's fetch was asked for.
type request struct {
	url, body string
	init      safejs.Value
	// sent is the same as a Request, which the browser has checked.
	sent safejs.Value
}

func (r request) header(name string) string {
	value, err := get(r.sent, "headers").Call("get", name)
	if err != nil {
		return err.Error()
	}
	return text(value)
}

// fakeFetch replaces the page's fetch for the length of the test.
func fakeFetch(t *testing.T, answer func(request) any) {
	t.Helper()
	set(t, "fetch", function(t, func(args []safejs.Value) any {
		r := request{url: text(argument(args, 0)), body: text(get(argument(args, 1), "body")), init: argument(args, 1)}
		sent, err := path("Request").New(r.url, r.init)
		if err != nil {
			t.Errorf("the browser refuses the request: %v", err)
		}
		r.sent = sent
		return answer(r)
	}))
}

// response makes a promise of a real Response. Headers are pairs.
func response(t *testing.T, status int, body any, headers ...string) safejs.Value {
	t.Helper()
	all := map[string]any{}
	for pair := range slices.Chunk(headers, 2) {
		all[pair[0]] = pair[1]
	}
	made := construct(t, "Response", body, map[string]any{"status": status, "headers": all})
	return call(t, path("Promise"), "resolve", made)
}

func encode(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// do makes a call, activity reports one, that nothing stops.
func do(call session.Call) session.Answer {
	stop := new(session.Latch)

	defer stop.Close()
	return newServer().Do(stop, call, session.Counts{})
}

func reportActivity() {
	stop := new(session.Latch)

	defer stop.Close()
	newServer().Activity(stop, session.Counts{})
}

func newServer() *server { return &server{endpoint: "/keepalive", timeout: callTimeout} }

// ask makes a call of each kind.
func ask(kind session.CallKind) session.Call {
	return session.Call{Kind: kind, Why: session.WhyDue, Token: session.NewToken("token-1"), UUID: "uuid-1"}
}

var kinds = []session.CallKind{session.CallOpen, session.CallToken, session.CallEnd}

// The requests are what server/api says, and what the server's own decoder
// takes: nothing unknown in a body.
func TestRequests(t *testing.T) {
	token := session.NewToken("token-1")
	tests := []struct {
		name                string
		do                  func()
		method, path        string
		body                string
		decoded, wantedBody any
		keepalive           bool
	}{
		{
			name:   "open",
			do:     func() { do(session.Call{Kind: session.CallOpen, Token: token, UUID: "uuid-1"}) },
			method: http.MethodPost, path: api.PathSession, decoded: &api.OpenRequest{},
			wantedBody: &api.OpenRequest{AccessToken: "token-1", UUID: "uuid-1"}, keepalive: true,
		},
		{
			name:   "open without a uuid",
			do:     func() { do(session.Call{Kind: session.CallOpen, Token: token}) },
			method: http.MethodPost, path: api.PathSession, body: `{"accessToken":"token-1"}`,
			decoded:    &api.OpenRequest{},
			wantedBody: &api.OpenRequest{AccessToken: "token-1"}, keepalive: true,
		},
		{
			name: "token",
			do: func() {
				do(session.Call{Kind: session.CallToken, Why: session.WhyExpired, Token: token, UUID: "uuid-1"})
			},
			method: http.MethodPost, path: api.PathToken, decoded: &api.TokenRequest{},
			wantedBody: &api.TokenRequest{Reason: api.ReasonExpired, Have: "token-1"},
		},
		{
			name:   "token without one",
			do:     func() { do(session.Call{Kind: session.CallToken, Why: session.WhyStart}) },
			method: http.MethodPost, path: api.PathToken, body: `{"reason":"start"}`, decoded: &api.TokenRequest{},
			wantedBody: &api.TokenRequest{Reason: api.ReasonStart},
		},
		{
			name:   "end",
			do:     func() { do(session.Call{Kind: session.CallEnd, Token: token}) },
			method: http.MethodDelete, path: api.PathSession, keepalive: true,
		},
		{
			name:   "activity",
			do:     reportActivity,
			method: http.MethodPost, path: api.PathActivity, body: `{}`, decoded: &api.ActivityRequest{},
			wantedBody: &api.ActivityRequest{}, keepalive: true,
		},
		{
			name: "activity with counts",
			do: func() {
				stop := new(session.Latch)

				defer stop.Close()
				if !newServer().Activity(stop, session.Counts{Held: 2, Sent: 3, Kept: 4}) {
					t.Error("the server has not heard of the activity")
				}
			},
			method: http.MethodPost, path: api.PathActivity, decoded: &api.ActivityRequest{},
			wantedBody: &api.ActivityRequest{Counts: &api.PageCounts{Held: 2, Sent: 3, Kept: 4}},
			keepalive:  true,
		},
		{
			name: "token with counts",
			do: func() {
				stop := new(session.Latch)

				defer stop.Close()
				newServer().Do(stop, session.Call{Kind: session.CallToken, Why: session.WhyDue},
					session.Counts{Finished: 1, SignInsAvoided: 5})
			},
			method: http.MethodPost, path: api.PathToken, decoded: &api.TokenRequest{},
			wantedBody: &api.TokenRequest{
				Reason: api.ReasonDue, Counts: &api.PageCounts{Finished: 1, SignInsAvoided: 5},
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var requests []request
			fakeFetch(t, func(r request) any {
				requests = append(requests, r)
				return response(t, 204, nil)
			})
			test.do()
			if len(requests) != 1 {
				t.Fatalf("%d requests", len(requests))
			}
			r := requests[0]
			if r.url != "/keepalive"+test.path {
				t.Errorf("URL %q, want /keepalive%s", r.url, test.path)
			}
			for property, want := range map[string]string{
				"method": test.method, "credentials": "include", "cache": "no-store", "redirect": "error",
			} {
				if got := text(get(r.sent, property)); got != want {
					t.Errorf("%s %q, want %q", property, got, want)
				}
			}
			if got := isTrue(get(r.init, "keepalive")); got != test.keepalive {
				t.Errorf("keepalive %t, want %t", got, test.keepalive)
			}
			if !present(get(r.init, "signal")) {
				t.Error("nothing can abort it")
			}
			contentType := "application/json"
			if test.decoded == nil {
				contentType = ""
			}
			for name, want := range map[string]string{
				api.HeaderKeepalive: api.HeaderKeepaliveValue, "Content-Type": contentType,
				"Accept": "application/json",
			} {
				if got := r.header(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if test.decoded == nil {
				if r.body != "" {
					t.Errorf("body %s", r.body)
				}
				return
			}
			if test.body != "" && r.body != test.body {
				t.Errorf("body %s, want %s", r.body, test.body)
			}
			decoder := json.NewDecoder(strings.NewReader(r.body))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(test.decoded); err != nil {
				t.Fatalf("%s: %v", r.body, err)
			}
			if got, want := fmt.Sprintf("%+v", encode(t, test.decoded)), encode(t, test.wantedBody); got != want {
				t.Errorf("body %s, want %s", got, want)
			}
		})
	}
}

// Every reason that a call can have is one that the server takes, and means
// the same there.
func TestReasons(t *testing.T) {
	fakeFetch(t, func(r request) any {
		var body api.TokenRequest
		if err := json.Unmarshal([]byte(r.body), &body); err != nil || !body.Reason.Known() {
			t.Errorf("%s: %v; the server knows no such reason", r.body, err)
		}
		return response(t, 204, nil)
	})
	for _, why := range []session.Why{
		session.WhyStart, session.WhyDue, session.WhyExpired, session.WhyInvalid, session.WhyDenied,
		session.WhySaveFailed, session.WhyWake, session.WhyRequest,
	} {
		do(session.Call{Kind: session.CallToken, Why: why})
		if api.Reason(why.String()).Refusal() != why.Refusal() {
			t.Errorf("%s is a refusal for one half only", why)
		}
	}
}

// The server's answer, written by its own type, arrives.
func TestGrant(t *testing.T) {
	body := encode(t, api.TokenAnswer{
		AccessToken: "token-2", ExpiresAt: 1_700_003_600, ExpiresIn: 3600,
		ServerTime: 1_700_000_000_000, UUID: "uuid-1",
		IdleExpiresIn: 1800, AbsoluteExpiresIn: 43200,
	})
	want := session.Answer{OK: true, Grant: session.Grant{
		Token: session.NewToken("token-2"), UUID: "uuid-1",
		ExpiresIn: time.Hour, IdleExpiresIn: 30 * time.Minute, AbsoluteExpiresIn: 12 * time.Hour,
		ServerTime: session.AtWall(1_700_000_000_000),
	}}
	for _, kind := range []session.CallKind{session.CallOpen, session.CallToken} {
		for _, status := range []int{200, 201} {
			fakeFetch(t, func(request) any { return response(t, status, body, "Content-Type", "application/json") })
			if got := do(ask(kind)); got != want {
				t.Errorf("call %d, status %d: %+v, want %+v", kind, status, got, want)
			}
		}
	}
}

func TestEnded(t *testing.T) {
	fakeFetch(t, func(request) any { return response(t, 204, nil) })
	if got, want := do(ask(session.CallEnd)), (session.Answer{OK: true}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Numbers that are absurd, or none, are not believed; the token is.
func TestGrantNumbers(t *testing.T) {
	tests := []struct {
		spelling string
		want     time.Duration
	}{
		{"3600", time.Hour},
		{"0.5", 500 * time.Millisecond},
		{"0", 0},
		{"-5", 0},
		{"-1e300", 0},
		{"1e300", maxLife},
		{"9223372036854775807", maxLife},
		{"34560001", maxLife},
		{`"3600"`, 0},
		{"null", 0},
		{"true", 0},
		{"[3600]", 0},
		{`{"seconds":3600}`, 0},
	}
	for _, test := range tests {
		t.Run(test.spelling, func(t *testing.T) {
			body := strings.ReplaceAll(`{"accessToken":"token-2","uuid":"uuid-1",`+
				`"expiresIn":N,"idleExpiresIn":N,"absoluteExpiresIn":N}`, "N", test.spelling)
			fakeFetch(t, func(request) any { return response(t, 200, body) })
			want := session.Answer{OK: true, Grant: session.Grant{
				Token: session.NewToken("token-2"), UUID: "uuid-1",
				ExpiresIn: test.want, IdleExpiresIn: test.want, AbsoluteExpiresIn: test.want,
			}}
			if got := do(ask(session.CallToken)); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

// What is not our server's word decides nothing, whatever its status: it is
// temporary.
func TestUnintelligible(t *testing.T) {
	bodies := map[string]string{
		"HTML":                "<!doctype html><title>Log in to the hotel's network</title>",
		"nothing":             "",
		"half":                `{"accessToken":"token-2","uu`,
		"a string":            `"ok"`,
		"a number":            `200`,
		"null":                `null`,
		"true":                `true`,
		"an array":            `[{"accessToken":"token-2","uuid":"uuid-1","code":"session_ended"}]`,
		"an empty object":     `{}`,
		"no token":            `{"uuid":"uuid-1","expiresIn":3600}`,
		"an empty token":      `{"accessToken":"","uuid":"uuid-1","expiresIn":3600}`,
		"no uuid":             `{"accessToken":"token-2","expiresIn":3600}`,
		"a token of no sense": `{"accessToken":{"value":"token-2"},"uuid":"uuid-1","expiresIn":3600}`,
		"a uuid of no sense":  `{"accessToken":"token-2","uuid":7,"expiresIn":3600}`,
		"another's problem":   `{"type":"about:blank","title":"Forbidden","status":403}`,
		"an unknown code":     `{"code":"session_over"}`,
		"a code of no sense":  `{"code":["session_ended"]}`,
		"Capture's own error": `{"stat":"error","code":413,"error":"access_grant_deleted"}`,
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			status := 0
			fakeFetch(t, func(request) any { return response(t, status, body) })
			for _, status = range []int{200, 201, 400, 401, 403, 404, 409, 500, 502, 503} {
				for _, kind := range kinds {
					if got, want := do(ask(kind)), (session.Answer{Why: session.WhyUnintelligible}); got != want {
						t.Errorf("status %d, call %d: %+v, want %+v", status, kind, got, want)
					}
				}
			}
		})
	}
	// A yes of the right shape, but to another question.
	fakeFetch(t, func(request) any {
		return response(t, 200, encode(t, api.TokenAnswer{AccessToken: "token-2", UUID: "uuid-1"}))
	})
	if got := do(ask(session.CallEnd)); got.OK {
		t.Error("a token answers a sign-out")
	}
	fakeFetch(t, func(request) any { return response(t, 204, nil) })
	for _, kind := range []session.CallKind{session.CallOpen, session.CallToken} {
		if got, want := do(ask(kind)), (session.Answer{Why: session.WhyUnintelligible}); got != want {
			t.Errorf("204 to call %d: %+v, want %+v", kind, got, want)
		}
	}
}

// Every code means the same to each call, and the code decides, not the
// status, which something in between may have changed. Only what says that
// this session or this credential is no good is final.
func TestProblems(t *testing.T) {
	answers := map[api.Code]session.Answer{
		api.SessionMissing:      {Why: session.WhySessionEnded, Final: true, Missing: true},
		api.SessionEnded:        {Why: session.WhySessionEnded, Final: true},
		api.IdentityMismatch:    {Why: session.WhyMismatch, Final: true},
		api.GrantRefused:        {Why: session.WhyGrantRefused, Final: true},
		api.CodeUsed:            {Why: session.WhyCodeUsed, Final: true},
		api.RateLimited:         {Why: session.WhyRateLimited},
		api.UpstreamRefused:     {Why: session.WhyServer},
		api.UpstreamUnavailable: {Why: session.WhyServer},
		api.StoreUnavailable:    {Why: session.WhyServer},
		api.Internal:            {Why: session.WhyServer},
		api.OriginRefused:       {Why: session.WhyRefused},
		api.BadRequest:          {Why: session.WhyRefused},
		api.NotFound:            {Why: session.WhyRefused},
		api.MethodNotAllowed:    {Why: session.WhyRefused},
		api.TooLarge:            {Why: session.WhyRefused},
		api.UnsupportedMedia:    {Why: session.WhyRefused},
	}
	for _, code := range api.Codes() {
		t.Run(string(code), func(t *testing.T) {
			want, ok := answers[code]
			if !ok {
				t.Fatal("this code has no row")
			}
			problem := api.Problem{
				Type: "about:blank", Title: code.Title(), Status: code.Status(), Detail: "why",
				Code: code, RequestID: "r1",
			}
			want.RetryAfter = 7 * time.Second
			status := 0
			fakeFetch(t, func(request) any {
				return response(t, status, encode(t, problem), "Content-Type",
					api.ContentTypeProblem, "Retry-After", "7")
			})
			for _, status = range []int{code.Status(), 400, 401, 403, 404, 429, 500, 502, 503} {
				for _, kind := range kinds {
					if got := do(ask(kind)); got != want {
						t.Errorf("status %d, call %d: %+v, want %+v", status, kind, got, want)
					}
				}
			}
		})
	}
}

// Retry-After in both forms of RFC 9110, section 10.2.3, and what is neither.
func TestRetryAfter(t *testing.T) {
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	tests := []struct {
		name, header string
		least, most  time.Duration
	}{
		{"seconds", "30", 30 * time.Second, 30 * time.Second},
		{"none", "0", 0, 0},
		{"negative", "-30", 0, 0},
		{"more than anything", "99999999999", maxLife, maxLife},
		{"more than a number holds", "99999999999999999999999", maxLife, maxLife},
		{"less than a number holds", "-99999999999999999999999", 0, 0},
		{"a date", in(time.Minute), 50 * time.Second, time.Minute},
		{"a date in the past", in(-time.Hour), 0, 0},
		{"a date far away", "Fri, 31 Dec 9999 23:59:59 GMT", maxLife, maxLife},
		{"a date long ago", "Thu, 01 Jan 1600 00:00:00 GMT", 0, 0},
		{"garbage", "soon", 0, 0},
		{"empty", "", 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fakeFetch(t, func(request) any {
				return response(t, 429, encode(t, api.Problem{Code: api.RateLimited}), "Retry-After", test.header)
			})
			if got := do(ask(session.CallToken)).RetryAfter; got < test.least || got > test.most {
				t.Errorf("%v, want %v to %v", got, test.least, test.most)
			}
		})
	}
	fakeFetch(t, func(request) any { return response(t, 429, encode(t, api.Problem{Code: api.RateLimited})) })
	if got := do(ask(session.CallToken)).RetryAfter; got != 0 {
		t.Errorf("without the header: %v", got)
	}
}

// The Retry-After of a proxy in front of the server counts, whatever its body
// says.
func TestRetryAfterOfAProxy(t *testing.T) {
	for status, why := range map[int]session.Why{429: session.WhyRateLimited, 503: session.WhyServer} {
		for _, body := range []any{nil, "", "<html>Slow down</html>", `{"error":"slow_down"}`, `[]`, `null`} {
			fakeFetch(t, func(request) any { return response(t, status, body, "Retry-After", "60") })
			for _, kind := range kinds {
				want := session.Answer{Why: why, RetryAfter: time.Minute}
				if got := do(ask(kind)); got != want {
					t.Errorf("%d with %v to call %d: %+v, want %+v", status, body, kind, got, want)
				}
			}
		}
	}
}

// Whatever goes wrong on the way: the server could not be reached, and the
// program lives on.
func TestOffline(t *testing.T) {
	want := session.Answer{Why: session.WhyOffline}
	each := func(t *testing.T) {
		t.Helper()
		for _, kind := range kinds {
			if got := do(ask(kind)); got != want {
				t.Errorf("call %d: %+v, want %+v", kind, got, want)
			}
		}
		reportActivity()
		alive(t)
	}
	t.Run("rejected", func(t *testing.T) {
		fakeFetch(t, func(request) any {
			return call(t, path("Promise"), "reject", construct(t, "TypeError", "Failed to fetch"))
		})
		each(t)
	})
	t.Run("fetch throws", func(t *testing.T) {
		set(t, "fetch", thrower(t))
		each(t)
	})
	t.Run("no fetch", func(t *testing.T) {
		set(t, "fetch", safejs.Undefined())
		each(t)
	})
	t.Run("no AbortController", func(t *testing.T) {
		fakeFetch(t, func(request) any { t.Error("a request that nothing can end"); return nil })
		set(t, "AbortController", safejs.Undefined())
		each(t)
	})
	t.Run("no JSON", func(t *testing.T) {
		set(t, "JSON", safejs.Undefined())
		for _, kind := range []session.CallKind{session.CallOpen, session.CallToken} {
			if got := do(ask(kind)); got != want {
				t.Errorf("call %d: %+v, want %+v", kind, got, want)
			}
		}
	})
}

// A page may have wrapped fetch, and give something that is no Response.
func TestOddResponses(t *testing.T) {
	for name, made := range map[string]safejs.Value{
		"null":      safejs.Null(),
		"a string":  parse(t, `"ok"`),
		"an object": parse(t, `{"status":200}`),
		"a trap":    trap(t, "status", "json", "headers"),
		"it throws": made(t, map[string]any{"status": 200, "json": thrower(t)}),
		"no headers": made(t,
			map[string]any{"status": 401,
				"json": function(t, func([]safejs.Value) any { return response(t, 200, "") })}),
	} {
		t.Run(name, func(t *testing.T) {
			fakeFetch(t, func(request) any { return call(t, path("Promise"), "resolve", made) })
			for _, kind := range kinds {
				if got, want := do(ask(kind)), (session.Answer{Why: session.WhyUnintelligible}); got != want {
					t.Errorf("call %d: %+v, want %+v", kind, got, want)
				}
			}
			alive(t)
		})
	}
}

// hanging is a server that does not answer, or stops in the middle, until the
// request is aborted; asked hears when a reader waits for it.
func hanging(t *testing.T, body bool) (asked chan struct{}) {
	t.Helper()
	asked = make(chan struct{}, 2)
	fakeFetch(t, func(r request) any {
		signal := get(r.init, "signal")
		// fail is what the browser does with a request that was aborted.
		hang := func(fail func(reason safejs.Value)) {
			call(t, signal, "addEventListener", "abort", function(t, func([]safejs.Value) any {
				fail(get(signal, "reason"))
				return nil
			}))
			if isTrue(get(signal, "aborted")) {
				fail(get(signal, "reason"))
			}
			asked <- struct{}{}
		}
		if !body {
			return construct(t, "Promise", function(t, func(args []safejs.Value) any {
				hang(func(reason safejs.Value) { _, _ = args[1].Invoke(reason) })
				return nil
			}))
		}
		// With nothing read ahead, pull comes when a reader waits for the body.
		stream := construct(t, "ReadableStream", map[string]any{"pull": function(t, func(args []safejs.Value) any {
			hang(func(reason safejs.Value) { call(t, args[0], "error", reason) })
			return nil
		})}, map[string]any{"highWaterMark": 0})
		return response(t, 200, stream)
	})
	return asked
}

func TestStopAborts(t *testing.T) {
	for name, body := range map[string]bool{"no answer": false, "half an answer": true} {
		t.Run(name, func(t *testing.T) {
			stop, answers, s := new(session.Latch), make(chan session.Answer, 1), newServer()
			// A call that is over is let go, and does not keep the next from
			// being aborted.
			fakeFetch(t, func(request) any { return response(t, 204, nil) })
			s.Do(stop, ask(session.CallEnd), session.Counts{})
			asked := hanging(t, body)
			go func() { answers <- s.Do(stop, ask(session.CallToken), session.Counts{}) }()
			<-asked
			select {
			case got := <-answers:
				t.Fatalf("answered before the stop: %+v", got)
			default:
			}
			stop.Close()
			if got := <-answers; got.OK || got.Final {
				t.Errorf("%+v, want a temporary no", got)
			}
		})
	}
	// Also what was asked after the stop: the session waits for it.
	t.Run("too late", func(t *testing.T) {
		hanging(t, false)
		stop, s := new(session.Latch), newServer()
		stop.Close()
		for range 2 {
			if got := s.Do(stop, ask(session.CallToken), session.Counts{}); got.OK || got.Final {
				t.Errorf("%+v, want a temporary no", got)
			}
		}
	})
	t.Run("activity", func(t *testing.T) {
		asked, stop, done := hanging(t, false), new(session.Latch), make(chan struct{})
		go func() { newServer().Activity(stop, session.Counts{}); close(done) }()
		<-asked
		stop.Close()
		<-done
	})
}

func TestTimeoutAborts(t *testing.T) {
	for name, body := range map[string]bool{"no answer": false, "half an answer": true} {
		t.Run(name, func(t *testing.T) {
			hanging(t, body)
			hasty := &server{endpoint: "/keepalive", timeout: time.Millisecond}
			stop := new(session.Latch)

			defer stop.Close()
			if got := hasty.Do(stop, ask(session.CallToken), session.Counts{}); got.OK || got.Final {
				t.Errorf("%+v, want a temporary no", got)
			}
		})
	}
}
