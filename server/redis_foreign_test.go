package server

import (
	"net/http"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis/redistest"
)

// Another program writes over every key of the server but the sessions: logins,
// renewals and the operator's revocation go on as if nothing had happened.
func TestAnotherProgramWritesToRedis(t *testing.T) {
	service, upstreamURL := upstream(t)
	database := redistest.Start(t)
	server := start(t, serving(upstreamURL, "", "STORE="+database.URL()))
	ada := newUser(t, service, server.public, true)
	_, token := service.SignIn("bob@example.com", "Bob")
	bob := &user{page: newPage(t, server.public)}
	bob.renewed(bob.page.login(t, token))
	if status := get(t, server.admin+"/readyz"); status != http.StatusOK { // its key is there now
		t.Fatalf("/readyz before: %d", status)
	}

	client := goredis.NewClient(&goredis.Options{Addr: database.Address, Protocol: 2})
	defer client.Close()
	keys, err := client.Keys(t.Context(), "keepalive:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	for _, key := range keys {
		if !strings.HasPrefix(key, "keepalive:{") {
			written++
			if err := client.Set(t.Context(), key, "mine", 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if written < 3 {
		t.Fatalf("only %d of %q are no sessions", written, keys)
	}

	again := newPage(t, server.public)
	_, token = service.SignIn("ada@example.com", "Ada")
	again.login(t, token)
	if status := get(t, server.admin+"/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d", status)
	}
	for name, each := range map[string]*user{"the user who signed in": ada, "the other one": bob} {
		if status, err := each.page.post(t.Context(), api.PathToken,
			api.TokenRequest{Reason: api.ReasonInvalid, Have: each.token()},
			nil); status != http.StatusOK || err != nil {
			t.Errorf("renewing for %s: %d %v\n%s", name, status, err, server.log())
		}
	}
	var stdout, stderr output
	environment := []string{"KEEPALIVE_ADMIN_LISTEN=" + strings.TrimPrefix(server.admin, "http://")}
	if code := run(t.Context(), []string{"revoke", "--uuid", ada.uuid}, environment, &stdout,
		&stderr); code != exitOK || !strings.Contains(stdout.String(), "Ended 2 sessions") {
		t.Errorf("revoke: exit %d: %s%s", code, stdout.String(), stderr.String())
	}
	if status, err := bob.page.post(t.Context(), api.PathToken,
		api.TokenRequest{Reason: api.ReasonStart}, nil); status != http.StatusOK || err != nil {
		t.Errorf("the other user, afterwards: %d %v", status, err)
	}
}
