package simulator

import (
	"net/http"
	"net/url"
)

// The grants of oauth/token, as grant_type names them.
const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
)

// grantEndpoint says which of the two endpoints a call of oauth/token is.
func grantEndpoint(body []byte) string {
	form, err := url.ParseQuery(string(body))
	if err == nil && form.Get("grant_type") == grantRefresh {
		return EndpointRefresh
	}
	return EndpointExchange
}

// oauthStatus is the HTTP status of the errors of oauth/*.
func oauthStatus(number int) int {
	if number == 402 {
		return http.StatusUnauthorized
	}
	return http.StatusBadRequest
}

// oauthToken is POST /oauth/token: tokens for the code of a login, or for a
// refresh token.
func (s *Service) oauthToken(r *http.Request) (any, *refusal) {
	form, refused := readForm(r)
	if refused != nil {
		return nil, refused
	}
	client, refused := s.authenticate(r, "/oauth/token", form)
	if refused != nil {
		return nil, refused
	}
	if !client.Login {
		return nil, &refusal{number: 403}
	}
	var needs []string
	switch form.Get("grant_type") {
	case grantCode:
		needs = []string{"code", "redirect_uri"}
	case grantRefresh:
		needs = []string{"refresh_token"}
	case "":
		return nil, &refusal{100, "grant_type"}
	default:
		return nil, &refusal{200, "grant_type"}
	}
	for _, name := range needs {
		if form.Get(name) == "" {
			return nil, &refusal{100, name}
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var uuid string
	if form.Get("grant_type") == grantCode {
		uuid, refused = s.accounts.spend(form.Get("code"), form.Get("redirect_uri"), now)
	} else {
		uuid, refused = s.accounts.rotate(form.Get("refresh_token"))
	}
	if refused != nil {
		return nil, refused
	}
	return struct {
		Stat    string `json:"stat"`
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Seconds int64  `json:"expires_in"`
	}{"ok", s.accounts.mint(uuid, now.Add(s.tokenLifetime)), s.accounts.grant(uuid),
		int64(s.tokenLifetime.Seconds())}, nil
}
