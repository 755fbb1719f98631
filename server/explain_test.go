package server

import (
	"strings"
	"testing"
)

func TestExplainCommand(t *testing.T) {
	for _, tc := range []struct {
		name, log string
		args      []string
		code      int
		says      string
	}{
		{"no uuid", "", nil, exitUsage, "--uuid is missing"},
		{"no log", "", []string{"--uuid", someUUID}, exitError, "KEEPALIVE_LOG_FORMAT=json"},
		{"another user's log", `{"time":"2026-11-26T13:00:00Z","msg":"x","user":"00000000"}`, []string{"--uuid", someUUID}, exitError, "says nothing about this user"},
		{"a time ahead", "", []string{"--uuid", someUUID, "--since", "-2h"}, exitUsage, "a time back from now"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stdout, stderr output
			p := &program{stdin: strings.NewReader(tc.log), stdout: &stdout, stderr: &stderr}
			code := p.run(t.Context(), append([]string{"explain"}, tc.args...))
			if said := stdout.String() + stderr.String(); code != tc.code || !strings.Contains(said, tc.says) {
				t.Errorf("exit %d, want %d, with %q: %s", code, tc.code, tc.says, said)
			}
		})
	}
}
