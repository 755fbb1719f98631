package server

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

const answersForInit = "\nhttps://www.example.com\nhttps://app.us.janraincapture.com\npage\nissuer\nnginx\n"

func TestInitCommand(t *testing.T) {
	dir := t.TempDir()
	var stdout, stderr output
	p := &program{stdin: strings.NewReader(answersForInit), stdout: &stdout, stderr: &stderr}
	if code := p.run(t.Context(), []string{"init", "--dir", dir}); code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	for _, want := range []string{filepath.Join(dir, "environment"), "location /keepalive/ {",
		"the secret of the API client issuer", "check --live"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("init does not say %q:\n%s", want, stdout.String())
		}
	}
}

// What makes all answers worthless is told before the first question.
func TestInitLooksBeforeItAsks(t *testing.T) {
	taken := t.TempDir()
	if err := os.WriteFile(filepath.Join(taken, "keys"), []byte("k1:x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		taken:     "is there already",
		"/dev/fd": "nothing can be written to the folder", // for root as well
	} {
		var stdout, stderr output
		p := &program{stdin: strings.NewReader(answersForInit), stdout: &stdout, stderr: &stderr}
		if code := p.run(t.Context(), []string{"init", "--dir", dir}); code != exitError ||
			stdout.String() != "" || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: exit %d, asked %q, said %q", dir, code, &stdout, &stderr)
		}
	}
}

func TestSnippet(t *testing.T) {
	built := fstest.MapFS{"stub.js": {Data: []byte("stub();\n")}}
	text, err := snippet(built, "/keepalive")
	want := "<script>stub();</script>\n<script async src=\"/keepalive/keepalive.js\" data-start data-dialog></script>\n"
	if err != nil || text != want {
		t.Errorf("%q, %v", text, err)
	}
	// Pages look for the server at /keepalive of their own origin otherwise.
	for _, endpoint := range []string{"/sso", "https://a.example/keepalive"} {
		text, err := snippet(built, endpoint)
		want := `src="` + endpoint + `/keepalive.js" data-start data-dialog data-endpoint="` + endpoint + `">`
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("%q, %v, want %s", text, err, want)
		}
	}
	if _, err := snippet(fstest.MapFS{}, "/keepalive"); err == nil {
		t.Error("a program without files has a stub")
	}
	if _, err := snippet(fstest.MapFS{"stub.js": {Data: []byte(`"</SCRIPT>"`)}}, "/keepalive"); err == nil {
		t.Error("a stub that ends its own element is printed")
	}
	for _, endpoint := range []string{
		"keepalive", `/x"onload="`, "", "/", "//evil.example/k", `/\evil.example/k`, "http://", "https://a.example",
		"https://user@a.example/k", "http://a.example/k", "javascript:x", "/k?x=1", "/k#x", "/a/../b",
		"https://a.example:99999/k", "https://a.example/k?x",
	} {
		var stdout, stderr output
		if code := run(t.Context(), []string{"snippet", "--endpoint", endpoint}, nil, &stdout,
			&stderr); code != exitUsage {
			t.Errorf("--endpoint %q: exit %d", endpoint, code)
		}
	}
	for _, endpoint := range []string{"/k", "/a/k/", "https://a.example/k", "http://localhost:8080/k", ` "/k" `} {
		if place, ok := placeOf(endpoint); !ok || !strings.Contains(endpoint, place) {
			t.Errorf("--endpoint %q: %q, %t", endpoint, place, ok)
		}
	}
}

// Each of these is there for what it prints: where that is lost, the command has
// failed, and not the command line.
func TestLostOutputFailsTheCommand(t *testing.T) {
	folder := t.TempDir()
	for _, args := range []string{
		"--help", "help", "help check", "serve --help", "sessions --help", "version", "--version",
		"snippet", "completion bash", "completion powershell", "__complete ch", "check --url http://localhost:1/k",
		"init --dir " + folder, "check",
	} {
		var stderr output
		p := &program{
			environment: serving("http://localhost:1", filepath.Join(t.TempDir(), "keepalive.db")),
			stdin:       strings.NewReader(answersForInit),
			stdout:      full{}, stderr: &stderr, files: fstest.MapFS{"stub.js": {Data: []byte("stub();\n")}},
		}
		if code := p.run(t.Context(), strings.Fields(args)); code != exitError {
			t.Errorf("%s: exit code %d, want %d", args, code, exitError)
		}
		if said := stderr.String(); !strings.Contains(said, errFull.Error()) || strings.Contains(said, "--help") {
			t.Errorf("%s: stderr has %q", args, said)
		}
	}
}

// A reader that has seen enough, as head has, gets no complaint on its terminal.
func TestReadersMayLeave(t *testing.T) {
	for _, args := range []string{"serve --help", "version", "snippet"} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr output
		p := &program{stdout: write, stderr: &stderr,
			files: fstest.MapFS{"stub.js": {Data: []byte("stub();\n")}}}
		_ = read.Close() // a pipe's reading end cannot fail to
		if code := p.run(t.Context(), strings.Fields(args)); code != exitError || stderr.String() != "" {
			t.Errorf("%s: exit %d, stderr %q", args, code, &stderr)
		}
		_ = write.Close()
	}
}

var errFull = errors.New("no space left on device")

// full is a standard output that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
