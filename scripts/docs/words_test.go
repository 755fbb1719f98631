package docs

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/config"
)

var update = flag.Bool("update", false, "write the tables that come from the code")

const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// all lists what the first group of a pattern matches.
func all(text, pattern string) []string {
	var found []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	return found
}

// between is the part of a text after one mark and before another.
func between(t *testing.T, text, from, to string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, from)
	part, _, ends := strings.Cut(rest, to)
	if !found || !ends {
		t.Fatalf("there is nothing between %q and %q", from, to)
	}
	return part
}

// rows are the first cells of the tables in a text, without their backquotes.
func rows(text string) []string { return all(text, "(?m)^\\| `([^`]+)`") }

// union lists the words of a union type.
func union(t *testing.T, types, name string) []string {
	t.Helper()
	return all(between(t, types, "type "+name+" =", ";"), `"([^"]+)"`)
}

// same fails the test unless the document lists what the code has.
func same(t *testing.T, what string, listed, want []string) {
	t.Helper()
	listed, want = slices.Sorted(slices.Values(listed)), slices.Sorted(slices.Values(want))
	if len(want) == 0 || !slices.Equal(listed, want) {
		t.Errorf("%s: the document lists\n%q, the code has\n%q", what, listed, want)
	}
}

// Every warning, reason and problem code has an entry in troubleshooting, with
// a cause and a remedy, and nothing else has.
func TestTroubleshootingIsComplete(t *testing.T) {
	page, types := read(t, "docs/troubleshooting.md"), read(t, "web/keepalive.d.ts")
	warnings := between(t, page, "## Warnings in the console", "\n## ")
	same(t, "warnings", all(warnings, `(?m)^### (\S+)$`), union(t, types, "WarningId"))
	for _, entry := range strings.Split(warnings, "\n### ")[1:] {
		for _, part := range []string{"*Symptom:*", "*Cause:*", "*Remedy:*"} {
			if !strings.Contains(entry, part) {
				t.Errorf("an entry has no %s:\n%s", part, entry)
			}
		}
	}
	same(t, "reasons", rows(between(t, page, "## Reasons", "\n## ")), union(t, types, "Reason"))
	var codes []string
	for _, code := range api.Codes() {
		codes = append(codes, string(code))
	}
	_, problems, _ := strings.Cut(page, "## Problem codes")
	same(t, "problem codes", rows(problems), codes)
	for _, row := range all(page, "(?m)^(\\| `.*)$") {
		if strings.Count(row, "|") != 4 || strings.Contains(row, "|  |") {
			t.Errorf("a row lacks its cause or its remedy: %s", row)
		}
	}
}

// The reference has every option, function and event of the page's half.
func TestReferenceIsComplete(t *testing.T) {
	page, types := read(t, "docs/reference.md"), read(t, "web/keepalive.d.ts")
	same(t, "options", rows(between(t, page, "## Options", "\n## ")),
		all(between(t, types, "interface Options {", "\n}"), `(?m)^  (\w+)\?:`))
	same(t, "events", rows(between(t, page, "## Events", "\n## ")),
		all(between(t, types, "interface Events {", "\n}"), `(?m)^  (\w+): Notice`))
	functions := between(t, page, "## Functions", "\n## ")
	api := between(t, types, "interface CaptureKeepalive {", "\n}")
	for _, name := range all(api, `(?m)^  (?:readonly )?(\w+)[(<:]`) {
		if !regexp.MustCompile("`" + name + "[(`]").MatchString(functions) {
			t.Errorf("the reference has no function %s", name)
		}
	}
}

// The table of settings comes from the code.
func TestSettings(t *testing.T) {
	const from, to = "-update writes this table -->\n", "<!-- /settings -->"
	page := read(t, "docs/reference.md")
	listed, want := between(t, page, from, to), settings()
	if listed == want {
		return
	}
	if !*update {
		t.Errorf("docs/reference.md has not the settings of the code. Run: go test ./scripts/docs -update")
		return
	}
	page = strings.Replace(page, from+listed, from+want, 1)
	if err := os.WriteFile(filepath.Join(root, "docs/reference.md"), []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
}

func settings() string {
	var table strings.Builder
	table.WriteString("| name | default | meaning |\n| --- | --- | --- |\n")
	for _, setting := range config.Settings() {
		if strings.HasSuffix(setting.Name, config.FileSuffix) {
			continue // the page says it once for all of them
		}
		fallback := "–"
		if setting.Default != "" {
			fallback = "`" + setting.Default + "`"
		}
		if setting.Required == "yes" {
			fallback = "required"
		} else if setting.Required != "" {
			fallback = "for `" + strings.Replace(setting.Required, " ", ": ", 1) + "`"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", setting.Name, fallback, setting.Meaning)
	}
	return table.String()
}

// Comments cite sections of the contract that are there.
func TestContractSections(t *testing.T) {
	sections := all(read(t, "docs/capture-contract.md"), `(?m)^## (\d)\. `)
	same(t, "sections", sections, []string{"1", "2", "3", "4", "5"})
	cited := 0
	// Not ours, and other tests install and remove it at this moment.
	foreign := []string{".git", "bin", "dist", "node_modules"}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains(foreign, d.Name()) {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || (filepath.Ext(path) != ".go" && filepath.Ext(path) != ".js") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, section := range all(string(text), `contract,? section (\d)`) {
			cited++
			if !slices.Contains(sections, section) {
				t.Errorf("%s cites section %s", path, section)
			}
		}
		return err
	})
	if err != nil || cited < 10 {
		t.Errorf("%d citations found: %v", cited, err)
	}
}

func documents(t *testing.T) []string {
	t.Helper()
	found := []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"}
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages in docs: %v", len(pages), err)
	}
	for _, page := range pages {
		found = append(found, "docs/"+filepath.Base(page))
	}
	return found
}

// Links between documents lead somewhere.
func TestLinks(t *testing.T) {
	for _, document := range documents(t) {
		for _, link := range all(read(t, document), `\]\(([^)\s]+)\)`) {
			if strings.Contains(link, "://") {
				continue
			}
			path, anchor, _ := strings.Cut(link, "#")
			target := filepath.ToSlash(filepath.Join(filepath.Dir(document), path))
			if path == "" {
				target = document
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links to %s, which is not there", document, link)
			} else if anchor != "" && !slices.Contains(anchors(read(t, target)), anchor) {
				t.Errorf("%s links to %s, and there is no such heading", document, link)
			}
		}
	}
}

// The names that a row of docs/extending.md tells to change are in its file.
func TestExtendingNamesWhatIsThere(t *testing.T) {
	const page = "docs/extending.md"
	found := 0
	for _, row := range all(read(t, page), `(?m)^\| (\[`+"`"+`.*)$`) {
		place, what, _ := strings.Cut(row, " | ")
		links := all(place, `\]\(([^)#]+)\)`)
		for _, name := range all(what, "`(\\w+)`") {
			found++
			if !slices.ContainsFunc(links, func(link string) bool {
				return strings.Contains(read(t, filepath.Join("docs", link)), name)
			}) {
				t.Errorf("%s names %s, which is not in %q", page, name, links)
			}
		}
	}
	if found < 15 {
		t.Errorf("%d names found", found)
	}
}

// anchors are the ids that GitHub gives to a page's headings.
func anchors(page string) []string {
	var ids []string
	for _, heading := range all(page, `(?m)^#+ (.*)$`) {
		id := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading), "")
		ids = append(ids, strings.ReplaceAll(id, " ", "-"))
	}
	return ids
}

// A newcomer reads the README in two minutes, on any screen.
func TestReadmeIsShort(t *testing.T) {
	if lines := strings.Count(read(t, "README.md"), "\n"); lines > 120 {
		t.Errorf("the README has %d lines, more than 120", lines)
	}
}

// sources are what people read beside the documents. golangci-lint looks at the
// width of Go code.
var sources = regexp.MustCompile(`\.(js|ts|css|html|sh|yml|yaml|conf|service)$`)

// Lines fit on a screen, and so do those of what is not Go.
func TestWidthsOfSources(t *testing.T) {
	listed, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files").Output()
	if err != nil {
		t.Fatalf("no list of files without git: %v", err)
	}
	for path := range strings.Lines(string(listed)) {
		if path = strings.TrimSpace(path); !sources.MatchString(path) {
			continue
		}
		for i, line := range strings.Split(read(t, path), "\n") {
			if n := len([]rune(line)); n > 120 {
				t.Errorf("%s:%d has %d columns, more than 120", path, i+1, n)
			}
		}
	}
}

// Lines fit on a screen, and cells of tables are read at a glance.
func TestWidths(t *testing.T) {
	for _, document := range documents(t) {
		for i, line := range strings.Split(read(t, document), "\n") {
			if n := len([]rune(line)); n > 120 {
				t.Errorf("%s:%d has %d columns, more than 120", document, i+1, n)
			}
			if !strings.HasPrefix(line, "|") {
				continue
			}
			for cell := range strings.SplitSeq(line, "|") {
				if n := len(strings.Fields(cell)); n > 15 {
					t.Errorf("%s:%d has a cell of %d words, more than 15", document, i+1, n)
				}
			}
		}
	}
}
