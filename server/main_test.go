package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/config/configtest"

	"github.com/capture-keepalive/capture-keepalive/server/api"
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

func TestSessionsSurviveKill(t *testing.T) {
	service, url := upstream(t)
	_, token := service.SignIn("ada@example.com", "Ada")
	env := serving(url, filepath.Join(t.TempDir(), "keepalive.db"))
	first := start(t, env)
	browser := newPage(t, first.public)
	browser.login(t, token)
	for round := range 3 {
		var before, after api.TokenAnswer
		if status, err := browser.post(t.Context(), api.PathToken, api.TokenRequest{Reason: api.ReasonInvalid, Have: token}, &before); err != nil || status != http.StatusOK {
			t.Fatalf("round %d: %d %v", round, status, err)
		}
		if err := first.command.Process.Kill(); err != nil { // SIGKILL
			t.Fatal(err)
		}
		_ = first.command.Wait() // the error is the signal
		first = start(t, env)
		browser = browser.at(first.public)
		if status, err := browser.post(t.Context(), api.PathToken, api.TokenRequest{Reason: api.ReasonStart}, &after); err != nil || status != http.StatusOK {
			t.Fatalf("round %d, after the kill: %d %v\n%s", round, status, err, first.log())
		}
		if before.AccessToken == token || after.AccessToken != before.AccessToken {
			t.Fatalf("round %d: the token that was answered is not the one that was kept", round)
		}
		token = after.AccessToken
	}
}

// A renewal is under way when the server is told to stop: it is finished and
// kept, whether or not its page waits for it.
func TestTerminateDrains(t *testing.T) {
	for name, waits := range map[string]bool{"the page waits": true, "the page has left": false} {
		t.Run(name, func(t *testing.T) {
			const minted = "mintedwhiledying1"
			service, url := upstream(t)
			_, token := service.SignIn("ada@example.com", "Ada")
			path := filepath.Join(t.TempDir(), "keepalive.db")
			server := start(t, serving(url, path))
			browser := newPage(t, server.public)
			browser.login(t, token)

			reached, finish := make(chan struct{}), make(chan struct{})
			release := sync.OnceFunc(func() { close(finish) })
			defer release()
			service.Fail(simulator.Fault{Endpoint: simulator.EndpointIssue, Times: 1, Answer: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				close(reached)
				<-finish
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"stat":"ok","accessToken":"`+minted+`"}`)
			})})
			type outcome struct {
				status int
				answer api.TokenAnswer
				err    error
			}
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			inFlight := make(chan outcome, 1)
			go func() {
				var got outcome
				got.status, got.err = browser.post(ctx, api.PathToken, api.TokenRequest{Reason: api.ReasonInvalid, Have: token}, &got.answer)
				inFlight <- got
			}()
			<-reached
			if !waits {
				leave()
				if got := <-inFlight; !errors.Is(got.err, context.Canceled) {
					t.Fatalf("the page did not leave: %d %v", got.status, got.err)
				}
			}

			if status := get(t, server.admin+"/readyz"); status != http.StatusOK {
				t.Errorf("/readyz before: %d", status)
			}
			if err := server.command.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			deadline := time.Now().Add(patience / 3)
			for get(t, server.admin+"/readyz") != http.StatusServiceUnavailable {
				if time.Now().After(deadline) {
					t.Fatal("/readyz does not turn 503")
				}
			}
			release()
			if waits {
				if got := <-inFlight; got.err != nil || got.status != http.StatusOK || got.answer.AccessToken != minted {
					t.Errorf("the request in flight: %d %v", got.status, got.err)
				}
			}
			if err := server.command.Wait(); err != nil {
				t.Errorf("exit: %v, want 0\n%s", err, server.log())
			}

			again := browser.at(start(t, serving(url, path)).public)
			var kept api.TokenAnswer
			if status, err := again.post(t.Context(), api.PathToken, api.TokenRequest{Reason: api.ReasonStart}, &kept); err != nil || status != http.StatusOK || kept.AccessToken != minted {
				t.Errorf("after the restart: %d %v, another token: %v", status, err, kept.AccessToken != minted)
			}
		})
	}
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

func TestServeFailsClearly(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	missing := filepath.Join(t.TempDir(), "nowhere", "keepalive.db")
	for _, tc := range []struct {
		name string
		env  []string
		args []string
		code int
		says string
	}{
		{"a port that is taken", serving("http://127.0.0.1:1", "x.db", "LISTEN="+taken.Addr().String()), nil, exitError, "KEEPALIVE_LISTEN"},
		{"an admin port that is taken", serving("http://127.0.0.1:1", "x.db", "ADMIN_LISTEN="+taken.Addr().String()), nil, exitError, "KEEPALIVE_ADMIN_LISTEN"},
		{"a store that cannot be", serving("http://127.0.0.1:1", missing), nil, exitError, "KEEPALIVE_STORE"},
		{"no configuration", nil, nil, exitError, "KEEPALIVE_ORIGINS"},
		{"an argument", configtest.Environment(), []string{"now"}, exitUsage, `"now"`},
		{"a flag", configtest.Environment(), []string{"--now"}, exitUsage, "--now"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stdout, stderr output
			code := run(t.Context(), append([]string{"serve"}, tc.args...), tc.env, &stdout, &stderr)
			if code != tc.code || !strings.Contains(stderr.String(), tc.says) {
				t.Errorf("exit %d, want %d; %q should say %q", code, tc.code, stderr.String(), tc.says)
			}
		})
	}
}

func TestOtherCommands(t *testing.T) {
	for _, tc := range []struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{[]string{"version"}, exitOK, "capture-keepalive dev go", ""},
		{[]string{"--version"}, exitOK, "capture-keepalive version dev go", ""},
		{[]string{"help"}, exitOK, "Available Commands:", ""},
		{[]string{"--help"}, exitOK, "Available Commands:", ""},
		{nil, exitUsage, "", "no command is given"},
		{[]string{"sevre"}, exitUsage, "", "Did you mean this?\n\tserve"},
		{[]string{"serve", "--help"}, exitOK, "KEEPALIVE_ in front", ""},
		{[]string{"check", "--help"}, exitOK, "IDLE_TIMEOUT", ""},
		{[]string{"demo", "--listen", "0.0.0.0:8080"}, exitUsage, "", "on this machine"},
		{[]string{"demo", "--life", "-1s"}, exitUsage, "", "--life"},
		{[]string{"demo", "--life", "long"}, exitUsage, "", "--life"},
		{[]string{"revoke"}, exitUsage, "", "--uuid is missing"},
		{[]string{"revoke", "--uuid", "u", "now"}, exitUsage, "", `"now"`},
		{[]string{"revoke", "--uuid", "u"}, exitUsage, "", "is no uuid"},
		{[]string{"sessions", "--uuid", someUUID + "x"}, exitUsage, "", "is no uuid"},
		{[]string{"check", "--uuid", "ada@example.com"}, exitUsage, "", "is no uuid"},
		{[]string{"sessions"}, exitUsage, "", "--uuid is missing"},
		{[]string{"demo", "--help"}, exitOK, "--store", ""},
		{[]string{"completion", "bash"}, exitOK, "__start_capture-keepalive", ""},
	} {
		var stdout, stderr output
		code := run(t.Context(), tc.args, nil, &stdout, &stderr)
		if code != tc.code || !strings.Contains(stdout.String(), tc.stdout) || !strings.Contains(stderr.String(), tc.stderr) {
			t.Errorf("%q: exit %d, stdout %q, stderr %q", tc.args, code, stdout.String(), stderr.String())
		}
	}
}

func TestCheck(t *testing.T) {
	service, url := upstream(t)
	dir := t.TempDir()
	// at is an answer at another time than the machine's.
	at := func(ahead time.Duration, answer http.Handler) simulator.Fault {
		return simulator.Fault{Answer: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			answer.ServeHTTP(w, r)
		})}
	}
	number := func(n int) http.Handler {
		return simulator.Body(http.StatusOK, "application/json", fmt.Sprintf(`{"stat":"error","code":%d}`, n))
	}
	// choosy knows one redirect URI.
	choosy := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("redirect_uri") == testRedirect {
			number(415).ServeHTTP(w, r)
			return
		}
		number(420).ServeHTTP(w, r)
	})
	stranger := httptest.NewUnstartedServer(http.NotFoundHandler())
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of each client that hangs up
	stranger.StartTLS()
	t.Cleanup(stranger.Close)
	listen := func() net.Listener {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() }) // the end of whoever accepts
		return listener
	}
	silent, rude := listen(), listen()
	go func() {
		for {
			connection, err := rude.Accept()
			if err != nil {
				return
			}
			_, _ = connection.Read(make([]byte, 1<<10)) // or the close would be a reset
			_ = connection.Close()
		}
	}()
	const clock = "This machine's clock"
	for _, tc := range []struct {
		name  string
		args  []string
		env   []string
		code  int
		says  []string
		fault simulator.Fault
		not   string
	}{
		{name: "fine", env: serving(url, filepath.Join(dir, "new.db")), code: exitOK, says: []string{"is fine"}},
		{name: "fine, and Capture agrees", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db")), code: exitOK, says: []string{"takes the credentials", "is fine"}},
		{name: "fine, with signatures", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db"), "AUTH_SCHEME=signature"), code: exitOK, says: []string{"takes the credentials"}},
		{name: "both clients, and Capture agrees", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db"), serverSide()...), code: exitOK, says: []string{"KEEPALIVE_ISSUER_CLIENT_ID: it", "KEEPALIVE_LOGIN_CLIENT_ID: it", "is fine"}},
		{name: "the login client alone", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db"), serverSide(clientSideGone...)...), code: exitOK, says: []string{"KEEPALIVE_LOGIN_CLIENT_ID: it", "is fine"}},
		{name: "the login client, with signatures", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db"), serverSide("AUTH_SCHEME=signature")...), code: exitOK, says: []string{"KEEPALIVE_LOGIN_CLIENT_ID: it"}},
		{name: "wrong login secret", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db"), serverSide("LOGIN_CLIENT_SECRET=another-secret-9")...), code: exitError, says: []string{"KEEPALIVE_LOGIN_CLIENT_ID and its secret", "KEEPALIVE_ISSUER_CLIENT_ID: it"}},
		{name: "not a login client", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db"), serverSide("LOGIN_CLIENT_ID=issuer", "LOGIN_CLIENT_SECRET="+configtest.IssuerSecret)...), code: exitError, says: []string{"login_client feature"}},
		{name: "half a login client", env: serving(url, filepath.Join(dir, "new.db"), "LOGIN_CLIENT_ID=login"), code: exitError, says: []string{"KEEPALIVE_LOGIN_CLIENT_SECRET is not set", "KEEPALIVE_REDIRECT_URI is not set"}},
		{name: "two problems", env: configtest.Environment("ORIGINS", "KEYS"), code: exitError, says: []string{"KEEPALIVE_ORIGINS is not set", "KEEPALIVE_KEYS is not set"}},
		{name: "no directory", env: serving(url, filepath.Join(dir, "none", "x.db")), code: exitError, says: []string{"KEEPALIVE_STORE: ", "create the directory"}},
		{name: "a directory for a file", env: serving(url, dir), code: exitError, says: []string{"KEEPALIVE_STORE: "}},
		{name: "wrong secret", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db"), "ISSUER_CLIENT_SECRET=another-secret-9"), code: exitError, says: []string{"KEEPALIVE_ISSUER_CLIENT_ID and its secret"}},
		{name: "not an issuer", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db"), "ISSUER_CLIENT_ID=login", "ISSUER_CLIENT_SECRET="+loginSecret), code: exitError, says: []string{"KEEPALIVE_ISSUER_CLIENT_ID may not issue tokens; give it the access_issuer feature"}},
		{name: "an issuer no longer", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db")), fault: simulator.Fault{Number: 480}, code: exitError, says: []string{"KEEPALIVE_ISSUER_CLIENT_ID; give it the access_issuer feature"}},
		{name: "wrong page", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db"), "CLIENT_ID=other"), code: exitError, says: []string{"KEEPALIVE_CLIENT_ID"}},
		{name: "wrong type", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db"), "TYPE_NAME=other"), code: exitError, says: []string{"KEEPALIVE_TYPE_NAME"}},
		{name: "nobody there", args: []string{"--live"}, env: serving("http://127.0.0.1:1", filepath.Join(dir, "new.db")), code: exitError, says: []string{"Nobody answers at KEEPALIVE_CAPTURE_URL"}, not: clock},
		{name: "no Redis there", args: []string{"--live"}, env: serving(url, "", "STORE=redis://:"+configtest.IssuerSecret+"@127.0.0.1:1"), code: exitError, says: []string{"KEEPALIVE_STORE: there is no answer", "start Redis, correct the address", "takes the credentials"}, not: "is fine"},
		{name: "no cluster there", args: []string{"--live"}, env: serving(url, "", "STORE=redis-cluster://:"+configtest.IssuerSecret+"@127.0.0.1:1"), code: exitError, says: []string{"KEEPALIVE_STORE: there is no answer"}},
		{name: "no sentinel there", args: []string{"--live"}, env: serving(url, "", "STORE=redis-sentinel://:"+configtest.IssuerSecret+"@127.0.0.1:1/main"), code: exitError, says: []string{"KEEPALIVE_STORE: there is no answer"}},
		{name: "a Redis that is silent", args: []string{"--live"}, env: serving(url, "", "STORE=redis://:"+configtest.IssuerSecret+"@"+silent.Addr().String()), code: exitError, says: []string{"KEEPALIVE_STORE: there is no answer", "start Redis"}},
		{name: "a Redis that hangs up", args: []string{"--live"}, env: serving(url, "", "STORE=redis://:"+configtest.IssuerSecret+"@"+rude.Addr().String()), code: exitError, says: []string{"KEEPALIVE_STORE: the server there closes the connection", "rediss://"}},
		{name: "another's Redis", args: []string{"--live"}, env: serving(url, "", "STORE=rediss://:"+configtest.IssuerSecret+"@"+stranger.Listener.Addr().String()), code: exitError, says: []string{"KEEPALIVE_STORE: the server there has no certificate", "parameter ca"}},
		{name: "another's certificate", args: []string{"--live"}, env: serving(stranger.URL, filepath.Join(dir, "new.db")), code: exitError, says: []string{"answers at KEEPALIVE_CAPTURE_URL has no certificate"}, not: "Nobody answers"},
		{name: "a web page instead", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db")), fault: at(time.Hour, simulator.HTML(http.StatusNotFound)), code: exitError, says: []string{"this is not a Capture domain", "HTTP 404"}, not: clock},
		{name: "a page that says all is well", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db")), fault: simulator.Fault{Answer: simulator.HTML(http.StatusOK)}, code: exitError, says: []string{"this is not a Capture domain"}},
		{name: "moved", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db")), fault: simulator.Fault{Answer: http.RedirectHandler("https://www.example.com/", http.StatusMovedPermanently)}, code: exitError, says: []string{"this is not a Capture domain", "a redirect"}},
		{name: "JSON of somebody else", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db"), serverSide(clientSideGone...)...), fault: simulator.Fault{Answer: simulator.Body(http.StatusNotFound, "application/json", `{"message":"no route"}`)}, code: exitError, says: []string{"this is not a Capture domain"}},
		{name: "in trouble", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db")), fault: simulator.Fault{Answer: simulator.HTML(http.StatusBadGateway)}, code: exitError, says: []string{"Capture is in trouble", "HTTP 502"}, not: "not a Capture domain"},
		{name: "a foreign redirect URI", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db"), serverSide(append(clientSideGone, "REDIRECT_URI="+testRedirect+","+testOrigin+"/other")...)...), fault: simulator.Fault{Answer: choosy}, code: exitError, says: []string{"entry 2 of KEEPALIVE_REDIRECT_URI, " + testOrigin + "/other,", "make it the redirectUri of the page's settings", "add it to the client's redirect URIs"}},
		{name: "a clock that is slow", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db")), fault: at(time.Hour, number(310)), code: exitError, says: []string{"takes the credentials", clock + " is ", " behind Capture's; set it"}, not: "is fine"},
		{name: "a clock that is fast", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db"), "AUTH_SCHEME=signature"), fault: at(-2*time.Minute, number(402)), code: exitError, says: []string{"KEEPALIVE_ISSUER_CLIENT_ID and its secret", clock + " is ", " ahead of Capture's", "KEEPALIVE_AUTH_SCHEME"}},
		{name: "a clock that is good enough", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db")), fault: at(30*time.Second, number(310)), code: exitOK, says: []string{"is fine"}, not: clock},
	} {
		t.Run(tc.name, func(t *testing.T) {
			defer service.Fail(tc.fault)() // the zero Fault is none
			var stdout, stderr output
			code := run(t.Context(), append([]string{"check"}, tc.args...), tc.env, &stdout, &stderr)
			if code != tc.code {
				t.Errorf("exit %d, want %d", code, tc.code)
			}
			for _, want := range tc.says {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("%q does not say %q", stdout.String(), want)
				}
			}
			if tc.not != "" && strings.Contains(stdout.String(), tc.not) {
				t.Errorf("%q says %q", stdout.String(), tc.not)
			}
			if all := stdout.String() + stderr.String(); strings.Contains(all, configtest.IssuerSecret) || strings.Contains(all, loginSecret) || strings.Contains(all, "another-secret-9") {
				t.Errorf("a secret is in %q", all)
			}
			if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 0 {
				t.Errorf("check left %q behind (%v)", left, err)
			}
		})
	}
}

// demonstrate runs the demo until the test ends and returns its address.
func demonstrate(t *testing.T, args ...string) (base string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	stdout, stderr := &output{lines: make(chan string, 1)}, new(output)
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, append([]string{"demo", "--listen", "localhost:0"}, args...), nil, stdout, stderr)
	}()
	t.Cleanup(func() {
		stop()
		if code := <-done; code != exitOK {
			t.Errorf("the demo's exit: %d\n%s", code, stderr)
		}
	})
	select {
	case line := <-stdout.lines:
		if _, err := fmt.Sscanf(line, "The demo is at %s Stop", &base); err != nil {
			t.Fatalf("%q names no address", line)
		}
	case code := <-done:
		done <- code
		t.Fatalf("exit %d: %s", code, stderr)
	}
	return strings.TrimSuffix(base, ".")
}

func TestDemo(t *testing.T) {
	base := demonstrate(t, "--life", "1h")
	client := &http.Client{Timeout: patience, Transport: new(http.Transport)}
	defer client.CloseIdleConnections()

	response, err := client.Get(base + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("<html")) {
		t.Errorf("the page: %s %v", response.Status, err)
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:",
		"Cache-Control":           "no-store",
	} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}

	// Sign in at the stand-in service, report it, have it renewed.
	response, err = client.Post(base+"/capture/ui/signin", "application/json", strings.NewReader(`{"email":"ada@example.com","displayName":"Ada"}`))
	if err != nil {
		t.Fatal(err)
	}
	var signedIn struct{ AccessToken string }
	err = json.NewDecoder(response.Body).Decode(&signedIn)
	response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client.Jar = jar
	call := func(path, body string, answer any) int {
		r, err := http.NewRequest(http.MethodPost, base+"/keepalive"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", base)
		r.Header.Set("X-Keepalive", "1")
		r.Header.Set("Content-Type", "application/json")
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode
	}
	var opened, renewed api.TokenAnswer
	if status := call("/session", `{"accessToken":"`+signedIn.AccessToken+`"}`, &opened); status != http.StatusCreated {
		t.Fatalf("login: %d", status)
	}
	if status := call("/session/token", `{"reason":"invalid","have":"`+signedIn.AccessToken+`"}`, &renewed); status != http.StatusOK || renewed.AccessToken == signedIn.AccessToken {
		t.Errorf("renewal: %d", status)
	}

	r, err := http.NewRequest(http.MethodGet, base+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "rebound.example"
	response, err = client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("under another host name: %s", response.Status)
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
