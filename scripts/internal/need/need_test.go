package need

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	bin := t.TempDir()
	other := t.TempDir()
	for _, path := range []string{filepath.Join(bin, "second"), filepath.Join(other, "browser")} {
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)

	tests := []struct {
		name     string
		programs [][]string
		want     []string
		missing  string
	}{
		{"an alternative is enough", [][]string{{"first", "second"}}, []string{filepath.Join(bin, "second")}, ""},
		{"a pattern", [][]string{{filepath.Join(other, "brow*")}}, []string{filepath.Join(other, "browser")}, ""},
		{"all of them, in order",
			[][]string{{filepath.Join(other, "*")}, {"second"}},
			[]string{filepath.Join(other, "browser"), filepath.Join(bin, "second")}, ""},
		{"one missing", [][]string{{"second"}, {"third", "fourth"}}, nil, "third"},
		{"pattern without a match", [][]string{{filepath.Join(other, "none*")}}, nil, filepath.Join(other, "none*")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Need{Name: "thing", Programs: test.programs}.Find()
			if test.missing == "" {
				if err != nil {
					t.Fatal(err)
				}
				if strings.Join(got, " ") != strings.Join(test.want, " ") {
					t.Errorf("found %v, want %v", got, test.want)
				}
				return
			}
			var missing *MissingError
			if !errors.As(err, &missing) {
				t.Fatalf("error %v, want a *MissingError", err)
			}
			if missing.Program != test.missing {
				t.Errorf("%q is said to be missing, want %q", missing.Program, test.missing)
			}
			if remedy := "scripts/setup.sh thing"; !strings.Contains(err.Error(), remedy) {
				t.Errorf("%q does not name the remedy %q", err, remedy)
			}
		})
	}
}
