package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// demonstrate runs the demo until the test ends and returns its address.
func demonstrate(t *testing.T, args ...string) (base string) {
	t.Helper()
	line := launch(t, append([]string{"demo", "--listen", "localhost:0"}, args...)...)
	if _, err := fmt.Sscanf(line, "The demo is at %s Stop", &base); err != nil {
		t.Fatalf("%q names no address", line)
	}
	return strings.TrimSuffix(base, ".")
}

func TestDemo(t *testing.T) {
	base := demonstrate(t, "--life", "1h")
	page := newPageOf(t, base, base)

	response, err := page.client.Get(base + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("<html")) {
		t.Errorf("the page: %s %v", response.Status, err)
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; " +
			"style-src 'self'; img-src 'self' data:",
		"Cache-Control": "no-store",
	} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}

	// Sign in at the stand-in service, report it, have it renewed.
	token := page.signIn(t, map[string]string{"displayName": "Ada"}).AccessToken
	page.login(t, token)
	var renewed api.TokenAnswer
	status, err := page.post(t.Context(), api.PathToken,
		api.TokenRequest{Reason: api.ReasonInvalid, Have: token}, &renewed)
	if err != nil || status != http.StatusOK || renewed.AccessToken == token {
		t.Errorf("renewal: %d %v", status, err)
	}

	r, err := http.NewRequest(http.MethodGet, base+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "rebound.example"
	response, err = page.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("under another host name: %s", response.Status)
	}
}

// A browser takes either address of localhost: both must be the demo's, or it
// says whose place that is.
func TestDemoOnATakenPort(t *testing.T) {
	for _, taken := range []string{"127.0.0.1:0", "[::1]:0"} {
		other, err := net.Listen("tcp", taken)
		if err != nil {
			t.Logf("%s: %v", taken, err) // a machine without IPv6
			continue
		}
		defer other.Close()
		_, port, _ := net.SplitHostPort(other.Addr().String())
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var stdout, stderr output
		code := run(ctx, []string{"demo", "--listen", "localhost:" + port}, nil, &stdout, &stderr)
		if text := stderr.String(); code == exitOK || !strings.Contains(text, "--listen") ||
			!strings.Contains(text, port) || !strings.Contains(text, "cannot listen") ||
			!strings.Contains(text, "choose a port that is free") {
			t.Errorf("%s is taken: exit %d: %s", other.Addr(), code, text)
		}
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
