package simulator

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"

	"github.com/capture-keepalive/capture-keepalive/server/clock"
)

// The endpoints, as [Fault], [Service.Count] and the log of calls name them.
const (
	EndpointEntity  = "entity"
	EndpointIssue   = "access/getAccessToken"
	EndpointSignIn  = "ui/signin"
	EndpointProfile = "ui/profile"
	EndpointSave    = "ui/profile/save"

	// The two grants of POST /oauth/token count as two endpoints.
	EndpointExchange = "oauth/token " + grantCode
	EndpointRefresh  = "oauth/token " + grantRefresh
)

// maxBody is the largest request body that is read, in bytes.
const maxBody = 64 << 10

// refusal is an error of the Capture API; nil means success.
type refusal struct {
	number   int
	argument string
}

// errorNames are Capture's words for its numbers.
var errorNames = map[int]string{
	100: "missing_argument",
	200: "invalid_argument",
	201: "duplicate_argument",
	205: "invalid_auth_method",
	221: "unknown_application",
	222: "unknown_entity_type",
	223: "unknown_attribute",
	224: "unknown_client",
	310: "record_not_found",
	402: "invalid_client_credentials",
	403: "client_permission_error",
	413: "access_grant_deleted",
	414: "access_token_expired",
	415: "authorization_code_expired",
	420: "redirect_uri_mismatch",
	480: "api_feature_disabled",
	500: "unexpected_error",
	510: "api_limit_error",
}

// endpoint wraps the work of one endpoint with what every call goes through:
// the log, the outage and the faults.
func (s *Service) endpoint(name string, work func(*http.Request) (any, *refusal)) http.Handler {
	return s.wrap(func([]byte) string { return name }, ordinaryStatus, work)
}

// ordinaryStatus is the HTTP status of errors (contract section 4).
func ordinaryStatus(int) int { return http.StatusOK }

// wrap is endpoint for a route where the body names the endpoint and the number
// of an error gives the status.
func (s *Service) wrap(named func(body []byte) string, status func(number int) int,
	work func(*http.Request) (any, *refusal)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The body is read before any fault: net/http notices that a client has
		// gone only once it has the whole request.
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, "the body cannot be read or is too large", http.StatusRequestEntityTooLarge)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))

		name := named(body)
		answer := &recorder{ResponseWriter: w}
		done := s.begin(name)
		outcome := OutcomeFault
		defer func() { done(outcome, answer.code, answer.status) }()

		off, fault := s.trouble(name)
		if off {
			HTML(http.StatusServiceUnavailable).ServeHTTP(answer, r)
			return
		}
		if fault.Delay > 0 {
			if clock.Sleep(r.Context(), fault.Delay) != nil {
				return
			}
		}
		if fault.Until != nil {
			select {
			case <-fault.Until:
			case <-r.Context().Done():
				return
			}
		}
		switch {
		case fault.Number != 0:
			refuse(answer, refusal{fault.Number, fault.Argument}, cmp.Or(fault.Status, status(fault.Number)))
		case fault.Answer != nil:
			fault.Answer.ServeHTTP(answer, r)
		case fault.Lost:
			work(r)
			Reset().ServeHTTP(answer, r)
		default:
			result, refused := work(r)
			if refused != nil {
				outcome = OutcomeError
				refuse(answer, *refused, status(refused.number))
				return
			}
			outcome = OutcomeOK
			writeJSON(answer, http.StatusOK, result)
		}
	})
}

// refuse writes an error in one of the contract's two shapes: with HTTP 200,
// or, for a status of 400 or 401, that of oauth/*.
func refuse(answer *recorder, r refusal, status int) {
	answer.code = r.number
	name, ok := errorNames[r.number]
	if !ok {
		name = "unknown_error"
	}
	body := struct {
		Stat        string `json:"stat"`
		Code        int    `json:"code"`
		Error       string `json:"error"`
		SubError    string `json:"sub_error,omitempty"`
		Argument    string `json:"argument_name,omitempty"`
		Description string `json:"error_description"`
		RequestID   string `json:"request_id"`
	}{
		Stat: "error", Code: r.number, Error: name, Argument: r.argument,
		Description: "simulated", RequestID: newToken(),
	}
	if status == http.StatusBadRequest || status == http.StatusUnauthorized {
		body.Error, body.SubError = "invalid_request", name
	}
	writeJSON(answer, status, body)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// An error here means that the client has gone, which is its own business.
	_ = json.NewEncoder(w).Encode(body)
}

// recorder notes for the log what was answered; a status of 0 is no answer.
type recorder struct {
	http.ResponseWriter
	status, code int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(body []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(body)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
