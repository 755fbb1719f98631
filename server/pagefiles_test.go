package server

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// endWhen collects what a command prints, and ends it once that has one of
// some words.
type endWhen struct {
	output
	end   func()
	words []string
}

func (w *endWhen) Write(p []byte) (int, error) {
	n, err := w.output.Write(p)
	for _, word := range w.words {
		if strings.Contains(w.String(), word) {
			w.end()
		}
	}
	return n, err
}

// A program that go install made says on each command that needs the page's
// files how to get one that has them.
func TestProgramWithoutPageFilesSaysSo(t *testing.T) {
	installed := fstest.MapFS{".gitignore": {}}
	built := fstest.MapFS{api.FileManifest: {}}
	dev := []string{"dev", "--origin", "http://localhost:5173", "--listen", "localhost:0"}
	for _, test := range []struct {
		name  string
		files fstest.MapFS
		args  []string
		says  bool
	}{
		{"check", installed, []string{"check"}, true},
		{"check, built", built, []string{"check"}, false},
		{"serve", installed, []string{"serve"}, true},
		{"dev", installed, dev, true},
		{"dev, built", built, dev, false},
		{"demo", installed, []string{"demo", "--listen", "localhost:0"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, url := upstream(t)
			ctx, end := context.WithCancel(t.Context())
			defer end()
			said := &endWhen{end: end, words: []string{`"public"`, "Stop it with", "to stop."}}
			p := &program{environment: serving(url, t.TempDir()+"/keepalive.db"), stdout: said,
				stderr: said, files: test.files}
			if code := p.run(ctx, test.args); code != exitOK {
				t.Errorf("exit %d", code)
			}
			if got := strings.Contains(said.String(), noPageFiles); got != test.says {
				t.Errorf("it told about the page's files: %t, want %t:\n%s", got, test.says, said)
			}
		})
	}
}
