package server

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/config"
)

func TestCheckRunning(t *testing.T) {
	_, url := upstream(t)
	server := start(t, serving(url, filepath.Join(t.TempDir(), "keepalive.db")))
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, tc := range []struct {
		name, address string
		code          int
	}{
		{"it runs", strings.TrimPrefix(server.admin, "http://"), exitOK},
		{"another program", other.Listener.Addr().String(), exitError},
		{"nothing there", gone.Listener.Addr().String(), exitError},
		{"no address", "nonsense", exitError},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stdout, stderr output
			// No secret is needed for it, and no proxy is asked.
			environment := []string{"KEEPALIVE_ADMIN_LISTEN=" + tc.address, "HTTP_PROXY=http://127.0.0.1:1"}
			if code := run(t.Context(), []string{"check", "--running"}, environment, &stdout,
				&stderr); code != tc.code {
				t.Errorf("exit %d, want %d\n%s%s", code, tc.code, &stdout, &stderr)
			}
			if said := stdout.String() != ""; said != (tc.code == exitOK) || (stderr.String() == "") != said {
				t.Errorf("stdout %q, stderr %q", &stdout, &stderr)
			}
		})
	}
}

// What is shipped to run the program with must fit the program.
func TestDeployFiles(t *testing.T) {
	known := config.Names()
	for _, name := range []string{"capture-keepalive.service", "Dockerfile"} {
		text, err := os.ReadFile(filepath.Join("..", "scripts", "deploy", name))
		if err != nil {
			t.Fatal(err)
		}
		variables := regexp.MustCompile(`\bKEEPALIVE_([A-Z_]+)`).FindAllStringSubmatch(string(text), -1)
		for _, variable := range variables {
			if !slices.Contains(known, variable[1]) {
				t.Errorf("%s: there is no setting %s", name, variable[0])
			}
		}
		if len(variables) == 0 {
			t.Errorf("%s sets nothing", name)
		}
	}
}

func TestSystemdUnit(t *testing.T) {
	file, err := os.Open(filepath.Join("..", "scripts", "deploy", "capture-keepalive.service"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	settings := make(map[string][]string)
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok && !strings.HasPrefix(name, "#") {
			settings[name] = append(settings[name], value)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"DynamicUser", "NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "ProtectKernelTunables",
		"MemoryDenyWriteExecute", "RestrictNamespaces", "RestrictSUIDSGID", "LockPersonality",
	} {
		if !slices.Equal(settings[name], []string{"yes"}) {
			t.Errorf("%s is %q, want yes", name, settings[name])
		}
	}
	if !slices.Equal(settings["ProtectSystem"], []string{"strict"}) ||
		!slices.Equal(settings["CapabilityBoundingSet"], []string{""}) ||
		!slices.Equal(settings["Restart"], []string{"on-failure"}) || len(settings["LoadCredential"]) == 0 {
		t.Errorf("ProtectSystem %q, CapabilityBoundingSet %q, Restart %q, LoadCredential %q",
			settings["ProtectSystem"], settings["CapabilityBoundingSet"], settings["Restart"],
			settings["LoadCredential"])
	}
	// A secret that is no credential would be readable for every user of the machine.
	for _, value := range settings["Environment"] {
		if !regexp.MustCompile(`^KEEPALIVE_[A-Z_]+_FILE=%d/[a-z-]+$`).MatchString(value) {
			t.Errorf("Environment=%s", value)
		}
	}
	delay, err := time.ParseDuration(config.Default("SHUTDOWN_DELAY"))
	if err != nil {
		t.Fatal(err)
	}
	longest := delay + config.DrainTimeout
	stop, err := time.ParseDuration(strings.Join(settings["TimeoutStopSec"], ""))
	if err != nil || stop <= longest {
		t.Errorf("TimeoutStopSec is %s (%v), and the server needs %s to end", stop, err, longest)
	}
}
