package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
)

const module = "keepalive.0123456789ab.wasm"

const wasm = "\x00asm and much more of the same and the same and the same"

func zip(content string) []byte {
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, _ = writer.Write([]byte(content)) // into memory
	_ = writer.Close()                   // into memory
	return packed.Bytes()
}

// files is what the build leaves: the module packed only, the rest in all
// forms.
func files() fstest.MapFS {
	built := fstest.MapFS{
		"manifest.json": {Data: []byte(`{"version":"1","module":{"file":"` + module +
			`","size":57},"files":{"keepalive.js":{},"wasm_exec.js":{},"keepalive.d.ts":{}}}`)},
		module + ".br": {Data: []byte("module in brotli")},
		module + ".gz": {Data: zip(wasm)},
		".gitignore":   {Data: []byte("*")},
	}
	for _, name := range []string{"keepalive.js", "wasm_exec.js", "keepalive.d.ts"} {
		built[name] = &fstest.MapFile{Data: []byte("plain " + name)}
		built[name+".br"] = &fstest.MapFile{Data: []byte("brotli " + name)}
		built[name+".gz"] = &fstest.MapFile{Data: zip("plain " + name)}
	}
	return built
}

func (s *site) get(method, name string, change ...func(*http.Request)) *http.Response {
	r := httptest.NewRequest(method, host+"/keepalive/"+name, nil)
	for _, f := range change {
		f(r)
	}
	return s.do(r)
}

func TestFiles(t *testing.T) {
	s := newSite(t)
	const revalidated, forever = "no-cache", "public, max-age=31536000, immutable"
	for _, tc := range []struct {
		name, accept string
		encoding     string
		body         string
		contentType  string
		caching      string
	}{
		{module, "gzip, deflate, br, zstd", "br", "module in brotli", "application/wasm", forever},
		{module, "gzip, deflate", "gzip", string(zip(wasm)), "application/wasm", forever},
		{module, "", "", wasm, "application/wasm", forever},
		{"keepalive.js", "br", "br", "brotli keepalive.js", "text/javascript; charset=utf-8", revalidated},
		{"keepalive.js", "", "", "plain keepalive.js", "text/javascript; charset=utf-8", revalidated},
		{"wasm_exec.js", "identity", "", "plain wasm_exec.js", "text/javascript; charset=utf-8", revalidated},
		{"keepalive.d.ts", "gzip", "gzip", string(zip("plain keepalive.d.ts")),
			"text/plain; charset=utf-8", revalidated},
		{"manifest.json", "br, gzip", "", string(files()["manifest.json"].Data), "application/json", revalidated},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			t.Run(method+" "+tc.name+" "+tc.accept, func(t *testing.T) {
				accept := func(r *http.Request) {
					if tc.accept != "" {
						r.Header.Set("Accept-Encoding", tc.accept)
					}
				}
				response := s.get(method, tc.name, accept)
				body, err := io.ReadAll(response.Body)
				if err != nil {
					t.Fatal(err)
				}
				want := tc.body
				if method == "HEAD" {
					want = ""
				}
				if response.StatusCode != http.StatusOK || string(body) != want {
					t.Errorf("%s with %q", response.Status, body)
				}
				for name, value := range map[string]string{
					"Content-Type":                 tc.contentType,
					"Content-Encoding":             tc.encoding,
					"Content-Length":               strconv.Itoa(len(tc.body)),
					"Cache-Control":                tc.caching,
					"Vary":                         "Accept-Encoding",
					"X-Content-Type-Options":       "nosniff",
					"Access-Control-Allow-Origin":  "*",
					"Cross-Origin-Resource-Policy": "cross-origin",
				} {
					if got := response.Header.Get(name); got != value {
						t.Errorf("%s: %q, want %q", name, got, value)
					}
				}

				tag := response.Header.Get("ETag")
				again := s.get(method, tc.name, accept, header("If-None-Match", `"other", W/`+tag))
				if again.StatusCode != http.StatusNotModified || again.ContentLength > 0 ||
					again.Header.Get("ETag") != tag ||
					again.Header.Get("Cache-Control") != tc.caching || again.Header.Get("Vary") != "Accept-Encoding" {
					t.Errorf("with the ETag: %s, %v", again.Status, again.Header)
				}
				if fresh := s.get(method, tc.name, accept,
					header("If-None-Match", `"other"`)); fresh.StatusCode != http.StatusOK {
					t.Errorf("with another ETag: %s", fresh.Status)
				}
			})
		}
	}
}

func TestEveryEncodingHasItsOwnTag(t *testing.T) {
	s := newSite(t)
	seen := make(map[string]string)
	for _, accept := range []string{"identity", "gzip", "br"} {
		tag := s.get("GET", "keepalive.js", header("Accept-Encoding", accept)).Header.Get("ETag")
		if len(tag) < 10 || !strings.HasPrefix(tag, `"`) || seen[tag] != "" {
			t.Errorf("the tag for %s is %s, as for %s", accept, tag, seen[tag])
		}
		seen[tag] = accept
	}
}

func TestNegotiation(t *testing.T) {
	s := newSite(t)
	for accept, want := range map[string]string{
		"br":                           "br",
		"BR":                           "br",
		"gzip;q=1.0, br;q=0.5":         "gzip",
		"gzip;q=0.5, br;q=0.5":         "br",
		"br;q=0, gzip":                 "gzip",
		"br;q=0, gzip;q=0":             "",
		"*":                            "br",
		"*;q=0":                        "",
		"br;q=0, *":                    "gzip",
		"identity, br;q=0.5":           "",
		"identity;q=0.1, br;q=0.5":     "br",
		"identity;q=0, zstd":           "",
		"deflate, zstd":                "",
		"br;q=2":                       "",
		"br;q=x, gzip":                 "gzip",
		" gzip ; q = 0.2 , br ; q=0.1": "gzip",
		",,":                           "",
	} {
		if got := s.get("GET", "keepalive.js",
			header("Accept-Encoding", accept)).Header.Get("Content-Encoding"); got != want {
			t.Errorf("for %q: %q, want %q", accept, got, want)
		}
	}
}

func TestOnlyNamedFilesAreServed(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{".gitignore", "keepalive.js.br", module + ".gz",
		"keepalive.ffffffffffff.wasm", "..%2fsecret", "%2e%2e/manifest.json"} {
		response := s.get("GET", name)
		wantProblem(t, response, api.NotFound)
		if response.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: an error is open to all", name)
		}
	}
}

func TestWithoutABuild(t *testing.T) {
	for name, config := range map[string]func(*httpapi.Config){
		"no files":    func(c *httpapi.Config) { c.Files = nil },
		"no manifest": func(c *httpapi.Config) { c.Files = fstest.MapFS{".gitignore": {}} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, config)
			if !strings.Contains(s.log.String(), "make build") {
				t.Errorf("the log does not say so at the start:\n%s", s.log)
			}
			for _, file := range []string{"keepalive.js", "wasm_exec.js", "keepalive.d.ts", "manifest.json"} {
				problem := wantProblem(t, s.get("GET", file), api.NotFound)
				if !strings.Contains(problem.Detail, "make build") {
					t.Errorf("%s: %q has no remedy", file, problem.Detail)
				}
			}
			s.login(t)
		})
	}
}

func TestABrokenBuildDoesNotStart(t *testing.T) {
	for name, change := range map[string]func(fstest.MapFS){
		"manifest is no JSON":    func(f fstest.MapFS) { f["manifest.json"].Data = []byte("{") },
		"manifest has no module": func(f fstest.MapFS) { f["manifest.json"].Data = []byte("{}") },
		"module has no gzip":     func(f fstest.MapFS) { delete(f, module+".gz") },
		"a file is missing":      func(f fstest.MapFS) { delete(f, "wasm_exec.js"); delete(f, "wasm_exec.js.gz") },
		"a file of a strange sort": func(f fstest.MapFS) {
			f["manifest.json"].Data = []byte(`{"module":{"file":"` + module + `"},"files":{"run.sh":{}}}`)
			f["run.sh"] = &fstest.MapFile{}
		},
		"a file from elsewhere": func(f fstest.MapFS) {
			f["manifest.json"].Data = []byte(`{"module":{"file":"` + module + `"},"files":{"../x.js":{}}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			built := files()
			change(built)
			s := newSite(t)
			_, err := httpapi.New(httpapi.Config{Sessions: s.sessions, Keys: ring(t, keyOne),
				Origins: []string{origin}, Files: built})
			if err == nil {
				t.Error("New() took it")
			}
		})
	}
}
