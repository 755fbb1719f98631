package httpapi_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// Whatever a body is, the answer is a session or a refusal, never a fault; and
// what is behind the checks gets what any other reader of JSON would read there.
func FuzzBody(f *testing.F) {
	for _, body := range []string{
		`{"accessToken":"` + goodToken + `"}`,
		`{"accessToken":"` + goodToken + `","uuid":"` + uuid + `","expires":1795262400}`,
		`{"authorizationCode":"` + goodToken + `","redirectUri":"https://www.example.com/back"}`,
		`{"accessToken":"` + goodToken + `","accessToken":"anothertoken01"}`,
		`{"accesstoken":"` + goodToken + `"}`,
		`{"accessToken":"\u007a0t8k3vq5n1m7p2r"}`,
		`{"accessToken":"` + goodToken + `"}{}`,
		`{"expires":1e3,"accessToken":null}`,
		`[]`, `{`, "", "\xef\xbb\xbf{}", `{"a":{"b":[{}]}}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		s := newSite(t)
		response := s.do(request("POST", "/session", body, header("Content-Type", "application/json")))
		switch response.StatusCode {
		case http.StatusCreated:
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			if len(s.sessions.calls) != 0 {
				t.Errorf("%s, and behind the checks: %q", response.Status, s.sessions.calls)
			}
			return
		default:
			t.Fatal(response.Status)
		}
		var plain map[string]any
		if err := json.Unmarshal([]byte(body), &plain); err != nil {
			t.Fatalf("a session for what is no JSON: %v", err)
		}
		var want string
		var got secret.String
		if slices.Equal(s.sessions.calls, []string{"Open"}) {
			want, _ = plain["accessToken"].(string)
			got = s.sessions.login.Token
		} else {
			want, _ = plain["authorizationCode"].(string)
			got = s.sessions.code.Code
		}
		if got.Reveal() != want || !capture.WellFormed(got) {
			t.Errorf("behind the checks: %q, in the body %q", got.Reveal(), want)
		}
	})
}

// Only what the server has signed is a cookie; anything else that the fuzzer
// finds is a forgery.
func FuzzCookie(f *testing.F) {
	const head = "__Host-Http-keepalive="
	f.Add(head + "eyJhbGciOiJub25lIn0.e30.")
	f.Add(head + "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiSldUIn0.eyJqdGkiOiIifQ.AAAA")
	f.Add(head + "a.b.c; " + head + "..")
	f.Add("keepalive=x; =; \"")
	f.Fuzz(func(t *testing.T, line string) {
		s := newSite(t)
		genuine := s.login(t)
		r := request("GET", "/session", "", header("Cookie", line))
		response := s.do(r)
		sent := slices.ContainsFunc(r.CookiesNamed(genuine.Name),
			func(c *http.Cookie) bool { return c.Value == genuine.Value })
		if in := response.StatusCode == http.StatusOK; in != sent || in != (len(s.sessions.calls) == 1) {
			t.Errorf("%s; the cookie was sent: %v; behind the checks: %q", response.Status, sent, s.sessions.calls)
		}
		if response.StatusCode >= http.StatusInternalServerError {
			t.Error(response.Status)
		}
		// The genuine one is found among whatever is planted beside it.
		r = request("GET", "/session", "", header("Cookie", genuine.Name+"="+genuine.Value+"; "+line))
		if response := s.do(r); response.StatusCode != http.StatusOK {
			t.Errorf("beside others: %s", response.Status)
		}
	})
}

// No X-Forwarded-For of a client gets round the limit on logins: only the last
// address, which the trusted proxy writes, counts.
func FuzzForwardedFor(f *testing.F) {
	for _, line := range []string{"198.51.100.7", "1.1.1.1, 2.2.2.2", "::1", "[2001:db8::1]:80",
		"unknown", ",,", "10.0.0.1%eth0", "\t"} {
		f.Add(line, line)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		s := newSite(t, func(c *httpapi.Config) {
			c.RateLogin = limit.Rate{Events: 1, Per: 1 << 40}
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
		})
		for i, claimed := range []string{one, two} {
			r := request("POST", "/session", `{"accessToken":"`+goodToken+`"}`,
				header("X-Forwarded-For", claimed, "203.0.113.9"))
			want := []int{http.StatusCreated, http.StatusTooManyRequests}[i]
			if response := s.do(r); response.StatusCode != want {
				t.Errorf("login %d, forwarded for %q: %s", i+1, claimed, response.Status)
			}
		}
	})
}
