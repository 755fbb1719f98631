package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/config/configtest"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
)

// asProgram makes the test binary be the program, for the tests that need a
// process of its own to signal and to kill.
const asProgram = "TEST_AS_CAPTURE_KEEPALIVE"

// patience bounds what a test waits for another process.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		Main("dev")
	}
	os.Exit(m.Run())
}

// upstream is a stand-in for Capture that takes the test environment's
// credentials.
func upstream(t testing.TB) (*simulator.Service, string) {
	t.Helper()
	service := simulator.New(simulator.Options{Clients: []simulator.Client{
		{ID: "page"}, {ID: "issuer", Secret: secret.New(configtest.IssuerSecret), AccessIssuer: true},
		{ID: "login", Secret: secret.New(loginSecret), Login: true},
	}})
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	return service, server.URL
}

// process is a running serve.
type process struct {
	command       *exec.Cmd
	public, admin string // base URLs
	log           func() string
}

// start runs the real program and waits until it serves.
func start(t *testing.T, environment []string) *process {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: this test runs the server as a process of its own")
	}
	command := exec.Command(os.Args[0], "serve")
	command.Env = append(environment, asProgram+"=1")
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{command: command}
	t.Cleanup(func() {
		_ = command.Process.Kill() // it may have gone
		_ = command.Wait()         // so may this
	})

	var mu sync.Mutex
	var seen strings.Builder
	p.log = func() string {
		mu.Lock()
		defer mu.Unlock()
		return seen.String()
	}
	serving := make(chan struct{})
	go func() {
		defer io.Copy(io.Discard, stderr)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			mu.Lock()
			seen.WriteString(lines.Text() + "\n")
			mu.Unlock()
			var line struct{ Msg, Public, Admin string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
				p.public, p.admin = "http://"+line.Public, "http://"+line.Admin
				close(serving)
			}
		}
	}()
	select {
	case <-serving:
	case <-time.After(patience):
		t.Fatalf("it does not serve:\n%s", p.log())
	}
	return p
}

// page is a browser's page at the test environment's origin.
type page struct {
	base   string
	client *http.Client
}

func newPage(t *testing.T, base string) *page {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: patience, Transport: new(http.Transport)}
	t.Cleanup(client.CloseIdleConnections)
	return &page{base: base, client: client}
}

// at is the same browser, the server having moved.
func (p *page) at(base string) *page { return &page{base: base, client: p.client} }

func (p *page) post(ctx context.Context, path string, body, answer any) (status int, err error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+"/keepalive"+path, bytes.NewReader(raw))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Origin", testOrigin)
	r.Header.Set("X-Keepalive", "1")
	r.Header.Set("Content-Type", "application/json")
	response, err := p.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	return response.StatusCode, json.NewDecoder(response.Body).Decode(answer)
}

func (p *page) login(t *testing.T, token string) api.TokenAnswer {
	t.Helper()
	var answer api.TokenAnswer
	status, err := p.post(t.Context(), api.PathSession, api.OpenRequest{AccessToken: token}, &answer)
	if err != nil || status != http.StatusCreated {
		t.Fatalf("login: %d %v", status, err)
	}
	return answer
}

const (
	testOrigin   = "http://localhost:3000"
	testRedirect = testOrigin + "/back"
	loginSecret  = "login-secret-00001"
)

// serverSide are the changes that add a login client to an environment.
func serverSide(changes ...string) []string {
	return append([]string{"LOGIN_CLIENT_ID=login", "LOGIN_CLIENT_SECRET=" + loginSecret, "REDIRECT_URI=" + testRedirect}, changes...)
}

// clientSideGone are the changes that take the issuer out of an environment.
var clientSideGone = []string{"CLIENT_ID", "ISSUER_CLIENT_ID", "ISSUER_CLIENT_SECRET"}

// serving is an environment for start.
func serving(captureURL, store string, changes ...string) []string {
	return configtest.Environment(append([]string{
		"LISTEN=127.0.0.1:0", "ADMIN_LISTEN=127.0.0.1:0", "ORIGINS=" + testOrigin, "INSECURE_COOKIE=true", "SHUTDOWN_DELAY=0s",
		"CAPTURE_URL=" + captureURL, "STORE=bolt:" + store,
	}, changes...)...)
}

func get(t *testing.T, url string) int {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

// output collects what a command prints, from any goroutine.
type output struct {
	mu    sync.Mutex
	text  strings.Builder
	lines chan string // gets the first line
	once  sync.Once
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	if o.lines != nil {
		o.once.Do(func() { o.lines <- string(p) })
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
