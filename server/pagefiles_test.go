package server

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// A program that go install made says on check where to get one that can serve
// pages. (serve says the same in its log.)
func TestProgramWithoutPageFilesSaysSo(t *testing.T) {
	for _, test := range []struct {
		name  string
		files fstest.MapFS
		says  bool
	}{
		{"from go install", fstest.MapFS{".gitignore": {}}, true},
		{"from a build", fstest.MapFS{api.FileManifest: {}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, url := upstream(t)
			var said strings.Builder
			p := &program{environment: serving(url, t.TempDir()+"/keepalive.db"), stdout: &said,
				stderr: &said, files: test.files}
			if err := p.check(t.Context(), checkOptions{}); err != nil {
				t.Errorf("check: %v\n%s", err, said.String())
			}
			if got := strings.Contains(said.String(), noPageFiles); got != test.says {
				t.Errorf("it told about the page's files: %t, want %t:\n%s", got, test.says, said.String())
			}
		})
	}
}
