package capture_test

import (
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

func TestWellFormed(t *testing.T) {
	for token, want := range map[string]bool{
		"":                       false,
		"z0t8k3vq5n1m7p2r":       true, // recorded length
		"z0t8k3vq5n1m7p2rs":      true, // the docs' length
		"Z0T8K3VQ5N1M7P2R":       true,
		"z0t8k3v":                false,
		"z0t8k3vq":               true,
		strings.Repeat("a", 512): true,
		strings.Repeat("a", 513): false,
		"z0t8k3vq 5n1m7p2r":      false,
		"z0t8k3vq\r\nX-Evil: 1":  false,
		"z0t8k3vq5n1m7p2\x00":    false,
		"z0t8k3vq5n1m7p2\x7f":    false,
		"z0t8k3vq5n1m7p2\u00e9":  false,
		"z0t8k3vq5n1m7p2\uff41":  false, // a full-width letter
		"\tz0t8k3vq5n1m7p2r":     false,
		// What a firewall in front of Capture could take for an attack.
		"<script>alert(1)":   false,
		"../../etc/passwd":   false,
		"%2e%2e%2fpasswd":    false,
		"' or '1'='1":        false,
		"1;drop/**/table":    false,
		"exec+xp_cmdshell":   false,
		"information_schema": false,
		"${jndi:ldap://a}":   false,
		"..........":         false,
		"--------":           false,
		"@@[`{@@[`{":         false, // the neighbours of the letters and digits
		"/:/:/:/:":           false,
	} {
		if got := capture.WellFormed(secret.New(token)); got != want {
			t.Errorf("WellFormed(%q) = %v, want %v", token, got, want)
		}
	}
}

func TestValidateURL(t *testing.T) {
	for raw, want := range map[string]bool{
		"https://app.us.janraincapture.com":       true,
		"https://app.us.janraincapture.com/":      true,
		"https://login.example.com:8443/capture/": true,
		"http://localhost:8081":                   true,
		"http://LOCALHOST":                        true,
		"http://127.0.0.1:8081":                   true,
		"http://127.9.9.9":                        true,
		"http://[::1]:8081":                       true,
		"":                                        false,
		"app.us.janraincapture.com":               false,
		"//app.us.janraincapture.com":             false,
		"ftp://app.us.janraincapture.com":         false,
		"https:app.us.janraincapture.com":         false,
		"https://":                                false,
		"https://:8443":                           false,
		"https://a b":                             false,
		"https://app:0":                           false,
		"https://app:":                            false,
		"https://app:65536":                       false,
		"https://user@app.example":                false,
		"https://user:hunter2hunter2@app.example": false,
		"https://app.example?key=hunter2hunter2":  false,
		"https://app.example/?":                   false,
		"https://app.example/#":                   false,
		"http://app.us.janraincapture.com":        false,
		"http://localhost.example.com":            false,
		"http://10.0.0.1":                         false,
		"http://0.0.0.0":                          false,
		"https://user:hunter2hunter2@app\x7f":     false,
	} {
		err := capture.ValidateURL(raw)
		if got := err == nil; got != want {
			t.Errorf("ValidateURL(%q) = %v, want valid: %v", raw, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error for %q repeats the password: %v", raw, err)
		}
	}
}
