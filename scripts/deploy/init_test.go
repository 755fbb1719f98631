package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/need"
	"github.com/capture-keepalive/capture-keepalive/server/setup"
)

// TestInitsNginxBlock has nginx read the block that init prints.
func TestInitsNginxBlock(t *testing.T) {
	programs := need.Nginx.Require(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "nginx.conf")
	config := fmt.Sprintf("pid %s/pid;\nevents {}\nhttp {\naccess_log off;\n"+
		"server {\nlisten 127.0.0.1:8443;\n%s}\n}\n", dir, setup.Block("nginx"))
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	test := exec.Command(programs[0], "-t", "-p", dir, "-c", path, "-e", "stderr")
	if said, err := test.CombinedOutput(); err != nil {
		t.Errorf("nginx: %v\n%s", err, said)
	}
}
