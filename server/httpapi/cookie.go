package httpapi

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
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

var errUnknownKey = errors.New("httpapi: the cookie names no key of the ring")

// cookies turns a session id into a signed cookie and back. The signature says
// nothing about the session; it lets a forged cookie be refused without
// asking the store.
type cookies struct {
	keys     Keys
	insecure bool
	now      func() time.Time
	parser   *jwt.Parser
}

func newCookies(keys Keys, insecure bool, now func() time.Time) cookies {
	return cookies{keys: keys, insecure: insecure, now: now, parser: jwt.NewParser(
		// Without the list, a token could choose "none" (RFC 8725 section 3.1).
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithExpirationRequired(),
		// When a cookie was issued is not held against the clock: one that was
		// set back would refuse every cookie.
		jwt.WithLeeway(cookieLeeway),
		jwt.WithTimeFunc(now),
		jwt.WithStrictDecoding(),
	)}
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
		ID:        base64.RawURLEncoding.EncodeToString(id[:]),
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
	var claims jwt.RegisteredClaims
	var kid string
	_, err := k.parser.ParseWithClaims(signed, &claims, func(token *jwt.Token) (any, error) {
		kid, _ = token.Header["kid"].(string)
		key, known := k.keys.VerificationKey(kid)
		if !known {
			return nil, errUnknownKey
		}
		return key, nil
	})
	if err != nil {
		return store.ID{}, false, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(claims.ID)
	if err != nil || len(raw) != len(id) {
		return store.ID{}, false, false
	}
	signing, _ := k.keys.SigningKey()
	return store.ID(raw), kid == signing, true
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
