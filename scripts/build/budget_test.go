package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/gotool"
)

// The bars, in bytes; a kilobyte is 1000.
const (
	maxLoader = 8700       // keepalive.js, brotli
	maxStub   = 650        // stub.js, brotli
	maxDialog = 3200       // dialog.js, brotli
	maxModule = 632 * 1000 // the module, brotli
	maxServer = 17_850_000 // bytes, with the files of the page
)

// TestSizes holds what was built last against the bars. What a build makes must
// also be there: run scripts/build first.
func TestSizes(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test needs a build")
	}
	root, err := gotool.Root(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	dist := filepath.Join(root, "web", "dist")
	text, err := os.ReadFile(filepath.Join(dist, "manifest.json"))
	if err != nil {
		t.Fatalf("nothing is built, run `go run ./scripts/build`: %v", err)
	}
	var made manifest
	if err := json.Unmarshal(text, &made); err != nil {
		t.Fatal(err)
	}
	for _, bar := range []struct {
		name, path string
		most       int64
	}{
		{"loader, brotli", filepath.Join(dist, "keepalive.js.br"), maxLoader},
		{"stub, brotli", filepath.Join(dist, "stub.js.br"), maxStub},
		{"dialog, brotli", filepath.Join(dist, "dialog.js.br"), maxDialog},
		{"module, brotli", filepath.Join(dist, made.Module.File+".br"), maxModule},
		{"server", filepath.Join(root, filepath.FromSlash(serverPath)), maxServer},
	} {
		info, err := os.Stat(bar.path)
		if err != nil {
			t.Errorf("%s is not built, run `go run ./scripts/build`: %v", bar.name, err)
			continue
		}
		t.Logf("%-14s  %9d of %9d bytes", bar.name, info.Size(), bar.most)
		if info.Size() > bar.most {
			t.Errorf("%s has %d bytes, the bar is %d", bar.name, info.Size(), bar.most)
		}
	}
}
