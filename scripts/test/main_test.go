package main

import (
	"errors"
	"strings"
	"testing"
)

func names(chosen []step) string {
	var all []string
	for _, st := range chosen {
		all = append(all, st.name)
	}
	return strings.Join(all, " ")
}

func TestChoose(t *testing.T) {
	tests := []struct {
		name  string
		args  []string
		want  string
		fails bool
	}{
		{"the standard ones", nil, "setup build lint unit wasm journeys", false},
		{"in their own order", []string{"unit", "build"}, "build unit", false},
		{"one that is not standard", []string{"fuzz"}, "fuzz", false},
		{"unknown", []string{"unit", "units"}, "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			chosen, err := choose(steps, test.args)
			if (err != nil) != test.fails {
				t.Fatalf("error %v, want one: %t", err, test.fails)
			}
			if err != nil && !strings.Contains(err.Error(), `"units"`) {
				t.Errorf("error %q does not name the step", err)
			}
			if got := names(chosen); got != test.want {
				t.Errorf("chose %q, want %q", got, test.want)
			}
		})
	}
}

func TestPerformStops(t *testing.T) {
	failure := errors.New("broken")
	var out strings.Builder
	var done []step
	err := perform([]step{{name: "one"}, {name: "two"}, {name: "three"}}, &out, func(st step) error {
		done = append(done, st)
		if st.name == "two" {
			return failure
		}
		return nil
	})
	if !errors.Is(err, failure) {
		t.Errorf("error %v, want the step's own", err)
	}
	if got := names(done); got != "one two" {
		t.Errorf("performed %q, want the steps up to the failure", got)
	}
	for _, line := range []string{"ok    one", "FAIL  two"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no line %q in\n%s", line, out.String())
		}
	}
}
