package docs

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/porttest"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
)

// commands are the lines of a document's sh blocks, in their order.
func commands(t *testing.T, document string) []string {
	t.Helper()
	var found []string
	for _, block := range all(read(t, document), "(?s)```sh\n(.*?)```") {
		for line := range strings.Lines(block) {
			line, _, _ = strings.Cut(line, "  #")
			if line = strings.TrimSpace(line); line != "" {
				found = append(found, line)
			}
		}
	}
	return found
}

// reader follows a document from top to bottom, as a newcomer does. Only ports,
// the folder and the address of Capture and of the site are the test's.
type reader struct {
	program string
	dir     string            // where init wrote
	public  string            // of the running serve
	env     map[string]string // what a line has set
}

func TestCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test runs the built program")
	}
	program, err := filepath.Abs(filepath.Join(root, "bin", "capture-keepalive"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v. Run: make build", err)
	}
	for document, least := range map[string]int{"README.md": 5, "docs/quickstart.md": 8} {
		t.Run(document, func(t *testing.T) {
			lines := commands(t, document)
			if len(lines) < least {
				t.Errorf("%d commands in %s, there should be at least %d", len(lines), document, least)
			}
			r := &reader{program: program, dir: t.TempDir(), env: make(map[string]string)}
			for _, line := range lines {
				r.follow(t, line)
			}
		})
	}
}

func (r *reader) follow(t *testing.T, line string) {
	t.Helper()
	t.Log(line)
	words := strings.Fields(line)
	switch {
	case words[0] == "make":
		// The build is a step of its own before this test: here, that make would.
		command := exec.CommandContext(t.Context(), "make", append([]string{"--dry-run"}, words[1:]...)...)
		command.Dir = root
		if said, err := command.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", line, err, said)
		}
	case words[0] == "docker":
		image := slices.IndexFunc(words, func(word string) bool {
			return strings.HasPrefix(word, "capture-keepalive:")
		})
		if image < 0 {
			t.Fatalf("%s runs no image of ours", line)
		}
		r.run(t, line, words[image+1:])
	case words[0] == "bin/capture-keepalive":
		r.run(t, line, words[1:])
	case line == "set -a; . ./environment; set +a":
		r.source(t)
	default:
		t.Errorf("the test cannot follow %q: teach it, or change the document", line)
	}
}

// run does what a line says with the program.
func (r *reader) run(t *testing.T, line string, args []string) {
	t.Helper()
	switch {
	case args[0] == "demo":
		url := r.start(t, nil, append(args, "--listen", "localhost:0")...)
		get(t, url+"/keepalive/keepalive.js")
	case args[0] == "dev":
		url := r.start(t, nil, append(args, "--listen", "localhost:0")...)
		get(t, url+"/keepalive/keepalive.js")
		get(t, url+"/dev.js")
	case args[0] == "init":
		r.initialize(t, args)
	case args[0] == "serve":
		r.serve(t)
	case slices.Contains(args, "--url"):
		args = append(args[:len(args)-1:len(args)-1], r.public, "--origin", "https://www.example.com")
		// There is no proxy with TLS here, which it tells, with an exit code.
		said, _ := r.command(t, args...).CombinedOutput()
		for _, want := range []string{
			"answers at " + r.public, "plain http", "Pages of https://www.example.com may ask",
		} {
			if !strings.Contains(string(said), want) {
				t.Errorf("%s does not say %q:\n%s", line, want, said)
			}
		}
	default:
		said, err := r.command(t, args...).CombinedOutput()
		if err != nil || len(said) == 0 {
			t.Errorf("%s: %v\n%s", line, err, said)
		}
	}
}

func (r *reader) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), r.program, args...)
	command.Dir = r.dir
	for name, value := range r.env {
		command.Env = append(command.Env, name+"="+value)
	}
	return command
}

// start runs a command that goes on, and returns the address that it names.
func (r *reader) start(t *testing.T, env []string, args ...string) string {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	command := r.command(t, args...)
	running := exec.CommandContext(ctx, command.Path, args...)
	running.Dir, running.Env = command.Dir, append(command.Env, env...)
	said, w := io.Pipe()
	running.Stdout, running.Stderr = w, w
	if err := running.Start(); err != nil {
		end()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end()
		_ = running.Wait() // it was killed
		_ = w.Close()      // the writer is gone
	})
	address := regexp.MustCompile(`http://localhost:\d+|"public":"[^"]+"`)
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if found := address.FindString(lines.Text()); found != "" && !strings.Contains(found, ":5173") {
			go func() { _, _ = io.Copy(io.Discard, said) }()
			return strings.TrimSuffix(strings.Replace(found, `"public":"`, "http://", 1), `"`)
		}
	}
	t.Fatalf("%q named no address", args)
	return ""
}

func get(t *testing.T, url string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close() // its status is enough
	if response.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", url, response.Status)
	}
}

// initialize answers the questions of init, for a Capture of the test's own.
func (r *reader) initialize(t *testing.T, args []string) {
	t.Helper()
	capture := httptest.NewServer(simulator.New(simulator.Options{Clients: []simulator.Client{
		{ID: "page"}, {ID: "issuer", Secret: secret.New("issuer-secret"), AccessIssuer: true},
	}}))
	t.Cleanup(capture.Close)
	command := r.command(t, args...)
	command.Stdin = strings.NewReader("\nhttps://www.example.com\n" +
		"https://app.us.janraincapture.com\npage\nissuer\nnginx\n")
	said, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("init: %v\n%s", err, said)
	}
	for _, path := range all(string(said), `Put .* into (\S+),`) {
		if err := os.WriteFile(path, []byte("issuer-secret"), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	r.env["KEEPALIVE_CAPTURE_URL"] = capture.URL
}

// source reads the file that init wrote, with a shell as the document has it.
func (r *reader) source(t *testing.T) {
	t.Helper()
	shell := exec.CommandContext(t.Context(), "sh", "-c", "set -a; . ./environment; set +a; env")
	shell.Dir = r.dir
	said, err := shell.Output()
	if err != nil {
		t.Fatal(err)
	}
	captureURL := r.env["KEEPALIVE_CAPTURE_URL"]
	for line := range strings.Lines(string(said)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.HasPrefix(name, "KEEPALIVE_") {
			r.env[name] = value
		}
	}
	if len(r.env) < 5 {
		t.Fatalf("the environment file sets %v", r.env)
	}
	r.env["KEEPALIVE_CAPTURE_URL"] = captureURL
}

func (r *reader) serve(t *testing.T) {
	t.Helper()
	admin := porttest.Address(t)
	url := r.start(t, []string{"KEEPALIVE_LISTEN=127.0.0.1:0", "KEEPALIVE_ADMIN_LISTEN=" + admin}, "serve")
	r.public = url + "/keepalive"
	get(t, r.public+"/keepalive.js")
	get(t, "http://"+admin+"/readyz")
}
