// Package need knows the programs that building and testing this project take
// beyond Go, make and git: how to find each, and which Debian packages bring it.
package need

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Need is something that a machine may lack.
type Need struct {
	// Name is what the command line calls it.
	Name string
	// Reason completes the sentence "it is needed to …".
	Reason string
	// Programs must all be there. Each is a list of equals, of which one is
	// enough: a command, or, with a slash in it, a pattern of [filepath.Glob].
	Programs [][]string
	// Packages are the Debian packages that bring the programs.
	Packages []string
}

// What the project's own tests take.
var (
	// Compiler: the race detector works through cgo.
	Compiler = Need{
		Name:     "compiler",
		Reason:   "run the tests under the race detector",
		Programs: [][]string{{"gcc"}, {"/usr/include/stdlib.h"}},
		Packages: []string{"gcc", "libc6-dev"},
	}
	// Redis: the tests start servers of their own, and leave alone the one that
	// Debian's package starts.
	Redis = Need{
		Name:     "redis",
		Reason:   "run the tests of the store for several servers",
		Programs: [][]string{{"redis-server"}, {"redis-cli"}},
		Packages: []string{"redis-server", "redis-tools"},
	}
	Nginx = Need{
		Name:   "nginx",
		Reason: "run the documented configuration of nginx",
		// Debian puts it where only root's PATH leads.
		Programs: [][]string{{"nginx", "/usr/sbin/nginx"}},
		Packages: []string{"nginx"},
	}
	Chromium = Need{
		Name:     "chromium",
		Reason:   "run the wasm tests and the journeys in a real browser",
		Programs: [][]string{{"chromium", "chromium-browser", "google-chrome"}},
		Packages: []string{"chromium"},
	}
	Firefox = Need{
		Name:     "firefox",
		Reason:   "run the wasm tests and the journeys in Firefox",
		Programs: [][]string{{"firefox-esr", "firefox"}},
		Packages: []string{"firefox-esr"},
	}
	// WebKit is WebKitGTK's MiniBrowser, which has no headless mode, and its
	// driver.
	WebKit = Need{
		Name:   "webkit",
		Reason: "run the wasm tests and the journeys in WebKit",
		Programs: [][]string{
			{"/usr/lib/*/webkit2gtk-4.1/MiniBrowser"},
			{"xvfb-run"},
			{"xauth"},
			{"WebKitWebDriver"},
		},
		Packages: []string{"webkit2gtk-driver", "xvfb", "xauth"},
	}
)

// All lists every need.
func All() []Need { return []Need{Compiler, Redis, Nginx, Chromium, Firefox, WebKit} }

// Find returns the path of each program, in the order of Programs. The error
// is a [*MissingError].
func (n Need) Find() ([]string, error) {
	paths := make([]string, len(n.Programs))
	for i, equals := range n.Programs {
		path, ok := first(equals)
		if !ok {
			return nil, &MissingError{Need: n, Program: equals[0]}
		}
		paths[i] = path
	}
	return paths, nil
}

func first(equals []string) (string, bool) {
	for _, name := range equals {
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
	return fmt.Sprintf("%s is missing, which it takes to %s: run `go run ./scripts/setup %s`",
		e.Program, e.Need.Reason, e.Need.Name)
}
