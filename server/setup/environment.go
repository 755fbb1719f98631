package setup

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/capture-keepalive/capture-keepalive/server/config"
)

// SecretFiles are the files that the operator has to make, with what belongs in
// each.
func (a *Answers) SecretFiles(dir string) map[string]string {
	files := make(map[string]string)
	if a.clientSide() {
		files[filepath.Join(dir, issuerSecretFile)] = "the secret of the API " +
			"client " + a.values["ISSUER_CLIENT_ID"]
	}
	if a.serverSide() {
		files[filepath.Join(dir, loginSecretFile)] = "the secret of the " +
			"client " + a.values["LOGIN_CLIENT_ID"]
	}
	return files
}

// render returns the environment file: a line of explanation and one of the
// setting, for systemd, for container engines and for a shell.
func render(dir string, a *Answers) string {
	var text strings.Builder
	meaning := make(map[string]string)
	for _, setting := range config.Settings() {
		meaning[setting.Name] = setting.Meaning
	}
	set := func(name, value string) {
		fmt.Fprintf(&text, "# %s\n%s%s=%s\n", meaning[name], config.Prefix, name, Quoted(value))
	}
	fmt.Fprintln(&text, "# Settings of capture-keepalive; serve --help lists all that there are.")
	for _, q := range questions {
		if value := a.values[q.name]; value != "" {
			set(q.name, value)
		}
	}
	if a.clientSide() {
		set("ISSUER_CLIENT_SECRET_FILE", filepath.Join(dir, issuerSecretFile))
	}
	if a.serverSide() {
		set("LOGIN_CLIENT_SECRET_FILE", filepath.Join(dir, loginSecretFile))
	}
	set("KEYS_FILE", filepath.Join(dir, KeysFile))
	if a.Proxy != NoProxy {
		set("TRUSTED_PROXIES", "127.0.0.1/32,::1/128")
	}
	if strings.HasPrefix(a.values["ORIGINS"], "http://") {
		set("INSECURE_COOKIE", "true")
	}
	return text.String()
}

// plainValue is what a shell takes as it is.
var plainValue = regexp.MustCompile(`^[A-Za-z0-9_./:,@%+=-]*$`)

// Quoted returns a value for systemd and a shell. Container engines hand the
// quotes on, and the server takes them away.
func Quoted(value string) string {
	if plainValue.MatchString(value) {
		return value
	}
	return "'" + value + "'"
}

// writable reports whether a value can stand between the quotes, and is what
// the server reads from there.
func writable(value string) bool {
	cleaned, err := config.Clean(value)
	return err == nil && cleaned == value && !strings.Contains(value, "'")
}
