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
	saves   []Profile
	tokens  []string // oldest first
}

type token struct {
	uuid    string
	expires time.Time
}

// The bounds of what a user keeps: a demo may run for days.
const (
	maxTokens = 100
	maxSaves  = 100
)

// accounts are the users and their tokens; Service.mu guards them.
type accounts struct {
	byUUID  map[string]*account
	byEmail map[string]string // to the uuid
	tokens  map[string]token
}

func (a *accounts) init() {
	a.byUUID = make(map[string]*account)
	a.byEmail = make(map[string]string)
	a.tokens = make(map[string]token)
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

// expire ends tokens at or before now; dead ones stay as they are.
func (a *accounts) expire(now time.Time, values ...string) {
	for _, value := range values {
		if t, ok := a.tokens[value]; ok && t.expires.After(now) {
			t.expires = now
			a.tokens[value] = t
		}
	}
}

// resolve says whose living token this is.
func (a *accounts) resolve(value string, now time.Time) (uuid string, user *account, refused *refusal) {
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

func (s *Service) openAndMint(email, displayName string) (userData, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	uuid := s.accounts.open(email, displayName)
	profile := s.accounts.byUUID[uuid].profile
	return userData{uuid, profile.DisplayName, profile.Email},
		s.accounts.mint(uuid, s.now().Add(s.tokenLifetime))
}

// Expire ends a token's life now: it answers 414 from here on. It is false if
// the token is unknown.
func (s *Service) Expire(accessToken string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.accounts.tokens[accessToken]
	s.accounts.expire(s.now(), accessToken)
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

// Saves are the last 100 profiles a user has saved, oldest first.
func (s *Service) Saves(uuid string) []Profile {
	s.mu.Lock()
	defer s.mu.Unlock()
	if user, ok := s.accounts.byUUID[uuid]; ok {
		return slices.Clone(user.saves)
	}
	return nil
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
