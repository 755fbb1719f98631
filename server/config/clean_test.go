package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/capture-keepalive/capture-keepalive/server/config/configtest"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

func utf16of(text string, little, mark bool) string {
	var raw []byte
	units := utf16.Encode([]rune(text))
	if mark {
		units = append([]uint16{0xfeff}, units...)
	}
	for _, unit := range units {
		pair := []byte{byte(unit >> 8), byte(unit)}
		if little {
			slices.Reverse(pair)
		}
		raw = append(raw, pair...)
	}
	return string(raw)
}

// around is how editors, shells, engines and secret stores spell a value.
var around = map[string]func(value string) string{
	"line feed":                 func(v string) string { return v + "\n" },
	"carriage return":           func(v string) string { return v + "\r" },
	"Windows line end":          func(v string) string { return v + "\r\n" },
	"two line ends":             func(v string) string { return v + "\r\n\r\n" },
	"line feed in front":        func(v string) string { return "\n" + v },
	"blank":                     func(v string) string { return v + " " },
	"blank in front":            func(v string) string { return " " + v },
	"tab":                       func(v string) string { return "\t" + v + "\t" },
	"vertical tab":              func(v string) string { return v + "\v" },
	"form feed":                 func(v string) string { return v + "\f" },
	"no-break space":            func(v string) string { return v + "\u00a0" },
	"ideographic space":         func(v string) string { return "\u3000" + v },
	"line separator":            func(v string) string { return v + "\u2028" },
	"next line":                 func(v string) string { return v + "\u0085" },
	"byte order mark":           func(v string) string { return "\ufeff" + v },
	"byte order mark behind":    func(v string) string { return v + "\ufeff" },
	"byte order mark and quote": func(v string) string { return "\ufeff\"" + v + "\"\r\n" },
	"zero width space":          func(v string) string { return v + "\u200b" },
	"zero width joiner":         func(v string) string { return v + "\u200d" },
	"word joiner":               func(v string) string { return "\u2060" + v },
	"left-to-right mark":        func(v string) string { return "\u200e" + v + "\u200e" },
	"soft hyphen":               func(v string) string { return v + "\u00ad" },
	"NUL":                       func(v string) string { return v + "\x00" },
	"NUL and line feed":         func(v string) string { return v + "\n\x00" },
	"quotes":                    func(v string) string { return `"` + v + `"` },
	"single quotes":             func(v string) string { return "'" + v + "'" },
	"back quotes":               func(v string) string { return "`" + v + "`" },
	"printer's quotes":          func(v string) string { return "“" + v + "”" },
	"printer's single quotes":   func(v string) string { return "‘" + v + "’" },
	"quotes with blanks":        func(v string) string { return ` " ` + v + ` " ` },
	"a quote in front":          func(v string) string { return `"` + v },
	"a quote behind":            func(v string) string { return v + `'` },
	"UTF-16 with a mark":        func(v string) string { return utf16of(v, true, true) },
	"UTF-16, big, with a mark":  func(v string) string { return utf16of(v, false, true) },
	"UTF-16 without a mark":     func(v string) string { return utf16of(v, true, false) },
	"UTF-16, big":               func(v string) string { return utf16of(v, false, false) },
	"an escape":                 func(v string) string { return v + `\n` },
	"Windows escapes":           func(v string) string { return v + `\r\n` },
	"the variable's name":       func(v string) string { return "KEEPALIVE_X=" + v },
	"another variable's name":   func(v string) string { return "CLIENT_SECRET=" + v },
	"a shell's assignment":      func(v string) string { return "export KEEPALIVE_X='" + v + "'" },
	"JSON":                      func(v string) string { return `{"value":"` + v + `"}` },
	"a list of JSON":            func(v string) string { return `["` + v + `"]` },
	"angle brackets":            func(v string) string { return "<" + v + ">" },
	"a comment behind":          func(v string) string { return v + " # of our site" },
	"a comma behind":            func(v string) string { return v + "," },
	"a semicolon behind":        func(v string) string { return v + "; " },
	"a backslash behind":        func(v string) string { return v + ` \` },
	"a dash in front":           func(v string) string { return "- " + v },
	"a line break within":       func(v string) string { return v[:2] + "\n" + v[2:] },
	"a NUL within":              func(v string) string { return v[:2] + "\x00" + v[2:] },
	"a blank within":            func(v string) string { return v[:2] + " " + v[2:] },
	"an invisible mark within":  func(v string) string { return v[:2] + "\u200b" + v[2:] },
	"a no-break space within":   func(v string) string { return v[:2] + "\u00a0" + v[2:] },
	"Latin-1":                   func(v string) string { return v + "\xa0" },
}

// good is a value for every setting that there is.
func good(t *testing.T) map[string]string {
	t.Helper()
	values := map[string]string{
		"ORIGINS": "https://www.example.com", "CAPTURE_URL": "https://app.us.janraincapture.com",
		"CLIENT_ID": "page", "ISSUER_CLIENT_ID": "issuer", "ISSUER_CLIENT_SECRET": configtest.IssuerSecret,
		"LOGIN_CLIENT_ID": "login", "LOGIN_CLIENT_SECRET": "login-secret-0001",
		"REDIRECT_URI": "https://www.example.com/back",
		"KEYS":         configtest.Keys, "TRUSTED_PROXIES": "10.0.0.0/8",
	}
	for _, setting := range Settings() {
		if strings.HasSuffix(setting.Name, FileSuffix) {
			continue
		}
		if values[setting.Name] == "" {
			values[setting.Name] = setting.Default
		}
		if values[setting.Name] == "" {
			t.Fatalf("there is no good value for %s", setting.Name)
		}
	}
	return values
}

func environmentOf(values map[string]string) []string {
	var lines []string
	for name, value := range values {
		lines = append(lines, Prefix+name+"="+value)
	}
	return lines
}

// shown is what a configuration made of a setting.
func shown(config *Config, name string) string {
	var value any
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		if field.Tag.Get("env") == name {
			value = reflect.ValueOf(config).Elem().FieldByIndex(field.Index).Interface()
		}
	}
	if hidden, ok := value.(secret.String); ok {
		return hidden.Reveal()
	}
	return fmt.Sprint(value)
}

// Whatever stands around a value, in a variable or in a file, the server works
// with the value itself, or refuses it by name.
func TestWhatSurroundsAValueIsCleanedOrRefused(t *testing.T) {
	values := good(t)
	base, err := Read(environmentOf(values))
	if err != nil {
		t.Fatal(err)
	}
	check := func(t *testing.T, environment []string, name string) {
		t.Helper()
		config, err := Read(environment)
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || !problems.has(name) {
				t.Errorf("%s: the error blames another: %v", name, err)
			}
			return
		}
		if got, want := shown(config, name), shown(base, name); got != want {
			t.Errorf("%s: the server works with %q, want %q", name, got, want)
		}
	}
	path := filepath.Join(t.TempDir(), "value")
	for spelling, spell := range around {
		t.Run(spelling, func(t *testing.T) {
			for name, value := range values {
				changed := make(map[string]string)
				for other, value := range values {
					changed[other] = value
				}
				changed[name] = spell(value)
				check(t, environmentOf(changed), name)
				if !slices.Contains(secrets, name) {
					continue
				}
				if err := os.WriteFile(path, []byte(spell(value)), 0o600); err != nil {
					t.Fatal(err)
				}
				delete(changed, name)
				for _, named := range []string{path, path + "\r\n", `"` + path + `" `} {
					changed[name+FileSuffix] = named
					check(t, environmentOf(changed), name)
				}
			}
		})
	}
}

// A list may stand on lines, with a comma or not, each with its own quotes.
func TestListsOnLines(t *testing.T) {
	const second = "k2:YW5vdGhlciBrZXksIG9mIHRoaXJ0eS10d28gYnl0ZXM="
	want := configtest.Keys + "," + second
	for _, spelling := range []string{
		want, configtest.Keys + "\n" + second + "\n", configtest.Keys + "\r\n" + second,
		configtest.Keys + ",\n" + second,
		`"` + want + `"`, `"` + configtest.Keys + `", "` + second + `"`,
		"\ufeff" + configtest.Keys + " ,\t" + second + ",", "\n\n" + configtest.Keys + "\n\n" + second,
	} {
		config, err := Read(configtest.Environment("KEYS=" + spelling))
		if err != nil {
			t.Errorf("%q: %v", spelling, err)
			continue
		}
		if config.Keys.Reveal() != want {
			t.Errorf("%q became %q", spelling, config.Keys.Reveal())
		}
	}
}

// A Service of Kubernetes with a name that begins like our prefix adds variables that
// are none of ours; so does a link of Docker.
func TestServiceLinksAreIgnored(t *testing.T) {
	var links []string
	for _, service := range []string{"", "STORE_", "CAPTURE_KEEPALIVE_", "ADMIN_"} {
		links = append(links,
			service+"SERVICE_HOST=10.96.0.17", service+"SERVICE_PORT=8080",
			service+"SERVICE_PORT_HTTP=8080", service+"SERVICE_PORT_ADMIN_LISTEN=9090",
			service+"PORT=tcp://10.96.0.17:8080", service+"PORT_8080_TCP=tcp://10.96.0.17:8080",
			service+"PORT_8080_TCP_PROTO=tcp",
			service+"PORT_8080_TCP_PORT=8080", service+"PORT_8080_TCP_ADDR=10.96.0.17",
			service+"PORT_53_UDP=udp://[fd00::1]:53", service+"PORT_53_UDP_ADDR=fd00::1")
	}
	config, err := Read(configtest.Environment(links...))
	if err != nil {
		t.Fatal(err)
	}
	if len(config.Warnings) > 0 {
		t.Errorf("warnings %q", config.Warnings)
	}
}

// What is no setting and no misspelt one is a warning: it may belong to another
// program.
func TestUnknownVariablesAreWarnings(t *testing.T) {
	for _, change := range []string{"WHAT_IS_THIS=1", "IMAGE=repo/keepalive:1", "PORT=8080",
		"SERVICE_HOST=not an address", "TIMEOUT=65", "MAX_SESSIONS=5"} {
		config, err := Read(configtest.Environment(change))
		if err != nil {
			t.Errorf("%s: %v", change, err)
			continue
		}
		name, _, _ := strings.Cut(change, "=")
		if len(config.Warnings) != 1 || !strings.Contains(config.Warnings[0], Prefix+name+" is no setting") {
			t.Errorf("%s: warnings %q", change, config.Warnings)
		}
	}
}

func TestAdvice(t *testing.T) {
	dir := t.TempDir()
	open, private := filepath.Join(dir, "open"), filepath.Join(dir, "private")
	for path, mode := range map[string]os.FileMode{open: 0o644, private: 0o440} {
		if err := os.WriteFile(path, []byte(configtest.Keys), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		changes []string
		says    string // empty: there is no advice
	}{
		{changes: []string{"TRUSTED_PROXIES=127.0.0.1"}},
		{changes: []string{"RATE_LOGIN=off"}},
		{changes: nil, says: "KEEPALIVE_TRUSTED_PROXIES is empty and KEEPALIVE_LISTEN is on loopback"},
		{changes: []string{"LISTEN=0.0.0.0:8080"}, says: "is open to the network"},
		{changes: []string{"TRUSTED_PROXIES=0.0.0.0/0"}, says: "trusts 0.0.0.0/0"},
		{changes: []string{"TRUSTED_PROXIES=::ffff:0.0.0.0/96"}, says: "trusts 0.0.0.0/0"},
		{changes: []string{"TRUSTED_PROXIES=10.0.0.0/8,::/0"}, says: "trusts ::/0"},
		{changes: []string{"TRUSTED_PROXIES=0.0.0.0/1,128.0.0.0/1"}, says: "trusts 0.0.0.0/1"},
		{changes: []string{"TRUSTED_PROXIES=fc00::/7,10.0.0.0/8"}},
		{changes: []string{"RATE_LOGIN=off", "CAPTURE_URL=https://app.example.com/oauth/token"},
			says: "KEEPALIVE_CAPTURE_URL has a path (/oauth/token)"},
		{changes: []string{"RATE_LOGIN=off", "CAPTURE_URL=https://app.example.com//"}},
		{changes: []string{"RATE_LOGIN=off", "CAPTURE_URL=http://localhost:8080/capture"}},
		{changes: []string{"RATE_LOGIN=off", "TOKEN_LIFETIME=6h"}, says: "KEEPALIVE_TOKEN_LIFETIME is 6h0m0s"},
		{changes: []string{"RATE_LOGIN=off", "ADMIN_LISTEN=:9090"}, says: "KEEPALIVE_ADMIN_LISTEN is on all addresses"},
		{changes: []string{"RATE_LOGIN=off", "ADMIN_LISTEN=[::]:9090"},
			says: "KEEPALIVE_ADMIN_LISTEN is on all addresses"},
		{changes: []string{"RATE_LOGIN=off", "ADMIN_LISTEN=10.0.0.7:9090", "AUTH_TOKEN_HEADER=true", "PPROF=true"},
			says: "read access tokens (KEEPALIVE_AUTH_TOKEN_HEADER), profile"},
		{changes: []string{"RATE_LOGIN=off", "SHUTDOWN_DELAY=20s"}, says: "needs up to 40s to stop"},
		{changes: []string{"RATE_LOGIN=off", "KEYS", "KEYS_FILE=" + open},
			says: "KEEPALIVE_KEYS_FILE names a file that every user of this machine can read (mode 0644)"},
		{changes: []string{"RATE_LOGIN=off", "KEYS", "KEYS_FILE=" + private}},
		{changes: []string{"RATE_LOGIN=off", "WHAT_IS_THIS=1"}, says: "KEEPALIVE_WHAT_IS_THIS is no setting"},
	} {
		config, err := Read(configtest.Environment(tc.changes...))
		if err != nil {
			t.Errorf("%q: %v", tc.changes, err)
			continue
		}
		advice := config.Advice()
		if tc.says == "" && len(advice) > 0 || tc.says != "" &&
			(len(advice) != 1 || !strings.Contains(advice[0], tc.says)) {
			t.Errorf("%q: the advice is %q, want one with %q", tc.changes, advice, tc.says)
		}
	}
}
