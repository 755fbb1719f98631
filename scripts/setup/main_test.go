package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/need"
)

// fakeMachine lacks some needs until apt-get install has run.
type fakeMachine struct {
	lacks  []string
	broken bool // installing brings nothing
	fails  error
	ran    []string
}

func (f *fakeMachine) machine(root bool) machine {
	return machine{
		root: root,
		missing: func(n need.Need) error {
			if slices.Contains(f.lacks, n.Name) {
				return &need.MissingError{Need: n, Program: n.Programs[0][0]}
			}
			return nil
		},
		run: func(_ context.Context, args ...string) error {
			f.ran = append(f.ran, strings.Join(args, " "))
			if args[0] == "install" && !f.broken {
				f.lacks = nil
			}
			return f.fails
		},
	}
}

func TestSetup(t *testing.T) {
	failure := errors.New("no network")
	tests := []struct {
		name    string
		args    []string
		machine fakeMachine
		user    bool
		ran     []string
		fails   []string // what the error has to name; none: no error
	}{
		{name: "nothing missing"},
		{name: "nothing missing, not root", user: true},
		{
			name:    "everything",
			machine: fakeMachine{lacks: []string{"compiler", "redis", "nginx", "chromium", "firefox", "webkit"}},
			ran:     []string{"update", "install -y --no-install-recommends gcc libc6-dev redis-server redis-tools nginx chromium firefox-esr webkit2gtk-driver xvfb xauth"},
		},
		{
			name:    "only what is missing",
			machine: fakeMachine{lacks: []string{"chromium"}},
			ran:     []string{"update", "install -y --no-install-recommends chromium"},
		},
		{
			name:    "only what is asked for",
			args:    []string{"webkit"},
			machine: fakeMachine{lacks: []string{"chromium", "webkit"}},
			ran:     []string{"update", "install -y --no-install-recommends webkit2gtk-driver xvfb xauth"},
		},
		{
			name:    "not root",
			machine: fakeMachine{lacks: []string{"chromium"}},
			user:    true,
			fails:   []string{"root", "sudo apt-get install -y --no-install-recommends chromium"},
		},
		{
			name:  "unknown",
			args:  []string{"netscape"},
			fails: []string{`"netscape"`, "compiler, redis, nginx, chromium, firefox, webkit"},
		},
		{
			name:    "apt-get fails",
			machine: fakeMachine{lacks: []string{"chromium"}, fails: failure},
			ran:     []string{"update"},
			fails:   []string{"apt-get update", failure.Error()},
		},
		{
			name:    "installed to no effect",
			machine: fakeMachine{lacks: []string{"chromium"}, broken: true},
			ran:     []string{"update", "install -y --no-install-recommends chromium"},
			fails:   []string{"chromium is missing"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			err := setup(t.Context(), test.args, test.machine.machine(!test.user), &out)
			if (err != nil) != (test.fails != nil) {
				t.Fatalf("error %v, want one that names %q", err, test.fails)
			}
			for _, part := range test.fails {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not name %q", err, part)
				}
			}
			if !slices.Equal(test.machine.ran, test.ran) {
				t.Errorf("ran %q, want %q", test.machine.ran, test.ran)
			}
		})
	}
}
