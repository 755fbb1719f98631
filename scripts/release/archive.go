package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// entry is a file in an archive, or a directory if its name ends in a slash.
type entry struct {
	name string
	mode fs.FileMode
	body []byte
	uid  int // and gid
}

// archives writes one archive for each platform: zip where people expect that.
func (r release) archives(b binaries) error {
	for _, p := range r.platforms {
		entries, err := r.archiveEntries(p, b.path[p])
		if err != nil {
			return err
		}
		write, ending := writeTarGz, ".tar.gz"
		if p.os == "windows" {
			write, ending = writeZip, ".zip"
		}
		if err := createFile(r.name(p.String()+ending), func(w io.Writer) error {
			return write(w, entries, r.time)
		}); err != nil {
			return err
		}
	}
	return nil
}

// archiveEntries are the files of a platform's archive, all in one folder.
func (r release) archiveEntries(p platform, binary string) ([]entry, error) {
	folder := "capture-keepalive_" + r.version + "_" + p.String()
	var entries []entry
	add := func(name, from string, mode fs.FileMode) error {
		body, err := os.ReadFile(from)
		entries = append(entries, entry{name: path.Join(folder, name), mode: mode, body: body})
		return err
	}
	if err := add(filepath.Base(binary), binary, 0o755); err != nil {
		return nil, err
	}
	documents, err := r.documents()
	if err != nil {
		return nil, err
	}
	for _, name := range documents {
		if err := add(name, filepath.Join(r.root, filepath.FromSlash(name)), 0o644); err != nil {
			return nil, err
		}
	}
	if p.os != "linux" {
		return entries, nil
	}
	const unit = "capture-keepalive.service"
	return entries, add(unit, filepath.Join(r.root, "scripts", "deploy", unit), 0o644)
}

// documents are the license, and the README with all that it links to.
func (r release) documents() ([]string, error) {
	names := []string{"LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
	docs, err := os.ReadDir(filepath.Join(r.root, "docs"))
	for _, each := range docs {
		names = append(names, "docs/"+each.Name())
	}
	return names, err
}

// web packs web/dist, for sites that serve the page's files from a CDN. The
// program holds the module compressed alone; a plain host needs it as it is.
func (r release) web(binaries) error {
	dist := os.DirFS(filepath.Join(r.root, "web", "dist"))
	var entries []entry
	err := fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == ".gitignore" {
			return err
		}
		body, err := fs.ReadFile(dist, name)
		if err != nil {
			return err
		}
		entries = append(entries, entry{name: path.Join("keepalive", name), mode: 0o644, body: body})
		if plain, ok := strings.CutSuffix(name, ".wasm.gz"); ok {
			body, err = unzipped(body)
			entries = append(entries, entry{name: path.Join("keepalive", plain+".wasm"), mode: 0o644, body: body})
		}
		return err
	})
	if err != nil {
		return err
	}
	return createFile(r.name("web.tar.gz"), func(w io.Writer) error { return writeTarGz(w, entries, r.time) })
}

func unzipped(body []byte) ([]byte, error) {
	from, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(from)
}

func createFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		_ = file.Close() // the first error says more
		return err
	}
	return file.Close()
}

func writeTarGz(w io.Writer, entries []entry, modified time.Time) error {
	compressed, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := writeTar(compressed, entries, modified); err != nil {
		return err
	}
	return compressed.Close()
}

func writeTar(w io.Writer, entries []entry, modified time.Time) error {
	archive := tar.NewWriter(w)
	for _, e := range entries {
		header := tar.Header{
			Typeflag: tar.TypeReg, Name: e.name, Mode: int64(e.mode), Size: int64(len(e.body)),
			Uid: e.uid, Gid: e.uid, ModTime: modified, Format: tar.FormatUSTAR,
		}
		if strings.HasSuffix(e.name, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := archive.WriteHeader(&header); err != nil {
			return err
		}
		if _, err := archive.Write(e.body); err != nil {
			return err
		}
	}
	return archive.Close()
}

func writeZip(w io.Writer, entries []entry, modified time.Time) error {
	archive := zip.NewWriter(w)
	for _, e := range entries {
		header := zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: modified}
		header.SetMode(e.mode)
		file, err := archive.CreateHeader(&header)
		if err != nil {
			return err
		}
		if _, err := file.Write(e.body); err != nil {
			return err
		}
	}
	return archive.Close()
}
