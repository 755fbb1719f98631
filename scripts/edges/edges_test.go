// Package edges checks which package may import which: the edges that would
// make the module larger, the pure code impure, or a library hard to leave.
package edges

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/gotool"
)

const (
	ours   = gotool.ModulePath
	echo   = "github.com/labstack/echo"
	safejs = "github.com/hack-pad/safejs"
	jwt    = "github.com/golang-jwt/jwt"
)

// pkg is what go list says of a package.
type pkg struct {
	ImportPath   string
	Standard     bool
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

// direct are the imports of the package and of its tests.
func (p pkg) direct() []string { return slices.Concat(p.Imports, p.TestImports, p.XTestImports) }

// rule is an edge that must never be.
type rule struct {
	name string
	// from reports whether the rule is about this package.
	from func(path string) bool
	// edges are the imports that count.
	edges func(pkg) []string
	// to reports whether an import breaks the rule.
	to func(path string) bool
}

func direct(p pkg) []string  { return p.direct() }
func shipped(p pkg) []string { return p.Imports }
func deps(p pkg) []string    { return p.Deps }

func under(prefixes ...string) func(string) bool {
	return func(path string) bool {
		return slices.ContainsFunc(prefixes, func(prefix string) bool {
			return path == prefix || strings.HasPrefix(path, prefix+"/")
		})
	}
}

func not(match func(string) bool) func(string) bool {
	return func(path string) bool { return !match(path) }
}

func both(one, other func(string) bool) func(string) bool {
	return func(path string) bool { return one(path) && other(path) }
}

func exactly(paths ...string) func(string) bool {
	return func(path string) bool { return slices.Contains(paths, path) }
}

func anything(string) bool { return true }

// module reports whether a package is outside the standard library: the paths
// of modules begin with a host.
func module(path string) bool {
	host, _, _ := strings.Cut(path, "/")
	return strings.Contains(host, ".")
}

var nativeRules = []rule{
	{
		name:  "echo lives in server/httpapi, in what echo sites import, and in the bench that measures against it",
		from:  both(under(ours), not(under(ours+"/server/httpapi", ours+"/server/middleware/echokeepalive", ours+"/scripts/bench"))),
		edges: direct,
		to:    under(echo),
	},
	{
		name:  "server/api imports nothing",
		from:  exactly(ours + "/server/api"),
		edges: shipped,
		to:    anything,
	},
	{
		name:  "the server knows nothing of the browser's half",
		from:  under(ours + "/server"),
		edges: deps,
		to:    under(ours+"/wasm", safejs),
	},
	sessionIsPure,
}

// sessionIsPure holds for both platforms: an import behind a build constraint
// shows on one of them only. That it imports no syscall/js itself is a rule of
// its own below, since for js/wasm the standard library is built on it.
var sessionIsPure = rule{
	name:  "wasm/session takes the standard library alone",
	from:  under(ours + "/wasm/session"),
	edges: deps,
	to:    both(module, not(under(ours+"/wasm/session"))),
}

var wasmRules = []rule{
	sessionIsPure,
	{
		name:  "the module does without what makes it large",
		from:  under(ours + "/wasm"),
		edges: deps,
		to:    under("net/http", "encoding/json", "log/slog", jwt),
	},
	{
		name:  "JavaScript is reached from wasm/browser and the main package alone",
		from:  both(under(ours), not(exactly(ours+"/wasm", ours+"/wasm/browser"))),
		edges: direct,
		to:    under("syscall/js", safejs),
	},
	{
		name:  "the browser's half takes the wire from the server's, and no more",
		from:  under(ours + "/wasm"),
		edges: deps,
		to:    both(under(ours), not(under(ours+"/wasm", ours+"/server/api"))),
	},
	{
		name:  "imports run one way: wasm to wasm/browser to wasm/session",
		from:  under(ours + "/wasm/browser"),
		edges: deps,
		to:    exactly(ours + "/wasm"),
	},
}

// broken returns a sentence for each edge that breaks a rule, and for each rule
// that is about no package at all: such a rule guards nothing.
func broken(rules []rule, pkgs []pkg) []string {
	var found []string
	for _, r := range rules {
		subjects := 0
		for _, p := range pkgs {
			if p.Standard || !r.from(p.ImportPath) {
				continue
			}
			subjects++
			for _, to := range r.edges(p) {
				if r.to(to) {
					found = append(found, fmt.Sprintf("%s: %s reaches %s", r.name, p.ImportPath, to))
				}
			}
		}
		if subjects == 0 {
			found = append(found, r.name+": there is no such package")
		}
	}
	return found
}

func TestEdges(t *testing.T) {
	tests := []struct {
		name     string
		env      []string
		rules    []rule
		patterns []string
	}{
		{"native", nil, nativeRules, []string{"./..."}},
		{"js/wasm", gotool.WasmEnv(), wasmRules, []string{"./wasm/...", "./server/api"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, sentence := range broken(test.rules, list(t, test.env, test.patterns...)) {
				t.Error(sentence)
			}
		})
	}
}

// TestMainAlone: of the main package, only main_js.go may touch syscall/js, so
// that the rest of it can be read without JavaScript in mind.
func TestMainAlone(t *testing.T) {
	root := moduleRoot(t)
	files, err := filepath.Glob(filepath.Join(root, "wasm", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in wasm: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(file) != "main_js.go" && bytes.Contains(text, []byte(`"syscall/js"`)) {
			t.Errorf("%s imports syscall/js", file)
		}
	}
}

func list(t *testing.T, env []string, patterns ...string) []pkg {
	t.Helper()
	root := moduleRoot(t)
	args := append([]string{"list", "-buildvcs=false", "-deps", "-json=ImportPath,Standard,Imports,TestImports,XTestImports,Deps"}, patterns...)
	out, err := gotool.Output(t.Context(), root, env, "go", args...)
	if err != nil {
		t.Fatal(err)
	}
	var pkgs []pkg
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	root, err := gotool.Root(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// Each rule sees the edge it is there for.
func TestRules(t *testing.T) {
	tests := []struct {
		rules []rule
		bad   pkg
	}{
		{nativeRules, pkg{ImportPath: ours + "/server/session", Imports: []string{echo + "/v4"}}},
		{nativeRules, pkg{ImportPath: ours + "/server/middleware", Imports: []string{echo + "/v4"}}},
		{nativeRules, pkg{ImportPath: ours + "/server", TestImports: []string{echo + "/v4/middleware"}}},
		{nativeRules, pkg{ImportPath: ours + "/server/api", Imports: []string{"time"}}},
		{nativeRules, pkg{ImportPath: ours + "/server/store", Deps: []string{ours + "/wasm/session"}}},
		{nativeRules, pkg{ImportPath: ours + "/wasm/session", Deps: []string{ours + "/server/api"}}},
		{wasmRules, pkg{ImportPath: ours + "/wasm/session", Imports: []string{"syscall/js"}}},
		{wasmRules, pkg{ImportPath: ours + "/wasm/session", Deps: []string{safejs}}},
		{wasmRules, pkg{ImportPath: ours + "/wasm", Deps: []string{"net/http"}}},
		{wasmRules, pkg{ImportPath: ours + "/wasm/browser", Deps: []string{"encoding/json"}}},
		{wasmRules, pkg{ImportPath: ours + "/wasm/browser", Deps: []string{"log/slog"}}},
		{wasmRules, pkg{ImportPath: ours + "/wasm/browser", Deps: []string{jwt + "/v5"}}},
		{wasmRules, pkg{ImportPath: ours + "/wasm/tabs", Imports: []string{"syscall/js"}}},
		{wasmRules, pkg{ImportPath: ours + "/server/api", XTestImports: []string{safejs}}},
		{wasmRules, pkg{ImportPath: ours + "/wasm/browser", Deps: []string{ours + "/server/store"}}},
		{wasmRules, pkg{ImportPath: ours + "/wasm/browser", Deps: []string{ours + "/wasm"}}},
	}
	// One package for each rule to be about, with nothing wrong.
	good := []pkg{
		{ImportPath: ours + "/server/api"},
		{ImportPath: ours + "/server/httpapi", Imports: []string{echo + "/v4"}},
		{ImportPath: ours + "/server/middleware/echokeepalive", Imports: []string{echo + "/v4"}},
		{ImportPath: ours + "/wasm", Imports: []string{"syscall/js"}, Deps: []string{ours + "/wasm/browser"}},
		{ImportPath: ours + "/wasm/browser", Imports: []string{safejs}, Deps: []string{ours + "/wasm/session", ours + "/server/api", safejs}},
		{ImportPath: ours + "/wasm/session", Deps: []string{"time", "syscall/js"}},
	}
	for _, rules := range [][]rule{nativeRules, wasmRules} {
		if found := broken(rules, good); len(found) > 0 {
			t.Errorf("rules that object to the layout itself: %q", found)
		}
		if found := broken(rules, nil); len(found) != len(rules) {
			t.Errorf("without packages, %d of %d rules say that they guard nothing", len(found), len(rules))
		}
	}
	for _, test := range tests {
		if found := broken(test.rules, append(good[:len(good):len(good)], test.bad)); len(found) != 1 {
			t.Errorf("%+v: %q, want one objection", test.bad, found)
		}
	}
}
