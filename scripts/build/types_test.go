package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/gotool"
)

// The page's scripts are what their types say: tsc reads them as they are. So it
// reads a page in TypeScript, under the strictest rules that apps set.
func TestTypes(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test installs and runs the TypeScript compiler")
	}
	root, err := gotool.Root(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	web := filepath.Join(root, "web")
	for _, command := range [][]string{
		{"npm", "ci", "--no-audit", "--no-fund", "--prefer-offline"},
		{"npx", "--no-install", "tsc", "--project", "."},
		{"npx", "--no-install", "tsc", "--project", "../scripts/build/testdata/strict"},
	} {
		cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
		cmd.Dir = web
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q in web: %v\n%s", command, err, out)
		}
	}
}
