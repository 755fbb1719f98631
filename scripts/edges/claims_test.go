package edges

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// claim is a link of a page to a file of the repository, by the name of a test
// or a path.
var claim = regexp.MustCompile("\\[`([^`]+)`\\]\\((\\.\\./[^)#]+)\\)")

// unproved returns the links of a page in docs to a file that is not there,
// or that does not have the test of the link.
func unproved(docs string, page []byte) (missing []string) {
	for _, link := range claim.FindAllSubmatch(page, -1) {
		name, path := string(link[1]), filepath.Join(docs, filepath.FromSlash(string(link[2])))
		if !strings.HasPrefix(name, "Test") {
			if _, err := os.Stat(path); err != nil {
				missing = append(missing, name)
			}
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(text, []byte("\nfunc "+name+"(t *testing.T)")) {
			missing = append(missing, name)
		}
	}
	return missing
}

// What the threat model says is done points to what holds it.
func TestThreatModel(t *testing.T) {
	docs := filepath.Join(moduleRoot(t), "docs")
	page, err := os.ReadFile(filepath.Join(docs, "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(claim.FindAll(page, -1)); n < 30 {
		t.Errorf("%d claims point to something; most should", n)
	}
	for _, name := range unproved(docs, page) {
		t.Errorf("docs/threat-model.md: there is no %s where it says", name)
	}
	const lies = "[`TestThreatModel`](../scripts/edges/edges_test.go) " +
		"[`TestThreatModel`](../scripts/edges/claims_test.go) [`gone`](../gone.go)"
	if found := unproved(docs, []byte(lies)); len(found) != 2 {
		t.Errorf("of three claims, %q are found to be wrong, want the first and the last", found)
	}
}
