package journeys

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
	"github.com/capture-keepalive/capture-keepalive/server/porttest"
)

// viteApp is a copy of testdata/vite with its packages.
type viteApp struct{ dir string }

// newViteApp installs what the lock file names. Our own package is the one
// that was built last: the copy lies as deep below a folder with web in it.
func newViteApp(t *testing.T) viteApp {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	web, err := filepath.Abs("../../web")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(web, filepath.Join(top, "web")); err != nil {
		t.Fatal(err)
	}
	app := viteApp{filepath.Join(top, "a", "b", "c", "vite")}
	if err := os.CopyFS(app.dir, os.DirFS("testdata/vite")); err != nil {
		t.Fatal(err)
	}
	app.run(t, "", "npm", "ci", "--no-audit", "--no-fund", "--prefer-offline")
	return app
}

// command runs in the app's folder. server is where keepalive's is.
func (a viteApp) command(server, name string, args ...string) *exec.Cmd {
	command := exec.Command(name, args...)
	command.Dir = a.dir
	command.Env = append(os.Environ(), "VITE_SERVER="+server, "NO_COLOR=1")
	return command
}

func (a viteApp) run(t *testing.T, server, name string, args ...string) {
	t.Helper()
	if said, err := a.command(server, name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, said)
	}
}

// edit replaces a text in a file of the app.
func (a viteApp) edit(t *testing.T, file, from, to string) {
	t.Helper()
	path := filepath.Join(a.dir, "src", file)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		t.Fatalf("%s has no %q", file, from)
	}
	edited := strings.Replace(string(text), from, to, 1)
	if err := os.WriteFile(path, []byte(edited), 0o644); err != nil {
		t.Fatal(err)
	}
}

// serve starts Vite's development server and returns the page's address and a
// keepalive server for it.
func (a viteApp) serve(t *testing.T, hmr string) (*demo, string) {
	t.Helper()
	_, port, _ := net.SplitHostPort(porttest.Address(t))
	origin := "http://localhost:" + port
	d := startDev(t, origin)
	vite := a.command(d.URL, "node_modules/.bin/vite", "--port", port, "--strictPort", "--host", "localhost")
	vite.Env = append(vite.Env, "HMR="+hmr)
	said, err := vite.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	vite.Stderr = t.Output()
	if err := vite.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = vite.Process.Signal(syscall.SIGTERM)
		_ = vite.Wait()
	})
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if strings.Contains(lines.Text(), "Local:") {
			go func() { _, _ = io.Copy(io.Discard, said) }()
			return d, origin
		}
	}
	t.Fatal("Vite did not start")
	return nil, ""
}

// A React app made with Vite keeps its user signed in: built, and with its
// development server while it is being written, under StrictMode.
func TestViteApp(t *testing.T) {
	t.Parallel()
	app := newViteApp(t)
	b := browsertest.Chromium(t)

	t.Run("built", func(t *testing.T) {
		site := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(app.dir, "dist"))))
		t.Cleanup(site.Close)
		origin := strings.Replace(site.URL, "127.0.0.1", "localhost", 1)
		d := startDev(t, origin)
		app.run(t, d.URL, "npm", "run", "build")
		p := b.Open(t, origin)
		saysWho(t, p, "Signed out")
		typeSignIn(t, p)
		saysWho(t, p, "Signed in")
		finishSave(t, d, p, "written in React")
		p.Reload(t)
		saysWho(t, p, "Signed in")
		p.Click(t, ".capture_end_session")
		saysWho(t, p, "Signed out")
	})

	t.Run("edited, with hot updates", func(t *testing.T) {
		// Each run of the loader listens once to violations of the policy.
		app.edit(t, "../index.html", "<head>", `<head><script>
			const add = EventTarget.prototype.addEventListener;
			window.runs = 0;
			EventTarget.prototype.addEventListener = function (type, ...rest) {
				if (type === "securitypolicyviolation") runs++;
				return add.call(this, type, ...rest);
			};
		</script>`)
		d, origin := app.serve(t, "on")
		p := b.Open(t, origin)
		typeSignIn(t, p)
		p.Eval(t, `window.sameDocument = true`, nil)
		app.edit(t, "App.tsx", "First title", "Second title")
		p.WaitFor(t, `document.querySelector("h1").textContent === "Second title"`, soon)
		// The module that calls start() runs again.
		app.edit(t, "keepalive.ts", "const unknown", `document.title = "Edited"; const unknown`)
		p.WaitFor(t, `document.title === "Edited" && sameDocument`, soon)
		saysWho(t, p, "Signed in")
		var runs int
		if p.Eval(t, `runs`, &runs); runs != 1 {
			t.Errorf("after start() ran again, the loader runs %d times", runs)
		}
		finishSave(t, d, p, "written between two edits")
		noErrorsBut401(t, p)
	})

	t.Run("edited, without hot updates", func(t *testing.T) {
		d, origin := app.serve(t, "off")
		p := b.Open(t, origin)
		typeSignIn(t, p)
		app.edit(t, "App.tsx", "Second title", "Third title")
		p.WaitFor(t, `fetch("/src/App.tsx").then(r => r.text()).then(text => text.includes("Third title"))`, soon)
		p.Reload(t)
		p.WaitFor(t, `document.querySelector("h1").textContent === "Third title"`, soon)
		waitSignedIn(t, p)
		saysWho(t, p, "Signed in")
		finishSave(t, d, p, "written after an edit")
	})
}

// saysWho waits until the app shows what useSyncExternalStore gave it.
func saysWho(t *testing.T, p *browsertest.Page, text string) {
	t.Helper()
	p.WaitFor(t, says("#who", text), soon)
}
