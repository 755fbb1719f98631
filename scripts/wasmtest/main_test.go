package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test runs Chromium")
	}
	tests := []struct {
		name   string
		args   []string
		fails  bool
		prints []string
	}{
		{"passes", []string{"-run", "Pass|Policy", "./..."}, false,
			[]string{"ok    example.org/sample/sample  2 tests in chromium"}},
		{"a failing test", []string{"-run", "Pass|Fail", "./sample"}, true,
			[]string{"--- PASS: TestPass", "said on purpose", "FAIL  example.org/sample/sample  tests failed"}},
		{"a panic", []string{"-run", "Crash", "./sample"}, true,
			[]string{"panic: crashed on purpose", "crashed with code 2"}},
		{"an exit", []string{"-run", "Exit", "./sample"}, true, []string{"crashed with code 7"}},
		{"a test that waits for ever", []string{"-run", "Wait", "-timeout", "1s", "./sample"}, true,
			[]string{"test timed out after 1s", "crashed with code 2"}},
		{"a test that spins", []string{"-run", "Spin", "-timeout", "1s", "./sample"}, true,
			[]string{"spinning", "not done after 1s"}},
		{"an uncaught error", []string{"-v", "-run", "Note", "./sample"}, false,
			[]string{"page: Uncaught Error: thrown on purpose", "--- PASS: TestNote"}},
		{"none of its tests runs", []string{"./idle"}, true, []string{"FAIL  example.org/sample/idle  no test ran"}},
		{"nothing matches", []string{"-run", "Nowhere", "./sample"}, true, nil},
		{"no tests", []string{"./none"}, true, nil},
		{"no such package", []string{"./nowhere"}, true, nil},
		{"no package", nil, true, nil},
		{"no such browser", []string{"-browser", "mosaic", "./sample"}, true, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("GOFLAGS", "")
			var out strings.Builder
			err := run(t.Context(), filepath.Join("testdata", "module"), test.args, &out)
			if test.fails != (err != nil) {
				t.Errorf("error %v, want one: %t", err, test.fails)
			}
			if reported := len(test.prints) > 0; test.fails && reported != errors.Is(err, errFailed) {
				t.Errorf("error %v, want the one of packages that failed: %t", err, reported)
			}
			for _, part := range test.prints {
				if !strings.Contains(out.String(), part) {
					t.Errorf("%q is not in the output", part)
				}
			}
			if t.Failed() {
				t.Logf("output:\n%s", out.String())
			}
		})
	}
}

// The first word on how a program ended counts, and testing's own output says
// how many tests ran.
func TestOutcome(t *testing.T) {
	tests := []struct {
		name    string
		code    int
		stopped string
		output  string
		ran     int
		failed  string
	}{
		{"passed", 0, "", "=== RUN   TestA\n=== RUN   TestA/inner\n=== RUN   TestB\nPASS\n", 2, ""},
		{"failed", 1, "", "=== RUN   TestA\nFAIL\n", 1, "tests failed"},
		{"crashed", 2, "", "panic: x\n", 0, "the program crashed with code 2"},
		{"stopped", 0, "not done", "=== RUN   TestA\n", 1, "not done"},
		{"mentioned", 0, "", "    x_test.go:1: === RUN\nPASS\n", 0, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPage(nil, nil, nil, nil)
			p.print([]byte(test.output))
			p.finish(test.code, test.stopped)
			p.finish(0, "a later word must not count")
			got := p.outcome()
			if got.ran != test.ran || got.failed != test.failed {
				t.Errorf("ran %d, failed %q; want %d, %q", got.ran, got.failed, test.ran, test.failed)
			}
		})
	}
}
