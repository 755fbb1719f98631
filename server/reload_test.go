package server

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/config/configtest"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis/redistest"
)

const secondKey = "k2:YW5vdGhlciBrZXksIG9mIHRoaXJ0eS10d28gYnl0ZXM="

// write puts a secret in a file, as a whole.
func write(t *testing.T, path, value string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(value+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// hangUp has a process read its secrets again, and waits until the log says how
// that went.
func (p *process) hangUp(t *testing.T, says string) {
	t.Helper()
	before := strings.Count(p.log(), says)
	if err := p.command.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.wantLog(t, says, before)
}

// wantLog waits until the log says something more than so many times.
func (p *process) wantLog(t *testing.T, says string, before int) {
	t.Helper()
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for deadline := time.Now().Add(patience); strings.Count(p.log(), says) == before; <-ticks.C {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say %q\n%s", says, p.log())
		}
	}
}

const (
	taken   = "were read again and are in use"
	refused = "the old ones stay in use"
)

// signedBy is the key that signed the page's cookie.
func signedBy(t *testing.T, p *page) string {
	t.Helper()
	head, _, _ := strings.Cut(cookieOf(t, p), ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	for _, kid := range []string{"k1", "k2"} {
		if strings.Contains(string(raw), `"kid":"`+kid+`"`) {
			return kid
		}
	}
	return string(raw)
}

// Two servers on one Redis change their keys one after the other, without a
// restart: at every step, whichever has it first, every session works at both.
func TestKeyRollOut(t *testing.T) {
	service, url := upstream(t)
	files := [2]string{filepath.Join(t.TempDir(), "keys"), filepath.Join(t.TempDir(), "keys")}
	database := redistest.Start(t)
	var servers [2]*process
	for i, file := range files {
		write(t, file, configtest.Keys)
		servers[i] = start(t, serving(url, "", "STORE="+database.URL(), "KEYS", "KEYS_FILE="+file,
			"RATE_LOGIN=off", "RATE_FORCED=off"))
	}
	var users []*page
	var tokens []string
	works := func(step string) {
		t.Helper()
		for _, at := range servers {
			_, token := service.SignIn("ada@example.com", "Ada")
			fresh := newPage(t, at.public)
			fresh.login(t, token)
			users, tokens = append(users, fresh), append(tokens, token)
		}
		for i, user := range users {
			for j, at := range servers {
				one, _ := user.at(at.public).ask(t, api.TokenRequest{Reason: api.ReasonInvalid, Have: tokens[i]})
				if one.err != nil || one.status != http.StatusOK || one.answer.AccessToken == tokens[i] {
					t.Fatalf("%s: session %d at server %d: %d %v\n%s", step, i, j, one.status, one.err, at.log())
				}
				tokens[i] = one.answer.AccessToken
			}
		}
	}
	works("before")
	for _, step := range []struct{ name, keys string }{
		{"the new key is accepted", configtest.Keys + "," + secondKey},
		{"the new key is used", secondKey + "," + configtest.Keys},
		{"the old key is gone", secondKey},
	} {
		for i, server := range servers {
			write(t, files[i], step.keys)
			server.hangUp(t, taken)
			works(step.name)
		}
	}
	for i, user := range users {
		if kid := signedBy(t, user.at(servers[0].public)); kid != "k2" {
			t.Errorf("the cookie of session %d is signed by %s, want k2", i, kid)
		}
	}
	for _, server := range servers {
		for _, key := range []string{configtest.Keys, secondKey} {
			if strings.Contains(server.log(), key[len("k1:"):]) {
				t.Error("the log shows a key")
			}
		}
	}
}

// A key that is written over the one that signs, under its id or another, is a
// slip that would sign out everyone: their cookies and records are under the old
// one. A restart takes it.
func TestTheSigningKeyIsNotLost(t *testing.T) {
	service, url := upstream(t)
	file := filepath.Join(t.TempDir(), "keys")
	write(t, file, configtest.Keys)
	environment := serving(url, filepath.Join(t.TempDir(), "keepalive.db"), "KEYS", "KEYS_FILE="+file)
	server := start(t, environment)
	_, token := service.SignIn("ada@example.com", "Ada")
	user := newPage(t, server.public)
	user.login(t, token)
	ask := func(t *testing.T, at *process) int {
		t.Helper()
		status, err := user.at(at.public).post(t.Context(), api.PathToken,
			api.TokenRequest{Reason: api.ReasonStart}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	for name, keys := range map[string]string{
		"another id": secondKey, "the same id": "k1:" + secondKey[len("k2:"):],
	} {
		write(t, file, keys)
		server.hangUp(t, "lacks the key that signs now")
		if status := ask(t, server); status != http.StatusOK {
			t.Errorf("%s: %d, want 200", name, status)
		}
	}
	_ = server.command.Process.Kill()
	_ = server.command.Wait()
	write(t, file, secondKey)
	server = start(t, environment)
	if status := ask(t, server); status != http.StatusUnauthorized {
		t.Errorf("after a restart with another key: %d, want 401", status)
	}
	server.wantLog(t, "sealed under a key that KEEPALIVE_KEYS lacks", 0)
}

// The secret of a client changes at Capture and in its file, and the server
// goes on. Values that are wrong change nothing.
func TestClientSecretIsReadAgain(t *testing.T) {
	const changed = "issuer-secret-0002"
	service, _ := upstream(t)
	var wants atomic.Pointer[string]
	old := configtest.IssuerSecret
	wants.Store(&old)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, password, ok := r.BasicAuth(); ok && id == "issuer" {
			if password != *wants.Load() {
				r.SetBasicAuth(id, "not-the-secret")
			} else {
				r.SetBasicAuth(id, configtest.IssuerSecret)
			}
		}
		service.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	dir := t.TempDir()
	secrets, keys := filepath.Join(dir, "secret"), filepath.Join(dir, "keys")
	write(t, secrets, configtest.IssuerSecret)
	write(t, keys, configtest.Keys)
	server := start(t, serving(front.URL, filepath.Join(dir, "keepalive.db"),
		"ISSUER_CLIENT_SECRET", "ISSUER_CLIENT_SECRET_FILE="+secrets, "KEYS", "KEYS_FILE="+keys))
	renew := func(want int) {
		t.Helper()
		_, token := service.SignIn("ada@example.com", "Ada")
		browser := newPage(t, server.public)
		browser.login(t, token)
		var answer api.TokenAnswer
		if status, err := browser.post(t.Context(), api.PathToken,
			api.TokenRequest{Reason: api.ReasonInvalid, Have: token}, &answer); err != nil || status != want {
			t.Fatalf("renewal: %d %v, want %d\n%s", status, err, want, server.log())
		}
	}
	renew(http.StatusOK)

	next := changed
	wants.Store(&next)
	renew(http.StatusBadGateway)
	write(t, secrets, changed)
	server.hangUp(t, taken)
	renew(http.StatusOK)

	for _, wrong := range []struct{ file, value, says string }{
		{keys, "k3:" + strings.Repeat("not-a-key", 5), "KEEPALIVE_KEYS"},
		{secrets, "", "KEEPALIVE_ISSUER_CLIENT_SECRET_FILE"},
	} {
		good, err := os.ReadFile(wrong.file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, wrong.file, wrong.value)
		server.hangUp(t, refused)
		if !strings.Contains(server.log(), wrong.says) || strings.Contains(server.log(), "not-a-key") {
			t.Errorf("the log should name %s, and not its value:\n%s", wrong.says, server.log())
		}
		renew(http.StatusOK)
		write(t, wrong.file, strings.TrimSpace(string(good)))
	}
	if strings.Contains(server.log(), changed) || strings.Contains(server.log(), configtest.IssuerSecret) {
		t.Error("the log shows a client secret")
	}
}
