package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/gotool"
)

// binaries are the compiled programs, in a directory of their own.
type binaries struct {
	dir  string
	path map[platform]string
}

func (b binaries) remove() { _ = os.RemoveAll(b.dir) } // a temporary directory

// compile builds the server for each platform. web/dist goes into it, so that
// must be there.
func (r release) compile(ctx context.Context) (binaries, error) {
	if _, err := os.Stat(filepath.Join(r.root, "web", "dist", "manifest.json")); err != nil {
		return binaries{}, fmt.Errorf("the page's files are not built. Run: make build (%w)", err)
	}
	dir, err := os.MkdirTemp("", "keepalive-release-")
	if err != nil {
		return binaries{}, err
	}
	b := binaries{dir: dir, path: make(map[platform]string)}
	for _, p := range r.platforms {
		name := "capture-keepalive"
		if p.os == "windows" {
			name += ".exe"
		}
		b.path[p] = filepath.Join(dir, p.String(), name)
		env := append(gotool.ServerEnv(), "GOOS="+p.os, "GOARCH="+p.arch)
		_, err := gotool.Output(ctx, r.root, env, "go", gotool.Server(r.version, "-o", b.path[p])...)
		if err != nil {
			b.remove()
			return binaries{}, err
		}
	}
	return b, nil
}
