package httpapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

const (
	// revalidated files keep their name when their content changes.
	revalidated = "no-cache"
	// immutable files have a hash of their content in their name.
	immutable = "public, max-age=31536000, immutable"
)

// stableFiles are there at names that never change.
var stableFiles = []string{
	api.FileLoader, "dialog.js", api.FileRuntime, api.FileTypes, api.FileManifest,
}

// contentTypes by extension. Nothing else is served, so the table of the
// machine the server runs on has no say.
var contentTypes = map[string]string{
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
	".ts":   "text/plain; charset=utf-8",
	// Exactly so: WebAssembly.instantiateStreaming refuses a charset.
	".wasm": "application/wasm",
}

// manifest is what of the build's manifest the server reads.
type manifest struct {
	Module struct {
		File string `json:"file"`
	} `json:"module"`
	Files map[string]json.RawMessage `json:"files"`
}

// routeFiles adds a route for each file that the manifest names, so that no
// path of a client is ever looked up.
func (s *Server) routeFiles() error {
	named, err := readManifest(s.config.Files)
	if errors.Is(err, fs.ErrNotExist) {
		s.config.Log.Warn("the page's files are not in this build, their routes answer 404; " +
			"build with: make build")
		for _, name := range stableFiles {
			s.file(name, func(echo.Context) error {
				return refuse(api.NotFound, "the page's files are not in this build of the "+
					"server; build it with: make build")
			})
		}
		return nil
	}
	if err != nil {
		return err
	}
	for name, caching := range named {
		loaded, err := load(s.config.Files, name, caching)
		if err != nil {
			return err
		}
		s.file(name, loaded.serve)
	}
	return nil
}

func (s *Server) file(name string, serve echo.HandlerFunc) {
	get(s.public, s.config.BasePath+"/"+name, serve)
}

// readManifest returns each file's name and how it is cached. It is
// fs.ErrNotExist if there is no manifest.
func readManifest(files fs.FS) (map[string]string, error) {
	if files == nil {
		return nil, fs.ErrNotExist
	}
	raw, err := fs.ReadFile(files, api.FileManifest)
	if err != nil {
		return nil, fmt.Errorf("httpapi: reading %s: %w", api.FileManifest, err)
	}
	var parsed manifest
	if err := json.Unmarshal(raw, &parsed); err != nil {
		return nil, fmt.Errorf("httpapi: %s: %w; build again with: make "+
			"build", api.FileManifest, err)
	}
	named := map[string]string{api.FileManifest: revalidated, parsed.Module.File: immutable}
	for name := range parsed.Files {
		named[name] = revalidated
	}
	return named, nil
}

// file is one file with the encodings it was built in.
type file struct {
	contentType  string
	cacheControl string
	tag          string
	encodings    map[string][]byte // "br", "gzip"
	plain        func() ([]byte, error)
}

// load reads name, name.br and name.gz, of which one that can yield the plain
// bytes must be there.
func load(files fs.FS, name, cacheControl string) (*file, error) {
	contentType, known := contentTypes[path.Ext(name)]
	if !known || strings.ContainsAny(name, "/:*") {
		return nil, fmt.Errorf("httpapi: %s names %q, which is no file of the page; build again "+
			"with: make build", api.FileManifest, name)
	}
	loaded := &file{
		contentType:  contentType,
		cacheControl: cacheControl,
		encodings:    make(map[string][]byte),
	}
	for encoding, suffix := range map[string]string{"br": ".br", "gzip": ".gz", "": ""} {
		content, err := fs.ReadFile(files, name+suffix)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("httpapi: reading %s%s: %w", name, suffix, err)
		case encoding == "":
			loaded.plain = func() ([]byte, error) { return content, nil }
			loaded.tag = tagOf(content)
		default:
			loaded.encodings[encoding] = content
		}
	}
	if loaded.plain == nil {
		packed, there := loaded.encodings["gzip"]
		if !there {
			return nil, fmt.Errorf("httpapi: neither %s nor %s.gz is in the build; build again "+
				"with: make build", name, name)
		}
		// Hardly any browser asks for plain bytes, so the three megabytes are
		// unpacked when the first one does.
		loaded.plain = sync.OnceValues(func() ([]byte, error) { return gunzip(packed) })
		loaded.tag = tagOf(packed)
	}
	return loaded, nil
}

func tagOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:12])
}

func gunzip(packed []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}

// serve answers with the encoding the browser likes best.
func (f *file) serve(c echo.Context) error {
	encoding := f.negotiate(c.Request().Header.Values(echo.HeaderAcceptEncoding))
	header := c.Response().Header()
	content, tag := f.encodings[encoding], f.tag+"-"+encoding
	if encoding == "" {
		var err error
		if content, err = f.plain(); err != nil {
			return err
		}
	} else {
		header.Set(echo.HeaderContentEncoding, encoding)
		header.Set(echo.HeaderContentLength, strconv.Itoa(len(content))) // ServeContent leaves it out
	}
	header.Set(echo.HeaderContentType, f.contentType)
	header.Set(echo.HeaderCacheControl, f.cacheControl)
	header.Set("ETag", `"`+tag+`"`)
	header.Set(echo.HeaderVary, echo.HeaderAcceptEncoding)
	// These files are the same for everyone and hold no secret, so that a page
	// of another origin may load them, with integrity checked.
	header.Set(echo.HeaderAccessControlAllowOrigin, "*")
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	http.ServeContent(c.Response(), c.Request(), "", time.Time{}, bytes.NewReader(content))
	return nil
}

// negotiate chooses among the encodings there are (RFC 9110 section 12.5.3):
// the highest weight wins, and among equals the smallest. Without the header,
// or if nothing fits, the plain bytes are right.
func (f *file) negotiate(accept []string) string {
	weights := make(map[string]float64)
	for item := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		name, parameter, _ := strings.Cut(item, ";")
		weights[strings.ToLower(strings.TrimSpace(name))] = weightOf(parameter)
	}
	// Plain bytes are acceptable when not forbidden, but the last choice.
	best, bestWeight := "", weights["identity"]
	for _, encoding := range []string{"gzip", "br"} {
		weight, named := weights[encoding]
		if !named {
			weight = weights["*"]
		}
		if _, there := f.encodings[encoding]; there && weight > 0 && weight >= bestWeight {
			best, bestWeight = encoding, weight
		}
	}
	return best
}

// weightOf reads a parameter such as q=0.5: 1 if it is no weight, and 0 if the
// weight cannot be read.
func weightOf(parameter string) float64 {
	key, value, found := strings.Cut(parameter, "=")
	if !found || !strings.EqualFold(strings.TrimSpace(key), "q") {
		return 1
	}
	weight, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || weight < 0 || weight > 1 {
		return 0
	}
	return weight
}
