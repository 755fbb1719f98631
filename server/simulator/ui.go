package simulator

import (
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// maxSaved bounds each field of a saved profile, in bytes.
const maxSaved = 4 << 10

type okAnswer struct {
	Stat string `json:"stat"`
}

type userData struct {
	UUID        string `json:"uuid"`
	DisplayName string `json:"displayName"`
	Email       string `json:"email"`
}

// signIn is POST /ui/signin.
func (s *Service) signIn(r *http.Request) (any, *refusal) {
	var body struct {
		Email        string `json:"email"`
		DisplayName  string `json:"displayName"`
		ResponseType string `json:"responseType"` // token, the default, or code
		RedirectURI  string `json:"redirectUri"`  // with code
	}
	if refused := readJSON(r, &body); refused != nil {
		return nil, refused
	}
	email, displayName := strings.TrimSpace(body.Email), strings.TrimSpace(body.DisplayName)
	switch {
	case email == "":
		return nil, &refusal{100, "email"}
	case !strings.Contains(email, "@") || len(email) > 254:
		return nil, &refusal{200, "email"}
	case len(displayName) > maxSaved:
		return nil, &refusal{200, "displayName"}
	}
	answer := struct {
		Stat        string   `json:"stat"`
		AccessToken string   `json:"accessToken,omitempty"`
		Code        string   `json:"authorizationCode,omitempty"`
		UserData    userData `json:"userData"`
	}{Stat: "ok"}
	switch body.ResponseType {
	case "", "token":
		answer.UserData, answer.AccessToken = s.openAndMint(email, displayName)
	case "code":
		if body.RedirectURI == "" {
			return nil, &refusal{100, "redirectUri"}
		}
		answer.UserData, answer.Code = s.openAndPromise(email, displayName, body.RedirectURI)
	default:
		return nil, &refusal{200, "responseType"}
	}
	return answer, nil
}

// profile is POST /ui/profile.
func (s *Service) profile(r *http.Request) (any, *refusal) {
	var body struct {
		AccessToken string `json:"accessToken"`
	}
	if refused := readJSON(r, &body); refused != nil {
		return nil, refused
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, user, refused := s.accounts.resolve(body.AccessToken, s.now())
	if refused != nil {
		return nil, refused
	}
	return struct {
		Stat    string  `json:"stat"`
		Profile Profile `json:"profile"`
	}{"ok", user.profile}, nil
}

// save is POST /ui/profile/save. The address is what the user signs in with
// and stays.
func (s *Service) save(r *http.Request) (any, *refusal) {
	var body struct {
		AccessToken string  `json:"accessToken"`
		Profile     Profile `json:"profile"`
	}
	if refused := readJSON(r, &body); refused != nil {
		return nil, refused
	}
	longest := max(len(body.Profile.DisplayName), len(body.Profile.AboutMe), len(body.Profile.City))
	if longest > maxSaved {
		return nil, &refusal{200, "profile"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, user, refused := s.accounts.resolve(body.AccessToken, s.now())
	if refused != nil {
		return nil, refused
	}
	body.Profile.Email = user.profile.Email
	user.profile = body.Profile
	return okAnswer{"ok"}, nil
}

// controlToken is POST /control/expire and /control/invalidate.
func (s *Service) controlToken(act func(accessToken string) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			AccessToken string `json:"accessToken"`
		}
		refused := readJSON(r, &body)
		if refused == nil && !act(body.AccessToken) {
			refused = &refusal{200, "accessToken"}
		}
		control(w, refused)
	}
}

// controlOutage is POST /control/outage.
func (s *Service) controlOutage(w http.ResponseWriter, r *http.Request) {
	var body struct {
		On *bool `json:"on"`
	}
	refused := readJSON(r, &body)
	switch {
	case refused != nil:
	case body.On == nil:
		refused = &refusal{100, "on"}
	default:
		s.SetOutage(*body.On)
	}
	control(w, refused)
}

// controlCalls is GET /control/calls?after=N: the calls since the one with
// that number.
func (s *Service) controlCalls(w http.ResponseWriter, r *http.Request) {
	var after int64
	if value := r.URL.Query().Get("after"); value != "" {
		var err error
		if after, err = strconv.ParseInt(value, 10, 64); err != nil {
			control(w, &refusal{200, "after"})
			return
		}
	}
	writeJSON(w, http.StatusOK, struct {
		Calls []Call `json:"calls"`
	}{s.callsAfter(after)})
}

// control answers a control route. A refusal is HTTP 400 here: no
// Capture client reads it.
func control(w http.ResponseWriter, refused *refusal) {
	if refused == nil {
		writeJSON(w, http.StatusOK, okAnswer{"ok"})
		return
	}
	refuse(&recorder{ResponseWriter: w}, *refused, http.StatusBadRequest)
}

// readJSON insists on the JSON type, which no form of another site can send
// without asking first (CORS).
func readJSON(r *http.Request, into any) *refusal {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return &refusal{200, "content_type"}
	}
	if json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody)).Decode(into) != nil {
		return &refusal{number: 200}
	}
	return nil
}
