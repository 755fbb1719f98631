package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// sums writes SHA256SUMS, which `sha256sum -c` reads, over all files.
func (r release) sums() error {
	files, err := os.ReadDir(r.out) // in the order of their names
	if err != nil {
		return err
	}
	return createFile(filepath.Join(r.out, "SHA256SUMS"), func(w io.Writer) error {
		for _, file := range files {
			content, err := os.ReadFile(filepath.Join(r.out, file.Name()))
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "%x  %s\n", sha256.Sum256(content), file.Name()); err != nil {
				return err
			}
		}
		return nil
	})
}
