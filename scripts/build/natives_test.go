package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/gotool"
)

// The module reaches a class of the browser by its name. keepalive.js keeps
// each of them, or a page's function File would be taken for the browser's.
func TestNatives(t *testing.T) {
	root, err := gotool.Root(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	native := sourceOf(t, filepath.Join(root, "web", "src", "native.js"))
	list := regexp.MustCompile(`(?s)for \(const name of \((.*?)\)\.split`).FindStringSubmatch(native)
	if list == nil {
		t.Fatal("native.js has no list of names")
	}
	kept := regexp.MustCompile(`\w+`).FindAllString(list[1], -1)

	var module strings.Builder
	files, err := filepath.Glob(filepath.Join(root, "wasm", "browser", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the module has %d files: %v", len(files), err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			module.WriteString(sourceOf(t, file))
		}
	}
	// Names with a capital that are not of classes.
	others := []string{"Accept", "DELETE", "Failed", "POST", "Success"}
	for _, match := range regexp.MustCompile(`"([A-Z]\w+)"`).FindAllStringSubmatch(module.String(), -1) {
		if name := match[1]; !slices.Contains(kept, name) && !slices.Contains(others, name) {
			t.Errorf("web/src/native.js does not keep %s, which the module reads", name)
		}
	}

	scripts, err := filepath.Glob(filepath.Join(root, "web", "src", "*.js"))
	if err != nil {
		t.Fatal(err)
	}
	runtime, err := gotool.Runtime(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	used := module.String() + string(runtime) + strings.Replace(native, list[0], "", 1)
	for _, script := range append(scripts, filepath.Join(root, "web", "dialog", "dialog.js")) {
		if filepath.Base(script) != "native.js" {
			used += sourceOf(t, script)
		}
	}
	for _, name := range kept {
		if !regexp.MustCompile(`\b` + name + `\b`).MatchString(used) {
			t.Errorf("web/src/native.js keeps %s, which nothing reads", name)
		}
	}
}

// What ES2015 and later gave to the prototypes, old libraries have in their own
// way: find() of one returns where a value is, catch() of another is missing.
func TestMethodsThatLibrariesReplace(t *testing.T) {
	scripts, err := filepath.Glob(filepath.Join("..", "..", "web", "src", "*.js"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("there are %d scripts: %v", len(scripts), err)
	}
	later := regexp.MustCompile(`\.(find|findIndex|findLast|fill|includes|flat|flatMap|entries|startsWith|endsWith|` +
		`padStart|padEnd|repeat|replaceAll|trimStart|trimEnd|catch|finally)\(`)
	for _, script := range scripts {
		for _, found := range later.FindAllString(sourceOf(t, script), -1) {
			t.Errorf("%s calls %s...), which an old library may have replaced", filepath.Base(script), found)
		}
	}
}

func sourceOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
