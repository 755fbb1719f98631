package simulator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
)

const (
	issuerID     = "issuer-client"
	issuerSecret = "issuersecretvalue"
	loginID      = "login-client"
	loginSecret  = "loginsecretvalue"
)

// clock is a settable clock.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newService(change func(*simulator.Options)) (*simulator.Service, *clock) {
	clock := &clock{time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	options := simulator.Options{
		Clients: []simulator.Client{
			{ID: "page-client"},
			{ID: issuerID, Secret: secret.New(issuerSecret), AccessIssuer: true},
			{ID: loginID, Secret: secret.New(loginSecret), Login: true},
			{ID: "plain-client", Secret: secret.New("plainsecretvalue")},
		},
		TokenLifetime: 40 * time.Second,
		Now:           clock.Now,
	}
	if change != nil {
		change(&options)
	}
	return simulator.New(options), clock
}

// answer is every field a body can have.
type answer struct {
	Stat        string `json:"stat"`
	Code        int    `json:"code"`
	Error       string `json:"error"`
	SubError    string `json:"sub_error"`
	Argument    string `json:"argument_name"`
	Description string `json:"error_description"`
	RequestID   string `json:"request_id"`
	AccessToken string `json:"accessToken"`
	Result      map[string]string
	UserData    struct{ UUID, DisplayName, Email string }
	Profile     simulator.Profile
}

func do(t *testing.T, service http.Handler, request *http.Request) (int, answer) {
	t.Helper()
	recorder := httptest.NewRecorder()
	service.ServeHTTP(recorder, request)
	var got answer
	if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil {
		t.Fatalf("%s %s: HTTP %d and no JSON: %s", request.Method, request.URL.Path, recorder.Code, recorder.Body)
	}
	return recorder.Code, got
}

func form(path, authorization string, values url.Values) *http.Request {
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(values.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	return request
}

func entity(token string) *http.Request {
	return form("/entity", "OAuth "+token, url.Values{"type_name": {"user"}, "attributes": {`["uuid"]`}})
}

func issue(uuid string) *http.Request {
	request := form("/access/getAccessToken", "", url.Values{
		"uuid": {uuid}, "type_name": {"user"}, "for_client_id": {"page-client"},
	})
	request.SetBasicAuth(issuerID, issuerSecret)
	return request
}

func post(path, body string) *http.Request {
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	return request
}

func withToken(path, token string) *http.Request {
	return post(path, fmt.Sprintf(`{"accessToken":%q}`, token))
}

func TestIdentity(t *testing.T) {
	service, _ := newService(nil)
	uuid, token := service.SignIn("ada@example.com", "Ada")
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(uuid) {
		t.Errorf("uuid %q is none of version 4", uuid)
	}
	if !regexp.MustCompile(`^[0-9a-z]{16}$`).MatchString(token) {
		t.Errorf("token %q does not look like one", token)
	}
	same, other := service.SignIn("ADA@example.com", "")
	if same != uuid || other == token {
		t.Errorf("a second sign-in is %q with %q, want the same user with a new token", same, other)
	}
	if eve, _ := service.SignIn("eve@example.com", "Eve"); eve == uuid {
		t.Error("two users share a uuid")
	}
	for _, token := range []string{token, other} {
		if !service.Valid(token) || service.TokenOwner(token) != uuid {
			t.Errorf("token %q: valid %v, owner %q", token, service.Valid(token), service.TokenOwner(token))
		}
		if _, got := do(t, service, entity(token)); got.Stat != "ok" ||
			!maps.Equal(got.Result, map[string]string{"uuid": uuid}) {
			t.Errorf("entity = %+v, want uuid %q alone", got, uuid)
		}
	}
	// Without attributes it is the whole record.
	_, got := do(t, service, form("/entity", "OAuth "+token, url.Values{"type_name": {"user"}}))
	if got.Result["displayName"] != "Ada" || got.Result["email"] != "ada@example.com" {
		t.Errorf("entity = %+v, want the record", got)
	}
}

func TestLifeOfAToken(t *testing.T) {
	service, clock := newService(nil)
	uuid, token := service.SignIn("ada@example.com", "Ada")

	clock.now = clock.now.Add(40*time.Second - 1)
	if !service.Valid(token) {
		t.Error("the token died early")
	}
	clock.now = clock.now.Add(1)
	if service.Valid(token) {
		t.Error("the token outlived its life")
	}
	if _, got := do(t, service, entity(token)); got.Code != 414 {
		t.Errorf("an old token answers %d, want 414", got.Code)
	}
	_, got := do(t, service, issue(uuid))
	if got.Stat != "ok" || !service.Valid(got.AccessToken) {
		t.Fatalf("getAccessToken = %+v", got)
	}

	token = got.AccessToken
	if !service.Expire(token) || service.Valid(token) || service.TokenOwner(token) != uuid {
		t.Error("Expire did not expire, or forgot")
	}
	if _, got := do(t, service, entity(token)); got.Code != 414 {
		t.Errorf("an expired token answers %d, want 414", got.Code)
	}
	if !service.Invalidate(token) || service.TokenOwner(token) != "" {
		t.Error("Invalidate did not forget")
	}
	if _, got := do(t, service, entity(token)); got.Code != 200 || got.Argument != "access_token" {
		t.Errorf("a forgotten token answers %d %q, want 200 access_token", got.Code, got.Argument)
	}
	if service.Expire("nosuchtoken00000") || service.Invalidate("nosuchtoken00000") {
		t.Error("an unknown token was found")
	}
}

func TestMinting(t *testing.T) {
	service, _ := newService(nil)
	uuid, first := service.SignIn("ada@example.com", "Ada")
	_, eves := service.SignIn("eve@example.com", "Eve")
	_, got := do(t, service, issue(uuid))
	if !service.Valid(got.AccessToken) || !service.Valid(first) || !service.Valid(eves) {
		t.Error("the new token, or an earlier one, is dead")
	}
}

func TestDelete(t *testing.T) {
	service, _ := newService(nil)
	uuid, token := service.SignIn("ada@example.com", "Ada")
	if !service.Delete(uuid) || service.Delete(uuid) || service.Valid(token) {
		t.Error("Delete did not delete once")
	}
	for name, request := range map[string]*http.Request{
		"entity": entity(token), "getAccessToken": issue(uuid), "profile": withToken("/ui/profile", token),
	} {
		if status, got := do(t, service, request); status != 200 || got.Code != 310 || got.Error != "record_not_found" {
			t.Errorf("%s = HTTP %d %+v, want 310", name, status, got)
		}
	}
	if again, _ := service.SignIn("ada@example.com", "Ada"); again == uuid {
		t.Error("a new account has the deleted one's uuid")
	}
}

func TestAPIRefusals(t *testing.T) {
	service, _ := newService(nil)
	uuid, token := service.SignIn("ada@example.com", "Ada")
	with := func(request *http.Request, change func(*http.Request)) *http.Request {
		change(request)
		return request
	}
	minting := func(change func(url.Values)) *http.Request {
		values := url.Values{"uuid": {uuid}, "type_name": {"user"}, "for_client_id": {"page-client"}}
		change(values)
		request := form("/access/getAccessToken", "", values)
		request.SetBasicAuth(issuerID, issuerSecret)
		return request
	}
	for _, tc := range []struct {
		name     string
		request  *http.Request
		code     int
		argument string
	}{
		{"no token", form("/entity", "", url.Values{"type_name": {"user"}}), 100, "access_token"},
		{"empty token", entity(""), 100, "access_token"},
		{"token in the wrong scheme", with(entity(token), func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer "+token)
		}), 205, ""},
		{"unknown token", entity("nosuchtoken00000"), 200, "access_token"},
		{"no type", form("/entity", "OAuth "+token, nil), 100, "type_name"},
		{"unknown type", form("/entity", "OAuth "+token, url.Values{"type_name": {"dog"}}), 222, ""},
		{"two types", form("/entity", "OAuth "+token, url.Values{"type_name": {"user", "user"}}), 201, "type_name"},
		{"attributes are no list", form("/entity", "OAuth "+token,
			url.Values{"type_name": {"user"}, "attributes": {"uuid"}}), 200, "attributes"},
		{"unknown attribute", form("/entity", "OAuth "+token,
			url.Values{"type_name": {"user"}, "attributes": {`["shoe"]`}}), 223, ""},
		{"parameters in the URL", with(entity(token), func(r *http.Request) {
			r.URL.RawQuery, r.Body = "type_name=user", http.NoBody
		}), 100, "type_name"},
		{"not a form", with(entity(token), func(r *http.Request) {
			r.Header.Set("Content-Type", "application/json")
		}), 100, "type_name"},
		{"broken form", with(entity(token), func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader("type_name=%zz"))
		}), 200, ""},

		{"no client", with(issue(uuid), func(r *http.Request) { r.Header.Del("Authorization") }), 100, "client_id"},
		{"wrong secret", with(issue(uuid), func(r *http.Request) { r.SetBasicAuth(issuerID, "wrong") }), 402, ""},
		{"unknown client", with(issue(uuid), func(r *http.Request) { r.SetBasicAuth("unknown", "") }), 402, ""},
		{"client without a secret",
			with(issue(uuid), func(r *http.Request) { r.SetBasicAuth("page-client", "") }), 402, ""},
		{"client may not issue", with(issue(uuid), func(r *http.Request) {
			r.SetBasicAuth("plain-client", "plainsecretvalue")
		}), 403, ""},
		{"other scheme",
			with(issue(uuid), func(r *http.Request) { r.Header.Set("Authorization", "Digest x") }), 205, ""},
		{"wrong signature", with(issue(uuid), func(r *http.Request) {
			r.Header.Set("Authorization", "Signature "+issuerID+":G3N5RxCVc0d6rDLmBRGvcg2hCVY=")
			r.Header.Set("Date", "2026-11-21 12:00:00")
		}), 402, ""},
		{"no uuid", minting(func(v url.Values) { v.Del("uuid") }), 100, "uuid"},
		{"unknown uuid",
			minting(func(v url.Values) { v.Set("uuid", "2d4f7ad6-1ba9-4a0b-a6a5-1c1f3b2a9c10") }), 310, ""},
		{"no page", minting(func(v url.Values) { v.Del("for_client_id") }), 100, "for_client_id"},
		{"unknown page", minting(func(v url.Values) { v.Set("for_client_id", "x") }), 200, "for_client_id"},
		{"no type, minting", minting(func(v url.Values) { v.Del("type_name") }), 100, "type_name"},
		{"unknown type, minting", minting(func(v url.Values) { v.Set("type_name", "dog") }), 222, ""},
		{"two uuids", minting(func(v url.Values) { v.Add("uuid", uuid) }), 201, "uuid"},
	} {
		status, got := do(t, service, tc.request)
		if status != 200 || got.Stat != "error" || got.Code != tc.code || got.Argument != tc.argument ||
			got.Error == "" || got.Description == "" || got.RequestID == "" || got.AccessToken != "" {
			t.Errorf("%s: HTTP %d %+v, want HTTP 200, %d %q", tc.name, status, got, tc.code, tc.argument)
		}
	}
}

// The verified vector of contract section 4, from the service's side: what
// gets past it is complained about for other reasons.
func TestSignatureVector(t *testing.T) {
	service := simulator.New(simulator.Options{Clients: []simulator.Client{
		{ID: "foo", Secret: secret.New("bar"), AccessIssuer: true},
	}})
	request := func(date, proof string) *http.Request {
		r := form("/access/getAccessToken", "Signature foo:"+proof, url.Values{
			"param1": {"this is a string"}, "param2": {"10"}, "param3": {"one=1\ntwo=2,three=3"},
		})
		r.Header.Set("Date", date)
		return r
	}
	// The vector is of /entity, so its proof must not open another endpoint; the
	// second is the same, computed for this one.
	const vector, here = "G3N5RxCVc0d6rDLmBRGvcg2hCVY=", "tfzZaRXIfHgvxnVXMadgO7vquIE="
	for _, tc := range []struct {
		date, proof string
		code        int
	}{
		{"2000-01-01 01:01:01", vector, 402},
		{"2000-01-01 01:01:01", here, 100},
		{"2000-01-01 01:01:02", here, 402},
		{"Sat, 01 Jan 2000 01:01:01 GMT", here, 402},
		{"", here, 402},
	} {
		if _, got := do(t, service, request(tc.date, tc.proof)); got.Code != tc.code {
			t.Errorf("%q %q: %d, want %d", tc.date, tc.proof, got.Code, tc.code)
		}
	}
}

func TestUI(t *testing.T) {
	service, clock := newService(nil)
	_, in := do(t, service, post("/ui/signin", `{"email":" ada@example.com ","displayName":"Ada"}`))
	uuid := in.UserData.UUID
	if in.Stat != "ok" || uuid == "" || uuid != service.TokenOwner(in.AccessToken) ||
		in.UserData.DisplayName != "Ada" || in.UserData.Email != "ada@example.com" {
		t.Fatalf("signin = %+v", in)
	}
	_, got := do(t, service, withToken("/ui/profile", in.AccessToken))
	if want := (simulator.Profile{DisplayName: "Ada", Email: "ada@example.com"}); got.Profile != want {
		t.Errorf("profile = %+v, want %+v", got.Profile, want)
	}

	save := func() *http.Request {
		return post("/ui/profile/save", fmt.Sprintf(`{"accessToken":%q,"profile":
			{"displayName":"Ada L.","email":"eve@example.com","aboutMe":"Notes","city":"London"}}`, in.AccessToken))
	}
	if _, got := do(t, service, save()); got.Stat != "ok" {
		t.Fatalf("save = %+v", got)
	}
	want := simulator.Profile{DisplayName: "Ada L.", Email: "ada@example.com", AboutMe: "Notes", City: "London"}
	if _, got := do(t, service, withToken("/ui/profile", in.AccessToken)); got.Profile != want {
		t.Errorf("profile = %+v, want %+v", got.Profile, want)
	}

	clock.now = clock.now.Add(time.Minute)
	if status, got := do(t, service, save()); status != 200 || got.Code != 414 || got.Error != "access_token_expired" {
		t.Errorf("save with an expired token = HTTP %d %+v", status, got)
	}
	service.Invalidate(in.AccessToken)
	for _, request := range []*http.Request{save(), withToken("/ui/profile", in.AccessToken)} {
		if status, got := do(t, service, request); status != 200 || got.Code != 200 ||
			got.Error != "invalid_argument" || got.Argument != "access_token" {
			t.Errorf("%s with a forgotten token = HTTP %d %+v", request.URL.Path, status, got)
		}
	}
}

func TestUIRefusals(t *testing.T) {
	service, _ := newService(nil)
	_, token := service.SignIn("ada@example.com", "Ada")
	simple := post("/ui/signin", `{"email":"ada@example.com"}`)
	simple.Header.Set("Content-Type", "text/plain")
	for _, tc := range []struct {
		name     string
		request  *http.Request
		code     int
		argument string
	}{
		{"no address", post("/ui/signin", `{}`), 100, "email"},
		{"no address at all", post("/ui/signin", `{"email":"ada"}`), 200, "email"},
		{"a novel of a name",
			post("/ui/signin", `{"email":"a@b","displayName":"`+strings.Repeat("x", 5000)+`"}`), 200, "displayName"},
		{"not JSON", post("/ui/signin", `email=ada`), 200, ""},
		// What a form of another site could send.
		{"not declared as JSON", simple, 200, "content_type"},
		{"no token", post("/ui/profile", `{}`), 100, "access_token"},
		{"profile is no JSON", post("/ui/profile", `x`), 200, ""},
		{"save is no JSON", post("/ui/profile/save", `x`), 200, ""},
		{"a novel",
			post("/ui/profile/save",
				`{"accessToken":"`+token+`","profile":{"aboutMe":"`+strings.Repeat("x", 5000)+`"}}`), 200, "profile"},
	} {
		if status, got := do(t, service, tc.request); status != 200 || got.Code != tc.code ||
			got.Argument != tc.argument {
			t.Errorf("%s: HTTP %d %+v, want %d %q", tc.name, status, got, tc.code, tc.argument)
		}
	}
}

func TestControl(t *testing.T) {
	service, _ := newService(nil)
	_, token := service.SignIn("ada@example.com", "Ada")

	if status, got := do(t, service, withToken("/control/expire", token)); status != 200 ||
		got.Stat != "ok" || service.Valid(token) {
		t.Errorf("expire = HTTP %d %+v, valid %v", status, got, service.Valid(token))
	}
	if status, got := do(t, service, withToken("/control/invalidate", token)); status != 200 ||
		got.Stat != "ok" || service.TokenOwner(token) != "" {
		t.Errorf("invalidate = HTTP %d %+v, owner %q", status, got, service.TokenOwner(token))
	}
	for _, request := range []*http.Request{
		withToken("/control/expire", token),
		withToken("/control/invalidate", token),
		post("/control/outage", `{}`),
		post("/control/outage", `{"on":"yes"}`),
		httptest.NewRequest(http.MethodPost, "/control/outage", strings.NewReader(`{"on":true}`)),
		httptest.NewRequest(http.MethodGet, "/control/calls?after=x", nil),
	} {
		if status, got := do(t, service, request); status != 400 || got.Stat != "error" {
			t.Errorf("%s = HTTP %d %+v, want a refusal", request.URL, status, got)
		}
	}
}

func TestOutage(t *testing.T) {
	service, _ := newService(nil)
	uuid, token := service.SignIn("ada@example.com", "Ada")
	if status, _ := do(t, service, post("/control/outage", `{"on":true}`)); status != 200 {
		t.Fatalf("outage = HTTP %d", status)
	}
	for _, request := range []*http.Request{
		entity(token), issue(uuid), post("/ui/signin", `{"email":"a@b"}`),
		withToken("/ui/profile", token), withToken("/ui/profile/save", token),
	} {
		recorder := httptest.NewRecorder()
		service.ServeHTTP(recorder, request)
		if recorder.Code != 503 || !strings.HasPrefix(recorder.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%s = HTTP %d %s, want 503 HTML", request.URL, recorder.Code,
				recorder.Header().Get("Content-Type"))
		}
	}
	if status, _ := do(t, service, post("/control/outage", `{"on":false}`)); status != 200 {
		t.Fatalf("outage = HTTP %d", status)
	}
	if _, got := do(t, service, entity(token)); got.Stat != "ok" {
		t.Errorf("after the outage: %+v", got)
	}
}

func TestCallLog(t *testing.T) {
	service, clock := newService(nil)
	uuid, token := service.SignIn("ada@example.com", "Ada")
	if service.Count(simulator.EndpointEntity) != 0 || len(service.Calls()) != 0 {
		t.Error("SignIn of the helper is in the log")
	}
	do(t, service, entity(token))
	do(t, service, entity("nosuchtoken00000"))
	service.Fail(simulator.Fault{Times: 1, Answer: simulator.HTML(502)})
	service.ServeHTTP(httptest.NewRecorder(), issue(uuid))
	service.Fail(simulator.Fault{Times: 1, Number: 510})
	do(t, service, issue(uuid))
	service.Fail(simulator.Fault{Times: 1, Answer: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "implicit")
	})})
	service.ServeHTTP(httptest.NewRecorder(), issue(uuid))

	at := clock.now
	want := []simulator.Call{
		{Seq: 1, At: at, Endpoint: "entity", Outcome: "ok", Status: 200},
		{Seq: 2, At: at, Endpoint: "entity", Outcome: "error", Code: 200, Status: 200},
		{Seq: 3, At: at, Endpoint: "access/getAccessToken", Outcome: "fault", Status: 502},
		{Seq: 4, At: at, Endpoint: "access/getAccessToken", Outcome: "fault", Code: 510, Status: 200},
		{Seq: 5, At: at, Endpoint: "access/getAccessToken", Outcome: "fault", Status: 200},
	}
	if got := service.Calls(); !slices.Equal(got, want) {
		t.Errorf("Calls =\n%+v, want\n%+v", got, want)
	}
	if e, i := service.Count(simulator.EndpointEntity), service.Count(simulator.EndpointIssue); e != 2 || i != 3 {
		t.Errorf("counts = %d, %d; want 2, 3", e, i)
	}

	read := func(query string) string {
		recorder := httptest.NewRecorder()
		service.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/control/calls"+query, nil))
		return strings.TrimSpace(recorder.Body.String())
	}
	if got, want := read("?after=3"), fmt.Sprintf(`{"calls":[`+
		`{"seq":4,"at":%[1]d,"endpoint":"access/getAccessToken","outcome":"fault","code":510,"status":200,"ms":0},`+
		`{"seq":5,"at":%[1]d,"endpoint":"access/getAccessToken","outcome":"fault","code":0,"status":200,"ms":0}]}`,
		at.UnixMilli()); got != want {
		t.Errorf("calls after 3 =\n%s, want\n%s", got, want)
	}
	if got := read("?after=5"); got != `{"calls":[]}` {
		t.Errorf("calls after the last = %s", got)
	}
	if all := read(""); strings.Contains(all, token) || strings.Contains(all, uuid) ||
		!strings.Contains(all, `"seq":1`) {
		t.Errorf("calls = %s, want all of them without token and uuid", all)
	}
}

func TestCallLogIsBounded(t *testing.T) {
	service, _ := newService(nil)
	const calls = 1005
	for range calls {
		do(t, service, entity("nosuchtoken00000"))
	}
	got := service.Calls()
	if len(got) != 1000 || got[0].Seq != 6 || got[999].Seq != calls {
		t.Errorf("%d calls from %d to %d, want 1000 up to %d", len(got), got[0].Seq, got[len(got)-1].Seq, calls)
	}
	if n := service.Count(simulator.EndpointEntity); n != calls {
		t.Errorf("Count = %d, want %d", n, calls)
	}
}

// A demo that runs for days forgets old tokens.
func TestUsersAreBounded(t *testing.T) {
	service, _ := newService(nil)
	uuid, oldest := service.SignIn("ada@example.com", "Ada")
	var latest string
	for range 100 {
		_, latest = service.SignIn("ada@example.com", "Ada")
	}
	if service.TokenOwner(oldest) != "" || service.TokenOwner(latest) != uuid {
		t.Error("want the oldest token forgotten and the latest kept")
	}
}

func TestFaultQueue(t *testing.T) {
	service, _ := newService(nil)
	uuid, token := service.SignIn("ada@example.com", "Ada")
	undo := service.Fail(simulator.Fault{Endpoint: simulator.EndpointIssue, Number: 500})
	service.Fail(simulator.Fault{Endpoint: simulator.EndpointEntity, Times: 2, Number: 510})
	service.Fail(simulator.Fault{Times: 1, Number: 413, Argument: "uuid", Status: 401})

	numbers := func(request func() *http.Request, n int) (got []int) {
		for range n {
			_, a := do(t, service, request())
			got = append(got, a.Code)
		}
		return got
	}
	if got, want := numbers(func() *http.Request { return issue(uuid) }, 3),
		[]int{500, 500, 500}; !slices.Equal(got, want) {
		t.Errorf("a standing fault gives %v, want %v", got, want)
	}
	if got, want := numbers(func() *http.Request { return entity(token) }, 2),
		[]int{510, 510}; !slices.Equal(got, want) {
		t.Errorf("a queue gives %v, want %v", got, want)
	}
	// The second shape of the contract.
	status, got := do(t, service, entity(token))
	if status != 401 || got.Stat != "error" || got.Code != 413 || got.Error != "invalid_request" ||
		got.SubError != "access_grant_deleted" || got.Argument != "uuid" {
		t.Errorf("HTTP %d %+v, want the shape of oauth/*", status, got)
	}
	undo()
	for _, request := range []*http.Request{entity(token), issue(uuid)} {
		if _, got := do(t, service, request); got.Stat != "ok" {
			t.Errorf("%s with no fault left: %+v", request.URL, got)
		}
	}
}

func TestFaultAnswers(t *testing.T) {
	service, _ := newService(nil)
	_, token := service.SignIn("ada@example.com", "Ada")
	for _, tc := range []struct {
		answer       http.Handler
		status       int
		header, want string
		body         string
	}{
		{simulator.HTML(502), 502, "Content-Type", "text/html; charset=utf-8", "<h1>Bad Gateway</h1>"},
		{simulator.Body(200, "application/json", `{"stat":"ok"}`), 200, "Content-Type",
			"application/json", `{"stat":"ok"}`},
		{simulator.TooMany("7"), 429, "Retry-After", "7", "Too Many Requests"},
		{simulator.TooMany(""), 429, "Retry-After", "", "Too Many Requests"},
	} {
		service.Fail(simulator.Fault{Times: 1, Answer: tc.answer})
		recorder := httptest.NewRecorder()
		service.ServeHTTP(recorder, entity(token))
		if recorder.Code != tc.status || recorder.Header().Get(tc.header) != tc.want ||
			!strings.Contains(recorder.Body.String(), tc.body) {
			t.Errorf("HTTP %d %v %s, want %d, %s %q, %s", recorder.Code, recorder.Header(),
				recorder.Body, tc.status, tc.header, tc.want, tc.body)
		}
	}
}

func TestReset(t *testing.T) {
	service, _ := newService(nil)
	_, token := service.SignIn("ada@example.com", "Ada")
	server := httptest.NewServer(service)
	defer server.Close()
	service.Fail(simulator.Fault{Times: 1, Answer: simulator.Reset()})

	body := url.Values{"type_name": {"user"}}.Encode()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/entity",
		strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "OAuth "+token)
	response, err := server.Client().Do(request)
	if err == nil {
		response.Body.Close()
		t.Fatalf("HTTP %d, want no answer", response.StatusCode)
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("%v, want a reset", err)
	}

	// Where nothing can be hijacked, net/http's own way to break off.
	service.Fail(simulator.Fault{Times: 1, Answer: simulator.Reset()})
	var broke any
	func() {
		defer func() { broke = recover() }()
		service.ServeHTTP(httptest.NewRecorder(), entity(token))
	}()
	if broke != http.ErrAbortHandler {
		t.Errorf("broke off with %v, want http.ErrAbortHandler", broke)
	}
	last := service.Calls()[len(service.Calls())-1]
	if last.Outcome != simulator.OutcomeFault || last.Status != 0 {
		t.Errorf("logged as %+v, want a fault without an answer", last)
	}
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service, _ := newService(func(o *simulator.Options) { o.Now = time.Now })
		uuid, _ := service.SignIn("ada@example.com", "Ada")
		service.Fail(simulator.Fault{Endpoint: simulator.EndpointIssue, Delay: 300 * time.Millisecond})

		before := time.Now()
		_, got := do(t, service, issue(uuid))
		if took := time.Since(before); got.Stat != "ok" || took != 300*time.Millisecond {
			t.Errorf("%+v after %s, want ok after 300ms", got, took)
		}
		if call := service.Calls()[0]; call.Outcome != simulator.OutcomeOK || call.Took != 300*time.Millisecond {
			t.Errorf("logged as %+v", call)
		}

		// The client leaves.
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		recorder := httptest.NewRecorder()
		before = time.Now()
		service.ServeHTTP(recorder, issue(uuid).WithContext(ctx))
		if took := time.Since(before); took != 100*time.Millisecond || recorder.Body.Len() != 0 {
			t.Errorf("%q after %s, want nothing after 100ms", recorder.Body, took)
		}
		if call := service.Calls()[1]; call.Outcome != simulator.OutcomeFault || call.Status != 0 {
			t.Errorf("logged as %+v", call)
		}

		// A call counts from when it arrives.
		ctx, cancel = context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		go service.ServeHTTP(httptest.NewRecorder(), issue(uuid).WithContext(ctx))
		synctest.Wait()
		if count, logged := service.Count(simulator.EndpointIssue), len(service.Calls()); count != 3 || logged != 2 {
			t.Errorf("%d counted and %d logged, want 3 and 2", count, logged)
		}
	})
}

// Over a real connection as well, a client that leaves is noticed.
func TestLatencyEndsWithTheClient(t *testing.T) {
	asked := make(chan struct{}, 2) // when the call arrives, and when it ends
	service, _ := newService(func(o *simulator.Options) {
		o.Now = func() time.Time { asked <- struct{}{}; return time.Now() }
	})
	server := httptest.NewServer(service)
	defer server.Close()
	service.Fail(simulator.Fault{Delay: time.Hour})

	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/ui/signin",
		strings.NewReader(`{"email":"a@b"}`))
	if err != nil {
		t.Fatal(err)
	}
	if response, err := server.Client().Do(request); err == nil {
		response.Body.Close()
		t.Error("there was an answer")
	}
	<-asked // long before the hour
}

func TestRoutes(t *testing.T) {
	service, _ := newService(nil)
	for _, tc := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/entity", 405},
		{http.MethodPost, "/control/calls", 405},
		{http.MethodGet, "/oauth/token", 405},
		{http.MethodGet, "/", 404},
	} {
		recorder := httptest.NewRecorder()
		service.ServeHTTP(recorder, httptest.NewRequest(tc.method, tc.path, nil))
		if recorder.Code != tc.status || recorder.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s = HTTP %d %v, want %d, no-store", tc.method, tc.path, recorder.Code,
				recorder.Header(), tc.status)
		}
	}
	large := httptest.NewRecorder()
	service.ServeHTTP(large, post("/ui/signin", strings.Repeat(" ", 64<<10+1)))
	if large.Code != 413 {
		t.Errorf("a large body = HTTP %d, want 413", large.Code)
	}
}
