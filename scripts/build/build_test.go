package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

// The whole command, on a small module of its own, twice, in two places and
// with two empty caches: the manifest must be true and the bytes equal.
func TestBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test builds twice from empty caches")
	}
	command := filepath.Join(t.TempDir(), "build")
	if out, err := exec.Command("go", "build", "-o", command, ".").CombinedOutput(); err != nil {
		t.Fatalf("compiling the build command: %v\n%s", err, out)
	}
	first := runBuild(t, command)
	checkDist(t, first)
	if second := runBuild(t, command); !maps.EqualFunc(first, second, bytes.Equal) {
		for name := range first {
			if !bytes.Equal(first[name], second[name]) {
				t.Errorf("%s differs between two builds of the same sources", name)
			}
		}
		t.Errorf("files of two builds: %v and %v", names(first), names(second))
	}
}

var sources = map[string]string{
	"go.mod":                               "module example.org/small\n\ngo 1.26\n",
	"wasm/main_js.go":                      "package main\n\nfunc main() { println(\"here\") }\n",
	"server/cmd/capture-keepalive/main.go": "package main\n\nvar version string\n\nfunc main() { print(version) }\n",
	"web/src/main.js": "/*! a licence */\n// a remark\n" +
		"import { longName } from \"./other.js\";\nconsole.log(longName(), VERSION);\n",
	"web/src/other.js":      "export const longName = () => window.answer;\n",
	"web/src/stub.js":       "console.log(\"stub\");\n",
	"web/src/runtime.js":    "import { wasmExec } from \"wasm_exec.js\";\nwindow.receive(wasmExec);\n",
	"web/dialog/dialog.js":  "// a remark\nimport css from \"./dialog.css\";\nconsole.log(css);\n",
	"web/dialog/dialog.css": "/* a remark */\ndialog {\n  color: red;\n}\n",
	"web/src/package.js":    "export const answer = () => window.answer;\n",
	"web/npm/package.json":  "{\n  \"version\": \"0.0.0\"\n}\n",
	"web/npm/index.d.ts":    "export {};\n",
	"web/npm/README.md":     "# Small\n",
	"LICENSE":               "None.\n",
	"web/keepalive.d.ts":    "declare var small: number;\n",
	// What an earlier build left must go, and what git needs must stay.
	"web/dist/keepalive.000000000000.wasm.br": "stale",
	"web/dist/.gitignore":                     "*\n!.gitignore\n",
}

// runBuild builds the small module in a new place and returns web/dist.
func runBuild(t *testing.T, command string) map[string][]byte {
	t.Helper()
	root := t.TempDir()
	for name, text := range sources {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(command)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOFLAGS=", "XDG_CACHE_HOME="+t.TempDir(), "GOCACHE="+goCache(t))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}

	said, err := exec.Command(filepath.Join(root, "bin", "capture-keepalive")).CombinedOutput()
	if err != nil {
		t.Fatalf("the server it built: %v", err)
	}
	if !strings.HasPrefix(string(said), next) {
		t.Errorf("the server thinks it is version %q, want %s…", said, next)
	}

	checkPackage(t, filepath.Join(root, "web", "npm", "dist"))
	dist := make(map[string][]byte)
	files := os.DirFS(filepath.Join(root, "web", "dist"))
	err = fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		dist[path], err = fs.ReadFile(files, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dist
}

// checkPackage reads the npm package as npm would.
func checkPackage(t *testing.T, dir string) {
	t.Helper()
	for name, want := range map[string]string{
		"package.json":   `"version": "` + next + `-dev"`,
		"index.js":       "export{",
		"index.d.ts":     "export {}",
		"README.md":      "# Small",
		"LICENSE":        "None.",
		"keepalive.js":   "a licence",
		"keepalive.d.ts": "declare var small",
		"stub.js":        "stub",
	} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("the package's %s is %q (%v), want %q in it", name, text, err, want)
		}
	}
}

func goCache(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// checkDist reads the files the way a server and a page do.
func checkDist(t *testing.T, dist map[string][]byte) {
	t.Helper()
	var told struct {
		Version string
		Go      string
		Module  struct {
			File         string
			Size         int
			Brotli, Gzip int
			Integrity    string
		}
		Files map[string]struct {
			Size         int
			Brotli, Gzip int
			Integrity    string
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(dist["manifest.json"]))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&told); err != nil {
		t.Fatalf("manifest.json: %v\n%s", err, dist["manifest.json"])
	}
	if told.Version != next+"-dev" {
		t.Errorf("version %q without git, want %q", told.Version, next+"-dev")
	}

	want := []string{".gitignore", "manifest.json", told.Module.File + ".br", told.Module.File + ".gz"}
	check := func(name string, size, br, gz int, integrity string) []byte {
		content := unpackBrotli(t, dist[name+".br"])
		if !bytes.Equal(unpackGzip(t, dist[name+".gz"]), content) {
			t.Errorf("%s: .br and .gz hold different bytes", name)
		}
		sum := sha512.Sum384(content)
		got := []any{len(content), len(dist[name+".br"]), len(dist[name+".gz"]),
			"sha384-" + base64.StdEncoding.EncodeToString(sum[:])}
		if said := []any{size, br, gz, integrity}; !slices.Equal(got, said) {
			t.Errorf("%s: the manifest says %v, the files %v", name, said, got)
		}
		return content
	}
	module := check(told.Module.File, told.Module.Size, told.Module.Brotli, told.Module.Gzip, told.Module.Integrity)
	sum := sha256.Sum256(module)
	if name := "keepalive." + hex.EncodeToString(sum[:])[:12] + ".wasm"; told.Module.File != name {
		t.Errorf("the module is called %s, its hash says %s", told.Module.File, name)
	}
	if !bytes.HasPrefix(module, []byte("\x00asm")) {
		t.Errorf("%s is not WebAssembly", told.Module.File)
	}
	for name, file := range told.Files {
		content := check(name, file.Size, file.Brotli, file.Gzip, file.Integrity)
		if !bytes.Equal(dist[name], content) {
			t.Errorf("%s and %s.br hold different bytes", name, name)
		}
		want = append(want, name, name+".br", name+".gz")
	}
	if slices.Sort(want); !slices.Equal(names(dist), want) {
		t.Errorf("web/dist holds %v, want %v", names(dist), want)
	}

	wantCode := `(()=>{var o=()=>window.answer;/*! a licence */console.log(o(),"` + next + `-dev");})();` + "\n"
	if got := string(dist["keepalive.js"]); got != wantCode {
		t.Errorf("keepalive.js is %q, want %q", got, want)
	}
	if got, want := string(dist["dialog.js"]), `(()=>{var o="dialog{color:red}";console.log(o);})();`+"\n"; got != want {
		t.Errorf("dialog.js is %q, want %q", got, want)
	}
	for _, name := range fileNames {
		if _, there := told.Files[name]; !there {
			t.Errorf("the manifest does not name %s", name)
		}
	}
	shipped, err := os.ReadFile(filepath.Join(goRoot(t), "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(dist["wasm_exec.js"], shipped) {
		t.Error("wasm_exec.js is not the toolchain's")
	}
}

func goRoot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func names(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }

func unpackBrotli(t *testing.T, packed []byte) []byte {
	t.Helper()
	content, err := io.ReadAll(brotli.NewReader(bytes.NewReader(packed)))
	if err != nil {
		t.Errorf("brotli: %v", err)
	}
	return content
}

func unpackGzip(t *testing.T, packed []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatalf("gzip: %v", err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("gzip: %v", err)
	}
	return content
}

func TestBundleRefuses(t *testing.T) {
	tests := map[string]string{
		"a syntax error": "var = 1;",
		"a warning":      "if (x === NaN) { y(); }",
		"a missing file": `import "./gone.js";`,
		"a missing name": `import { gone } from "./loader.js"; gone();`,
	}
	for name, source := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "loader.js")
			if err := os.WriteFile(path, []byte(source), 0o644); err != nil {
				t.Fatal(err)
			}
			code, err := bundle(path, classic("1"))
			if err == nil {
				t.Fatalf("minified to %q", code)
			}
			if !strings.Contains(err.Error(), "loader.js:1:") {
				t.Errorf("%q does not name the place", err)
			}
		})
	}
}

func TestCache(t *testing.T) {
	c := &cache{dir: filepath.Join(t.TempDir(), "new"), encoder: "v1"}
	content := bytes.Repeat([]byte("keepalive "), 100)
	fresh, err := c.compress(content)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(unpackBrotli(t, fresh), content) {
		t.Fatal("the compressed bytes are of something else")
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("the cache holds %v (%v), want one file", entries, err)
	}
	path := filepath.Join(c.dir, entries[0].Name())

	// Same content at a lower quality: longer, and only the cache has it.
	var poor bytes.Buffer
	w := brotli.NewWriterLevel(&poor, 0)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		kept   []byte
		reused bool
	}{
		{"whole", poor.Bytes(), true},
		{"cut short", fresh[:len(fresh)/2], false},
		{"of other content", []byte{0x0b, 0x00, 0x80, 'x', 0x03}, false},
		{"empty", nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.WriteFile(path, test.kept, 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := c.compress(content)
			if err != nil {
				t.Fatal(err)
			}
			want := fresh
			if test.reused {
				want = test.kept
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, want the %d of %v", len(got), len(want),
					map[bool]string{true: "the cache", false: "a new run"}[test.reused])
			}
		})
	}

	other := &cache{dir: c.dir, encoder: "v2"}
	if _, err := other.compress(content); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(c.dir); err != nil || len(entries) != 2 {
		t.Errorf("another encoder shares an entry: %v (%v)", entries, err)
	}
}

func TestVersionOf(t *testing.T) {
	tests := map[string]string{
		"v1.2.3":                       "1.2.3",
		"v1.2.3-dirty":                 next + "-dev+v1.2.3.dirty",
		"v1.2.3-4-gabcdef012345":       next + "-dev+v1.2.3.4.gabcdef012345",
		"abcdef012345":                 next + "-dev+abcdef012345",
		"abcdef012345-dirty":           next + "-dev+abcdef012345.dirty",
		"v1.2.3-4-gabcdef012345-dirty": next + "-dev+v1.2.3.4.gabcdef012345.dirty",
	}
	for described, want := range tests {
		if got := versionOf(described); got != want {
			t.Errorf("versionOf(%q) = %q, want %q", described, got, want)
		}
	}
}

func TestArguments(t *testing.T) {
	var out strings.Builder
	err := run(context.Background(), []string{"everything"}, &out)
	if err == nil || !strings.Contains(err.Error(), `"everything"`) {
		t.Errorf("error %v, want one that names the argument", err)
	}
}
