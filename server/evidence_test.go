package server

import (
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// The server is started with the address of another application. Its clients
// have the same names: Capture knows no user and no grant of any session, and
// says so of each. No session may end. When the setting is put right, each is
// renewed.
func TestTheAddressOfAnotherApplicationEndsNoSession(t *testing.T) {
	service, url := upstream(t)
	_, otherURL := upstream(t)
	database := filepath.Join(t.TempDir(), "keepalive.db")
	env := func(url string) []string { return serving(url, database, serverSide("RATE_LOGIN=off")...) }

	right := start(t, env(url))
	type user struct {
		uuid, token string
		page        *page
	}
	users := make([]user, 12)
	for i := range users {
		one := &users[i]
		one.page = newPage(t, right.public)
		name := string(rune('a'+i)) + "@example.com"
		if i%2 == 0 {
			one.uuid, one.token = service.SignIn(name, name)
			one.page.login(t, one.token)
			continue
		}
		var code string
		one.uuid, code = service.SignInCode(name, name, testRedirect)
		one.token = one.page.exchange(t, code).AccessToken
	}
	renew := func(one user, at *process) (got got) {
		got.status, got.err = one.page.at(at.public).post(t.Context(), api.PathToken,
			api.TokenRequest{Reason: api.ReasonInvalid, Have: one.token}, &got.answer)
		return got
	}
	right.signal(t, syscall.SIGTERM)
	right.exits(t)

	wrong := start(t, env(otherURL))
	for i, one := range users {
		got := renew(one, wrong)
		if got.err != nil || got.status != http.StatusBadGateway || got.answer.Code != api.UpstreamRefused {
			t.Errorf("session %d at the wrong application: %d %s %v", i, got.status, got.answer.Code, got.err)
		}
	}
	wrong.signal(t, syscall.SIGTERM)
	wrong.exits(t)
	if !strings.Contains(wrong.log(), "verdict_doubted") {
		t.Error("the operator is not told")
	}

	again := start(t, env(url))
	for i, one := range users {
		got := renew(one, again)
		if got.err != nil || got.status != http.StatusOK || service.TokenOwner(got.answer.AccessToken) != one.uuid {
			t.Errorf("session %d at the right application: %d %s %v", i, got.status, got.answer.Code, got.err)
		}
	}
}
