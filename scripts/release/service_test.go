package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// checkService installs the deb on this machine, starts the unit, which must
// find its settings and secrets, and removes the deb again.
func checkService(t *testing.T, deb string) {
	t.Helper()
	command := func(name string, args ...string) {
		t.Helper()
		if said, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, said)
		}
	}
	const etc = "/etc/capture-keepalive"
	if _, err := os.Stat(etc); err == nil {
		t.Fatalf("%s is here already: this test would overwrite it", etc)
	}
	command("dpkg", "--install", deb)
	t.Cleanup(func() {
		_ = exec.CommandContext(context.Background(), "dpkg", "--purge", "capture-keepalive").Run()
		_ = os.RemoveAll(etc)
	})
	for name, content := range map[string]string{
		"environment": "KEEPALIVE_ORIGINS=https://www.example.com\n" +
			"KEEPALIVE_CAPTURE_URL=https://example.us.janraincapture.com\n" +
			"KEEPALIVE_CLIENT_ID=page\nKEEPALIVE_ISSUER_CLIENT_ID=issuer\n" +
			"KEEPALIVE_LISTEN=127.0.0.1:18080\nKEEPALIVE_ADMIN_LISTEN=127.0.0.1:19090\n",
		"keys":                 "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n",
		"issuer-client-secret": "secret",
	} {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command("systemctl", "start", "capture-keepalive")
	command("curl", "--fail", "--silent", "--retry", "10", "--retry-all-errors",
		"http://127.0.0.1:19090/readyz")
	command("systemctl", "stop", "capture-keepalive")
}
