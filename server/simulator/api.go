package simulator

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// entity is POST /entity: which user has this token.
func (s *Service) entity(r *http.Request) (any, *refusal) {
	form, refused := readForm(r)
	if refused != nil {
		return nil, refused
	}
	value, ok := strings.CutPrefix(r.Header.Get("Authorization"), "OAuth ")
	if !ok && r.Header.Get("Authorization") != "" {
		return nil, &refusal{number: 205}
	}
	if refused := s.checkType(form); refused != nil {
		return nil, refused
	}
	var attributes []string
	if form.Has("attributes") && json.Unmarshal([]byte(form.Get("attributes")), &attributes) != nil {
		return nil, &refusal{200, "attributes"}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	uuid, user, refused := s.accounts.resolve(value, s.now())
	if refused != nil {
		return nil, refused
	}
	record := map[string]any{
		"uuid":        uuid,
		"email":       user.profile.Email,
		"displayName": user.profile.DisplayName,
		"aboutMe":     user.profile.AboutMe,
		"city":        user.profile.City,
	}
	result := record
	if len(attributes) > 0 {
		result = make(map[string]any, len(attributes))
		for _, name := range attributes {
			attribute, ok := record[name]
			if !ok {
				return nil, &refusal{number: 223}
			}
			result[name] = attribute
		}
	}
	return struct {
		Stat   string         `json:"stat"`
		Result map[string]any `json:"result"`
	}{"ok", result}, nil
}

// getAccessToken is POST /access/getAccessToken: a token for any user.
func (s *Service) getAccessToken(r *http.Request) (any, *refusal) {
	form, refused := readForm(r)
	if refused != nil {
		return nil, refused
	}
	client, refused := s.authenticate(r, "/"+EndpointIssue, form)
	if refused != nil {
		return nil, refused
	}
	if !client.AccessIssuer {
		return nil, &refusal{number: 403}
	}
	for _, name := range []string{"uuid", "for_client_id"} {
		if form.Get(name) == "" {
			return nil, &refusal{100, name}
		}
	}
	if refused := s.checkType(form); refused != nil {
		return nil, refused
	}
	if _, ok := s.clients[form.Get("for_client_id")]; !ok {
		return nil, &refusal{200, "for_client_id"}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	uuid := form.Get("uuid")
	if s.accounts.byUUID[uuid] == nil {
		return nil, &refusal{number: 310}
	}
	return struct {
		Stat        string `json:"stat"`
		AccessToken string `json:"accessToken"`
	}{"ok", s.accounts.mint(uuid, s.now().Add(s.tokenLifetime))}, nil
}

// readForm takes parameters from a form body alone: what stands in a URL ends
// up in logs.
func readForm(r *http.Request) (url.Values, *refusal) {
	if err := r.ParseForm(); err != nil {
		return nil, &refusal{number: 200}
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return nil, &refusal{201, name}
		}
	}
	return r.PostForm, nil
}

func (s *Service) checkType(form url.Values) *refusal {
	switch form.Get("type_name") {
	case "":
		return &refusal{100, "type_name"}
	case s.typeName:
		return nil
	}
	return &refusal{number: 222}
}

// authenticate knows the client by either scheme of contract section 4.
func (s *Service) authenticate(
	r *http.Request, endpoint string, form url.Values,
) (Client, *refusal) {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch scheme {
	case "":
		return Client{}, &refusal{100, "client_id"}
	case "Basic":
		id, password, ok := r.BasicAuth()
		client := s.clients[id]
		if ok && client.Secret.Equal(secret.New(password)) {
			return client, nil
		}
	case "Signature":
		id, proof, _ := strings.Cut(value, ":")
		client := s.clients[id]
		date := r.Header.Get("Date")
		_, err := time.Parse(time.DateTime, date)
		want := signature(client.Secret, endpoint, date, form)
		if err == nil && !client.Secret.Empty() &&
			subtle.ConstantTimeCompare([]byte(proof), []byte(want)) == 1 {
			return client, nil
		}
	default:
		return Client{}, &refusal{number: 205}
	}
	return Client{}, &refusal{number: 402}
}

// signature is the service's side of the scheme, written from the contract and
// not shared with the client, so that a mistake of one is noticed by the other.
func signature(key secret.String, endpoint, date string, form url.Values) string {
	lines := []string{endpoint, date}
	var parameters []string
	for name := range form {
		if name != "client_id" && name != "client_secret" && name != "access_token" {
			parameters = append(parameters, name+"="+form.Get(name))
		}
	}
	slices.Sort(parameters)
	mac := hmac.New(sha1.New, []byte(key.Reveal()))
	for _, line := range append(lines, parameters...) {
		mac.Write([]byte(line + "\n"))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
