package simulator

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Profile is what the stand-in Registration UI's form edits.
type Profile struct {
	DisplayName string `json:"displayName"`
	Email       string `json:"email"`
	AboutMe     string `json:"aboutMe"`
	City        string `json:"city"`
}

type account struct {
	profile Profile
	tokens  []string // oldest first
	refresh []string // refresh tokens that were not used, oldest first
}

type token struct {
	uuid    string
	expires time.Time
}

// maxTokens bounds what a user keeps: a demo may run for days.
const maxTokens = 100

// promise is the code of a login: tokens for the client that proves to be the
// page's server.
type promise struct {
	uuid, redirectURI string
	expires           time.Time
}

// grant is what a refresh token stands for.
type grant struct {
	uuid    string
	deleted bool
}

// accounts are the users and their tokens; Service.mu guards them.
type accounts struct {
	byUUID  map[string]*account
	byEmail map[string]string // to the uuid
	tokens  map[string]token
	codes   map[string]promise
	refresh map[string]grant
}

func (a *accounts) init() {
	a.byUUID = make(map[string]*account)
	a.byEmail = make(map[string]string)
	a.tokens = make(map[string]token)
	a.codes = make(map[string]promise)
	a.refresh = make(map[string]grant)
}

// open returns the uuid of the user with this address, new if need be. A
// display name replaces the earlier one, none leaves it.
func (a *accounts) open(email, displayName string) string {
	key := strings.ToLower(email)
	uuid, ok := a.byEmail[key]
	if !ok {
		uuid = newUUID()
		a.byEmail[key] = uuid
		local, _, _ := strings.Cut(email, "@")
		a.byUUID[uuid] = &account{profile: Profile{Email: email, DisplayName: local}}
	}
	if displayName != "" {
		a.byUUID[uuid].profile.DisplayName = displayName
	}
	return uuid
}

// mint gives a user that exists a token; the oldest of too many is forgotten.
func (a *accounts) mint(uuid string, expires time.Time) string {
	user := a.byUUID[uuid]
	minted := newToken()
	a.tokens[minted] = token{uuid, expires}
	user.tokens = append(user.tokens, minted)
	if len(user.tokens) > maxTokens {
		delete(a.tokens, user.tokens[0])
		user.tokens = user.tokens[1:]
	}
	return minted
}

// promise gives a user that exists a code. Codes that died unused are forgotten
// here, one login's worth of work at a time.
func (a *accounts) promise(uuid, redirectURI string, now time.Time) string {
	for code, kept := range a.codes {
		// A while after its end: until then it answers that it has expired.
		if now.Sub(kept.expires) > time.Hour {
			delete(a.codes, code)
		}
	}
	code := newToken()
	a.codes[code] = promise{uuid, redirectURI, now.Add(CodeLifetime)}
	return code
}

// grant gives a user that exists a refresh token; the oldest of too many is
// forgotten.
func (a *accounts) grant(uuid string) string {
	user := a.byUUID[uuid]
	granted := newToken()
	a.refresh[granted] = grant{uuid: uuid}
	user.refresh = append(user.refresh, granted)
	if len(user.refresh) > maxTokens {
		delete(a.refresh, user.refresh[0])
		user.refresh = user.refresh[1:]
	}
	return granted
}

// spend returns the user of a code, and ends the code, unless it was not for this
// redirectURI.
func (a *accounts) spend(code, redirectURI string, now time.Time) (uuid string, refused *refusal) {
	kept, ok := a.codes[code]
	switch {
	case !ok:
		return "", &refusal{200, "code"}
	case !now.Before(kept.expires):
		return "", &refusal{number: 415}
	case kept.redirectURI != redirectURI:
		return "", &refusal{420, "redirect_uri"}
	case a.byUUID[kept.uuid] == nil:
		return "", &refusal{number: 310}
	}
	delete(a.codes, code)
	return kept.uuid, nil
}

// rotate returns the user of a refresh token, and ends the token.
func (a *accounts) rotate(refresh string) (uuid string, refused *refusal) {
	kept, ok := a.refresh[refresh]
	user := a.byUUID[kept.uuid]
	switch {
	case !ok:
		return "", &refusal{200, "refresh_token"}
	case user == nil:
		return "", &refusal{number: 310}
	case kept.deleted:
		return "", &refusal{number: 413}
	}
	delete(a.refresh, refresh)
	user.refresh = slices.DeleteFunc(user.refresh, func(v string) bool { return v == refresh })
	return kept.uuid, nil
}

// resolve returns the user of a living token.
func (a *accounts) resolve(
	value string, now time.Time,
) (uuid string, user *account, refused *refusal) {
	const argument = "access_token"
	if value == "" {
		return "", nil, &refusal{100, argument}
	}
	t, ok := a.tokens[value]
	if !ok {
		return "", nil, &refusal{200, argument}
	}
	user, ok = a.byUUID[t.uuid]
	if !ok {
		return "", nil, &refusal{number: 310}
	}
	if !now.Before(t.expires) {
		return "", nil, &refusal{number: 414}
	}
	return t.uuid, user, nil
}

// SignIn signs a user in as the Registration UI would, without a call in the
// log. The same address, in any case, is the same user.
func (s *Service) SignIn(email, displayName string) (uuid, accessToken string) {
	data, accessToken := s.openAndMint(email, displayName)
	return data.UUID, accessToken
}

// SignInCode signs a user in as the Registration UI would with responseType
// code, without a call in the log.
func (s *Service) SignInCode(email, displayName, redirectURI string) (uuid, code string) {
	data, code := s.openAndPromise(email, displayName, redirectURI)
	return data.UUID, code
}

// RefreshToken is the newest refresh token of a user that was not used; empty
// if there is none.
func (s *Service) RefreshToken(uuid string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, ok := s.accounts.byUUID[uuid]
	if !ok || len(user.refresh) == 0 {
		return ""
	}
	return user.refresh[len(user.refresh)-1]
}

// DeleteGrants takes back what a user has granted: the refresh tokens answer
// 413 from here on.
func (s *Service) DeleteGrants(uuid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for value, kept := range s.accounts.refresh {
		if kept.uuid == uuid {
			kept.deleted = true
			s.accounts.refresh[value] = kept
		}
	}
}

func (s *Service) openAndPromise(email, displayName, redirectURI string) (userData, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := s.open(email, displayName)
	return data, s.accounts.promise(data.UUID, redirectURI, s.now())
}

func (s *Service) openAndMint(email, displayName string) (userData, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := s.open(email, displayName)
	return data, s.accounts.mint(data.UUID, s.now().Add(s.tokenLifetime))
}

// open needs s.mu.
func (s *Service) open(email, displayName string) userData {
	uuid := s.accounts.open(email, displayName)
	profile := s.accounts.byUUID[uuid].profile
	return userData{uuid, profile.DisplayName, profile.Email}
}

// Expire ends a token's life now: it answers 414 from here on. It is false if
// the token is unknown.
func (s *Service) Expire(accessToken string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, known := s.accounts.tokens[accessToken]
	if known && t.expires.After(s.now()) {
		t.expires = s.now()
		s.accounts.tokens[accessToken] = t
	}
	return known
}

// Invalidate forgets a token: it answers 200 from here on. It is false if the
// token was unknown.
func (s *Service) Invalidate(accessToken string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, known := s.accounts.tokens[accessToken]
	delete(s.accounts.tokens, accessToken)
	if user, ok := s.accounts.byUUID[t.uuid]; ok {
		user.tokens = slices.DeleteFunc(user.tokens, func(v string) bool { return v == accessToken })
	}
	return known
}

// Delete removes an account: its uuid and its tokens answer 310 from here on.
// It is false if there was none.
func (s *Service) Delete(uuid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, ok := s.accounts.byUUID[uuid]
	if ok {
		delete(s.accounts.byUUID, uuid)
		delete(s.accounts.byEmail, strings.ToLower(user.profile.Email))
	}
	return ok
}

// TokenOwner is the uuid of a token's user, dead or alive; empty if the token
// is unknown.
func (s *Service) TokenOwner(accessToken string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accounts.tokens[accessToken].uuid
}

// Valid reports whether the service would take a token now.
func (s *Service) Valid(accessToken string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _, refused := s.accounts.resolve(accessToken, s.now())
	return refused == nil
}

// newToken looks like the recorded ones (contract section 1): 16 lower-case
// alphanumerics, 80 random bits.
func newToken() string { return strings.ToLower(rand.Text()[:16]) }

// newUUID is a random one: version 4 of RFC 9562.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
