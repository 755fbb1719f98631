package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/config/configtest"
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
			env := configtest.Environment(append(tc.changes, "STORE=bolt:"+filepath.Join(t.TempDir(), "keepalive.db"))...)
			var stdout, stderr output
			if code := run(t.Context(), []string{"check"}, env, &stdout, &stderr); code != exitOK {
				t.Fatalf("exit %d: %s%s", code, stdout.String(), stderr.String())
			}
			said := strings.Contains(stdout.String(), "KEEPALIVE_TRUSTED_PROXIES is empty")
			if said != tc.want || !strings.Contains(stdout.String(), "is fine") {
				t.Errorf("warned: %v, want %v:\n%s", said, tc.want, stdout.String())
			}
		})
	}
	t.Run("serve", func(t *testing.T) {
		server := start(t, configtest.Environment("LISTEN=127.0.0.1:0", "ADMIN_LISTEN=127.0.0.1:0", "STORE=memory:"))
		if log := server.log(); !strings.Contains(log, `"level":"WARN"`) || !strings.Contains(log, "KEEPALIVE_TRUSTED_PROXIES is empty") {
			t.Errorf("serve does not warn:\n%s", log)
		}
	})
}
