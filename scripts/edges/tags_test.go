package edges

import (
	"go/build"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBrowserOnly: what touches JavaScript is built for js/wasm alone. A file
// without the constraint would make the package exist natively, and with it
// `go build ./...` and `go vet ./...` fail, or pass for the wrong reason.
func TestBrowserOnly(t *testing.T) {
	root := moduleRoot(t)
	elsewhere := []struct{ os, arch string }{
		{"linux", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"wasip1", "wasm"},
	}
	for _, dir := range []string{filepath.Join(root, "wasm"), filepath.Join(root, "wasm", "browser")} {
		for _, name := range goFiles(t, dir) {
			if !matches(t, dir, name, "js", "wasm") {
				t.Errorf("%s is not built for js/wasm", filepath.Join(dir, name))
			}
			for _, platform := range elsewhere {
				if matches(t, dir, name, platform.os, platform.arch) {
					t.Errorf("%s is built for %s/%s too: begin it with //go:build js && wasm",
						filepath.Join(dir, name), platform.os, platform.arch)
				}
			}
		}
	}
}

func goFiles(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".go") {
			names = append(names, entry.Name())
		}
	}
	if len(names) == 0 {
		t.Fatalf("no files in %s", dir)
	}
	return names
}

// matches reports whether a file is built for a platform, by its name and its
// constraints.
func matches(t *testing.T, dir, name, goos, goarch string) bool {
	t.Helper()
	platform := build.Context{GOOS: goos, GOARCH: goarch, Compiler: "gc"}
	match, err := platform.MatchFile(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	return match
}

func TestMatches(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"plain.go": "package p\n", "tagged.go": "//go:build js && wasm\n\npackage p\n", "name_js.go": "package p\n",
		"half.go": "//go:build wasm\n\npackage p\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name, os, arch string
		want           bool
	}{
		{"plain.go", "js", "wasm", true},
		{"plain.go", "linux", "amd64", true},
		{"tagged.go", "js", "wasm", true},
		{"tagged.go", "linux", "amd64", false},
		{"name_js.go", "js", "wasm", true},
		{"name_js.go", "linux", "amd64", false},
		{"half.go", "wasip1", "wasm", true},
	} {
		if got := matches(t, dir, test.name, test.os, test.arch); got != test.want {
			t.Errorf("%s on %s/%s: %t", test.name, test.os, test.arch, got)
		}
	}
}
