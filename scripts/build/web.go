package main

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/gotool"
)

// manifest is web/dist/manifest.json: what the server serves, and what the
// loader verifies the module against.
type manifest struct {
	Version string           `json:"version"`
	Go      string           `json:"go"` // the toolchain, which module and wasm_exec.js share
	Module  module           `json:"module"`
	Files   map[string]asset `json:"files"`
}

type module struct {
	// File is the name to ask for. On disk there are only File.br and File.gz.
	File string `json:"file"`
	asset
}

// asset is one file: its sizes in bytes, and its integrity in the form of the
// integrity attribute, over the uncompressed bytes (W3C Subresource Integrity,
// section 3.3).
type asset struct {
	Size      int    `json:"size"`
	Brotli    int    `json:"brotli"`
	Gzip      int    `json:"gzip"`
	Integrity string `json:"integrity"`
}

// fileNames are the files served at names that never change, next to
// manifest.json.
var fileNames = []string{"keepalive.js", "runtime.js", "stub.js", "dialog.js", "wasm_exec.js", "keepalive.d.ts"}

// buildWeb writes web/dist of the module in root, and removes from it what
// it did not write.
func buildWeb(ctx context.Context, root, version string, brotli *cache) (manifest, error) {
	goVersion, err := gotool.Version(ctx, root)
	if err != nil {
		return manifest{}, err
	}
	wasm, err := compile(ctx, root)
	if err != nil {
		return manifest{}, err
	}
	contents := make(map[string][]byte)
	if contents["wasm_exec.js"], err = gotool.Runtime(ctx, root); err != nil {
		return manifest{}, err
	}
	if err := bundleScripts(root, version, contents); err != nil {
		return manifest{}, err
	}
	if contents["keepalive.d.ts"], err = os.ReadFile(filepath.Join(root, "web", "keepalive.d.ts")); err != nil {
		return manifest{}, err
	}

	dist := output{dir: filepath.Join(root, "web", "dist"), brotli: brotli}
	made := manifest{Version: version, Go: goVersion, Files: make(map[string]asset)}
	sum := sha256.Sum256(wasm)
	made.Module.File = "keepalive." + hex.EncodeToString(sum[:6]) + ".wasm"
	if made.Module.asset, err = dist.addCompressed(made.Module.File, wasm); err != nil {
		return manifest{}, err
	}
	for _, name := range fileNames {
		if made.Files[name], err = dist.addCompressed(name, contents[name]); err != nil {
			return manifest{}, err
		}
		if err := dist.add(name, contents[name]); err != nil {
			return manifest{}, err
		}
	}
	text, err := json.MarshalIndent(made, "", "  ")
	if err != nil {
		return manifest{}, err
	}
	if err := dist.add("manifest.json", append(text, '\n')); err != nil {
		return manifest{}, err
	}
	return made, errors.Join(dist.removeOthers(), writePackage(root, version, contents))
}

// compile builds the module and returns its bytes, as they are shipped.
func compile(ctx context.Context, root string) ([]byte, error) {
	linked, err := link(ctx, root)
	if err != nil {
		return nil, err
	}
	return joinSegments(linked)
}

// link builds the module as the Go linker leaves it.
func link(ctx context.Context, root string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "keepalive-build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "keepalive.wasm")
	args := gotool.Wasm("build", "-o", out, "./wasm")
	if _, err := gotool.Output(ctx, root, gotool.WasmEnv(), "go", args...); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// output is a directory being filled.
type output struct {
	dir     string
	brotli  *cache
	written map[string]bool
}

// addCompressed writes name.br and name.gz.
func (o *output) addCompressed(name string, content []byte) (asset, error) {
	br, err := o.brotli.compress(content)
	if err != nil {
		return asset{}, fmt.Errorf("compressing %s: %w", name, err)
	}
	gz, err := gzipBest(content)
	if err != nil {
		return asset{}, fmt.Errorf("compressing %s: %w", name, err)
	}
	sum := sha512.Sum384(content)
	a := asset{
		Size:      len(content),
		Brotli:    len(br),
		Gzip:      len(gz),
		Integrity: "sha384-" + base64.StdEncoding.EncodeToString(sum[:]),
	}
	return a, errors.Join(o.add(name+".br", br), o.add(name+".gz", gz))
}

func (o *output) add(name string, content []byte) error {
	if o.written == nil {
		if err := os.MkdirAll(o.dir, 0o755); err != nil {
			return err
		}
		o.written = make(map[string]bool)
	}
	o.written[name] = true
	return os.WriteFile(filepath.Join(o.dir, name), content, 0o644)
}

// removeOthers deletes what an earlier build left. .gitignore is not ours.
func (o *output) removeOthers() error {
	entries, err := os.ReadDir(o.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if name := entry.Name(); !o.written[name] && name != ".gitignore" {
			if err := os.RemoveAll(filepath.Join(o.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
