package server

import (
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// develop runs the dev command until the test ends and returns its address and
// what it has said.
func develop(t *testing.T, origin string) (base, said string) {
	t.Helper()
	said = launch(t, "dev", "--origin", origin, "--listen", "localhost:0")
	match := regexp.MustCompile(`src="(http://[^"]+)/dev\.js"`).FindStringSubmatch(said)
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
	site, other := newPageOf(t, origin, base), newPageOf(t, "http://localhost:9999", base)
	send := func(p *page, method, path string, body, answer any) *http.Response {
		t.Helper()
		response, err := p.send(t.Context(), method, path, body, answer)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	for _, path := range []string{"/dev.js", "/registration-ui.js"} {
		response := send(site, http.MethodGet, path, nil, nil)
		kind := response.Header.Get("Content-Type")
		if response.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/javascript") ||
			readers(response) != "*" {
			t.Errorf("%s: %d %v", path, response.StatusCode, response.Header)
		}
	}
	const signIn = "/capture/ui/signin"
	if response := send(site, http.MethodOptions, signIn, nil, nil); readers(response) != origin {
		t.Errorf("the preflight request: %d %v", response.StatusCode, response.Header)
	}
	if response := send(other, http.MethodOptions, signIn, nil, nil); readers(response) != "" {
		t.Error("pages of another origin may sign in, too")
	}
	token := site.signIn(t, map[string]string{}).AccessToken
	site.login(t, token)
	var renewed api.TokenAnswer
	response := send(site, http.MethodPost, "/keepalive"+api.PathToken,
		api.TokenRequest{Reason: api.ReasonInvalid, Have: token}, &renewed)
	if response.StatusCode != http.StatusOK || renewed.AccessToken == token ||
		readers(response) != origin {
		t.Errorf("renewal: %d %v", response.StatusCode, response.Header)
	}
}

// readers are the origins that may read a response.
func readers(response *http.Response) string {
	return response.Header.Get("Access-Control-Allow-Origin")
}

// A cookie stays in one site, and the names of this machine are several.
func TestDevIsOfThePagesSite(t *testing.T) {
	for _, host := range []string{"localhost", "127.0.0.1"} {
		origin := "http://" + host + ":5173"
		base, _ := develop(t, origin)
		if !strings.HasPrefix(base, "http://"+host+":") {
			t.Errorf("a page of %s is to use the server at %s", origin, base)
		}
		newPageOf(t, origin, base).signIn(t, map[string]string{})
	}
}

// The image has the program alone, and no folder for temporary files.
func TestDevAndDemoWriteNoFile(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	develop(t, "http://localhost:5173")
	demonstrate(t)
}

func TestDevRefusesOtherMachines(t *testing.T) {
	for _, args := range [][]string{
		{}, {"--origin", "https://www.example.com"}, {"--origin", "localhost:5173"},
		{"--origin", "http://localhost:5173/app"}, {"--origin", "https://localhost:5173"},
		{"--origin", "http://localhost:5173", "--listen", "0.0.0.0:8080"},
		{"--origin", "http://localhost:5173", "--life", "0s"},
	} {
		var stdout, stderr output
		if code := run(t.Context(), append([]string{"dev"}, args...), nil, &stdout, &stderr); code != exitUsage ||
			!strings.Contains(stderr.String(), "--") {
			t.Errorf("%q: exit %d, %s", args, code, stderr.String())
		}
	}
}
