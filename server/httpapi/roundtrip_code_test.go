package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
)

const back = origin + "/back"

func TestRoundTripWithACode(t *testing.T) {
	town := newTown(t)
	uuid, code := town.capture.SignInCode("ada@example.com", "Ada", back)
	var secrets []string
	keep := func(answer api.TokenAnswer) api.TokenAnswer {
		secrets = append(secrets, answer.AccessToken, town.capture.RefreshToken(uuid))
		return answer
	}
	secrets = append(secrets, code, uuid)

	opened := keep(must[api.TokenAnswer](t, town, 201, "POST", "/session",
		api.OpenRequest{AuthorizationCode: code, RedirectURI: back}))
	if opened.UUID != uuid || !town.capture.Valid(opened.AccessToken) || opened.ExpiresIn < 3590 ||
		opened.ExpiresIn > 3600 {
		t.Errorf("opened: uuid %s, expires in %d s", opened.UUID, opened.ExpiresIn)
	}
	if problem := must[api.Problem](t, town, 409, "POST", "/session",
		api.OpenRequest{AuthorizationCode: code, RedirectURI: back}); problem.Code != api.CodeUsed {
		t.Errorf("the second post of a code: %s", problem.Code)
	}
	if status := must[api.StatusAnswer](t, town, 200, "GET", "/session", nil); status.Mode != "code" ||
		status.UUID != uuid {
		t.Errorf("status %+v", status)
	}

	// Due, then refused: two refreshes, each with a token that works.
	town.pass(59 * time.Minute)
	due := keep(must[api.TokenAnswer](t, town, 200, "POST", "/session/token",
		api.TokenRequest{Reason: api.ReasonDue, Have: opened.AccessToken}))
	forced := keep(must[api.TokenAnswer](t, town, 200, "POST", "/session/token",
		api.TokenRequest{Reason: api.ReasonSaveFailed, Have: due.AccessToken}))
	if due.AccessToken == opened.AccessToken || forced.AccessToken == due.AccessToken ||
		town.capture.TokenOwner(forced.AccessToken) != uuid {
		t.Error("a refreshed token is an old one, or another user's")
	}
	for endpoint, want := range map[string]int{
		simulator.EndpointExchange: 1, simulator.EndpointRefresh: 2, simulator.EndpointEntity: 1,
		simulator.EndpointIssue: 0,
	} {
		if got := town.capture.Count(endpoint); got != want {
			t.Errorf("%d calls of %s, want %d", got, endpoint, want)
		}
	}

	// The grant is taken back: this session has ended.
	town.capture.DeleteGrants(uuid)
	if problem := must[api.Problem](t, town, 401, "POST", "/session/token",
		api.TokenRequest{Reason: api.ReasonInvalid, Have: forced.AccessToken}); problem.Code != api.SessionEnded {
		t.Errorf("after the grant was deleted: %s", problem.Code)
	}

	log := town.log.String()
	if !strings.Contains(log, `"code":"code_used"`) || !strings.Contains(log, "the grant is gone") {
		t.Errorf("the log does not tell the story:\n%s", log)
	}
	for i, hidden := range append(secrets, "login-secret-00001", "bG9naW46bG9naW4tc2VjcmV0LTAwMDAx") {
		if strings.Contains(log, hidden) {
			t.Errorf("secret %d, %s, is in the log", i, hidden)
		}
	}
}

// The redirect URI is compared here before it is by Capture, and then the code
// is not spent.
func TestWrongRedirectURI(t *testing.T) {
	town := newTown(t)
	_, code := town.capture.SignInCode("ada@example.com", "Ada", back)
	problem := must[api.Problem](t, town, 400, "POST", "/session",
		api.OpenRequest{AuthorizationCode: code, RedirectURI: back + "/"})
	if problem.Code != api.BadRequest || !strings.Contains(problem.Detail, "redirectUri") ||
		town.capture.Count(simulator.EndpointExchange) != 0 {
		t.Errorf("%s: %s, after %d exchanges", problem.Code, problem.Detail,
			town.capture.Count(simulator.EndpointExchange))
	}
	must[api.TokenAnswer](t, town, 201, "POST", "/session", api.OpenRequest{AuthorizationCode: code})
}

// A code that Capture refuses opens nothing, and sets no cookie.
func TestDeadCode(t *testing.T) {
	town := newTown(t)
	_, code := town.capture.SignInCode("ada@example.com", "Ada", back)
	town.pass(31 * time.Second)
	if problem := must[api.Problem](t, town, 403, "POST", "/session",
		api.OpenRequest{AuthorizationCode: code}); problem.Code != api.GrantRefused {
		t.Errorf("an expired code: %s", problem.Code)
	}
	if problem := must[api.Problem](t, town, 401, "GET", "/session", nil); problem.Code != api.SessionMissing {
		t.Errorf("afterwards: %s", problem.Code)
	}
}

// One code, fifty posts at once, a Capture that takes 300 ms.
func TestOneOfFiftyPostsOfACode(t *testing.T) {
	town := newTown(t)
	_, code := town.capture.SignInCode("ada@example.com", "Ada", back)
	town.capture.Fail(simulator.Fault{Endpoint: simulator.EndpointExchange, Delay: 300 * time.Millisecond})
	statuses := make([]int, 50)
	var group sync.WaitGroup
	for i := range statuses {
		group.Go(func() {
			status, _, err := town.call("POST", "/session", api.OpenRequest{AuthorizationCode: code})
			if err != nil {
				t.Error(err)
			}
			statuses[i] = status
		})
	}
	group.Wait()
	count := make(map[int]int)
	for _, status := range statuses {
		count[status]++
	}
	if count[http.StatusCreated] != 1 || count[http.StatusConflict] != 49 {
		t.Errorf("answers by status: %v, want one 201 and 49 times 409", count)
	}
	if got := town.capture.Count(simulator.EndpointExchange); got != 1 {
		t.Errorf("%d exchanges, want 1", got)
	}
}

// Both kinds of session live beside each other; each is renewed its own way.
func TestBothModesAtOnce(t *testing.T) {
	town := newTown(t)
	_, token := town.capture.SignIn("ada@example.com", "Ada")
	must[api.TokenAnswer](t, town, 201, "POST", "/session", api.OpenRequest{AccessToken: token})
	first := town.client.Jar
	town.client.Jar = newJar(t)
	_, code := town.capture.SignInCode("bob@example.com", "Bob", back)
	bob := must[api.TokenAnswer](t, town, 201, "POST", "/session", api.OpenRequest{AuthorizationCode: code})
	must[api.TokenAnswer](t, town, 200, "POST", "/session/token",
		api.TokenRequest{Reason: api.ReasonExpired, Have: bob.AccessToken})
	town.client.Jar = first
	must[api.TokenAnswer](t, town, 200, "POST", "/session/token",
		api.TokenRequest{Reason: api.ReasonExpired, Have: token})
	for endpoint, want := range map[string]int{simulator.EndpointRefresh: 1, simulator.EndpointIssue: 1} {
		if got := town.capture.Count(endpoint); got != want {
			t.Errorf("%d calls of %s, want %d", got, endpoint, want)
		}
	}
}

// What a reverse proxy is told is as fresh as what a page is, and a page load
// is a user who is there.
func TestAuthRefreshesAndKeepsAlive(t *testing.T) {
	town := newTown(t)
	uuid, code := town.capture.SignInCode("ada@example.com", "Ada", back)
	opened := must[api.TokenAnswer](t, town, 201, "POST", "/session", api.OpenRequest{AuthorizationCode: code})
	where, err := url.Parse(town.url)
	if err != nil {
		t.Fatal(err)
	}
	visit := func() *http.Response {
		r := httptest.NewRequest(http.MethodGet, "/auth", nil)
		for _, cookie := range town.client.Jar.Cookies(where) {
			r.AddCookie(cookie)
		}
		recorder := httptest.NewRecorder()
		town.admin.ServeHTTP(recorder, r)
		return recorder.Result()
	}
	// The idle limit is three hours; the absolute one is twelve.
	last := opened.AccessToken
	for hour := 2; hour < 12; hour += 2 {
		town.pass(2 * time.Hour)
		response := visit()
		token := response.Header.Get(api.HeaderAccessToken)
		if response.StatusCode != http.StatusNoContent || response.Header.Get(api.HeaderUUID) != uuid {
			t.Fatalf("after %d hours: %s for %q", hour, response.Status, response.Header.Get(api.HeaderUUID))
		}
		if token == last || !town.capture.Valid(token) {
			t.Errorf("after %d hours: the old token, or one that does not work", hour)
		}
		last = token
	}
	if got := town.capture.Count(simulator.EndpointRefresh); got != 5 {
		t.Errorf("%d refreshes, want 5", got)
	}
	town.pass(2 * time.Hour)
	if response := visit(); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("after the absolute limit: %s", response.Status)
	}
}
