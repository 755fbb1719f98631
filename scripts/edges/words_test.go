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

// listed lists the strings in a file's variable.
func listed(t *testing.T, variable string, path ...string) []string {
	t.Helper()
	var found []string
	ast.Inspect(parse(t, path...), func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && spec.Names[0].Name == variable {
			found = literals(t, spec)
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

// loaderSource is the text of some of the loader's files.
func loaderSource(t *testing.T, names ...string) string {
	t.Helper()
	var text strings.Builder
	for _, name := range names {
		text.WriteString(readFile(t, "web", "src", name))
	}
	return text.String()
}

// within fails the test unless all has every word of some.
func within(t *testing.T, what string, some, all []string) {
	t.Helper()
	if len(some) == 0 {
		t.Errorf("%s: there are none", what)
	}
	for _, word := range some {
		if !slices.Contains(all, word) {
			t.Errorf("%s: %q is not one of %q", what, word, all)
		}
	}
}

// groups lists what the first group of a pattern finds.
func groups(text, pattern string) []string {
	var found []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	return found
}

// The loader passes on every event of the Registration UI, by its own name, and
// three of its own. The module knows those that mean something to the loader.
func TestEventNames(t *testing.T) {
	source := loaderSource(t, "loader.js", "ui.js")
	loaders := slices.Compact(slices.Sorted(slices.Values(groups(source, `\b(?:feed|fired|handlers\.event)\("(\w+)"`))))
	var module []string
	ast.Inspect(parse(t, "wasm", "browser", "events.go"), func(n ast.Node) bool {
		if clause, ok := n.(*ast.CaseClause); ok {
			for _, expression := range clause.List {
				module = append(module, literals(t, expression)...)
			}
		}
		return true
	})
	uis := slices.DeleteFunc(slices.Clone(module),
		func(name string) bool { return !strings.HasPrefix(name, "onCapture") })
	same(t, "the loader's own events", loaders,
		slices.DeleteFunc(slices.Clone(module), func(name string) bool { return slices.Contains(uis, name) }))
	// Those that end in Success or Failed it knows by that.
	ruled := func(name string) bool { return strings.HasSuffix(name, "Success") || strings.HasSuffix(name, "Failed") }
	within(t, "events.js", slices.DeleteFunc(groups(loaderSource(t, "events.js"),
		`(?m)^  (onCapture\w+):`), ruled), uis)

	tests := listed(t, "eventNames", "wasm", "browser", "events_test.go")
	same(t, "events_test.go", tests, module)
}

// The loader writes one mark itself, which wasm/browser tests with the same
// line.
func TestMarkOfTheLoader(t *testing.T) {
	mark := loaderSource(t, "mark.js")
	line := readFile(t, "wasm", "browser", "testdata", "farewell.txt")
	got := strings.NewReplacer("${VERSION}", find(t, mark, `const VERSION = "(\d+)"`), "${now()}", "${Date.now()}").
		Replace(find(t, mark, "writeItem\\(MARK, `([^`]*)`\\)"))
	if want := strings.TrimSuffix(line, "\n"); got != want {
		t.Errorf("the loader writes %q, the test of the module reads %q", got, want)
	}
}

// Both call each other by the same names.
func TestInterface(t *testing.T) {
	module := readFile(t, "wasm", "browser", "run.go") + readFile(t, "wasm", "browser", "page.go")
	called := groups(loaderSource(t, "loader.js", "api.js", "module.js"), `\bcall\("(\w+)"|\bapi\.stop\(`)
	offered := groups(module, `\{"(\w+)", func\(args|\{"(\w+)", func\(`)
	within(t, "what the module offers", offered, append(called, "stop"))
	given := find(t, loaderSource(t, "loader.js"), `(?s)function host\(.*?return \{(.*?)\n  \};`)
	host := groups(given, `(?m)^    (\w+)[:,]`)
	host = append(host, "attach", "signal")
	for _, name := range []string{"options", "emit", "release", "settle", "attach"} {
		within(t, "what the loader gives", []string{name}, host)
		if !strings.Contains(module, `"`+name+`"`) {
			t.Errorf("the module uses no %s", name)
		}
	}
	name := find(t, loaderSource(t, "go.js"), `const HOST = "([^"]*)"`)
	if !strings.Contains(module, `hostName = "`+name+`"`) {
		t.Errorf("the module does not look for %s", name)
	}
}

// The types that a page's author reads have the words that the module says.
func TestTypes(t *testing.T) {
	types := readFile(t, "web", "keepalive.d.ts")
	reasons := quoted(find(t, types, `(?s)export type Reason =(.*?);`))
	same(t, "Reason", reasons, listed(t, "whyNames", "wasm", "session", "words.go"))
	same(t, "KeepaliveError.code", quoted(find(t, types, `(?s)interface KeepaliveError.*?code: (.*?);`)),
		listed(t, "rejections", "wasm", "session", "effect.go"))

	notices := listed(t, "noticeNames", "wasm", "session", "effect.go")
	var events []string
	events = append(events, groups(find(t, types, `(?s)interface Events \{(.*?)\n\}`), `(?m)^  (\w+): Notice`)...)
	within(t, "the module's notices", notices, events)
	session := loaderSource(t, "session.js")
	ends := quoted(find(t, session, `const ENDS = \[(.*?)\]`))
	same(t, "the loader's events", append(quoted(find(t, session, `(?s)const EVENTS = \[(.*?)\]`)), ends...), events)
	same(t, "WarningId", slices.Compact(slices.Sorted(slices.Values(warningIDs(t)))),
		quoted(find(t, types, `(?s)export type WarningId =(.*?);`)))

	phases := listed(t, "phaseNames", "wasm", "session", "words.go")
	// These two are the loader's own.
	same(t, "Status.phase", quoted(find(t, types, `(?s)phase:(.*?);`)), append([]string{"off", "loading"}, phases...))
}

// warningIDs lists what the loader warns of.
func warningIDs(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(moduleRoot(t), "web", "src", "*.js"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in web/src: %v", err)
	}
	var found []string
	for _, file := range files {
		text := readFile(t, "web", "src", filepath.Base(file))
		found = append(found, groups(text, `\b(?:warn\(\s*|error\.warning = )"([a-z-]+)"`)...)
	}
	return found
}
