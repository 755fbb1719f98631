package need

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// machine is a PATH with the given programs alone. Its apt-get writes what it is
// told to a file, and "installs" the programs in brings.
type machine struct{ dir, log string }

func newMachine(t *testing.T, uid string, has, brings []string) machine {
	t.Helper()
	m := machine{dir: t.TempDir(), log: filepath.Join(t.TempDir(), "log")}
	program := func(name, body string) {
		text := "#!/bin/sh\n" + body + "\n"
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range has {
		program(name, "")
	}
	program("id", "echo "+uid)
	body := "echo \"$*\" >> " + m.log
	for _, name := range brings {
		path := filepath.Join(m.dir, name)
		body += "\ncase $1 in install) echo > " + path + "; /bin/chmod +x " + path + ";; esac"
	}
	program("apt-get", body)
	return m
}

func (m machine) setup(t *testing.T, names ...string) (output string, ok bool, calls []string) {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bash, append([]string{"../../setup.sh"}, names...)...)
	cmd.Env = []string{"PATH=" + m.dir}
	out, err := cmd.CombinedOutput()
	log, _ := os.ReadFile(m.log) // no file: no call
	return string(out), err == nil, strings.Split(strings.TrimSpace(string(log)), "\n")
}

func TestSetup(t *testing.T) {
	tests := []struct {
		name        string
		has, brings []string
		uid         string
		args        []string
		calls       string // of apt-get
		says        string
		fails       bool
	}{
		{
			name: "nothing is missing", uid: "1000",
			has: []string{"chromium", "firefox"}, args: []string{"chromium", "firefox"},
		},
		{
			name: "only what is missing is installed", uid: "0",
			has: []string{"chromium"}, brings: []string{"redis-server", "redis-cli"},
			args:  []string{"chromium", "redis"},
			calls: "update\ninstall -y --no-install-recommends redis-server redis-tools",
		},
		{
			name: "not root", uid: "1000", args: []string{"chromium"}, fails: true,
			says: "sudo apt-get install -y --no-install-recommends chromium",
		},
		{
			name: "unknown", uid: "0", args: []string{"netscape"}, fails: true,
			says: `"netscape" is not known. Choose from: compiler redis nginx apache caddy haproxy ` +
				`systemd chromium firefox webkit node`,
		},
		{
			name: "installed to no effect", uid: "0", args: []string{"firefox"}, fails: true,
			calls: "update\ninstall -y --no-install-recommends firefox-esr",
			says:  "firefox is still not found",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(t, test.uid, test.has, test.brings)
			out, ok, calls := m.setup(t, test.args...)
			if ok == test.fails {
				t.Errorf("it succeeded: %t, want a failure: %t", ok, test.fails)
			}
			if !strings.Contains(out, test.says) {
				t.Errorf("it said %q, want %q in it", out, test.says)
			}
			if got := strings.Join(calls, "\n"); got != test.calls {
				t.Errorf("it called apt-get with %q, want %q", got, test.calls)
			}
		})
	}
}

// TestSetupKnowsEveryNeed: the remedy in a MissingError is a command that works.
func TestSetupKnowsEveryNeed(t *testing.T) {
	for _, n := range All() {
		m := newMachine(t, "1000", nil, nil)
		if out, _, _ := m.setup(t, n.Name); strings.Contains(out, "is not known") {
			t.Errorf("scripts/setup.sh %s: %s", n.Name, out)
		}
	}
}
