package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The package has what npm itself would pack, and the tools of the field find
// nothing wrong with it. stub.js is text to put inline, so it has no types.
func TestNPMPackage(t *testing.T) {
	absolute, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	r := release{root: absolute, out: t.TempDir(), version: "1.2.3", time: time.Unix(1_800_000_000, 0)}
	if err := r.npm(binaries{}); err != nil {
		t.Fatal(err)
	}
	tarball := filepath.Join(r.out, "capture-keepalive-1.2.3.tgz")
	_, packed := untarGz(t, read(t, tarball))
	listed, err := exec.CommandContext(t.Context(), "npm", "pack", "--dry-run", "--json",
		filepath.Join(r.root, "web", "npm", "dist")).Output()
	if err != nil {
		t.Fatalf("npm pack: %v", err)
	}
	for name := range packed {
		if !strings.Contains(string(listed), `"path": "`+strings.TrimPrefix(name, "package/")+`"`) {
			t.Errorf("npm pack does not pack %s", name)
		}
	}
	if n := strings.Count(string(listed), `"path": `); n != len(packed) || n < 7 {
		t.Errorf("npm packs %d files, the release %d", n, len(packed))
	}
	for _, command := range [][]string{
		{"npm", "ci", "--no-audit", "--no-fund", "--prefer-offline"},
		{"npx", "--no-install", "publint", "run", tarball, "--strict"},
		{"npx", "--no-install", "attw", tarball, "--profile", "esm-only", "--exclude-entrypoints", "stub.js"},
	} {
		check := exec.CommandContext(t.Context(), command[0], command[1:]...)
		check.Dir = "npm"
		if said, err := check.CombinedOutput(); err != nil {
			t.Errorf("%q: %v\n%s", command, err, said)
		}
	}
}
