package httpapi_test

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
)

// Every check, one at a time: the request is good except for one thing, and
// nothing behind the checks is asked.
func TestChecksComeBeforeEverything(t *testing.T) {
	const login = `{"accessToken":"` + goodToken + `"}`
	for _, tc := range []struct {
		name    string
		request *http.Request
		code    api.Code
		says    string
	}{
		{"unlisted origin",
			request("POST", "/session", login, header("Origin", "https://evil.example")),
			api.OriginRefused, "KEEPALIVE_ORIGINS"},
		{"unlisted origin that claims to be the same",
			request("POST", "/session", login, header("Origin", host), header("Sec-Fetch-Site", "same-origin")),
			api.OriginRefused, ""},
		{"null origin", request("POST", "/session", login, header("Origin", "null")), api.OriginRefused, ""},
		{"origin in capitals",
			request("POST", "/session", login, header("Origin", "https://WWW.example.com")), api.OriginRefused, ""},
		{"origin with more behind it",
			request("POST", "/session", login, header("Origin", origin+".evil.example")), api.OriginRefused, ""},
		{"two origins", request("POST", "/session", login, header("Origin", origin, origin)), api.OriginRefused, ""},
		{"neither header", request("POST", "/session", login, header("Origin")), api.OriginRefused, "Sec-Fetch-Site"},
		{"same-site is not same-origin",
			request("POST", "/session", login, header("Origin"), header("Sec-Fetch-Site", "same-site")),
			api.OriginRefused, ""},
		{"cross-site",
			request("POST", "/session", login, header("Origin"), header("Sec-Fetch-Site", "cross-site")),
			api.OriginRefused, ""},
		{"typed into the address bar",
			request("GET", "/session", "", header("Origin"), header("Sec-Fetch-Site", "none")), api.OriginRefused, ""},
		{"two Sec-Fetch-Site",
			request("POST", "/session", login, header("Origin"),
				header("Sec-Fetch-Site", "same-origin", "same-origin")), api.OriginRefused, ""},
		{"GET with neither header", request("GET", "/session", "", header("Origin")), api.OriginRefused, ""},
		{"DELETE with neither header", request("DELETE", "/session", "", header("Origin")), api.OriginRefused, ""},
		{"DELETE of another page",
			request("DELETE", "/session", "", header("Origin", "https://evil.example")), api.OriginRefused, ""},
		{"no X-Keepalive", request("POST", "/session", login, header("X-Keepalive")),
			api.OriginRefused, "X-Keepalive: 1"},
		{"no X-Keepalive on GET", request("GET", "/session", "", header("X-Keepalive")),
			api.OriginRefused, "X-Keepalive: 1"},
		{"wrong X-Keepalive", request("POST", "/session", login, header("X-Keepalive", "2")), api.OriginRefused, ""},
		{"a form",
			request("POST", "/session", login, header("Content-Type", "application/x-www-form-urlencoded")),
			api.UnsupportedMedia, "application/json"},
		{"plain text", request("POST", "/session", login, header("Content-Type", "text/plain")),
			api.UnsupportedMedia, ""},
		{"no content type", request("POST", "/session", login, header("Content-Type")), api.UnsupportedMedia, ""},
		{"two content types",
			request("POST", "/session", login, header("Content-Type", "application/json", "application/json")),
			api.UnsupportedMedia, ""},
		{"an activity with a form",
			request("POST", "/session/activity", "a=b", header("Content-Type", "text/plain")),
			api.UnsupportedMedia, ""},
		{"too large", request("POST", "/session", login+strings.Repeat(" ", api.MaxBody)), api.TooLarge, "4096"},
		{"too large, not announced",
			request("POST", "/session", login+strings.Repeat(" ", api.MaxBody),
				func(r *http.Request) { r.ContentLength = -1 }), api.TooLarge, "4096"},
		{"no cookie: token", request("POST", "/session/token", `{"reason":"start"}`), api.SessionMissing, ""},
		{"no cookie: status", request("GET", "/session", ""), api.SessionMissing, ""},
		{"no cookie: activity", request("POST", "/session/activity", ""), api.SessionMissing, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t)
			response := s.do(tc.request)
			problem := wantProblem(t, response, tc.code)
			if !strings.Contains(problem.Detail, tc.says) {
				t.Errorf("the detail %q does not say %q", problem.Detail, tc.says)
			}
			if len(s.sessions.calls) != 0 {
				t.Errorf("behind the checks: %q", s.sessions.calls)
			}
			if len(response.Cookies()) != 0 {
				t.Errorf("a refusal sets a cookie: %v", response.Header.Values("Set-Cookie"))
			}
			if !slices.Contains(response.Header.Values("Vary"), "Origin") {
				t.Errorf("Vary: %q, want Origin", response.Header.Values("Vary"))
			}
			allowed := response.Header.Get("Access-Control-Allow-Origin")
			if want := readable(tc.request); allowed != want {
				t.Errorf("Access-Control-Allow-Origin: %q, want %q", allowed, want)
			}
		})
	}
}

// readable is the origin that may read the answer to r.
func readable(r *http.Request) string {
	if values := r.Header.Values("Origin"); len(values) == 1 && values[0] == origin {
		return origin
	}
	return ""
}

func TestWhoMayAsk(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change []func(*http.Request)
	}{
		{"a listed origin", nil},
		{"a listed origin of the same site", []func(*http.Request){header("Sec-Fetch-Site", "same-site")}},
		{"a listed origin of another site", []func(*http.Request){header("Sec-Fetch-Site", "cross-site")}},
		{"a same-origin request without Origin",
			[]func(*http.Request){header("Origin"), header("Sec-Fetch-Site", "same-origin")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t)
			session := s.login(t)
			with := append(tc.change, cookie(session))
			posted := s.do(request("POST", "/session/activity", "", with...))
			if posted.StatusCode != http.StatusNoContent {
				t.Errorf("POST: status %s", posted.Status)
			}
			r := request("GET", "/session", "", with...)
			response := s.do(r)
			if response.StatusCode != http.StatusOK {
				t.Fatalf("status %s", response.Status)
			}
			want := readable(r)
			for name, value := range map[string]string{
				"Access-Control-Allow-Origin":      want,
				"Access-Control-Allow-Credentials": map[bool]string{true: "true"}[want != ""],
				"Access-Control-Expose-Headers":    map[bool]string{true: "Retry-After"}[want != ""],
				"Vary":                             "Origin",
				"Cache-Control":                    "no-store",
				"X-Content-Type-Options":           "nosniff",
			} {
				if got := response.Header.Get(name); got != value {
					t.Errorf("%s: %q, want %q", name, got, value)
				}
			}
		})
	}
}

func TestPreflight(t *testing.T) {
	preflight := func(from string) *http.Request {
		return request("OPTIONS", "/session/token", "", header("X-Keepalive"), header("Origin", from),
			header("Access-Control-Request-Method", "POST"),
			header("Access-Control-Request-Headers", "content-type,x-keepalive"))
	}
	t.Run("listed", func(t *testing.T) {
		response := newSite(t).do(preflight(origin))
		if response.StatusCode != http.StatusNoContent {
			t.Fatalf("status %s", response.Status)
		}
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin":      origin,
			"Access-Control-Allow-Credentials": "true",
			"Access-Control-Allow-Headers":     "x-keepalive, content-type",
			"Access-Control-Allow-Methods":     "GET, POST, DELETE",
			"Access-Control-Max-Age":           "600",
		} {
			if got := response.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		vary := response.Header.Values("Vary")
		for _, name := range []string{
			"Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers",
		} {
			if !slices.Contains(vary, name) {
				t.Errorf("Vary: %q, want %s", vary, name)
			}
		}
	})
	t.Run("unlisted", func(t *testing.T) {
		response := newSite(t).do(preflight("https://evil.example"))
		wantProblem(t, response, api.OriginRefused)
		for name := range response.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: %q to an unlisted origin", name, response.Header.Get(name))
			}
		}
	})
}

func TestLoginsOfOneAddressAreLimited(t *testing.T) {
	for _, tc := range []struct {
		name          string
		one, two      string // RemoteAddr
		oneFor        string // X-Forwarded-For
		twoFor        string
		shareOneLimit bool
	}{
		{name: "one address", one: "192.0.2.1:1", two: "192.0.2.1:2", shareOneLimit: true},
		{name: "two addresses", one: "192.0.2.1:1", two: "192.0.2.2:1"},
		{name: "one IPv6 subscriber", one: "[2001:db8::1]:1", two: "[2001:db8::ffff:2]:1", shareOneLimit: true},
		{name: "two IPv6 subscribers", one: "[2001:db8::1]:1", two: "[2001:db8:0:1::1]:1"},
		{name: "IPv4 written as IPv6", one: "192.0.2.1:1", two: "[::ffff:192.0.2.1]:1", shareOneLimit: true},
		{name: "header of an untrusted client", one: "192.0.2.1:1", oneFor: "198.51.100.1",
			two: "192.0.2.1:1", twoFor: "198.51.100.2", shareOneLimit: true},
		{name: "two clients of one proxy", one: "10.1.1.1:1", oneFor: "198.51.100.1",
			two: "10.1.1.1:1", twoFor: "198.51.100.2"},
		{name: "one client of two proxies", one: "10.1.1.1:1", oneFor: "198.51.100.1",
			two: "10.1.1.2:1", twoFor: "198.51.100.1", shareOneLimit: true},
		{name: "what the client put in front", one: "10.1.1.1:1", oneFor: "1.1.1.1, 198.51.100.1",
			two: "10.1.1.1:1", twoFor: "2.2.2.2, 198.51.100.1", shareOneLimit: true},
		{name: "no readable address", one: "@", two: "pipe", shareOneLimit: true},
		{name: "two clients of a proxy that is listed as IPv6", one: "10.200.1.1:1",
			oneFor: "198.51.100.1", two: "10.200.1.1:1", twoFor: "198.51.100.2"},
		// What Azure, HAProxy and others write.
		{name: "two clients with ports", one: "10.1.1.1:1", oneFor: "198.51.100.1:4711",
			two: "10.1.1.1:1", twoFor: "198.51.100.2:4711"},
		{name: "one client with two ports", one: "10.1.1.1:1", oneFor: "198.51.100.1:4711",
			two: "10.1.1.1:1", twoFor: "198.51.100.1:4712", shareOneLimit: true},
		{name: "two subscribers in brackets", one: "10.1.1.1:1", oneFor: "[2001:db8::1]",
			two: "10.1.1.1:1", twoFor: "[2001:db8:0:1::1]"},
		{name: "two subscribers in brackets with ports", one: "10.1.1.1:1",
			oneFor: "[2001:db8::1]:4711", two: "10.1.1.1:1", twoFor: "[2001:db8:0:1::1]:4711"},
		{name: "one subscriber in all ways", one: "10.1.1.1:1", oneFor: "2001:db8::1",
			two: "10.1.1.1:1", twoFor: ` "[2001:db8::2]:4711" `, shareOneLimit: true},
		{name: "one client, plain and as IPv6 with a port", one: "10.1.1.1:1",
			oneFor: "198.51.100.1", two: "10.1.1.1:1", twoFor: "[::ffff:198.51.100.1]:80", shareOneLimit: true},
		{name: "two clients with a port, through two proxies with ports", one: "10.1.1.1:1",
			oneFor: "198.51.100.1:1, 10.2.2.2:80", two: "10.1.1.1:1", twoFor: "198.51.100.2:1, [::ffff:10.2.2.2]:80"},
		{name: "a port does not make a client trusted", one: "10.1.1.1:1",
			oneFor: "1.1.1.1, 198.51.100.1:1", two: "10.1.1.1:1", twoFor: "2.2.2.2, 198.51.100.1:2",
			shareOneLimit: true},
		{name: "what cannot be read hides nothing behind it", one: "10.1.1.1:1",
			oneFor: "198.51.100.1, unknown", two: "10.1.1.1:1", twoFor: "198.51.100.2, unknown", shareOneLimit: true},
		{name: "an empty end of the list", one: "10.1.1.1:1", oneFor: "198.51.100.1,",
			two: "10.1.1.1:1", twoFor: "198.51.100.2,", shareOneLimit: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t, func(c *httpapi.Config) {
				c.RateLogin = limit.Rate{Events: 1, Per: time.Minute}
				c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/9"),
					netip.MustParsePrefix("10.128.0.0/9")}
			})
			login := func(from, forwarded string) *http.Response {
				r := request("POST", "/session", `{"accessToken":"`+goodToken+`"}`)
				r.RemoteAddr = from
				if forwarded != "" {
					r.Header.Set("X-Forwarded-For", forwarded)
				}
				return s.do(r)
			}
			if response := login(tc.one, tc.oneFor); response.StatusCode != http.StatusCreated {
				t.Fatalf("the first login: %s", response.Status)
			}
			response := login(tc.two, tc.twoFor)
			if !tc.shareOneLimit {
				if response.StatusCode != http.StatusCreated {
					t.Errorf("the other client's login: %s", response.Status)
				}
				return
			}
			wantProblem(t, response, api.RateLimited)
			if got := response.Header.Get("Retry-After"); got != "60" {
				t.Errorf("Retry-After: %q, want 60", got)
			}
			if len(s.sessions.calls) != 1 {
				t.Errorf("the refused login went on: %q", s.sessions.calls)
			}
		})
	}
	t.Run("a malformed login costs nothing", func(t *testing.T) {
		s := newSite(t, func(c *httpapi.Config) { c.RateLogin = limit.Rate{Events: 1, Per: time.Minute} })
		wantProblem(t, s.do(request("POST", "/session", `{}`)), api.BadRequest)
		s.login(t)
	})
}
