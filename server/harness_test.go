package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
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

// patience bounds what a test waits for another process. It is long, because it
// only ends tests that have failed already.
const patience = time.Minute

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
	said          *programLog
}

// log is what the process has said so far. Other processes write when the
// machine lets them: what a test wants to see there is waited for by wantLog, or
// read after Wait.
func (p *process) log() string { return p.said.String() }

// start runs the real program and waits until it serves.
func start(t *testing.T, environment []string) *process {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: this test runs the server as a process of its own")
	}
	command := exec.Command(os.Args[0], "serve")
	command.Env = append(environment, asProgram+"=1")
	p := &process{command: command, said: newProgramLog()}
	command.Stderr = p.said // Wait returns when all of it is there
	p.launch(t)
	p.untilServing(t)
	return p
}

// launch starts the program. It ends with the test.
func (p *process) launch(t *testing.T) {
	t.Helper()
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.command.Process.Kill() // it may have ended
		_ = p.command.Wait()         // so may this
	})
}

// untilServing waits for the line that says where the program listens.
func (p *process) untilServing(t *testing.T) {
	t.Helper()
	select {
	case at := <-p.said.serving:
		p.public, p.admin = "http://"+at.Public, "http://"+at.Admin
	case <-time.After(patience):
		t.Fatalf("it does not serve:\n%s", p.log())
	}
}

// listening is the line of the log that says where the program listens.
type listening struct{ Msg, Public, Admin string }

// programLog collects the log of a program.
type programLog struct {
	serving chan listening // gets the addresses

	mu   sync.Mutex
	text []byte // guarded by mu
	line int    // guarded by mu; where the line that is not complete begins
}

func newProgramLog() *programLog { return &programLog{serving: make(chan listening, 1)} }

// Write implements io.Writer.
func (l *programLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	for {
		line, _, whole := bytes.Cut(l.text[l.line:], []byte("\n"))
		if !whole {
			return len(p), nil
		}
		l.line += len(line) + 1
		var at listening
		if json.Unmarshal(line, &at) == nil && at.Msg == "serving" {
			l.serving <- at
		}
	}
}

func (l *programLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// launch runs a command until the test ends, and returns the first line that it
// prints.
func launch(t *testing.T, args ...string) (line string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	stdout, stderr := &output{lines: make(chan string, 1)}, new(output)
	done := make(chan int, 1)
	go func() { done <- run(ctx, args, nil, stdout, stderr) }()
	t.Cleanup(func() {
		stop()
		if code := <-done; code != exitOK {
			t.Errorf("exit %d\n%s", code, stderr)
		}
	})
	select {
	case line = <-stdout.lines:
	case code := <-done:
		done <- code
		t.Fatalf("exit %d: %s", code, stderr)
	}
	return line
}

// page is a page in a browser of its own.
type page struct {
	base   string // the server's URL
	origin string
	client *http.Client
}

// newPage returns a page of the test environment's origin.
func newPage(t *testing.T, base string) *page {
	t.Helper()
	return newPageOf(t, testOrigin, base)
}

func newPageOf(t *testing.T, origin, base string) *page {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: unaged{jar}, Timeout: patience, Transport: new(http.Transport)}
	t.Cleanup(client.CloseIdleConnections)
	return &page{base: base, origin: origin, client: client}
}

// unaged is a jar that drops a cookie only when the server says so, not by its
// age: a session of a test may live for a fraction of a second, and a machine
// that stands still for one is to hear the server's answer all the same.
type unaged struct{ http.CookieJar }

func (j unaged) SetCookies(u *url.URL, cookies []*http.Cookie) {
	for _, cookie := range cookies {
		if cookie.MaxAge > 0 {
			cookie.MaxAge, cookie.Expires = 0, time.Time{}
		}
	}
	j.CookieJar.SetCookies(u, cookies)
}

// at is the same browser, after the server has moved.
func (p *page) at(base string) *page {
	return &page{base: base, origin: p.origin, client: p.client}
}

// post makes a call of keepalive.js.
func (p *page) post(ctx context.Context, path string, body, answer any) (status int, err error) {
	response, err := p.send(ctx, http.MethodPost, "/keepalive"+path, body, answer)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, nil
}

// send makes any call of a page. It sends no body for a nil one, and does not
// decode the answer into a nil one.
func (p *page) send(
	ctx context.Context, method, path string, body, answer any,
) (*http.Response, error) {
	var sent io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, method, p.base+path, sent)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Origin", p.origin)
	r.Header.Set("X-Keepalive", "1")
	r.Header.Set("Content-Type", "application/json")
	response, err := p.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if answer == nil {
		_, err = io.Copy(io.Discard, response.Body)
	} else {
		err = json.NewDecoder(response.Body).Decode(answer)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return response, nil
}

// signIn signs ada in at the simulator that demo and dev run.
func (p *page) signIn(t *testing.T, body map[string]string) (tokens signedIn) {
	t.Helper()
	body["email"] = "ada@example.com"
	_, err := p.send(t.Context(), http.MethodPost, "/capture/ui/signin", body, &tokens)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// signedIn is the simulator's answer to a sign-in.
type signedIn struct{ AccessToken, AuthorizationCode string }

// login reports the token of a login, untilStored.
func (p *page) login(t *testing.T, token string) api.TokenAnswer {
	t.Helper()
	opened, _ := untilStored(func() (one got) {
		one.status, one.err = p.post(t.Context(), api.PathSession,
			api.OpenRequest{AccessToken: token}, &one.answer)
		return one
	})
	if opened.err != nil || opened.status != http.StatusCreated {
		t.Fatalf("login: %d %v", opened.status, opened.err)
	}
	return opened.answer.TokenAnswer
}

const (
	testOrigin   = "http://localhost:3000"
	testRedirect = testOrigin + "/back"
	loginSecret  = "login-secret-00001"
)

// serverSide are the changes that add a login client to an environment.
func serverSide(changes ...string) []string {
	return append([]string{"LOGIN_CLIENT_ID=login", "LOGIN_CLIENT_SECRET=" + loginSecret,
		"REDIRECT_URI=" + testRedirect}, changes...)
}

// clientSideGone are the changes that take the issuer out of an environment.
var clientSideGone = []string{"CLIENT_ID", "ISSUER_CLIENT_ID", "ISSUER_CLIENT_SECRET"}

// serving is an environment for start.
func serving(captureURL, store string, changes ...string) []string {
	return configtest.Environment(append([]string{
		"LISTEN=127.0.0.1:0", "ADMIN_LISTEN=127.0.0.1:0", "ORIGINS=" + testOrigin,
		"INSECURE_COOKIE=true", "SHUTDOWN_DELAY=0s",
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
