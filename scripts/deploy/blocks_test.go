package deploy

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/need"
	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/porttest"
	"github.com/capture-keepalive/capture-keepalive/server/setup"
)

// proxy is a program that init prints a block for, and the least configuration
// that the block fits in. DIR is a folder, LISTEN where it listens.
type proxy struct {
	name   string
	need   need.Need
	config string
	args   []string
}

var proxies = []proxy{
	{
		name: "nginx", need: need.Nginx,
		config: "pid DIR/pid;\nevents {}\nhttp {\naccess_log off;\nserver {\nlisten LISTEN;\n" +
			"BLOCK}\n}\n",
		args: []string{"-p", "DIR", "-e", "stderr", "-g", "daemon off;", "-c"},
	},
	{
		name: "apache", need: need.Apache,
		config: "ServerRoot DIR\nServerName localhost\nPidFile DIR/pid\nErrorLog /dev/stderr\n" +
			"Listen LISTEN\n" + apacheModules() + "<VirtualHost *>\nBLOCK</VirtualHost>\n",
		args: []string{"-DFOREGROUND", "-f"},
	},
	{
		name: "haproxy", need: need.HAProxy,
		config: "global\nGLOBAL\ndefaults\nmode http\ntimeout client 5s\ntimeout connect 5s\n" +
			"timeout server 5s\nfrontend site\nbind LISTEN\nBLOCK",
		args: []string{"-db", "-f"},
	},
}

// apacheModules are where Debian has them. Two of them are what the block asks
// for beside what every Apache has.
func apacheModules(more ...string) string {
	var lines strings.Builder
	for _, name := range append([]string{"mpm_event", "authz_core", "proxy", "proxy_http", "headers"}, more...) {
		fmt.Fprintf(&lines, "LoadModule %[1]s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", name)
	}
	return lines.String()
}

// start runs the proxy with the block that init prints, before a server.
func (p proxy) start(t *testing.T, server string) (address string) {
	t.Helper()
	program := p.need.Require(t)[0]
	address = porttest.Address(t)
	dir := t.TempDir()
	block := strings.ReplaceAll(setup.Block(p.name), config.Default("LISTEN"), server)
	if strings.Contains(p.config, "GLOBAL") {
		// HAProxy's block is for three sections, and the first is above.
		var global string
		global, block, _ = strings.Cut(block, "# In the frontend:\n")
		p.config = strings.Replace(p.config, "GLOBAL", global, 1)
	}
	fill := strings.NewReplacer("DIR", dir, "LISTEN", address, "BLOCK", block)
	path := filepath.Join(dir, "proxy.conf")
	if err := os.WriteFile(path, []byte(fill.Replace(p.config)), 0o600); err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, arg := range p.args {
		args = append(args, fill.Replace(arg))
	}
	run(t, exec.Command(program, append(args, path)...))
	waitFor(t, address)
	return address
}

// What init prints for a proxy lets everything through that the server and the
// page tell each other, and tells the server who the visitor is.
func TestInitsProxyBlocks(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", "__Host-Http-keepalive=x; Path=/; Secure; HttpOnly")
		w.Header().Add("Set-Cookie", "keepalive-here=1; Path=/; Secure")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
		body, _ := io.ReadAll(r.Body)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"path": r.URL.String(), "header": r.Header, "body": string(body), "method": r.Method,
		})
	}))
	server.Config.MaxHeaderBytes = 128 << 10
	t.Cleanup(server.Close)
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			address := p.start(t, strings.TrimPrefix(server.URL, "http://"))
			checkProxy(t, "http://"+address)
		})
	}
}

func checkProxy(t *testing.T, url string) {
	t.Helper()
	cookie := "keepalive=" + strings.Repeat("a", 40_000)
	request, err := http.NewRequest("POST", url+"/keepalive/session/token?a=b%2Fc",
		strings.NewReader(`{"reason":"due"}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Cookie": cookie, "X-Keepalive": "1", "Origin": "https://www.example.com",
		"Content-Type": "application/json", "X-Forwarded-For": "203.0.113.9",
	} {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var seen struct {
		Path, Body, Method string
		Header             http.Header
	}
	if err := json.NewDecoder(response.Body).Decode(&seen); err != nil {
		t.Fatalf("%s: %v", response.Status, err)
	}
	got := fmt.Sprint(seen.Method, " ", seen.Path, " ", seen.Body)
	if want := `POST /keepalive/session/token?a=b%2Fc {"reason":"due"}`; got != want {
		t.Errorf("the server saw %s, want %s", got, want)
	}
	for name, want := range map[string]string{
		"Cookie": cookie, "X-Keepalive": "1", "Origin": "https://www.example.com",
		"Content-Type": "application/json", "X-Forwarded-For": "127.0.0.1",
	} {
		if got := strings.Join(seen.Header.Values(name), " and "); got != want {
			t.Errorf("the server saw %s %.60q, want %.60q", name, got, want)
		}
	}
	if cookies := response.Cookies(); len(cookies) != 2 || response.StatusCode != http.StatusServiceUnavailable ||
		response.Header.Get("Retry-After") != "7" {
		t.Errorf("the page saw %s, %d cookies and Retry-After %q", response.Status, len(cookies),
			response.Header.Get("Retry-After"))
	}
}
