package main

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"
)

// A plain file server can serve the archive: each file that the manifest names
// is there as it is, with the integrity that browsers check.
func TestWebArchive(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	r := release{root: root, out: t.TempDir(), version: "1.2.3", time: time.Unix(1_800_000_000, 0)}
	if err := r.web(binaries{}); err != nil {
		t.Fatal(err)
	}
	_, files := untarGz(t, read(t, r.name("web.tar.gz")))
	type asset struct{ File, Integrity string }
	var manifest struct {
		Module asset
		Files  map[string]asset
	}
	if err := json.Unmarshal(files["keepalive/manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest.Files) < 5 || !bytes.HasPrefix(files["keepalive/"+manifest.Module.File], []byte("\x00asm")) {
		t.Errorf("the manifest names %d files and the module %q", len(manifest.Files), manifest.Module.File)
	}
	manifest.Files[manifest.Module.File] = manifest.Module
	for name, made := range manifest.Files {
		sum := sha512.Sum384(files["keepalive/"+name])
		if got := "sha384-" + base64.StdEncoding.EncodeToString(sum[:]); got != made.Integrity {
			t.Errorf("%s has the integrity %s, the manifest says %s", name, got, made.Integrity)
		}
	}
}
