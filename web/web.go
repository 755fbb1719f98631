// Package web carries the browser's half inside the server's binary: what
// scripts/build made, and the demo page.
package web

import (
	"embed"
	"io/fs"
)

// all: takes dist/.gitignore along, the one file that a fresh clone has there:
// without it the pattern would match nothing and nothing would compile before
// the first build.
//
//go:embed all:dist
var dist embed.FS

//go:embed demo
var demo embed.FS

// Dist is what scripts/build wrote: manifest.json and the files it names. It
// has no manifest.json if the binary was compiled before the first build.
func Dist() fs.FS { return sub(dist, "dist") }

// Demo is the demo page, index.html, and what it loads.
func Demo() fs.FS { return sub(demo, "demo") }

func sub(files embed.FS, dir string) fs.FS {
	inner, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // only a malformed name does this, and the names are above
	}
	return inner
}
