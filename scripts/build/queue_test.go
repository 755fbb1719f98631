package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/gotool"
)

// Of what the UI fires before the module is there, screens alone are dropped. A
// form whose answer was dropped would look unanswered, and be sent again.
func TestQueueDropsScreensAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test runs node")
	}
	root, err := gotool.Root(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	const saved = "submit onCaptureProfileSaveSuccess onCaptureError onCaptureAccountUpdateSuccess"
	script := sourceOf(t, filepath.Join(root, "web", "src", "queue.js")) + `
		for (const name of process.argv[1].split(" ")) enqueue([name]);
		console.log(drain().join(" "));`
	cmd := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", script,
		"render onCaptureScreenShow "+saved+" "+saved+" onCaptureScreenShow render")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.TrimSpace(string(out)), saved+" "+saved+" onCaptureScreenShow render"; got != want {
		t.Errorf("the queue has\n%s, want\n%s", got, want)
	}
}
