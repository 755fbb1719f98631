package deploy

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/need"
	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/porttest"
	"github.com/capture-keepalive/capture-keepalive/server/setup"
)

// documented is the block of docs/proxies.md in a language, for two servers.
func documented(t *testing.T, language string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "proxies.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(string(page))
	if block == nil || !strings.Contains(block[1], "10.0.0.1:8080") || !strings.Contains(block[1], "10.0.0.2:8080") {
		t.Fatalf("docs/proxies.md has no block in %s for two servers", language)
	}
	return block[1]
}

// replica is a server that can be restarted where it was.
type replica struct {
	address string
	server  *http.Server
}

func (r *replica) start(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	r.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		_, _ = w.Write(body)
	})}
	go func() { _ = r.server.Serve(listener) }() // ends with stop
}

func (r *replica) stop() { _ = r.server.Close() }

// Two servers that restart one after the other lose no call of a page behind a
// proxy that is told of a refused connection: a proxy that leaves the first one
// out for a while has none left when the second one is away.
func TestTwoServersRestart(t *testing.T) {
	for _, p := range []struct {
		language string
		need     need.Need
		upstream string // what stands in init's block in the place of the address
		config   string
		args     []string
	}{
		{"nginx", need.Nginx, "keepalive_public",
			"pid DIR/pid;\nevents {}\nhttp {\naccess_log off;\nSERVERS\nserver {\nlisten LISTEN;\nBLOCK}\n}\n",
			[]string{"-p", "DIR", "-e", "stderr", "-g", "daemon off;", "-c"}},
		{"apache", need.Apache, "keepalive",
			"ServerRoot DIR\nDefaultRuntimeDir DIR\nServerName localhost\nPidFile DIR/pid\n" +
				"ErrorLog /dev/stderr\nListen LISTEN\n" + apacheModules(
				"proxy_balancer", "lbmethod_byrequests", "slotmem_shm") +
				"SERVERS\n<VirtualHost *>\nBLOCK</VirtualHost>\n",
			[]string{"-DFOREGROUND", "-f"}},
	} {
		t.Run(p.language, func(t *testing.T) {
			program := p.need.Require(t)[0]
			one, two := replica{address: porttest.Address(t)}, replica{address: porttest.Address(t)}
			servers := strings.NewReplacer("10.0.0.1:8080", one.address, "10.0.0.2:8080",
				two.address).Replace(documented(t, p.language))
			block := strings.ReplaceAll(setup.Block(p.language), config.Default("LISTEN"), p.upstream)
			block = strings.ReplaceAll(block, `"http://keepalive/`, `"balancer://keepalive/`)
			dir, address := t.TempDir(), porttest.Address(t)
			fill := strings.NewReplacer("DIR", dir, "LISTEN", address, "BLOCK", block, "SERVERS", servers)
			path := filepath.Join(dir, "proxy.conf")
			if err := os.WriteFile(path, []byte(fill.Replace(p.config)), 0o600); err != nil {
				t.Fatal(err)
			}
			one.start(t)
			two.start(t)
			t.Cleanup(func() { one.stop(); two.stop() })
			var args []string
			for _, arg := range p.args {
				args = append(args, fill.Replace(arg))
			}
			run(t, exec.Command(program, append(args, path)...))
			waitFor(t, address)
			for _, away := range []*replica{&one, &two} {
				away.stop()
				for range 2 { // each server is asked once
					callOfAPage(t, address)
				}
				away.start(t)
			}
		})
	}
}

func callOfAPage(t *testing.T, address string) {
	t.Helper()
	const body = `{"reason":"due"}`
	response, err := http.Post("http://"+address+"/keepalive/session/token", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got, err := io.ReadAll(response.Body); err != nil || string(got) != body {
		t.Errorf("the page got %s, %v: %s", response.Status, err, got)
	}
}

// The others ask a server whether it is ready, every second: their blocks are
// read and not run.
func TestBlocksForTwoServersAreRead(t *testing.T) {
	for _, p := range []struct {
		language string
		need     need.Need
		before   string
		args     []string
	}{
		{"caddy", need.Caddy, ":80\nhandle /keepalive/* {\n", []string{"validate", "--adapter", "caddyfile", "--config"}},
		{"haproxy", need.HAProxy, "defaults\nmode http\ntimeout client 5s\ntimeout connect 5s\n" +
			"frontend site\nbind 127.0.0.1:80\nuse_backend keepalive\n",
			[]string{"-c", "-f"}},
	} {
		path := filepath.Join(t.TempDir(), "proxy.conf")
		text := p.before + documented(t, p.language)
		if strings.HasSuffix(p.before, "{\n") {
			text += "}\n"
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		said, err := exec.Command(p.need.Require(t)[0], append(p.args, path)...).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", p.language, err, said)
		}
	}
}
