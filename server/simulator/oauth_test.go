package simulator_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/simulator"
)

const back = "https://www.example.com/back"

// grant asks for tokens as the login client.
func grant(values url.Values) *http.Request {
	request := form("/oauth/token", "", values)
	request.SetBasicAuth(loginID, loginSecret)
	return request
}

func exchange(code, redirectURI string) *http.Request {
	return grant(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}})
}

func refresh(token string) *http.Request {
	return grant(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// tokens are the ones of an answer that has to be ok.
type tokens struct {
	Stat    string `json:"stat"`
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Seconds int    `json:"expires_in"`
}

func granted(t *testing.T, service http.Handler, request *http.Request) tokens {
	t.Helper()
	recorder := httptest.NewRecorder()
	service.ServeHTTP(recorder, request)
	var got tokens
	if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil || recorder.Code != 200 || got.Stat != "ok" {
		t.Fatalf("HTTP %d %s (%v), want tokens", recorder.Code, recorder.Body, err)
	}
	return got
}

// wantOAuth checks for an error in the shape of oauth/*.
func wantOAuth(t *testing.T, service http.Handler, request *http.Request, number int, argument string) {
	t.Helper()
	status, got := do(t, service, request)
	want := http.StatusBadRequest
	if number == 402 {
		want = http.StatusUnauthorized
	}
	if status != want || got.Stat != "error" || got.Code != number || got.Argument != argument ||
		got.Error != "invalid_request" || got.SubError == "" || got.RequestID == "" {
		t.Errorf("HTTP %d %+v, want HTTP %d and %d %q in the shape of oauth/*", status, got, want, number, argument)
	}
}

func TestCodeAndRefresh(t *testing.T) {
	service, clock := newService(nil)
	uuid, code := service.SignInCode("ada@example.com", "Ada", back)
	if service.RefreshToken(uuid) != "" || service.RefreshToken("unknown") != "" {
		t.Error("there is a refresh token before the exchange")
	}
	first := granted(t, service, exchange(code, back))
	if first.Seconds != 40 || service.TokenOwner(first.Access) != uuid || service.RefreshToken(uuid) != first.Refresh {
		t.Errorf("the exchange gave %+v", first)
	}
	wantOAuth(t, service, exchange(code, back), 200, "code")

	second := granted(t, service, refresh(first.Refresh))
	if second.Access == first.Access || second.Refresh == first.Refresh ||
		service.RefreshToken(uuid) != second.Refresh {
		t.Error("the refresh gave old tokens")
	}
	if !service.Valid(first.Access) || !service.Valid(second.Access) {
		t.Error("a refresh killed an access token")
	}
	wantOAuth(t, service, refresh(first.Refresh), 200, "refresh_token")
	clock.now = clock.now.Add(24 * time.Hour)
	if third := granted(t, service, refresh(second.Refresh)); !service.Valid(third.Access) {
		t.Error("a refresh token does not outlive its access token")
	}
	if n, m := service.Count(simulator.EndpointExchange), service.Count(simulator.EndpointRefresh); n != 2 || m != 3 {
		t.Errorf("counted %d exchanges and %d refreshes, want 2 and 3", n, m)
	}
}

func TestLifeOfACode(t *testing.T) {
	service, clock := newService(nil)
	_, young := service.SignInCode("ada@example.com", "Ada", back)
	_, old := service.SignInCode("ada@example.com", "Ada", back)
	clock.now = clock.now.Add(30*time.Second - 1)
	granted(t, service, exchange(young, back))
	clock.now = clock.now.Add(1)
	wantOAuth(t, service, exchange(old, back), 415, "")
	clock.now = clock.now.Add(2 * time.Hour)
	service.SignInCode("ada@example.com", "Ada", back) // dead codes are forgotten
	wantOAuth(t, service, exchange(old, back), 200, "code")
}

func TestGrantsThatAreGone(t *testing.T) {
	service, _ := newService(nil)
	uuid, code := service.SignInCode("ada@example.com", "Ada", back)
	_, unused := service.SignInCode("ada@example.com", "Ada", back)
	_, eves := service.SignInCode("eve@example.com", "Eve", back)
	adas, eve := granted(t, service, exchange(code, back)), granted(t, service, exchange(eves, back))
	service.DeleteGrants(uuid)
	wantOAuth(t, service, refresh(adas.Refresh), 413, "")
	service.Delete(uuid)
	wantOAuth(t, service, refresh(adas.Refresh), 310, "")
	wantOAuth(t, service, exchange(unused, back), 310, "")
	if service.RefreshToken(uuid) != "" {
		t.Error("a deleted account has a refresh token")
	}
	granted(t, service, refresh(eve.Refresh))
}

func TestOAuthRefusals(t *testing.T) {
	service, _ := newService(nil)
	_, code := service.SignInCode("ada@example.com", "Ada", back)
	as := func(request *http.Request, id, password string) *http.Request {
		request.SetBasicAuth(id, password)
		return request
	}
	without := func(name string) *http.Request {
		values := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {back}}
		values.Del(name)
		return grant(values)
	}
	anonymous := exchange(code, back)
	anonymous.Header.Del("Authorization")
	for _, tc := range []struct {
		name     string
		request  *http.Request
		number   int
		argument string
	}{
		{"another redirect URI", exchange(code, back+"/"), 420, "redirect_uri"},
		{"an unknown code", exchange("nosuchcode000000", back), 200, "code"},
		{"an unknown refresh token", refresh("nosuchtoken00000"), 200, "refresh_token"},
		{"no grant type", without("grant_type"), 100, "grant_type"},
		{"no code", without("code"), 100, "code"},
		{"no redirect URI", without("redirect_uri"), 100, "redirect_uri"},
		{"no refresh token", refresh(""), 100, "refresh_token"},
		{"another grant type", grant(url.Values{"grant_type": {"password"}}), 200, "grant_type"},
		{"two codes", grant(url.Values{"grant_type": {"authorization_code"}, "code": {code, code}}), 201, "code"},
		{"no client", anonymous, 100, "client_id"},
		{"wrong secret", as(exchange(code, back), loginID, "wrong"), 402, ""},
		{"the page's client", as(exchange(code, back), "page-client", ""), 402, ""},
		{"the issuer", as(exchange(code, back), issuerID, issuerSecret), 403, ""},
	} {
		t.Run(tc.name, func(t *testing.T) { wantOAuth(t, service, tc.request, tc.number, tc.argument) })
	}
	granted(t, service, exchange(code, back)) // none of that has spent the code
}

func TestSignInWithACode(t *testing.T) {
	service, _ := newService(nil)
	recorder := httptest.NewRecorder()
	service.ServeHTTP(recorder, post("/ui/signin",
		`{"email":"ada@example.com","displayName":"Ada","responseType":"code","redirectUri":"`+back+`"}`))
	var got map[string]any
	if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	code, _ := got["authorizationCode"].(string)
	if _, token := got["accessToken"]; token || got["stat"] != "ok" ||
		got["userData"].(map[string]any)["displayName"] != "Ada" {
		t.Errorf("the answer is %v", got)
	}
	granted(t, service, exchange(code, back))

	for name, tc := range map[string]struct {
		body, argument string
		number         int
	}{
		"no redirect URI":  {`{"email":"a@b","responseType":"code"}`, "redirectUri", 100},
		"an unknown type":  {`{"email":"a@b","responseType":"id_token"}`, "responseType", 200},
		"the default type": {`{"email":"a@b","responseType":"token"}`, "", 0},
	} {
		if _, got := do(t, service, post("/ui/signin", tc.body)); got.Code != tc.number ||
			got.Argument != tc.argument || (got.AccessToken == "") != (tc.number != 0) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// The work of a lost answer was done.
func TestLostAnswer(t *testing.T) {
	service, _ := newService(nil)
	server := httptest.NewServer(service)
	defer server.Close()
	uuid, code := service.SignInCode("ada@example.com", "Ada", back)
	service.Fail(simulator.Fault{Endpoint: simulator.EndpointExchange, Times: 1, Lost: true})
	request := exchange(code, back)
	outgoing, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/oauth/token", request.Body)
	if err != nil {
		t.Fatal(err)
	}
	outgoing.Header = request.Header
	if response, err := server.Client().Do(outgoing); err == nil {
		response.Body.Close()
		t.Error("there was an answer")
	}
	if service.RefreshToken(uuid) == "" {
		t.Error("the work was not done")
	}
	wantOAuth(t, service, exchange(code, back), 200, "code")
}

func TestRefreshTokensAreBounded(t *testing.T) {
	service, _ := newService(nil)
	uuid, _ := service.SignIn("ada@example.com", "Ada")
	var first, last string
	for range 101 {
		_, code := service.SignInCode("ada@example.com", "Ada", back)
		last = granted(t, service, exchange(code, back)).Refresh
		if first == "" {
			first = last
		}
	}
	wantOAuth(t, service, refresh(first), 200, "refresh_token")
	if service.RefreshToken(uuid) != last {
		t.Error("the newest refresh token is another")
	}
	granted(t, service, refresh(last))
}
