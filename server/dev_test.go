package server

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// develop runs the dev command until the test ends and returns its address and
// what it has said.
func develop(t *testing.T, origin string) (base, said string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	stdout, stderr := &output{lines: make(chan string, 1)}, new(output)
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"dev", "--origin", origin, "--listen", "localhost:0"}, nil, stdout, stderr)
	}()
	t.Cleanup(func() {
		stop()
		if code := <-done; code != exitOK {
			t.Errorf("exit %d\n%s", code, stderr)
		}
	})
	select {
	case said = <-stdout.lines:
	case code := <-done:
		done <- code
		t.Fatalf("exit %d: %s", code, stderr)
	}
	match := regexp.MustCompile(`src="(http://localhost:[0-9]+)/dev\.js"`).FindStringSubmatch(said)
	if match == nil {
		t.Fatalf("%q shows no script", said)
	}
	return match[1], said
}

// A page of a developer's own server signs in at the stand-in and has its token
// renewed, from another origin and with nothing configured.
func TestDev(t *testing.T) {
	const origin = "http://localhost:5173"
	base, _ := develop(t, origin+"/")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: patience, Transport: new(http.Transport), Jar: jar}
	defer client.CloseIdleConnections()
	ask := func(method, path, from, body string, answer any) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", from)
		r.Header.Set("X-Keepalive", "1")
		r.Header.Set("Content-Type", "application/json")
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if answer == nil {
			_, err = io.Copy(io.Discard, response.Body)
		} else {
			err = json.NewDecoder(response.Body).Decode(answer)
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		return response
	}
	for path, kind := range map[string]string{"/dev.js": "text/javascript", "/registration-ui.js": "text/javascript"} {
		response := ask(http.MethodGet, path, origin, "", nil)
		if response.StatusCode != http.StatusOK || !strings.HasPrefix(response.Header.Get("Content-Type"), kind) || response.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v", path, response.StatusCode, response.Header)
		}
	}
	if response := ask(http.MethodOptions, "/capture/ui/signin", origin, "", nil); response.Header.Get("Access-Control-Allow-Origin") != origin {
		t.Errorf("the preflight request: %d %v", response.StatusCode, response.Header)
	}
	if response := ask(http.MethodOptions, "/capture/ui/signin", "http://localhost:9999", "", nil); response.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("pages of another origin may sign in, too")
	}
	var signedIn struct{ AccessToken string }
	ask(http.MethodPost, "/capture/ui/signin", origin, `{"email":"ada@example.com"}`, &signedIn)
	var opened, renewed api.TokenAnswer
	if response := ask(http.MethodPost, "/keepalive/session", origin, `{"accessToken":"`+signedIn.AccessToken+`"}`, &opened); response.StatusCode != http.StatusCreated {
		t.Fatalf("login: %d", response.StatusCode)
	}
	response := ask(http.MethodPost, "/keepalive/session/token", origin, `{"reason":"invalid","have":"`+signedIn.AccessToken+`"}`, &renewed)
	if response.StatusCode != http.StatusOK || renewed.AccessToken == signedIn.AccessToken || response.Header.Get("Access-Control-Allow-Origin") != origin {
		t.Errorf("renewal: %d %v", response.StatusCode, response.Header)
	}
}

func TestDevRefusesOtherMachines(t *testing.T) {
	for _, args := range [][]string{
		{}, {"--origin", "https://www.example.com"}, {"--origin", "localhost:5173"}, {"--origin", "http://localhost:5173/app"},
		{"--origin", "http://localhost:5173", "--listen", "0.0.0.0:8080"}, {"--origin", "http://localhost:5173", "--life", "0s"},
	} {
		var stdout, stderr output
		if code := run(t.Context(), append([]string{"dev"}, args...), nil, &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), "--") {
			t.Errorf("%q: exit %d, %s", args, code, stderr.String())
		}
	}
}
