package httpapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
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

	// cookieLeeway is how far the clocks of two replicas may be apart.
	cookieLeeway = 30 * time.Second

	// rememberedCookies is how many verified cookies are remembered, at about
	// 300 bytes each.
	rememberedCookies = 1 << 14
)

var errUnknownKey = errors.New("httpapi: the cookie names no key of the ring")

// cookies turns a session id into a signed cookie and back. The signature says
// nothing about the session; it lets a forged cookie be refused without
// asking the store.
type cookies struct {
	keys      Keys
	insecure  bool
	now       func() time.Time
	parser    *jwt.Parser
	validator *jwt.Validator
	// genuine are the cookies seen last whose signature was good, by their hash: to
	// verify one takes fifteen times as long as to find it again.
	genuine *limit.Memo[[sha256.Size]byte, *genuineCookie]
}

// genuineCookie is what a good signature said, and under which key: one that is
// not accepted any more makes the cookie worthless again.
type genuineCookie struct {
	id     store.ID
	claims jwt.RegisteredClaims
	kid    string
	key    []byte
}

func newCookies(keys Keys, insecure bool, now func() time.Time) cookies {
	options := []jwt.ParserOption{
		// Without the list, a token could choose "none" (RFC 8725 section 3.1).
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(cookieLeeway),
		jwt.WithTimeFunc(now),
		jwt.WithStrictDecoding(),
	}
	return cookies{
		keys: keys, insecure: insecure, now: now,
		parser: jwt.NewParser(options...), validator: jwt.NewValidator(options...),
		genuine: limit.NewMemo[[sha256.Size]byte, *genuineCookie](rememberedCookies),
	}
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
	digest := sha256.Sum256([]byte(signed))
	found, ok := k.remembered(digest)
	if !ok {
		if found, ok = k.parse(signed); !ok {
			return store.ID{}, false, false
		}
		k.genuine.Put(digest, found)
	}
	signing, _ := k.keys.SigningKey()
	return found.id, found.kid == signing, true
}

// remembered finds a cookie whose signature was good before. Its times and its
// key are looked at again: both can have ended since.
func (k cookies) remembered(digest [sha256.Size]byte) (*genuineCookie, bool) {
	found, ok := k.genuine.Get(digest)
	if !ok {
		return nil, false
	}
	key, accepted := k.keys.VerificationKey(found.kid)
	if !accepted || !hmac.Equal(key, found.key) || k.validator.Validate(&found.claims) != nil {
		return nil, false
	}
	return found, true
}

func (k cookies) parse(signed string) (found *genuineCookie, ok bool) {
	found = new(genuineCookie)
	_, err := k.parser.ParseWithClaims(signed, &found.claims,
		func(token *jwt.Token) (any, error) {
			var known bool
			found.kid, _ = token.Header["kid"].(string)
			if found.key, known = k.keys.VerificationKey(found.kid); !known {
				return nil, errUnknownKey
			}
			return found.key, nil
		})
	if err != nil {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(found.claims.ID)
	if err != nil || len(raw) != len(found.id) {
		return nil, false
	}
	found.id = store.ID(raw)
	return found, true
}

// sessionOf returns the session the request is about.
func (s *Server) sessionOf(c echo.Context) (id store.ID, current bool, err error) {
	id, current, ok := s.cookies.read(c.Request())
	if !ok {
		return store.ID{}, false, &problem{code: api.SessionMissing, detail: "the request has no session cookie of this server; sign in"}
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
