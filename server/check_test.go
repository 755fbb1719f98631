package server

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/config/configtest"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
	"github.com/capture-keepalive/capture-keepalive/server/store/bolt"
)

// Where all visitors look like one, check and serve say so; it is no error.
func TestLoginAdvice(t *testing.T) {
	for name, tc := range map[string]struct {
		changes []string
		want    bool
	}{
		"behind a proxy":                {nil, true},
		"behind a proxy, by IPv6":       {[]string{"LISTEN=[::1]:8080"}, true},
		"behind a known proxy":          {[]string{"TRUSTED_PROXIES=127.0.0.1/32"}, false},
		"without a limit":               {[]string{"RATE_LOGIN=off"}, false},
		"open to the network":           {[]string{"LISTEN=0.0.0.0:8080"}, true},
		"the browser on this machine":   {[]string{"INSECURE_COOKIE=true", "ORIGINS=http://localhost:3000"}, false},
		"on a name for loopback itself": {[]string{"LISTEN=localhost:8080"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			env := configtest.Environment(append(tc.changes,
				"STORE=bolt:"+filepath.Join(t.TempDir(), "keepalive.db"))...)
			var stdout, stderr output
			if code := run(t.Context(), []string{"check"}, env, &stdout, &stderr); code != exitOK {
				t.Fatalf("exit %d: %s%s", code, stdout.String(), stderr.String())
			}
			said := strings.Contains(stdout.String(), "KEEPALIVE_TRUSTED_PROXIES is empty")
			if said != tc.want || !strings.Contains(stdout.String(), "The configuration ") {
				t.Errorf("warned: %v, want %v:\n%s", said, tc.want, stdout.String())
			}
		})
	}
	t.Run("serve", func(t *testing.T) {
		server := start(t, configtest.Environment("LISTEN=127.0.0.1:0", "ADMIN_LISTEN=127.0.0.1:0", "STORE=memory:"))
		if log := server.log(); !strings.Contains(log, `"level":"WARN"`) ||
			!strings.Contains(log, "KEEPALIVE_TRUSTED_PROXIES is empty") {
			t.Errorf("serve does not warn:\n%s", log)
		}
	})
}

// A configuration that works at a risk is not called fine, and its exit code is
// that of one that works.
func TestCheckCountsRisks(t *testing.T) {
	inUse := filepath.Join(t.TempDir(), "open.db")
	backend, err := bolt.Open(t.Context(), inUse)
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	for want, changes := range map[string][]string{
		"The configuration is fine.":                        {"STORE=bolt:" + inUse},
		"The configuration works, with 1 risk: see above.":  {"ADMIN_LISTEN=0.0.0.0:9090"},
		"The configuration works, with 2 risks: see above.": {"ADMIN_LISTEN=:9090", "TOKEN_LIFETIME=2h"},
	} {
		var stdout, stderr output
		p := &program{environment: serving("http://127.0.0.1:1", filepath.Join(t.TempDir(), "a.db"), changes...),
			stdout: &stdout, stderr: &stderr, files: builtFiles()}
		code := p.run(t.Context(), []string{"check"})
		lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
		if code != exitOK || lines[len(lines)-1] != want {
			t.Errorf("exit %d, want %q at the end:\n%s%s", code, want, &stdout, &stderr)
		}
	}
}

// With a real user check proves what a user that cannot exist does not: whether
// the application is that of the pages.
func TestCheckWithAUser(t *testing.T) {
	service, url := upstream(t)
	uuid, _ := service.SignIn("ada@example.com", "Ada")
	other := httptest.NewServer(simulator.New(simulator.Options{Clients: []simulator.Client{
		{ID: "page"}, {ID: "issuer", Secret: secret.New(configtest.IssuerSecret), AccessIssuer: true},
	}}))
	t.Cleanup(other.Close)
	for _, tc := range []struct {
		name, capture string
		args          []string
		code          int
		says          string
	}{
		{"without a user it says what it cannot know", url, []string{"--live"}, exitOK,
			"add --uuid with a user of your site"},
		{"the right application", url, []string{"--uuid", uuid}, exitOK,
			"KEEPALIVE_CAPTURE_URL and KEEPALIVE_TYPE_NAME are right"},
		{"the uuid in capitals", url, []string{"--uuid", strings.ToUpper(uuid) + " "}, exitOK, "are right"},
		{"another application", other.URL, []string{"--live"}, exitOK, "cannot know"},
		{"another application, with a user", other.URL, []string{"--uuid", uuid}, exitError,
			"of another application than your pages'"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stdout, stderr output
			code := run(t.Context(), append([]string{"check"}, tc.args...),
				serving(tc.capture, "", "STORE=memory:"), &stdout, &stderr)
			if said := stdout.String() + stderr.String(); code != tc.code ||
				!strings.Contains(said, tc.says) || strings.Contains(said, uuid) {
				t.Errorf("exit %d, want %d, with %q and no uuid:\n%s", code, tc.code, tc.says, said)
			}
		})
	}
}
