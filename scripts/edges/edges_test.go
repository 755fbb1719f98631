// Package edges checks what a linter does not see: imports of imports, and
// words that must be the same in Go, JavaScript and the documents. The direct
// imports are held by depguard, in .golangci.yml.
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

const ours = gotool.ModulePath

// pkg is what go list says of a package.
type pkg struct {
	ImportPath string
	Standard   bool
	Deps       []string // all that it reaches
}

// rule says what packages must never reach, over any number of imports.
type rule struct {
	name string
	from []string                       // prefixes of import paths
	to   func(path string) (wrong bool) // what breaks the rule
}

func under(path string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		return path == prefix || strings.HasPrefix(path, prefix+"/")
	})
}

var serverRule = rule{
	name: "the server knows nothing of the page's half",
	from: []string{ours + "/server"},
	to: func(path string) bool {
		return under(path, ours+"/wasm", "github.com/hack-pad/safejs")
	},
}

var wasmRules = []rule{
	{
		name: "the module does without what makes it large",
		from: []string{ours + "/wasm"},
		to: func(path string) bool {
			return under(path, "net/http", "encoding/json", "log/slog", "github.com/golang-jwt/jwt")
		},
	},
	{
		name: "of the server's half, the module takes server/api alone",
		from: []string{ours + "/wasm"},
		to: func(path string) bool {
			return under(path, ours) && !under(path, ours+"/wasm", ours+"/server/api")
		},
	},
}

// broken returns a sentence for each package that breaks a rule, and for each
// rule that is about no package at all: such a rule guards nothing.
func broken(rules []rule, pkgs []pkg) []string {
	var found []string
	for _, r := range rules {
		subjects := 0
		for _, p := range pkgs {
			if p.Standard || !under(p.ImportPath, r.from...) {
				continue
			}
			subjects++
			for _, to := range p.Deps {
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
		name    string
		env     []string
		rules   []rule
		pattern string
	}{
		{"native", nil, []rule{serverRule}, "./server/..."},
		{"js/wasm", gotool.WasmEnv(), wasmRules, "./wasm/..."},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, sentence := range broken(test.rules, list(t, test.env, test.pattern)) {
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

func list(t *testing.T, env []string, pattern string) []pkg {
	t.Helper()
	root := moduleRoot(t)
	out, err := gotool.Output(t.Context(), root, env, "go", "list", "-buildvcs=false",
		"-json=ImportPath,Standard,Deps", pattern)
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

// Each rule sees what it is there for.
func TestRules(t *testing.T) {
	server, wasm := []rule{serverRule}, wasmRules
	tests := []struct {
		rules    []rule
		from, to string
	}{
		{server, ours + "/server/store", ours + "/wasm/session"},
		{server, ours + "/server/store", "github.com/hack-pad/safejs"},
		{wasm, ours + "/wasm", "net/http"},
		{wasm, ours + "/wasm/browser", "encoding/json"},
		{wasm, ours + "/wasm/browser", "log/slog"},
		{wasm, ours + "/wasm/browser", "github.com/golang-jwt/jwt/v5"},
		{wasm, ours + "/wasm/session", ours + "/server/store"},
	}
	// One package for each rule to be about, with nothing wrong.
	good := []pkg{
		{ImportPath: ours + "/server/api"},
		{ImportPath: ours + "/wasm", Deps: []string{ours + "/wasm/browser", ours + "/server/api", "syscall/js"}},
	}
	for _, rules := range [][]rule{server, wasm} {
		if found := broken(rules, good); len(found) > 0 {
			t.Errorf("rules that object to the layout itself: %q", found)
		}
		if found := broken(rules, nil); len(found) != len(rules) {
			t.Errorf("without packages, %d of %d rules say that they guard nothing", len(found), len(rules))
		}
	}
	for _, test := range tests {
		bad := pkg{ImportPath: test.from, Deps: []string{test.to}}
		if found := broken(test.rules, append(good[:len(good):len(good)], bad)); len(found) != 1 {
			t.Errorf("%+v: %q, want one objection", bad, found)
		}
	}
}
