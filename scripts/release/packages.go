package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // the format, registered
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm" // the format, registered
)

// packages writes a deb and an rpm for each Linux.
func (r release) packages(b binaries) error {
	dir, err := os.MkdirTemp("", "keepalive-packages-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory
	unit, err := r.packagedUnit(dir)
	if err != nil {
		return err
	}
	for _, p := range r.platforms {
		if p.os != "linux" {
			continue
		}
		for _, format := range []string{"deb", "rpm"} {
			if err := r.writePackage(format, p, b.path[p], unit); err != nil {
				return fmt.Errorf("%s for %s: %w", format, p, err)
			}
		}
	}
	return nil
}

// packagedUnit writes the unit as a package has it: packages put programs into
// /usr/bin, /usr/local is the administrator's.
func (r release) packagedUnit(dir string) (string, error) {
	unit, err := os.ReadFile(filepath.Join(r.root, "scripts", "deploy", "capture-keepalive.service"))
	if err != nil {
		return "", err
	}
	by, packaged := []byte("=/usr/local/bin/"), []byte("=/usr/bin/")
	if !bytes.Contains(unit, by) {
		return "", fmt.Errorf("the unit does not start %s…", by)
	}
	path := filepath.Join(dir, "capture-keepalive.service")
	return path, os.WriteFile(path, bytes.ReplaceAll(unit, by, packaged), 0o644)
}

func (r release) writePackage(format string, p platform, binary, unit string) error {
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "capture-keepalive", Arch: p.arch, Platform: p.os, Version: r.version, Release: "1",
		Section: "web", Priority: "optional", License: "Apache-2.0", MTime: r.time,
		Maintainer:  "The capture-keepalive authors <https://github.com/capture-keepalive>",
		Vendor:      "capture-keepalive",
		Homepage:    "https://github.com/capture-keepalive/capture-keepalive",
		Description: "Keeps people signed in on sites that use the Registration UI",
		Overridables: nfpm.Overridables{
			Contents: r.packageContents(binary, unit),
			Scripts: nfpm.Scripts{
				PostInstall: r.script("postinstall.sh"),
				PreRemove:   r.script("preremove.sh"),
				PostRemove:  r.script("postremove.sh"),
			},
			// Without a name, that of the machine would be in it.
			RPM: nfpm.RPM{BuildHost: "localhost"},
		},
	})
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	name := filepath.Join(r.out, packager.ConventionalFileName(info))
	return createFile(name, func(w io.Writer) error { return packager.Package(info, w) })
}

func (r release) script(name string) string {
	return filepath.Join(r.root, "scripts", "release", "package", name)
}

// packageContents says what goes where, and who may read it.
func (r release) packageContents(binary, unit string) files.Contents {
	file := func(kind, from, to string, mode os.FileMode) *files.Content {
		return &files.Content{Type: kind, Source: from, Destination: to, FileInfo: &files.ContentFileInfo{
			Owner: "root", Group: "root", Mode: mode, MTime: r.time,
		}}
	}
	const etc, doc = "/etc/capture-keepalive", "/usr/share/doc/capture-keepalive/"
	source := func(name string) string { return filepath.Join(r.root, name) }
	return files.Contents{
		file(files.TypeFile, binary, "/usr/bin/capture-keepalive", 0o755),
		file(files.TypeFile, unit, "/usr/lib/systemd/system/capture-keepalive.service", 0o644),
		file(files.TypeDir, "", etc, 0o700),
		file(files.TypeConfigNoReplace, r.script("environment"), etc+"/environment", 0o600),
		file(files.TypeFile, source("LICENSE"), doc+"copyright", 0o644),
		file(files.TypeFile, source("README.md"), doc+"README.md", 0o644),
		file(files.TypeFile, source("CHANGELOG.md"), doc+"CHANGELOG.md", 0o644),
		file(files.TypeFile, source("CONTRIBUTING.md"), doc+"CONTRIBUTING.md", 0o644),
		file(files.TypeFile, source("SECURITY.md"), doc+"SECURITY.md", 0o644),
		file(files.TypeFile, source("docs/*"), doc+"docs/", 0o644),
	}
}
