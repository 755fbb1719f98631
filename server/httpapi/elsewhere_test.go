package httpapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// elsewhere is one value of one property of a request, and whether a page of
// ours could send it.
type elsewhere struct {
	name   string
	ours   bool
	change func(*http.Request)
}

func leave(*http.Request) {}

// Everything a page elsewhere can send, in every combination, each with the
// victim's own cookie: only what one of our pages sends gets behind the checks,
// where the store and Capture are.
func TestNothingFromElsewhereGetsIn(t *testing.T) {
	origins := []elsewhere{
		{"listed origin", true, leave},
		{"no origin", false, header("Origin")},
		{"null", false, header("Origin", "null")},
		{"empty origin", false, header("Origin", "")},
		{"another", false, header("Origin", "https://evil.example")},
		{"longer", false, header("Origin", origin+".evil.example")},
		{"ends alike", false, header("Origin", "https://evilwww.example.com")},
		{"in capitals", false, header("Origin", "https://WWW.EXAMPLE.COM")},
		{"over http", false, header("Origin", "http://www.example.com")},
		{"another port", false, header("Origin", origin+":8443")},
		{"the default port", false, header("Origin", origin+":443")},
		{"with a slash", false, header("Origin", origin+"/")},
		{"a sibling", false, header("Origin", "https://shop.example.com")},
		{"the parent", false, header("Origin", "https://example.com")},
		{"a look-alike", false, header("Origin", "https://www.examp1e.com")},
		{"two", false, header("Origin", origin, "https://evil.example")},
		{"a list", false, header("Origin", origin+", https://evil.example")},
	}
	sites := []elsewhere{
		{"no site", false, leave},
		{"same-origin", true, header("Sec-Fetch-Site", "same-origin")},
		{"same-site", false, header("Sec-Fetch-Site", "same-site")},
		{"cross-site", false, header("Sec-Fetch-Site", "cross-site")},
		{"site none", false, header("Sec-Fetch-Site", "none")},
	}
	marks := []elsewhere{
		{"marked", true, leave},
		{"not marked", false, header("X-Keepalive")},
		{"marked wrongly", false, header("X-Keepalive", "true")},
		{"marked twice", false, header("X-Keepalive", "1", "1")},
	}
	types := []elsewhere{
		{"json", true, header("Content-Type", "application/json")},
		{"json in utf-8", true, header("Content-Type", "application/json; charset=utf-8")},
		{"no type", false, header("Content-Type")},
		{"plain text", false, header("Content-Type", "text/plain")},
		{"plain text that says json", false, header("Content-Type", "text/plain; application/json")},
		{"a form", false, header("Content-Type", "application/x-www-form-urlencoded")},
		{"a form with files", false, header("Content-Type", "multipart/form-data; boundary=x")},
	}
	routes := []struct{ method, path, body string }{
		{"POST", "/session", `{"accessToken":"` + goodToken + `"}`},
		{"POST", "/session/token", `{"reason":"start"}`},
		{"POST", "/session/activity", ""},
		{"GET", "/session", ""},
		{"DELETE", "/session", ""},
	}
	s := newSite(t)
	session := s.login(t)
	passed := 0
	for _, route := range routes {
		for _, from := range origins {
			for _, site := range sites {
				for _, mark := range marks {
					for _, media := range types {
						s.sessions.calls = nil
						r := request(route.method, route.path, route.body, cookie(session),
							from.change, site.change, mark.change, media.change)
						response := s.do(r)
						is := func(problem string) {
							t.Errorf("%s %s, %s, %s, %s, %s: %s; behind the checks: %q",
								route.method, route.path, from.name, site.name, mark.name, media.name, problem,
								s.sessions.calls)
						}
						admitted := from.ours || from.name == "no origin" && site.ours
						want := admitted && mark.ours && (route.body == "" || media.ours)
						if got := response.StatusCode < 300 && len(s.sessions.calls) == 1; got != want {
							is(response.Status)
						}
						if want {
							passed++
						} else if len(s.sessions.calls) != 0 || len(response.Cookies()) != 0 {
							is("a refusal that did something")
						}
						for name := range response.Header {
							if strings.HasPrefix(name, "Access-Control-") && !from.ours {
								is(name + " for another client")
							}
						}
						if !slices.Contains(response.Header.Values("Vary"), "Origin") {
							is("no Vary")
						}
					}
				}
			}
		}
	}
	if passed == 0 {
		t.Error("nothing passed: the table proves nothing")
	}
}

// What scripts, forms and old frameworks do to get round the method or to read
// an answer across origins.
func TestTricks(t *testing.T) {
	s := newSite(t)
	session := s.login(t)
	plain := func(method, path, body string, change ...func(*http.Request)) *http.Request {
		return request(method, path, body,
			append([]func(*http.Request){cookie(session), header("Origin"), header("X-Keepalive")}, change...)...)
	}
	for name, r := range map[string]*http.Request{
		"a script element": plain("GET", "/session?callback=steal", "",
			header("Sec-Fetch-Site", "cross-site")),
		"a script element at another route": plain("GET", "/session/token?callback=steal", ""),
		"an image":                          plain("GET", "/session/activity", "", header("Sec-Fetch-Dest", "image")),
		"a link that signs out":             plain("GET", "/session?_method=DELETE", ""),
		"a form that signs out": plain("POST", "/session?_method=DELETE",
			"_method=DELETE", header("Content-Type", "application/x-www-form-urlencoded")),
		"a header that signs out": plain("POST", "/session", "",
			header("X-HTTP-Method-Override", "DELETE"), header("Origin", "null")),
		"HEAD of a link":     plain("HEAD", "/session", "", header("Sec-Fetch-Site", "cross-site")),
		"HEAD of a token":    request("HEAD", "/session/token", "", cookie(session)),
		"PUT":                request("PUT", "/session", `{}`, cookie(session)),
		"PATCH":              request("PATCH", "/session", `{}`, cookie(session)),
		"TRACE":              request("TRACE", "/session", "", cookie(session)),
		"GET of a token":     request("GET", "/session/token", "", cookie(session)),
		"a path in capitals": request("POST", "/SESSION/TOKEN", `{"reason":"start"}`, cookie(session)),
		"a path with a slash": request("POST", "/session/token/",
			`{"reason":"start"}`, cookie(session)),
		"a path with dots": request("POST", "/x/../session/token",
			`{"reason":"start"}`, cookie(session)),
		"the other listener's auth":   request("GET", "/../auth", "", cookie(session)),
		"the other listener's revoke": request("POST", "/../revoke", `{"uuid":"`+uuid+`"}`, cookie(session)),
		"the header in the query": plain("POST", "/session/token?X-Keepalive=1",
			`{"reason":"start"}`, header("Origin", origin)),
		"a beacon": plain("POST", "/session/activity", "x",
			header("Content-Type", "text/plain;charset=UTF-8"), header("Origin", "https://evil.example")),
		"a preflight of another page": plain("OPTIONS", "/session", "",
			header("Origin", "https://evil.example"), header("Access-Control-Request-Method", "DELETE")),
		"a preflight without an origin": plain("OPTIONS", "/session", "",
			header("Access-Control-Request-Method", "DELETE")),
		"a preflight of a sandboxed frame": plain("OPTIONS", "/session", "",
			header("Origin", "null"), header("Access-Control-Request-Method", "DELETE")),
		"a script element of the same origin": plain("GET", "/session?callback=steal", "",
			header("Sec-Fetch-Site", "same-origin")),
	} {
		s.sessions.calls = nil
		response := s.do(r)
		if response.StatusCode < 400 || len(s.sessions.calls) != 0 || len(response.Cookies()) != 0 {
			t.Errorf("%s: %s; behind the checks: %q", name, response.Status, s.sessions.calls)
		}
		if response.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: the answer may be taken for a script", name)
		}
	}
}
