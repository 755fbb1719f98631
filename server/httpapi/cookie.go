package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// cookieName makes the browser insist on Secure, Path=/, no Domain, and on
	// a server having set it: no script and no sibling host can plant one
	// (RFC 6265bis section 4.1.3). Older browsers still honour __Host-.
	cookieName = "__Host-Http-keepalive"
	// insecureName is for plain http on this machine, where the prefixes are
	// refused.
	insecureName = "keepalive"

	// cookieLeeway is how far two clocks may be apart: those of two replicas, or
	// one clock before and after it was set. The session's record has the limits
	// that count; the end of the cookie only refuses what is long over.
	cookieLeeway = 2 * time.Hour
)

// encoding is that of a JWT, with one spelling for each value.
var encoding = base64.RawURLEncoding.Strict()

// cookies turns a session id into a signed cookie and back. The signature says
// nothing about the session; it lets a forged cookie be refused without
// asking the store.
type cookies struct {
	keys     Keys
	insecure bool
	now      func() time.Time
}

func (k cookies) name() string {
	if k.insecure {
		return insecureName
	}
	return cookieName
}

// issue returns the cookie of a session that ends at expires at the latest.
func (k cookies) issue(id store.ID, expires time.Time) (*http.Cookie, error) {
	now := k.now()
	kid, key := k.keys.SigningKey()
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		ID:        encoding.EncodeToString(id[:]),
		IssuedAt:  jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(expires),
	})
	token.Header["kid"] = kid
	signed, err := token.SignedString(key)
	if err != nil {
		return nil, fmt.Errorf("httpapi: signing the cookie: %w", err)
	}
	cookie := k.blank()
	cookie.Value = signed
	cookie.MaxAge = max(int(expires.Sub(now)/time.Second), 1)
	return cookie, nil
}

// none removes the cookie.
func (k cookies) none() *http.Cookie {
	cookie := k.blank()
	cookie.MaxAge = -1
	return cookie
}

// hint returns the cookie beside that of a session, for as long: it tells
// scripts that there is one, so that a page asks and loads nothing for a
// visitor who never signed in. It is no secret and never read here; without
// it, or with a planted one, a page asks once too little or too much.
func (k cookies) hint(beside *http.Cookie) *http.Cookie {
	return &http.Cookie{
		Name: api.CookieHint, Value: "1", MaxAge: beside.MaxAge,
		Path: "/", Secure: !k.insecure, SameSite: http.SameSiteStrictMode,
	}
}

func (k cookies) blank() *http.Cookie {
	return &http.Cookie{
		Name:     k.name(),
		Path:     "/",
		Secure:   !k.insecure,
		HttpOnly: true,
		SameSite: http.SameSiteStrictMode,
	}
}

// read returns the session id of the request's cookie, and whether it was
// signed with the key that signs now. Where plain http lets several cookies of
// the name arrive, the first genuine one counts.
func (k cookies) read(r *http.Request) (id store.ID, current, ok bool) {
	for _, cookie := range r.CookiesNamed(k.name()) {
		if id, current, ok = k.verify(cookie.Value); ok {
			return id, current, true
		}
	}
	return store.ID{}, false, false
}

func (k cookies) verify(signed string) (id store.ID, current, ok bool) {
	end := max(strings.LastIndexByte(signed, '.'), 0)
	header, claims, _ := strings.Cut(signed[:end], ".")
	kid, ok := kidOf(header)
	if !ok {
		return store.ID{}, false, false
	}
	key, ok := k.keys.VerificationKey(kid)
	signature, err := encoding.DecodeString(signed[end+1:])
	if !ok || err != nil || jwt.SigningMethodHS256.Verify(signed[:end], signature, key) != nil {
		return store.ID{}, false, false
	}
	id, ok = k.parseClaims(claims)
	signing, _ := k.keys.SigningKey()
	return id, kid == signing, ok
}

// kidOf returns the name of the key from a header that is to the letter what
// issue writes. So a cookie cannot choose its algorithm (RFC 8725 section 3.1),
// and nothing is parsed before its signature was verified.
func kidOf(header string) (kid string, ok bool) {
	text, err := encoding.DecodeString(header)
	kid, starts := strings.CutPrefix(string(text), `{"alg":"HS256","kid":"`)
	kid, ends := strings.CutSuffix(kid, `","typ":"JWT"}`)
	return kid, err == nil && starts && ends
}

// parseClaims returns the session id of claims with a good signature that have
// not ended. When they were issued is not held against the clock: one that was
// set back would refuse every cookie.
func (k cookies) parseClaims(encoded string) (id store.ID, ok bool) {
	var claims struct {
		ID      string `json:"jti"`
		Expires int64  `json:"exp"`
	}
	text, err := encoding.DecodeString(encoded)
	if err != nil || json.Unmarshal(text, &claims) != nil ||
		!k.now().Before(time.Unix(claims.Expires, 0).Add(cookieLeeway)) {
		return store.ID{}, false
	}
	raw, err := encoding.DecodeString(claims.ID)
	if err != nil || len(raw) != len(id) {
		return store.ID{}, false
	}
	return store.ID(raw), true
}

// sessionOf returns the session the request is about.
func (s *Server) sessionOf(c echo.Context) (id store.ID, current bool, err error) {
	id, current, ok := s.cookies.read(c.Request())
	if !ok {
		return store.ID{}, false, refuse(api.SessionMissing, "the request has no session cookie "+
			"of this server; sign in")
	}
	setTag(c, id)
	return id, current, nil
}

func (s *Server) setCookie(c echo.Context, id store.ID, expires time.Time) error {
	cookie, err := s.cookies.issue(id, expires)
	if err != nil {
		return err
	}
	setTag(c, id)
	c.SetCookie(cookie)
	c.SetCookie(s.cookies.hint(cookie))
	return nil
}
