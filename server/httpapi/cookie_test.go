package httpapi_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
)

// The hint is all that a script may read, and says nothing else.
func TestHint(t *testing.T) {
	s := newSite(t)
	response := s.do(request("POST", "/session", `{"accessToken":"`+goodToken+`"}`))
	session, hint := response.Cookies()[0], response.Cookies()[1]
	if hint.Name != api.CookieHint || hint.Value != "1" || hint.HttpOnly || !hint.Secure ||
		hint.MaxAge != session.MaxAge {
		t.Errorf("%s", hint)
	}
	wantProblem(t, s.do(request("POST", "/session/token", `{"reason":"start"}`, cookie(hint))), api.SessionMissing)
}

func TestCookie(t *testing.T) {
	for _, tc := range []struct {
		insecure bool
		name     string
	}{{false, "__Host-Http-keepalive"}, {true, "keepalive"}} {
		s := newSite(t, func(c *httpapi.Config) { c.InsecureCookie = tc.insecure })
		got := s.login(t)
		if got.Name != tc.name || got.Secure == tc.insecure || !got.HttpOnly ||
			got.SameSite != http.SameSiteStrictMode || got.Path != "/" || got.Domain != "" {
			t.Errorf("insecure %v: %s", tc.insecure, got.Raw)
		}
		if got.MaxAge != int((12 * time.Hour).Seconds()) {
			t.Errorf("Max-Age %d, want the absolute limit", got.MaxAge)
		}
		var claims jwt.RegisteredClaims
		token, _, err := jwt.NewParser().ParseUnverified(got.Value, &claims)
		if err != nil {
			t.Fatal(err)
		}
		if token.Header["kid"] != "k1" || token.Header["alg"] != "HS256" {
			t.Errorf("header %v", token.Header)
		}
		if claims.ID != base64.RawURLEncoding.EncodeToString(someID[:]) ||
			!claims.IssuedAt.Equal(s.clock) || !claims.ExpiresAt.Equal(s.clock.Add(12*time.Hour)) {
			t.Errorf("claims %+v", claims)
		}
	}
}

// forge signs claims as a cookie.
func forge(t *testing.T, method jwt.SigningMethod, key any, kid any, claims jwt.Claims) *http.Cookie {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	if kid != nil {
		token.Header["kid"] = kid
	}
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Cookie{Name: "__Host-Http-keepalive", Value: signed}
}

func TestOnlyGenuineCookiesReachTheSessions(t *testing.T) {
	s := newSite(t)
	_, key := ring(t, keyOne).SigningKey()
	_, foreign := ring(t, keyTwo).SigningKey()
	good := func(change ...func(*jwt.RegisteredClaims)) jwt.RegisteredClaims {
		claims := jwt.RegisteredClaims{
			ID:        base64.RawURLEncoding.EncodeToString(someID[:]),
			IssuedAt:  jwt.NewNumericDate(s.clock),
			ExpiresAt: jwt.NewNumericDate(s.clock.Add(time.Hour)),
		}
		for _, f := range change {
			f(&claims)
		}
		return claims
	}
	expires := func(after time.Duration) func(*jwt.RegisteredClaims) {
		return func(c *jwt.RegisteredClaims) { c.ExpiresAt = jwt.NewNumericDate(s.clock.Add(after)) }
	}
	issued := func(after time.Duration) func(*jwt.RegisteredClaims) {
		return func(c *jwt.RegisteredClaims) { c.IssuedAt = jwt.NewNumericDate(s.clock.Add(after)) }
	}
	id := func(value string) func(*jwt.RegisteredClaims) {
		return func(c *jwt.RegisteredClaims) { c.ID = value }
	}
	genuine := forge(t, jwt.SigningMethodHS256, key, "k1", good())
	// 43 characters hold 258 bits, of which a signature has 256: the last
	// character has other spellings.
	respelt := *genuine
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(respelt.Value) - 1
	respelt.Value = respelt.Value[:last] + string(alphabet[strings.IndexByte(alphabet, respelt.Value[last])|1])
	parts := strings.Split(genuine.Value, ".")
	spelt := func(parts ...string) *http.Cookie {
		return &http.Cookie{Name: genuine.Name, Value: strings.Join(parts, ".")}
	}
	// signed has a header that the library would take, and a good signature.
	signed := func(header string) *http.Cookie {
		text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + parts[1]
		signature, err := jwt.SigningMethodHS256.Sign(text, key)
		if err != nil {
			t.Fatal(err)
		}
		return spelt(text, base64.RawURLEncoding.EncodeToString(signature))
	}
	flipped := *genuine
	flipped.Value = "f" + flipped.Value[1:]

	for _, tc := range []struct {
		name   string
		cookie *http.Cookie
		ok     bool
	}{
		{"genuine", genuine, true},
		{"expired by a clock that is an hour ahead",
			forge(t, jwt.SigningMethodHS256, key, "k1", good(expires(-time.Hour))), true},
		{"issued by a clock that was ahead",
			forge(t, jwt.SigningMethodHS256, key, "k1", good(issued(29*time.Second))), true},
		{"issued an hour from now: the clock was set back",
			forge(t, jwt.SigningMethodHS256, key, "k1", good(issued(time.Hour))), true},
		{"expired", forge(t, jwt.SigningMethodHS256, key, "k1", good(expires(-2*time.Hour-time.Second))), false},
		{"without an end",
			forge(t, jwt.SigningMethodHS256, key, "k1", good(func(c *jwt.RegisteredClaims) { c.ExpiresAt = nil })),
			false},
		{"signed with a foreign key", forge(t, jwt.SigningMethodHS256, foreign, "k1", good()), false},
		{"signed by a key that is not in the ring", forge(t, jwt.SigningMethodHS256, foreign, "k2", good()), false},
		{"signed with an empty key", forge(t, jwt.SigningMethodHS256, []byte{}, "none", good()), false},
		{"no kid", forge(t, jwt.SigningMethodHS256, key, nil, good()), false},
		{"kid of another type", forge(t, jwt.SigningMethodHS256, key, 1, good()), false},
		{"not signed at all", forge(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "k1", good()), false},
		{"another algorithm", forge(t, jwt.SigningMethodHS512, key, "k1", good()), false},
		{"a short id", forge(t, jwt.SigningMethodHS256, key, "k1", good(id("AAAA"))), false},
		{"no id", forge(t, jwt.SigningMethodHS256, key, "k1", good(id(""))), false},
		{"an id in another alphabet",
			forge(t, jwt.SigningMethodHS256, key, "k1", good(id("++++++++++++++++++++++++++++++++++++++++++A"))),
			false},
		{"a second spelling of an id",
			forge(t, jwt.SigningMethodHS256, key, "k1",
				good(id(base64.RawURLEncoding.EncodeToString(someID[:])[:42]+"B"))), false},
		{"changed", &flipped, false},
		{"a second spelling of the signature", &respelt, false},
		{"empty", &http.Cookie{Name: genuine.Name}, false},
		{"a header as ours", signed(`{"alg":"HS256","kid":"k1","typ":"JWT"}`), true},
		{"a header with more in it", signed(`{"alg":"HS256","kid":"k1","typ":"JWT","x":1}`), false},
		{"a header with two algorithms", signed(`{"alg":"none","alg":"HS256","kid":"k1","typ":"JWT"}`), false},
		{"a header with two keys", signed(`{"alg":"HS256","kid":"k2","kid":"k1","typ":"JWT"}`), false},
		{"the header alone", spelt(parts[0]), false},
		{"the header and a dot", spelt(parts[0], ""), false},
		{"no signature", spelt(parts[0], parts[1]), false},
		{"an empty signature", spelt(parts[0], parts[1], ""), false},
		{"a part more", spelt(parts[0], parts[1], parts[1], parts[2]), false},
		{"dots", spelt("", "", ""), false},
		{"garbage", &http.Cookie{Name: genuine.Name, Value: "a.b.c"}, false},
		{"under the name for plain http", &http.Cookie{Name: "keepalive", Value: genuine.Value}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.sessions.calls = nil
			response := s.do(request("POST", "/session/token", `{"reason":"start"}`, cookie(tc.cookie)))
			if tc.ok {
				if response.StatusCode != http.StatusOK || len(s.sessions.calls) != 1 {
					t.Errorf("status %s, calls %q", response.Status, s.sessions.calls)
				}
				return
			}
			wantProblem(t, response, api.SessionMissing)
			if len(s.sessions.calls) != 0 {
				t.Errorf("a forged cookie costs %q", s.sessions.calls)
			}
		})
	}
	t.Run("planted beside the genuine one", func(t *testing.T) {
		planted := &http.Cookie{Name: genuine.Name, Value: "a.b.c"}
		if response := s.do(request("GET", "/session", "", cookie(planted),
			cookie(genuine))); response.StatusCode != http.StatusOK {
			t.Errorf("status %s", response.Status)
		}
	})
}

func TestKeysRotate(t *testing.T) {
	old := newSite(t).login(t)
	for _, tc := range []struct {
		name    string
		keys    []string
		ok      bool
		renewed bool
	}{
		{"the old key still signs", []string{keyOne, keyTwo}, true, false},
		{"a new key signs", []string{keyTwo, keyOne}, true, true},
		{"the old key is gone", []string{keyTwo}, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t, func(c *httpapi.Config) { c.Keys = ring(t, tc.keys...) })
			response := s.do(request("POST", "/session/token", `{"reason":"due"}`, cookie(old)))
			if !tc.ok {
				wantProblem(t, response, api.SessionMissing)
				return
			}
			if response.StatusCode != http.StatusOK || (len(response.Cookies()) == 2) != tc.renewed {
				t.Fatalf("status %s with %d cookies", response.Status, len(response.Cookies()))
			}
			if !tc.renewed {
				return
			}
			fresh := response.Cookies()[0]
			var claims jwt.RegisteredClaims
			token, _, err := jwt.NewParser().ParseUnverified(fresh.Value, &claims)
			if err != nil || token.Header["kid"] != "k2" ||
				claims.ID != base64.RawURLEncoding.EncodeToString(someID[:]) {
				t.Errorf("the new cookie: %v, %v, %v", token.Header, claims.ID, err)
			}
			if again := s.do(request("POST", "/session/token", `{"reason":"due"}`,
				cookie(fresh))); len(again.Cookies()) != 0 {
				t.Error("the new cookie is renewed again")
			}
		})
	}
}

// changingKeys are keys that an operator changes under a running server.
type changingKeys struct{ httpapi.Keys }

// A cookie that was good before is no better for it, and a clock that is set
// right makes it no worse.
func TestCookiesAreLookedAtEachTime(t *testing.T) {
	_, other := ring(t, keyTwo).SigningKey()
	for _, tc := range []struct {
		name   string
		change func(s *site, keys *changingKeys)
		ok     bool
	}{
		{"nothing has changed", func(*site, *changingKeys) {}, true},
		{"its key is the older one now",
			func(_ *site, keys *changingKeys) { keys.Keys = ring(t, keyTwo, keyOne) }, true},
		{"its key is gone", func(_ *site, keys *changingKeys) { keys.Keys = ring(t, keyTwo) }, false},
		{"its key's name has another key",
			func(_ *site, keys *changingKeys) { keys.Keys = renamed{"k1", other} }, false},
		{"it has ended", func(s *site, _ *changingKeys) { s.clock = s.clock.Add(15 * time.Hour) }, false},
		{"the clock was set back by 31 s",
			func(s *site, _ *changingKeys) { s.clock = s.clock.Add(-31 * time.Second) }, true},
		{"the clock was set back by an hour",
			func(s *site, _ *changingKeys) { s.clock = s.clock.Add(-time.Hour) }, true},
		{"the clock was set ahead by an hour, in the last hour",
			func(s *site, _ *changingKeys) { s.clock = s.clock.Add(13 * time.Hour) }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			keys := &changingKeys{ring(t, keyOne)}
			s := newSite(t, func(c *httpapi.Config) { c.Keys = keys })
			session := s.login(t)
			ask := func() *http.Response {
				return s.do(request("POST", "/session/token", `{"reason":"start"}`, cookie(session)))
			}
			for range 2 {
				if response := ask(); response.StatusCode != http.StatusOK {
					t.Fatalf("before: %s", response.Status)
				}
			}
			tc.change(s, keys)
			response := ask()
			if !tc.ok {
				wantProblem(t, response, api.SessionMissing)
				return
			}
			if response.StatusCode != http.StatusOK {
				t.Errorf("%s", response.Status)
			}
		})
	}
}

// renamed is one key under a name.
type renamed struct {
	kid string
	key []byte
}

func (r renamed) SigningKey() (string, []byte)              { return r.kid, r.key }
func (r renamed) VerificationKey(kid string) ([]byte, bool) { return r.key, kid == r.kid }
