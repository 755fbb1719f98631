package setup

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/config"
)

// environmentOf reads an environment file as systemd and container engines do.
func environmentOf(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var environment []string
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if !strings.HasPrefix(lines[i-1], "# ") {
			t.Errorf("%s has no line of explanation", line)
		}
		environment = append(environment, line)
	}
	return environment
}

// What init writes is a configuration that the server takes, once the secrets
// are in their files.
func TestInitWritesAConfiguration(t *testing.T) {
	for name, tc := range map[string]struct {
		input   string
		secrets int
		modes   int
	}{
		"token": {"\nhttps://www.example.com\nhttps://app.us.janraincapture.com\npage\nissuer\n\n", 1, 1},
		"code": {"code\nhttps://www.example.com\nhttps://app.us.janraincapture.com\nlogin\n" +
			"https://www.example.com/back\nnginx\n", 1, 1},
		"both": {"both\r\n\"https://www.example.com\"\r\nhttps://app.us.janraincapture.com \r\n" +
			"page\r\nissuer\r\nlogin\r\nhttps://www.example.com/back\r\nnone\r\n", 2, 2},
		// A wrong answer is asked for again.
		"second thoughts": {"oauth\ntoken\nwww.example.com\n" +
			"https://www.example.com/\nhttps://www.example.com\n\n" +
			"https://app.us.janraincapture.com\n<your id>\npage\na:b\nissuer\niis\ncaddy\n", 1, 1},
		"this machine": {"\nhttp://localhost:3000\nhttp://127.0.0.1:9999\npage\nissuer\nnone\n", 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var said strings.Builder
			answers, err := Ask(t.Context(), strings.NewReader(tc.input), &said)
			if err != nil {
				t.Fatalf("%v\n%s", err, said.String())
			}
			if err := Write(dir, answers); err != nil {
				t.Fatal(err)
			}
			files := slices.DeleteFunc(answers.secretFiles(), func(f secretFile) bool { return f.holds == "" })
			if len(files) != tc.secrets {
				t.Errorf("secrets in %v, want %d", files, tc.secrets)
			}
			for _, each := range files {
				path := filepath.Join(dir, each.file)
				if err := os.WriteFile(path, []byte("a-secret-of-capture"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			settings, err := config.Read(environmentOf(t, filepath.Join(dir, EnvironmentFile)))
			if err != nil {
				t.Fatal(err)
			}
			if want := "bolt:" + filepath.Join(dir, storeFile); settings.Store.Reveal() != want {
				t.Errorf("the store is at %q, which depends on the folder of the start", settings.Store.Reveal())
			}
			if got := len(settings.Modes()); got != tc.modes {
				t.Errorf("%d kinds of session, want %d", got, tc.modes)
			}
			for _, file := range []string{EnvironmentFile, KeysFile} {
				info, err := os.Stat(filepath.Join(dir, file))
				if err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%s: %v, %v", file, info, err)
				}
			}
		})
	}
}

// A shell reads the file as the server does, whatever is in an address or in the
// name of the folder.
func TestAShellReadsTheEnvironmentFile(t *testing.T) {
	const redirect = "https://www.example.com/back?a=$HOME&b=`id`;c=(1)#x"
	answers, err := Ask(t.Context(), strings.NewReader("code\nhttps://www.example.com\n"+
		"https://app.us.janraincapture.com\nlogin\n"+redirect+"\n"+strings.TrimSuffix(redirect, "#x")+"'\n"+
		strings.TrimSuffix(redirect, "#x")+"\nnone\n"), new(strings.Builder))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), `a b$HOME\s"q`)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, answers); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, loginSecretFile), []byte("a-secret-of-capture"), 0o600); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("sh", "-ec", `set -a; . "$1"; exec env -0`, "sh", filepath.Join(dir, EnvironmentFile))
	shell.Env = []string{"PATH=" + os.Getenv("PATH")}
	seen, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, seen)
	}
	for name, environment := range map[string][]string{
		"a shell":            strings.Split(string(seen), "\x00"),
		"a container engine": environmentOf(t, filepath.Join(dir, EnvironmentFile)),
	} {
		settings, err := config.Read(environment)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := strings.TrimSuffix(redirect, "#x"); settings.RedirectURIs[0] != want {
			t.Errorf("%s: the redirect URI is %q, want %q", name, settings.RedirectURIs[0], want)
		}
	}
}

func TestInitRefusesFoldersThatNoFileCanName(t *testing.T) {
	for _, name := range []string{"a'b", "a\nb", "a #b", "a\rb"} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := Write(dir, &Answers{}); err == nil || !strings.Contains(err.Error(), "--dir") {
			t.Errorf("%q: %v", name, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%q: %d files were written", name, len(left))
		}
	}
}

// Keys that are replaced would sign everyone out.
func TestInitOverwritesNothing(t *testing.T) {
	answers, err := Ask(t.Context(),
		strings.NewReader("\nhttps://www.example.com\nhttps://app.us.janraincapture.com\npage\nissuer\n\n"),
		new(strings.Builder))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{EnvironmentFile, KeysFile} {
		dir := t.TempDir()
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Write(dir, answers); err == nil || !strings.Contains(err.Error(), "--dir") {
			t.Errorf("%s: %v", file, err)
		}
		if kept, err := os.ReadFile(path); err != nil || string(kept) != "mine" {
			t.Errorf("%s was overwritten", file)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("%s: %d files are there, want the old one alone", file, len(left))
		}
	}
}

// A package brings a file of explanations, which holds nothing to lose.
func TestInitReplacesAFileWithoutSettings(t *testing.T) {
	answers, err := Ask(t.Context(),
		strings.NewReader("\nhttps://www.example.com\nhttps://app.us.janraincapture.com\npage\nissuer\n\n"),
		new(strings.Builder))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	packaged, err := os.ReadFile("../../scripts/release/package/environment")
	path := filepath.Join(dir, EnvironmentFile)
	if err = errors.Join(err, os.WriteFile(path, packaged, 0o600), Write(dir, answers)); err != nil {
		t.Fatal(err)
	}
	if got := environmentOf(t, path); len(got) < 5 {
		t.Errorf("the file sets %q", got)
	}
}

// systemd lets the environment file win over the unit. A line there that names a
// secret's file would lead the service, which may not read it, away from its
// copy.
func TestTheUnitNamesItsSecrets(t *testing.T) {
	unit, err := os.ReadFile("../../scripts/deploy/capture-keepalive.service")
	if err != nil {
		t.Fatal(err)
	}
	for mode, edits := range map[string]bool{"token": false, "code": true, "both": true} {
		answers := &Answers{values: map[string]string{"ORIGINS": "https://www.example.com"}, Proxy: NoProxy}
		answers.ResponseType = mode
		if text := render(UnitFolder, answers); strings.Contains(text, config.FileSuffix+"=") {
			t.Errorf("%s: the environment file names a secret's file:\n%s", answers.ResponseType, text)
		}
		steps := strings.Join(answers.Next(UnitFolder), "\n")
		lines := string(unit)
		if edited := strings.Contains(steps, "systemctl edit"); edited != edits {
			t.Errorf("%s: the unit is edited: %t", answers.ResponseType, edited)
		} else if edited {
			lines = steps
		}
		for _, each := range answers.secretFiles() {
			for _, want := range []string{
				"LoadCredential=" + each.file + ":" + UnitFolder + "/" + each.file,
				"Environment=" + config.Prefix + each.setting + "=%d/" + each.file,
			} {
				if !strings.Contains(lines, want+"\n") {
					t.Errorf("%s: the unit has no %s", answers.ResponseType, want)
				}
			}
		}
	}
}

func TestInitNeedsAnswers(t *testing.T) {
	for _, input := range []string{"", "token\n", "token\nhttps://www.example.com\nnot an address\n"} {
		if _, err := Ask(t.Context(), strings.NewReader(input), new(strings.Builder)); !errors.Is(err, errNoInput) {
			t.Errorf("%q: %v", input, err)
		}
	}
}

func TestProxyBlocks(t *testing.T) {
	if first := Proxies()[0]; first != "nginx" {
		t.Errorf("init offers %s first, and most sites have nginx", first)
	}
	files, err := blocks.ReadDir("proxy")
	if err != nil || len(files) != len(Proxies()) {
		t.Errorf("blocks for %v (%v), and Proxies has %q", files, err, Proxies())
	}
	for _, proxy := range Proxies() {
		block := Block(proxy)
		if !strings.Contains(block, "/keepalive") || !strings.Contains(block, "127.0.0.1:8080") ||
			strings.Contains(block, "{{") {
			t.Errorf("%s:\n%s", proxy, block)
		}
	}
	if Block(NoProxy) != "" {
		t.Error("there is a block for no proxy")
	}
}
