package main

import (
	"bufio"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// checkDemo starts the program's demo and asks it for the page and the loader.
func checkDemo(t *testing.T, program string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "demo", "--listen", "localhost:0")
	cmd.Dir = t.TempDir()
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill() // it may be gone
		_ = cmd.Wait()
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the demo said nothing: %v", err)
	}
	url := regexp.MustCompile(`http://[^\s/]*:\d+`).FindString(line)
	for path, want := range map[string]string{"/": "<!doctype html>", "/keepalive/keepalive.js": "captureKeepalive"} {
		response, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close() // it is read
		has := strings.Contains(strings.ToLower(string(body)), strings.ToLower(want))
		if err != nil || response.StatusCode != http.StatusOK || !has {
			t.Errorf("%s: %v, %s, and no %q", path, err, response.Status, want)
		}
	}
}
