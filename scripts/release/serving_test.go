package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// checkServing starts each command of the program that serves, in an empty
// folder, and asks it for the loader.
func checkServing(t *testing.T, program string) {
	t.Helper()
	raw := sha256.Sum256([]byte("a test"))
	key := base64.StdEncoding.EncodeToString(raw[:])
	for _, command := range []struct {
		args, env []string
		asks      map[string]string // paths, and a word of the answer
	}{
		{args: []string{"demo", "--listen", "localhost:0"}, asks: map[string]string{"/": "<!doctype html>"}},
		{args: []string{"dev", "--listen", "localhost:0", "--origin", "http://localhost:5173"},
			asks: map[string]string{"/dev.js": "registration-ui.js"}},
		{args: []string{"serve"}, env: []string{
			"KEEPALIVE_LISTEN=localhost:0", "KEEPALIVE_ADMIN_LISTEN=localhost:0", "KEEPALIVE_STORE=memory:",
			"KEEPALIVE_ORIGINS=https://www.example.com", "KEEPALIVE_KEYS=k1:" + key,
			"KEEPALIVE_CAPTURE_URL=https://app.us.janraincapture.com", "KEEPALIVE_CLIENT_ID=page",
			"KEEPALIVE_ISSUER_CLIENT_ID=issuer", "KEEPALIVE_ISSUER_CLIENT_SECRET=secret",
		}},
	} {
		t.Run(command.args[0], func(t *testing.T) {
			url := startServing(t, program, command.args, command.env)
			ask(t, url+"/keepalive/keepalive.js", "captureKeepalive")
			for path, word := range command.asks {
				ask(t, url+path, word)
			}
		})
	}
}

// startServing returns the address that a command names.
func startServing(t *testing.T, program string, args, env []string) (url string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	// The image has no folder for temporary files.
	cmd.Dir, cmd.Env = t.TempDir(), append(env, "TMPDIR="+filepath.Join(t.TempDir(), "none"))
	said, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // killed, or it has said why
		_ = w.Close()  // for who reads it
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be gone
		<-ended
	})
	address := regexp.MustCompile(`"public":"([^"]+)"|http://(localhost:\d+)`)
	for lines := bufio.NewScanner(said); lines.Scan(); {
		t.Log(lines.Text())
		found := address.FindAllStringSubmatch(lines.Text(), -1)
		if found == nil {
			continue
		}
		go func() { _, _ = io.Copy(io.Discard, said) }()
		last := found[len(found)-1] // dev names the page's origin first
		return "http://" + last[1] + last[2]
	}
	t.Fatalf("%q named no address", args)
	return ""
}

func ask(t *testing.T, url, word string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close() // it is read
	has := strings.Contains(strings.ToLower(string(body)), strings.ToLower(word))
	if err != nil || response.StatusCode != http.StatusOK || !has {
		t.Errorf("%s: %v, %s, and no %q", url, err, response.Status, word)
	}
}
