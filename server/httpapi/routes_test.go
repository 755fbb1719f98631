package httpapi_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/session"
)

func TestBodies(t *testing.T) {
	const (
		open  = "/session"
		token = "/session/token"
	)
	for _, tc := range []struct {
		name, path, body string
		says             string // of a bad_request; empty: it is good
	}{
		{"token login", open, `{"accessToken":"` + goodToken + `"}`, ""},
		{"all that a token login may say", open,
			`{"accessToken":"` + goodToken + `","uuid":"u","expires":1795262400}`, ""},
		{"white space", open, " \n{ \"accessToken\" :\t\"" + goodToken + "\" , \"expires\" : 5 } \n", ""},
		{"nothing", open, ``, "JSON object"},
		{"an empty object", open, `{}`, "accessToken or authorizationCode is missing"},
		{"an array", open, `["accessToken"]`, "JSON object"},
		{"a string", open, `"accessToken"`, "JSON object"},
		{"null", open, `null`, "JSON object"},
		{"cut off", open, `{"accessToken":"` + goodToken, "well-formed"},
		{"cut off after a member", open, `{"accessToken":"` + goodToken + `"`, "well-formed"},
		{"a comma too many", open, `{"accessToken":"` + goodToken + `",}`, "well-formed"},
		{"no value", open, `{"accessToken":}`, "well-formed"},
		{"something behind it", open, `{"accessToken":"` + goodToken + `"} {}`, "something follows"},
		{"garbage behind it", open, `{"accessToken":"` + goodToken + `"} x`, "something follows"},
		{"an unknown member", open, `{"accessToken":"` + goodToken + `","admin":true}`,
			"accessToken, authorizationCode, expires, redirectUri, uuid"},
		{"another spelling", open, `{"AccessToken":"` + goodToken + `"}`, "does not know"},
		{"the same credential twice", open,
			`{"accessToken":"` + goodToken + `","accessToken":"` + goodToken + `"}`,
			"accessToken is there more than once"},
		{"both credentials", open,
			`{"accessToken":"` + goodToken + `","authorizationCode":"abcdefgh"}`, "exclude each other"},
		{"a code", open, `{"authorizationCode":"abcdefgh"}`, ""},
		{"a code and its redirectUri", open, `{"authorizationCode":"abcdefgh","redirectUri":"https://x"}`, ""},
		{"a short code", open, `{"authorizationCode":"abcdefg"}`, "authorizationCode does not look like"},
		{"a long code", open, `{"authorizationCode":"` + strings.Repeat("a", 513) + `"}`,
			"authorizationCode does not look like"},
		{"a code with a line break", open, `{"authorizationCode":"abcdefgh\r\nX: y"}`,
			"authorizationCode does not look like"},
		{"a number as code", open, `{"authorizationCode":12345678}`, "authorizationCode must be a string"},
		{"a code with a uuid", open, `{"authorizationCode":"abcdefgh","uuid":"u"}`, "uuid belongs to an accessToken"},
		{"a code with an end", open, `{"authorizationCode":"abcdefgh","expires":1795262400}`,
			"expires belongs to an accessToken"},
		{"a redirectUri alone", open, `{"redirectUri":"https://x"}`, "accessToken or authorizationCode is missing"},
		{"a redirectUri", open, `{"accessToken":"` + goodToken + `","redirectUri":"https://x"}`, "redirectUri"},
		{"a number as token", open, `{"accessToken":12345678}`, "accessToken must be a string"},
		{"null as token", open, `{"accessToken":null}`, "accessToken must be a string"},
		{"an object as token", open, `{"accessToken":{}}`, "accessToken must be a string"},
		{"a short token", open, `{"accessToken":"abc"}`, "accessToken"},
		{"a token with a prefix", open, `{"accessToken":"OAuth ` + goodToken + `"}`, "accessToken"},
		{"a token with a line break", open, `{"accessToken":"` + goodToken + `\r\nX: y"}`, "accessToken"},
		{"a long token", open, `{"accessToken":"` + strings.Repeat("a", 513) + `"}`, "accessToken"},
		{"a long uuid", open, `{"accessToken":"` + goodToken + `","uuid":"` + strings.Repeat("a", 129) + `"}`, "uuid"},
		{"expires in the past, which is the page's word", open, `{"accessToken":"` + goodToken + `","expires":1}`, ""},
		{"expires in milliseconds", open,
			`{"accessToken":"` + goodToken + `","expires":1795262400000}`, "unix seconds"},
		{"negative expires", open, `{"accessToken":"` + goodToken + `","expires":-1}`, "unix seconds"},
		{"half a second", open, `{"accessToken":"` + goodToken + `","expires":1.5}`, "expires must be a whole number"},
		{"expires as text", open, `{"accessToken":"` + goodToken + `","expires":"5"}`,
			"expires must be a whole number"},
		{"expires null", open, `{"accessToken":"` + goodToken + `","expires":null}`, "expires must be a whole number"},
		{"expires beyond all bounds", open,
			`{"accessToken":"` + goodToken + `","expires":99999999999999999999}`, "expires must be a whole number"},

		{"a question", token, `{"reason":"due"}`, ""},
		{"a question with a token", token, `{"reason":"invalid","have":"` + goodToken + `"}`, ""},
		{"a question with any token", token, `{"reason":"invalid","have":"garbage in localStorage"}`, ""},
		{"no reason", token, `{}`, "reason must be start, due"},
		{"an unknown reason", token, `{"reason":"because"}`, "reason must be start, due"},
		{"a reason in capitals", token, `{"reason":"DUE"}`, "reason must be start, due"},
		{"a reason of no type", token, `{"reason":["due"]}`, "reason must be a string"},
		{"a question with counts", token,
			`{"reason":"due","counts":{"finished":1,"held":2,"sent":2,"kept":0,"signInsAvoided":1}}`, ""},
		{"counts that say nothing", token, `{"reason":"due","counts":{}}`, ""},
		{"counts of another type", token, `{"reason":"due","counts":[1]}`, "counts must be an object"},
		{"counts null", token, `{"reason":"due","counts":null}`, "counts must be an object"},
		{"an unknown count", token, `{"reason":"due","counts":{"finished":1,"won":2}}`,
			"it knows counts.finished, counts.held"},
		{"a count twice", token, `{"reason":"due","counts":{"held":1,"held":2}}`,
			"counts.held is there more than once"},
		{"half a count", token, `{"reason":"due","counts":{"held":0.5}}`, "counts.held must be a whole number"},
		{"a count as text", token, `{"reason":"due","counts":{"held":"1"}}`, "counts.held must be a whole number"},
		{"a count cut off", token, `{"reason":"due","counts":{"held":1`, "well-formed"},
		{"an object in a count", token, `{"reason":"due","counts":{"held":{"held":1}}}`,
			"counts.held must be a whole number"},
		{"a credential in a question", token, `{"reason":"due","accessToken":"` + goodToken + `"}`,
			"counts, have, reason"},

		{"an activity", "/session/activity", ``, ""},
		{"an activity with an empty object", "/session/activity", `{}`, ""},
		{"an activity that says something", "/session/activity", `{"uuid":"u"}`, "it knows counts"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t)
			known := s.login(t)
			r := request("POST", tc.path, tc.body, cookie(known),
				header("Content-Type", "application/json; charset=utf-8"))
			response := s.do(r)
			if tc.says == "" {
				if response.StatusCode >= 300 || len(s.sessions.calls) != 1 {
					t.Errorf("status %s, calls %q", response.Status, s.sessions.calls)
				}
				return
			}
			problem := wantProblem(t, response, api.BadRequest)
			if !strings.Contains(problem.Detail, tc.says) {
				t.Errorf("the detail %q does not say %q", problem.Detail, tc.says)
			}
			if strings.Contains(problem.Detail, goodToken) || strings.Contains(problem.Detail, "admin") {
				t.Errorf("the detail repeats what the page sent: %q", problem.Detail)
			}
			if len(s.sessions.calls) != 0 {
				t.Errorf("behind a malformed body: %q", s.sessions.calls)
			}
		})
	}
}

// The network brings a body in pieces, and sometimes not all of them.
func TestBodiesInPieces(t *testing.T) {
	const body = `{"accessToken":"` + goodToken + `"}`
	for _, tc := range []struct {
		name   string
		length int64
		status int
	}{
		{"of a length that is known", int64(len(body)), http.StatusCreated},
		{"of a length that is not", -1, http.StatusCreated},
		{"cut off", int64(len(body)) + 1, http.StatusBadRequest},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response := newSite(t).do(request("POST", "/session", body, func(r *http.Request) {
				r.Body = io.NopCloser(iotest.OneByteReader(strings.NewReader(body)))
				r.ContentLength = tc.length
			}))
			if response.StatusCode != tc.status {
				t.Errorf("%s", response.Status)
			}
		})
	}
}

// A proxy announces a body of unknown length, and none comes: that is no body, and
// needs no type.
func TestNoBodyInPieces(t *testing.T) {
	s := newSite(t)
	known := s.login(t)
	for _, call := range [][2]string{{"POST", "/session/activity"}, {"DELETE", "/session"}} {
		response := s.do(request(call[0], call[1], "", cookie(known), header("Content-Type"),
			func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("")), -1 }))
		if response.StatusCode != http.StatusNoContent {
			t.Errorf("%s: %s", call[0], response.Status)
		}
	}
}

// A body that does not come at all is refused, and not taken for an empty one.
func TestBodyThatDoesNotCome(t *testing.T) {
	s := newSite(t)
	known := s.login(t)
	for _, method := range []string{"POST", "DELETE"} {
		path := map[string]string{"POST": "/session/activity", "DELETE": "/session"}[method]
		response := s.do(request(method, path, "", cookie(known),
			header("Content-Type", "application/json"), func(r *http.Request) {
				r.Body, r.ContentLength = io.NopCloser(iotest.ErrReader(os.ErrDeadlineExceeded)), -1
			}))
		if problem := wantProblem(t, response, api.BadRequest); !strings.Contains(problem.Detail, "to its end") ||
			len(s.sessions.calls) != 0 {
			t.Errorf("%s: %q, behind it %q", method, problem.Detail, s.sessions.calls)
		}
	}
}

// A member that the shared structs have is a member that the server reads.
func TestEveryMemberOfTheWireIsKnown(t *testing.T) {
	s := newSite(t)
	known := s.login(t)
	for path, shape := range map[string]reflect.Type{
		"/session":       reflect.TypeFor[api.OpenRequest](),
		"/session/token": reflect.TypeFor[api.TokenRequest](),
	} {
		for i := range shape.NumField() {
			field := shape.Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			value := map[reflect.Kind]string{reflect.String: `"x"`, reflect.Int64: `1`,
				reflect.Pointer: `{}`}[field.Type.Kind()]
			problem := wantProblem(t,
				s.do(request("POST", path, `{"`+name+`":`+value+`,"unknown":1}`, cookie(known))), api.BadRequest)
			if !strings.Contains(problem.Detail, "does not know; it knows") || !strings.Contains(problem.Detail, name) {
				t.Errorf("%s of %s is refused: %q", name, path, problem.Detail)
			}
		}
	}
}

func TestOpen(t *testing.T) {
	s := newSite(t)
	earlier := s.login(t)
	response := s.do(request("POST", "/session",
		`{"accessToken":"`+goodToken+`","uuid":"`+uuid+`","expires":1795262400}`, cookie(earlier)))
	if response.StatusCode != http.StatusCreated {
		t.Fatalf("status %s", response.Status)
	}
	login := s.sessions.login
	if login.Token.Reveal() != goodToken || login.Claim != uuid ||
		login.Expires.Unix() != 1795262400 || login.Previous != someID {
		t.Errorf("the login that arrived: claim %q, expires %v, previous %v", login.Claim,
			login.Expires, login.Previous == someID)
	}
	want := api.TokenAnswer{
		AccessToken: goodToken, UUID: uuid,
		ExpiresAt: s.clock.Add(time.Hour).Unix(), ExpiresIn: 3600, ServerTime: s.clock.UnixMilli(),
		IdleExpiresIn: 1800, AbsoluteExpiresIn: 43200,
	}
	if got := decodeJSON[api.TokenAnswer](t, response); got != want {
		t.Errorf("the answer is %#v and not as expected",
			[]any{got.ExpiresAt, got.ExpiresIn, got.ServerTime, got.UUID, got.IdleExpiresIn, got.AbsoluteExpiresIn})
	}
	if got := response.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		t.Errorf("Content-Type: %q", got)
	}
}

func TestFailedLoginSetsNoCookie(t *testing.T) {
	for _, code := range []api.Code{api.IdentityMismatch, api.GrantRefused, api.UpstreamRefused,
		api.UpstreamUnavailable, api.StoreUnavailable} {
		s := newSite(t)
		s.sessions.err = &session.Error{Code: code, Detail: "so it is"}
		response := s.do(request("POST", "/session", `{"accessToken":"`+goodToken+`"}`))
		wantProblem(t, response, code)
		if len(response.Cookies()) != 0 {
			t.Errorf("%s sets a cookie", code)
		}
	}
}

func TestTokenPassesReasonAndToken(t *testing.T) {
	s := newSite(t)
	known := s.login(t)
	response := s.do(request("POST", "/session/token", `{"reason":"savefailed","have":"sometoken01"}`, cookie(known)))
	if response.StatusCode != http.StatusOK || len(s.sessions.calls) != 1 ||
		s.sessions.calls[0] != "Token savefailed sometoken01" {
		t.Errorf("status %s, calls %q", response.Status, s.sessions.calls)
	}
	if len(response.Cookies()) != 0 {
		t.Error("the cookie is set again, though its key is current")
	}
	if got := decodeJSON[api.TokenAnswer](t, response); got.AccessToken != goodToken {
		t.Error("the answer has another token")
	}
}

func TestStatus(t *testing.T) {
	s := newSite(t)
	response := s.do(request("GET", "/session", "", cookie(s.login(t))))
	want := api.StatusAnswer{Active: true, UUID: uuid, Mode: "token", ExpiresIn: 3600,
		IdleExpiresIn: 1800, AbsoluteExpiresIn: 43200}
	if got := decodeJSON[api.StatusAnswer](t, response); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDelete(t *testing.T) {
	t.Run("ends the session and removes the cookie", func(t *testing.T) {
		s := newSite(t)
		response := s.do(request("DELETE", "/session", "", cookie(s.login(t))))
		if response.StatusCode != http.StatusNoContent || len(s.sessions.calls) != 1 {
			t.Errorf("status %s, calls %q", response.Status, s.sessions.calls)
		}
		wantRemoved(t, response)
	})
	t.Run("that comes behind the next login keeps that one's cookie", func(t *testing.T) {
		s := newSite(t)
		late := cookie(s.login(t))
		s.sessions.replaced = true
		response := s.do(request("DELETE", "/session", "", late))
		if response.StatusCode != http.StatusNoContent || len(response.Cookies()) != 0 {
			t.Errorf("status %s, Set-Cookie %q", response.Status, response.Header.Values("Set-Cookie"))
		}
	})
	t.Run("without a session it is as good", func(t *testing.T) {
		s := newSite(t)
		response := s.do(request("DELETE", "/session", ""))
		if response.StatusCode != http.StatusNoContent || len(s.sessions.calls) != 0 {
			t.Errorf("status %s, calls %q", response.Status, s.sessions.calls)
		}
		wantRemoved(t, response)
	})
	t.Run("with the store down it keeps the cookie", func(t *testing.T) {
		s := newSite(t)
		known := s.login(t)
		s.sessions.err = &session.Error{Code: api.StoreUnavailable, RetryAfter: 5 * time.Second, Detail: "down"}
		response := s.do(request("DELETE", "/session", "", cookie(known)))
		wantProblem(t, response, api.StoreUnavailable)
		if len(response.Cookies()) != 0 {
			t.Error("the cookie is gone, and the session lives")
		}
	})
}

func wantRemoved(t *testing.T, response *http.Response) {
	t.Helper()
	cookies := response.Cookies()
	if len(cookies) != 2 || cookies[0].Name != "__Host-Http-keepalive" || cookies[1].Name != api.CookieHint {
		t.Fatalf("not the two cookies: %q", response.Header.Values("Set-Cookie"))
	}
	for _, cookie := range cookies {
		if cookie.MaxAge >= 0 || cookie.Path != "/" || !cookie.Secure {
			t.Errorf("the cookie is not removed: %s", cookie)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		0:                       "",
		time.Nanosecond:         "1",
		time.Second:             "1",
		1001 * time.Millisecond: "2",
		time.Hour:               "3600",
	} {
		s := newSite(t)
		known := s.login(t)
		s.sessions.err = &session.Error{Code: api.UpstreamUnavailable, RetryAfter: wait, Detail: "later"}
		response := s.do(request("POST", "/session/token", `{"reason":"due"}`, cookie(known)))
		wantProblem(t, response, api.UpstreamUnavailable)
		if got := response.Header.Get("Retry-After"); got != want {
			t.Errorf("Retry-After for %v: %q, want %q", wait, got, want)
		}
	}
}

func TestFrameworkErrorsAreProblemsToo(t *testing.T) {
	s := newSite(t)
	for _, tc := range []struct {
		method, path string
		code         api.Code
	}{
		{"GET", "/", api.NotFound},
		{"GET", "/nothing.js", api.NotFound},
		{"GET", "/session/", api.NotFound},
		{"GET", "/../session", api.NotFound},
		{"PUT", "/session", api.MethodNotAllowed},
		{"GET", "/session/token", api.MethodNotAllowed},
		{"BREW", "/session", api.MethodNotAllowed},
		{"POST", "/keepalive.js", api.MethodNotAllowed},
	} {
		response := s.do(request(tc.method, tc.path, ""))
		wantProblem(t, response, tc.code)
		if tc.code == api.MethodNotAllowed && response.Header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", tc.method, tc.path)
		}
	}
}

func TestPanicsAreAnswered(t *testing.T) {
	for name, value := range map[string]any{"a string": "secret " + goodToken,
		"an error": errors.New("secret " + goodToken)} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			known := s.login(t)
			s.sessions.panic = value
			problem := wantProblem(t,
				s.do(request("POST", "/session/token", `{"reason":"due"}`, cookie(known))), api.Internal)
			if strings.Contains(problem.Detail, goodToken) || strings.Contains(s.log.String(), goodToken) {
				t.Error("the panic's value got out")
			}
			if !strings.Contains(s.log.String(), `"stack":"goroutine`) {
				t.Errorf("no stack in the log:\n%s", s.log)
			}
		})
	}
	t.Run("an abort goes through", func(t *testing.T) {
		s := newSite(t)
		known := s.login(t)
		s.sessions.panic = http.ErrAbortHandler
		defer func() {
			if recover() == nil {
				t.Error("http.ErrAbortHandler was swallowed")
			}
		}()
		s.do(request("POST", "/session/token", `{"reason":"due"}`, cookie(known)))
	})
}

func TestLogSaysWhatButNoSecret(t *testing.T) {
	s := newSite(t)
	known := s.login(t)
	s.log.Reset()
	s.sessions.err = &session.Error{Code: api.UpstreamUnavailable, Detail: "later",
		Cause: errors.New("no route to host")}
	response := s.do(request("POST", "/session/token?access_token="+goodToken,
		`{"reason":"invalid","have":"`+goodToken+`"}`,
		cookie(known), header("X-Request-Id", "chosen by the client"), header("User-Agent", "browser-x")))
	line := s.log.String()
	for _, want := range []string{
		`"requestId":"` + response.Header.Get("X-Request-Id") + `"`, `"method":"POST"`,
		`"route":"/keepalive/session/token"`,
		`"status":503`, `"duration":`, `"session":"` + session.Tag(someID) + `"`,
		`"code":"upstream_unavailable"`, "no route to host",
	} {
		if !strings.Contains(line, want) {
			t.Errorf("the line does not say %s:\n%s", want, line)
		}
	}
	if strings.Count(line, "\n") != 1 {
		t.Errorf("more than one line:\n%s", line)
	}
	for _, hidden := range []string{goodToken, known.Value, "chosen by", "browser-x", uuid} {
		if strings.Contains(line, hidden) {
			t.Errorf("the line shows %q:\n%s", hidden, line)
		}
	}
	s.log.Reset()
	s.do(request("STEAL-"+goodToken, "/"+goodToken, ""))
	if strings.Contains(s.log.String(), goodToken) || !strings.Contains(s.log.String(), `"method":"-","route":"-"`) {
		t.Errorf("a path or method of the client is in the log:\n%s", s.log)
	}
}

func TestAdmin(t *testing.T) {
	s := newSite(t)
	get := func(path string) *http.Response {
		recorder := httptest.NewRecorder()
		s.Admin().ServeHTTP(recorder, httptest.NewRequest("GET", "http://127.0.0.1:9090"+path, nil))
		return recorder.Result()
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if response := get(path); response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
	wantProblem(t, get("/keepalive/session"), api.NotFound)
	s.sessions.err = &session.Error{Code: api.StoreUnavailable, Detail: "down"}
	wantProblem(t, get("/readyz"), api.StoreUnavailable)
	if response := get("/healthz"); response.StatusCode != http.StatusOK {
		t.Errorf("/healthz with the store down: %s; a restart would not mend it", response.Status)
	}
	s.sessions.err = nil
	s.Drain()
	if response := get("/readyz"); response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("/readyz while draining: %s", response.Status)
	}
	if response := s.do(request("GET", "/session", "", cookie(s.login(t)))); response.StatusCode != http.StatusOK {
		t.Errorf("a request while draining: %s", response.Status)
	}
}
