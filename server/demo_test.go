package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// demonstrate runs the demo until the test ends and returns its address.
func demonstrate(t *testing.T, args ...string) (base string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	stdout, stderr := &output{lines: make(chan string, 1)}, new(output)
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, append([]string{"demo", "--listen", "localhost:0"}, args...), nil, stdout, stderr)
	}()
	t.Cleanup(func() {
		stop()
		if code := <-done; code != exitOK {
			t.Errorf("the demo's exit: %d\n%s", code, stderr)
		}
	})
	select {
	case line := <-stdout.lines:
		if _, err := fmt.Sscanf(line, "The demo is at %s Stop", &base); err != nil {
			t.Fatalf("%q names no address", line)
		}
	case code := <-done:
		done <- code
		t.Fatalf("exit %d: %s", code, stderr)
	}
	return strings.TrimSuffix(base, ".")
}

func TestDemo(t *testing.T) {
	base := demonstrate(t, "--life", "1h")
	client := &http.Client{Timeout: patience, Transport: new(http.Transport)}
	defer client.CloseIdleConnections()

	response, err := client.Get(base + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("<html")) {
		t.Errorf("the page: %s %v", response.Status, err)
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:",
		"Cache-Control":           "no-store",
	} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}

	// Sign in at the stand-in service, report it, have it renewed.
	response, err = client.Post(base+"/capture/ui/signin", "application/json", strings.NewReader(`{"email":"ada@example.com","displayName":"Ada"}`))
	if err != nil {
		t.Fatal(err)
	}
	var signedIn struct{ AccessToken string }
	err = json.NewDecoder(response.Body).Decode(&signedIn)
	response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client.Jar = jar
	call := func(path, body string, answer any) int {
		r, err := http.NewRequest(http.MethodPost, base+"/keepalive"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", base)
		r.Header.Set("X-Keepalive", "1")
		r.Header.Set("Content-Type", "application/json")
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode
	}
	var opened, renewed api.TokenAnswer
	if status := call("/session", `{"accessToken":"`+signedIn.AccessToken+`"}`, &opened); status != http.StatusCreated {
		t.Fatalf("login: %d", status)
	}
	if status := call("/session/token", `{"reason":"invalid","have":"`+signedIn.AccessToken+`"}`, &renewed); status != http.StatusOK || renewed.AccessToken == signedIn.AccessToken {
		t.Errorf("renewal: %d", status)
	}

	r, err := http.NewRequest(http.MethodGet, base+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "rebound.example"
	response, err = client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("under another host name: %s", response.Status)
	}
}

func TestDemoKeepsItsStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demo.db")
	t.Run("first run", func(t *testing.T) { demonstrate(t, "--store", path) })
	keys, err := os.ReadFile(path + ".keys")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path + ".keys"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
	t.Run("second run", func(t *testing.T) { demonstrate(t, "--store", path) })
	again, err := os.ReadFile(path + ".keys")
	if err != nil || !bytes.Equal(keys, again) {
		t.Errorf("the key changed between runs (%v)", err)
	}
}
