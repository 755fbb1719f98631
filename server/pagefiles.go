package server

import (
	"io/fs"
	"runtime/debug"
	"strings"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// noPageFiles is what go install makes: a build of the page's files takes more
// than the Go tool.
const noPageFiles = "This program was built without the page's files, so it cannot serve " +
	"keepalive.js. Take one from a release, or run `make build` in a clone of the sources and " +
	"use bin/capture-keepalive."

// ownVersion is what the build says, or, with go install, the module's version.
func ownVersion(built string) string {
	if built != "" {
		return built
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "dev"
	}
	return strings.TrimPrefix(info.Main.Version, "v")
}

// adviseOnPageFiles says where to get a program that has the page's files.
func (p *program) adviseOnPageFiles() []string {
	if _, err := fs.Stat(p.files, api.FileManifest); err == nil {
		return nil
	}
	return []string{noPageFiles}
}
