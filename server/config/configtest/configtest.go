// Package configtest has an environment that is whole and good, for tests to
// change.
package configtest

import "strings"

const (
	// Keys is the key ring of Environment.
	Keys = "k1:c2V2ZW50ZWVuIGJ5dGVzIGFuZCBmaWZ0ZWVuIG1vcmU="
	// IssuerSecret is the secret of its client.
	IssuerSecret = "issuer-secret-0001"
)

// Environment returns a whole good one, with changes: NAME=value sets, NAME
// unsets; names are without prefix.
func Environment(changes ...string) []string {
	values := map[string]string{
		"ORIGINS":              "https://www.example.com",
		"CAPTURE_URL":          "https://app.us.janraincapture.com",
		"CLIENT_ID":            "page",
		"ISSUER_CLIENT_ID":     "issuer",
		"ISSUER_CLIENT_SECRET": IssuerSecret,
		"KEYS":                 Keys,
	}
	for _, change := range changes {
		name, value, set := strings.Cut(change, "=")
		if set {
			values[name] = value
		} else {
			delete(values, name)
		}
	}
	lines := []string{"PATH=/usr/bin", "HOME=/nowhere"}
	for name, value := range values {
		lines = append(lines, "KEEPALIVE_"+name+"="+value)
	}
	return lines
}
