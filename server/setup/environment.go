package setup

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/capture-keepalive/capture-keepalive/server/config"
)

// secretFile is a file with a secret, and the setting that names it.
type secretFile struct {
	setting, file string
	holds         string // what the operator puts into it; empty: Write makes it
}

func (a *Answers) secretFiles() []secretFile {
	files := []secretFile{{setting: "KEYS_FILE", file: KeysFile}}
	if a.clientSide() {
		files = append(files, secretFile{"ISSUER_CLIENT_SECRET_FILE", issuerSecretFile,
			"the secret of the API client " + a.values["ISSUER_CLIENT_ID"]})
	}
	if a.serverSide() {
		files = append(files, secretFile{"LOGIN_CLIENT_SECRET_FILE", loginSecretFile,
			"the secret of the client " + a.values["LOGIN_CLIENT_ID"]})
	}
	return files
}

// Next are the steps that are left when Write has written to dir, one a line.
func (a *Answers) Next(dir string) []string {
	var steps, named []string
	for _, each := range a.secretFiles() {
		path := filepath.Join(dir, each.file)
		named = append(named, config.Prefix+each.setting+"="+path)
		if each.holds != "" {
			steps = append(steps, fmt.Sprintf("Put %s into %s, readable for the server's user "+
				"alone (mode 0400).", each.holds, path))
		}
	}
	source := "set -a; . " + Quoted(filepath.Join(dir, EnvironmentFile)) + "; set +a"
	if dir != UnitFolder {
		return append(steps, source, "capture-keepalive check --live", "capture-keepalive serve")
	}
	if a.serverSide() {
		steps = append(steps, "systemctl edit capture-keepalive, with these lines:")
		steps = append(steps, a.dropIn(dir)...)
	}
	return append(steps, source, strings.Join(named, " ")+" capture-keepalive check --live",
		"systemctl enable --now capture-keepalive")
}

// dropIn are the lines for a unit that has other secrets than the one that is
// shipped. An empty value removes what that one has (systemd.exec).
func (a *Answers) dropIn(dir string) []string {
	lines := []string{"    [Service]", "    LoadCredential=", "    Environment="}
	for _, each := range a.secretFiles() {
		lines = append(lines,
			"    LoadCredential="+each.file+":"+filepath.Join(dir, each.file),
			"    Environment="+config.Prefix+each.setting+"=%d/"+each.file)
	}
	return lines
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
	if dir == UnitFolder {
		fmt.Fprintln(&text, "# The systemd unit names the files with secrets: the server gets copies.")
	} else {
		for _, each := range a.secretFiles() {
			set(each.setting, filepath.Join(dir, each.file))
		}
		// The default is below the folder that the server is started in, which may be
		// another one each time. The unit has its own.
		set("STORE", "bolt:"+filepath.Join(dir, storeFile))
	}
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
