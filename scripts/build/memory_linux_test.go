package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/gotool"
	"github.com/capture-keepalive/capture-keepalive/server/porttest"
)

// maxIdle bounds the resident memory of a server without users, in bytes.
const maxIdle = 25 * 1000 * 1000

// TestIdleMemory starts the binary that was built last, as an operator does,
// and asks the kernel (proc(5), VmRSS) once it is ready.
func TestIdleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test runs the built server")
	}
	root, err := gotool.Root(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(root, filepath.FromSlash(serverPath))
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("the server is not built, run `go run ./scripts/build`: %v", err)
	}
	admin := porttest.Address(t)
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "serve")
	cmd.Dir = t.TempDir()
	// Of this test's own environment nothing may reach the server's settings.
	cmd.Env = []string{
		"KEEPALIVE_LISTEN=" + porttest.Address(t),
		"KEEPALIVE_ADMIN_LISTEN=" + admin,
		"KEEPALIVE_ORIGINS=https://www.example.com",
		"KEEPALIVE_CAPTURE_URL=https://capture.example.com",
		"KEEPALIVE_CLIENT_ID=page",
		"KEEPALIVE_ISSUER_CLIENT_ID=issuer",
		"KEEPALIVE_ISSUER_CLIENT_SECRET=secret",
		"KEEPALIVE_STORE=bolt:" + filepath.Join(cmd.Dir, "keepalive.db"),
		"KEEPALIVE_KEYS=k1:" + base64.StdEncoding.EncodeToString(key),
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // the test itself ends it, with the context
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // or it would outlive this process
		<-ended
	})
	if !ready(t, "http://"+admin+"/readyz", ended) {
		_ = cmd.Process.Kill() // said is not read while it is written
		<-ended
		t.Fatalf("the server did not become ready:\n%s", said.Bytes())
	}
	idle := resident(t, cmd.Process.Pid)
	t.Logf("idle server  %9d of %9d bytes", idle, maxIdle)
	if idle > maxIdle {
		t.Errorf("an idle server takes %d bytes, the bar is %d", idle, maxIdle)
	}
}

// ready asks until the server says that it is, or has ended, or a minute
// is over.
func ready(t *testing.T, url string, ended <-chan struct{}) bool {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	late := time.After(time.Minute)
	for {
		if answer, err := http.Get(url); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-again.C:
		case <-ended:
			return false
		case <-late:
			return false
		}
	}
}

// resident is the resident set of a process in bytes.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			var kib int64
			if _, err := fmt.Sscanf(value, "%d kB", &kib); err != nil {
				t.Fatalf("VmRSS is %q: %v", value, err)
			}
			return kib * 1024 // proc(5) says kB and means KiB
		}
	}
	t.Fatalf("no VmRSS in\n%s", text)
	return 0
}
