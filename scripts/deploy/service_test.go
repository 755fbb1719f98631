package deploy

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/need"
	"github.com/capture-keepalive/capture-keepalive/server/setup"
)

// read returns a file that is shipped, its comments left out, with lines that
// end in a backslash joined to the next one.
func read(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestDockerfile holds the image to what docs/operations.md promises of it: one
// static binary, no root, and no secret or source in what is shipped.
func TestDockerfile(t *testing.T) {
	lines := read(t, "Dockerfile")
	last := -1
	for i, line := range lines {
		if strings.HasPrefix(line, "FROM ") {
			last = i
		}
	}
	if last < 0 || lines[last] != "FROM scratch" {
		t.Fatalf("the image is not made from scratch: %q", lines)
	}
	const binary = "/usr/local/bin/capture-keepalive"
	shipped := make(map[string][]string)
	for _, line := range lines[last+1:] {
		word, rest, _ := strings.Cut(line, " ")
		shipped[word] = append(shipped[word], strings.TrimSpace(rest))
	}

	for _, copied := range shipped["COPY"] {
		if !strings.HasPrefix(copied, "--from=build ") {
			t.Errorf("COPY %s: a file of the machine that builds gets into the image", copied)
		}
	}
	if len(shipped["COPY"]) != 3 || shipped["ADD"] != nil || shipped["RUN"] != nil {
		t.Errorf("the image holds more than binary, authorities and the store's directory: %q", shipped)
	}
	if user := shipped["USER"]; len(user) != 1 ||
		!regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*$`).MatchString(user[0]) {
		t.Errorf("USER %q: want one, by number, for an image without /etc/passwd, and not root", user)
	} else if !slices.ContainsFunc(shipped["COPY"], func(copied string) bool {
		return strings.Contains(copied, "--chown="+user[0]+" /state ")
	}) {
		t.Errorf("the store's directory is not user %s's", user[0])
	}
	for _, setting := range append(shipped["ENV"], shipped["ARG"]...) {
		if setting != "KEEPALIVE_LISTEN=0.0.0.0:8080" {
			t.Errorf("%s: the image sets more than where it listens", setting)
		}
	}

	health := strings.Join(shipped["HEALTHCHECK"], " ")
	_, command, _ := strings.Cut(health, "CMD ")
	for what, want := range map[string][]string{
		command:                                  {binary, "check", "--running"},
		strings.Join(shipped["ENTRYPOINT"], " "): {binary},
		strings.Join(shipped["CMD"], " "):        {"serve"},
	} {
		// A string would be given to a shell, which the image does not have.
		var words []string
		if err := json.Unmarshal([]byte(what), &words); err != nil || !slices.Equal(words, want) {
			t.Errorf("%s: want the list %q", what, want)
		}
	}
}

// TestUnitCredentials: a variable that names a credential which is not loaded
// is a service that does not start.
func TestUnitCredentials(t *testing.T) {
	var loaded, named []string
	for _, line := range read(t, "capture-keepalive.service") {
		if credential, ok := strings.CutPrefix(line, "LoadCredential="); ok {
			name, path, _ := strings.Cut(credential, ":")
			if path != "/etc/capture-keepalive/"+name {
				t.Errorf("credential %s comes from %q, docs/operations.md puts it in "+
					"/etc/capture-keepalive", name, path)
			}
			loaded = append(loaded, name)
		}
		if setting, ok := strings.CutPrefix(line, "Environment="); ok {
			variable, path, _ := strings.Cut(setting, "=")
			name, inside := strings.CutPrefix(path, "%d/")
			if !strings.HasSuffix(variable, "_FILE") || !inside {
				t.Errorf("%s: want a …_FILE in %%d, where credentials are", setting)
			}
			named = append(named, name)
		}
	}
	if !slices.Equal(loaded, named) || len(loaded) == 0 {
		t.Errorf("credentials loaded %q, named by variables %q", loaded, named)
	}
}

// systemd itself reads the unit, alone and with the lines that init prints for
// it, and has nothing to remark.
func TestSystemdTakesTheUnit(t *testing.T) {
	systemd := need.Systemd.Require(t)[0]
	unit, err := os.ReadFile("capture-keepalive.service")
	if err != nil {
		t.Fatal(err)
	}
	const binary = "/usr/local/bin/capture-keepalive"
	body := strings.Replace(string(unit), binary, "/bin/true", 1) // it has to be there
	for mode, answers := range map[string]string{
		"token": "page\nissuer\n",
		"code":  "login\nhttps://www.example.com/back\n",
		"both":  "page\nissuer\nlogin\nhttps://www.example.com/back\n",
	} {
		const site = "https://www.example.com\nhttps://app.us.janraincapture.com\n"
		got, err := setup.Ask(t.Context(), strings.NewReader(mode+"\n"+site+answers+"none\n"), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var edit []string
		for _, step := range got.Next(setup.UnitFolder) {
			if line, ok := strings.CutPrefix(step, "    "); ok {
				edit = append(edit, line)
			}
		}
		dir := t.TempDir()
		service := filepath.Join(dir, "capture-keepalive.service")
		err = errors.Join(os.WriteFile(service, []byte(body), 0o600), os.Mkdir(service+".d", 0o700),
			os.WriteFile(filepath.Join(service+".d", "override.conf"),
				[]byte(strings.Join(edit, "\n")), 0o600))
		if err != nil {
			t.Fatal(err)
		}
		verify := exec.CommandContext(t.Context(), systemd, "verify", "--man=no", service)
		// The colon adds the system's own units, which may have faults of theirs.
		verify.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
		said, err := verify.CombinedOutput()
		if err != nil || strings.Contains(string(said), "capture-keepalive") {
			t.Errorf("%s: %v\n%s", mode, err, said)
		}
	}
}
