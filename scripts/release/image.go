package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	imageProgram = "/usr/local/bin/capture-keepalive"
	imageState   = "/var/lib/capture-keepalive"
	imageUser    = 65532
)

// image writes one archive in the layout of the OCI (image-spec 1.1) with an
// image for each Linux. scripts/deploy/Dockerfile makes the same one.
func (r release) image(b binaries) error {
	var index v1.ImageIndex = mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range r.platforms {
		if p.os != "linux" {
			continue
		}
		image, err := r.platformImage(p, b.path[p])
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.os, Architecture: p.arch}},
		})
	}
	dir, err := os.MkdirTemp("", "keepalive-image-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	// The names that `docker load` and `podman load` give it.
	if err := path.AppendIndex(index, layout.WithAnnotations(map[string]string{
		"io.containerd.image.name":          "docker.io/library/capture-keepalive:" + r.version,
		"org.opencontainers.image.ref.name": r.version,
	})); err != nil {
		return err
	}
	entries, err := layoutEntries(dir)
	if err != nil {
		return err
	}
	return createFile(r.name("oci.tar"), func(w io.Writer) error { return writeTar(w, entries, r.time) })
}

// platformImage is the image of one platform: nothing but the program, the
// authorities for https to Capture, and a directory for the default store.
func (r release) platformImage(p platform, binary string) (v1.Image, error) {
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	// The layer that changes with each release comes last.
	image := mutate.MediaType(mutate.ConfigMediaType(empty.Image, types.OCIConfigJSON), types.OCIManifestSchema1)
	for _, entries := range [][]entry{
		{
			{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, body: authorities()},
			{name: "var/lib/capture-keepalive/", mode: 0o700, uid: imageUser},
		},
		{{name: imageProgram[1:], mode: 0o755, body: program}},
	} {
		var layer bytes.Buffer
		if err := writeTar(&layer, entries, r.time); err != nil {
			return nil, err
		}
		added, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(layer.Bytes())), nil
		}, tarball.WithMediaType(types.OCILayer))
		if err != nil {
			return nil, err
		}
		if image, err = mutate.AppendLayers(image, added); err != nil {
			return nil, err
		}
	}
	return mutate.ConfigFile(image, r.imageConfig(image, p))
}

func (r release) imageConfig(image v1.Image, p platform) *v1.ConfigFile {
	config, err := image.ConfigFile()
	if err != nil {
		panic(err) // it is in memory
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = p.os, p.arch
	config.Created = v1.Time{Time: r.time}
	for i := range config.History {
		config.History[i].Created = config.Created
	}
	config.Config = v1.Config{
		User:       fmt.Sprintf("%d:%[1]d", imageUser),
		WorkingDir: imageState,
		Volumes:    map[string]struct{}{imageState: {}},
		// Pages come from outside the container. The operator's listener stays on
		// loopback inside it, where the health check asks.
		Env:          []string{"KEEPALIVE_LISTEN=0.0.0.0:8080"},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		Entrypoint:   []string{imageProgram},
		Cmd:          []string{"serve"},
		Healthcheck: &v1.HealthConfig{
			Test:     []string{"CMD", imageProgram, "check", "--running"},
			Interval: 10 * time.Second, Timeout: 3 * time.Second, StartPeriod: 5 * time.Second,
		},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "capture-keepalive",
			"org.opencontainers.image.version":  r.version,
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
	return config
}

// authorities is the list that Mozilla keeps and Go's team packs, so that two
// machines build the same image. Those that are trusted only for some
// certificates are left out: a file cannot say so.
func authorities() []byte {
	var file bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&file, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // to memory
		}
	}
	return file.Bytes()
}

// layoutEntries lists the files of an image's layout.
func layoutEntries(dir string) ([]entry, error) {
	var entries []entry
	files := os.DirFS(dir)
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(filepath.Join(dir, name))
		entries = append(entries, entry{name: name, mode: 0o644, body: body})
		return err
	})
	return entries, err
}
