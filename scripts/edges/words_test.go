package edges

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The loader, its types and the module are in three languages: no compiler
// sees that they use the same words. These tests do.

func readFile(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{moduleRoot(t)}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// find returns what the group of a pattern matches in a text.
func find(t *testing.T, text, pattern string) string {
	t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if match == nil {
		t.Fatalf("nothing matches %s", pattern)
	}
	return match[1]
}

// quoted lists the strings in double quotes.
func quoted(text string) []string {
	var found []string
	for _, match := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	return found
}

func parse(t *testing.T, path ...string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path[len(path)-1], readFile(t, path...), 0)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// literals lists the strings written within a node.
func literals(t *testing.T, node ast.Node) []string {
	t.Helper()
	var found []string
	ast.Inspect(node, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, value)
		}
		return true
	})
	return found
}

// constants lists the values of a file's string constants of a type.
func constants(t *testing.T, typeName string, path ...string) []string {
	t.Helper()
	var found []string
	ast.Inspect(parse(t, path...), func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			if name, ok := spec.Type.(*ast.Ident); ok && name.Name == typeName {
				found = append(found, literals(t, spec)...)
			}
		}
		return true
	})
	return found
}

// same fails the test unless both lists have the same words, in any order.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("%s:\n%q, want\n%q", what, got, want)
	}
}

// What the loader passes on is what the module knows, and what its tests try.
func TestEventNames(t *testing.T) {
	var loader []string
	source := readFile(t, "web", "keepalive.js")
	for name := range strings.FieldsSeq(strings.Join(quoted(find(t, source, `(?s)const EVENTS = \((.*?)\)\.split`)), "")) {
		loader = append(loader, "onCapture"+name)
	}
	// What it tells of its own accord.
	for _, match := range regexp.MustCompile(`\bfeed\("(\w+)"`).FindAllStringSubmatch(source, -1) {
		loader = append(loader, match[1])
	}
	var module []string
	ast.Inspect(parse(t, "wasm", "browser", "events.go"), func(n ast.Node) bool {
		if clause, ok := n.(*ast.CaseClause); ok {
			for _, expression := range clause.List {
				module = append(module, literals(t, expression)...)
			}
		}
		return true
	})
	same(t, "events.go", module, loader)

	var tests []string
	ast.Inspect(parse(t, "wasm", "browser", "events_test.go"), func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && spec.Names[0].Name == "eventNames" {
			tests = literals(t, spec)
		}
		return true
	})
	same(t, "events_test.go", tests, loader)
}

// The loader writes one mark itself, which wasm/browser tests with the same
// line, and reads three fields of the module's.
func TestMarkOfTheLoader(t *testing.T) {
	loader := readFile(t, "web", "keepalive.js")
	line := readFile(t, "wasm", "browser", "testdata", "farewell.txt")
	if got, want := find(t, loader, "setItem\\(MARK, `([^`]*)`\\)"), strings.TrimSuffix(line, "\n"); got != want {
		t.Errorf("the loader writes %q, the test of the module reads %q", got, want)
	}
	if got := find(t, loader, `read\(MARK\)\.split\(" "\)\.slice\(([^)]*)\)`); got != "4, 7" {
		t.Errorf("the loader takes fields %s for the ends of token and session; TestMarkEndFields says which they are", got)
	}
}

// Both call each other by the same names.
func TestInterface(t *testing.T) {
	loader := readFile(t, "web", "keepalive.js")
	module := readFile(t, "wasm", "browser", "run.go") + readFile(t, "wasm", "browser", "page.go")
	called := map[string]bool{}
	for _, match := range regexp.MustCompile(`\b(?:(?:module\??|api)\.|call\(")(\w+)["(]`).FindAllStringSubmatch(loader, -1) {
		called[match[1]] = true
	}
	if len(called) != 7 {
		t.Errorf("the loader calls %v, want all 7 functions of the module", called)
	}
	for name := range called {
		if !strings.Contains(module, `{"`+name+`", func(`) {
			t.Errorf("the module has no %s", name)
		}
	}
	host := find(t, loader, `(?s)window\[HOST\] = \{(.*?)\n    \};`)
	for _, name := range []string{"options", "emit", "release", "settle", "attach"} {
		if !regexp.MustCompile(`\b` + name + `[:,]`).MatchString(host) {
			t.Errorf("the loader gives no %s", name)
		}
		if !strings.Contains(module, `"`+name+`"`) {
			t.Errorf("the module uses no %s", name)
		}
	}
	if name := find(t, loader, `const HOST = "([^"]*)"`); !strings.Contains(module, `hostName = "`+name+`"`) {
		t.Errorf("the module does not look for %s", name)
	}
}

// The types that a page's author reads have the words that the module says.
func TestTypes(t *testing.T) {
	types := readFile(t, "web", "keepalive.d.ts")
	same(t, "Reason", quoted(find(t, types, `(?s)export type Reason =(.*?);`)), constants(t, "Why", "wasm", "session", "words.go"))
	same(t, "KeepaliveError.code", quoted(find(t, types, `(?s)interface KeepaliveError.*?code: (.*?);`)),
		constants(t, "Rejection", "wasm", "session", "event.go"))

	notices := constants(t, "NoticeName", "wasm", "session", "event.go")
	var events []string
	for _, match := range regexp.MustCompile(`(?m)^  (\w+): Notice`).FindAllStringSubmatch(find(t, types, `(?s)interface Events \{(.*?)\n\}`), -1) {
		events = append(events, match[1])
	}
	same(t, "Events", events, notices)
	same(t, "the loader's notices", strings.Fields(find(t, readFile(t, "web", "keepalive.js"), `const NOTICES = "([^"]*)"`)), notices)

	var phases []string
	ast.Inspect(parse(t, "wasm", "session", "words.go"), func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && spec.Names[0].Name == "phaseNames" {
			phases = literals(t, spec)
		}
		return true
	})
	// These two are the loader's own.
	same(t, "Status.phase", quoted(find(t, types, `(?s)phase:(.*?);`)), append([]string{"off", "loading"}, phases...))
}
