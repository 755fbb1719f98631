// Package need finds the programs that tests run beside Go: browsers, Redis,
// proxies. scripts/setup.sh installs them.
package need

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Need is a program, or a set of them, that a machine may lack.
type Need struct {
	// Name is what scripts/setup.sh calls it.
	Name string
	// Programs must all be there. Each is a list of alternatives: a command, or,
	// with a slash in it, a pattern of [filepath.Glob].
	Programs [][]string
}

// What the tests run.
var (
	Redis = Need{Name: "redis", Programs: [][]string{{"redis-server"}, {"redis-cli"}}}
	// Debian puts nginx where only root's PATH leads.
	Nginx    = Need{Name: "nginx", Programs: [][]string{{"nginx", "/usr/sbin/nginx"}}}
	Apache   = Need{Name: "apache", Programs: [][]string{{"apache2", "/usr/sbin/apache2"}}}
	Caddy    = Need{Name: "caddy", Programs: [][]string{{"caddy"}}}
	HAProxy  = Need{Name: "haproxy", Programs: [][]string{{"haproxy", "/usr/sbin/haproxy"}}}
	Systemd  = Need{Name: "systemd", Programs: [][]string{{"systemd-analyze"}}}
	Chromium = Need{
		Name:     "chromium",
		Programs: [][]string{{"chromium", "chromium-browser", "google-chrome"}},
	}
	Firefox = Need{Name: "firefox", Programs: [][]string{{"firefox-esr", "firefox"}}}
	// WebKit is WebKitGTK's MiniBrowser, which has no headless mode, and its
	// driver.
	WebKit = Need{
		Name: "webkit",
		Programs: [][]string{
			{"/usr/lib/*/webkit2gtk-4.1/MiniBrowser"},
			{"xvfb-run"},
			{"xauth"},
			{"WebKitWebDriver"},
		},
	}
)

// All lists every need.
func All() []Need {
	return []Need{Redis, Nginx, Apache, Caddy, HAProxy, Systemd, Chromium, Firefox, WebKit}
}

// Find returns the path of each program, in the order of Programs. The error
// is a [*MissingError].
func (n Need) Find() ([]string, error) {
	paths := make([]string, len(n.Programs))
	for i, alternatives := range n.Programs {
		path, ok := first(alternatives)
		if !ok {
			return nil, &MissingError{Need: n, Program: alternatives[0]}
		}
		paths[i] = path
	}
	return paths, nil
}

// Require is [Need.Find] for a test: without the programs the test fails, and
// go test -short leaves it out.
func (n Need) Require(t testing.TB) []string {
	t.Helper()
	if testing.Short() {
		t.Skipf("-short: this test runs %s", n.Name)
	}
	paths, err := n.Find()
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func first(alternatives []string) (string, bool) {
	for _, name := range alternatives {
		if strings.Contains(name, "/") {
			// The one error of Glob is a malformed pattern, and it matches nothing.
			if found, _ := filepath.Glob(name); len(found) > 0 {
				return found[0], true
			}
			continue
		}
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}

// MissingError says that a program is not on this machine.
type MissingError struct {
	Need    Need
	Program string
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s is not installed. Run: scripts/setup.sh %s", e.Program, e.Need.Name)
}
