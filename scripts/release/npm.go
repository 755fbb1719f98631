package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// npm packs the package that scripts/build made, as npm pack would: the files
// that package.json names, and those that npm always takes. Writing the archive
// here keeps the release from depending on which npm a machine has.
func (r release) npm(binaries) error {
	dir := filepath.Join(r.root, "web", "npm", "dist")
	manifest, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return fmt.Errorf("the package is not built. Run: make build (%w)", err)
	}
	var parsed struct{ Files []string }
	if err := json.Unmarshal(manifest, &parsed); err != nil {
		return err
	}
	var entries []entry
	names := slices.Concat([]string{"LICENSE", "README.md", "package.json"}, parsed.Files)
	slices.Sort(names)
	for _, name := range names {
		body, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("package.json names %s, which the build did not make", name)
		}
		if err != nil {
			return err
		}
		entries = append(entries, entry{name: "package/" + name, mode: 0o644, body: body})
	}
	return createFile(filepath.Join(r.out, "capture-keepalive-"+r.version+".tgz"), func(w io.Writer) error {
		return writeTarGz(w, entries, r.time)
	})
}
