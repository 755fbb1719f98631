package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/andybalholm/brotli"
)

// gzipBest compresses at level 9, with nothing in the header that changes.
func gzipBest(content []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// cache compresses with brotli at its best, which takes seconds for the
// module, and remembers the results in a directory.
type cache struct {
	dir string
	// encoder is part of every name: another version of the encoder may
	// choose other bytes, and a build must not depend on what ran before.
	encoder string
}

func defaultCache() (*cache, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("no place to keep compressed files: %w", err)
	}
	return &cache{dir: filepath.Join(dir, "capture-keepalive", "brotli"), encoder: encoderVersion()}, nil
}

func encoderVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/andybalholm/brotli" {
			return dep.Version
		}
	}
	return "unknown"
}

func (c *cache) compress(content []byte) ([]byte, error) {
	sum := sha256.Sum256(content)
	path := filepath.Join(c.dir, fmt.Sprintf("%s-q%d-%s", c.encoder, brotli.BestCompression,
		hex.EncodeToString(sum[:])))
	if kept, err := os.ReadFile(path); err == nil && yields(kept, content) {
		return kept, nil
	}

	var out bytes.Buffer
	w := brotli.NewWriterLevel(&out, brotli.BestCompression)
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), c.keep(path, out.Bytes())
}

// yields reports whether kept is content, compressed. A cache is outside the
// project and its files may be cut short: what goes into a release is checked.
func yields(kept, content []byte) bool {
	got, err := io.ReadAll(io.LimitReader(brotli.NewReader(bytes.NewReader(kept)), int64(len(content))+1))
	return err == nil && bytes.Equal(got, content)
}

// keep writes through a temporary name, so that builds running side by side
// never read half a file.
func (c *cache) keep(path string, compressed []byte) error {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(c.dir, "new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(compressed)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
