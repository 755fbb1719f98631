// Package bench measures the server on this machine, over loopback alone:
//
//	make bench
//
// It compares servers in turns of the same run: on a machine that does other
// things as well, only the ratios mean something. docs/performance.md has the
// figures.
package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/gotool"
	"github.com/capture-keepalive/capture-keepalive/scripts/internal/need"
	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/porttest"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
)

const (
	// asBare and bareAddress make this program a bare server of that kind, there.
	asBare      = "BENCH_AS_BARE"
	bareAddress = "BENCH_ADDRESS"

	bareHTTP = "net-http"
	bareEcho = "echo"
	// boltDebug is bolt with a line in the log for every request.
	boltDebug = "bolt-debug"

	// users have a session each, which the connections share.
	users = 1000

	origin       = "http://localhost:3000"
	issuerSecret = "issuer-secret-0001"
	// keys is no secret: it seals what lives as long as this program.
	keys = "k1:c2V2ZW50ZWVuIGJ5dGVzIGFuZCBmaWZ0ZWVuIG1vcmU="

	startTimeout = 20 * time.Second
)

// The bare servers are this program again, so that they are processes of
// their own like the real one.
func TestMain(m *testing.M) {
	if kind, ok := os.LookupEnv(asBare); ok {
		fmt.Fprintln(os.Stderr, serveBare(kind))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// world is the stand-in for Capture, and all programs that run.
type world struct {
	b        *testing.B
	dir      string
	binary   string // once the real server is needed
	capture  *simulator.Service
	upstream *httptest.Server
	redis    string // the address of Redis, if there is one
	programs []*exec.Cmd
	signedIn int
}

func newWorld(b *testing.B) *world {
	b.Helper()
	w := &world{b: b, dir: b.TempDir()}
	w.capture = simulator.New(simulator.Options{Clients: []simulator.Client{
		{ID: "page"}, {ID: "issuer", Secret: secret.New(issuerSecret), AccessIssuer: true},
	}})
	w.upstream = httptest.NewServer(w.capture)
	b.Cleanup(w.upstream.Close)
	b.Cleanup(w.stop)
	return w
}

// stop ends all programs.
func (w *world) stop() {
	for _, program := range w.programs {
		_ = program.Process.Kill() // it fails if the program has ended
		_ = program.Wait()         // the error is the signal
	}
	w.programs = nil
}

// server is one that runs, and the requests that load it.
type server struct {
	address, admin string
	requests       [][]byte
}

// start runs a server of that kind, with a session for each user.
func (w *world) start(kind string) server {
	w.b.Helper()
	if kind == bareHTTP || kind == bareEcho {
		return w.startBare(kind)
	}
	s := w.startReal(kind)
	s.askFor(w.signIn(s.address, users))
	return s
}

// askFor makes s ask for the token of these sessions.
func (s *server) askFor(cookies []string) {
	for _, cookie := range cookies {
		s.requests = append(s.requests, tokenRequest(cookie))
	}
}

// startBare runs a server that only reads the same request and writes the same
// answer.
func (w *world) startBare(kind string) server {
	w.b.Helper()
	address := porttest.Address(w.b)
	self, err := os.Executable()
	if err != nil {
		w.b.Fatal(err)
	}
	w.run(address, exec.Command(self), asBare+"="+kind, bareAddress+"="+address)
	s := server{address: address}
	s.askFor([]string{"keepalive=" + strings.Repeat("x", 230)}) // as long as a real one
	return s
}

// bareAnswer has the size of a real one.
var bareAnswer = api.TokenAnswer{
	AccessToken: "z0y98xv76u5t4rs3", UUID: "6b1d9c2e-0f0a-4c57-9f63-1d5a0d2b7a11",
	ExpiresAt: 1795000000, ExpiresIn: 3600, ServerTime: 1795000000000,
	IdleExpiresIn: 1800, AbsoluteExpiresIn: 43200,
}

// serveBare returns when it fails.
func serveBare(kind string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /keepalive/session/token", func(w http.ResponseWriter, r *http.Request) {
		var body api.TokenRequest
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(bareAnswer) // fails if the client disconnected
	})
	e := echo.New()
	e.POST("/keepalive/session/token", func(c echo.Context) error {
		var body api.TokenRequest
		if err := c.Bind(&body); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, bareAnswer)
	})
	handlers := map[string]http.Handler{bareHTTP: mux, bareEcho: e}
	return http.ListenAndServe(os.Getenv(bareAddress), handlers[kind])
}

// startReal runs the server as it is shipped.
func (w *world) startReal(kind string) server {
	w.b.Helper()
	level, store := "info", ""
	switch kind {
	case "memory":
		store = "memory:"
	case "bolt":
		store = "bolt:" + filepath.Join(w.dir, "keepalive.db")
	case boltDebug:
		store, level = "bolt:"+filepath.Join(w.dir, "debug.db"), "debug"
	case "redis":
		store = "redis://" + w.startRedis()
	}
	s := server{address: porttest.Address(w.b), admin: porttest.Address(w.b)}
	w.run(s.address, exec.Command(w.build(), "serve"),
		"KEEPALIVE_LISTEN="+s.address, "KEEPALIVE_ADMIN_LISTEN="+s.admin,
		"KEEPALIVE_ORIGINS="+origin, "KEEPALIVE_INSECURE_COOKIE=true",
		"KEEPALIVE_CAPTURE_URL="+w.upstream.URL, "KEEPALIVE_CLIENT_ID=page",
		"KEEPALIVE_ISSUER_CLIENT_ID=issuer", "KEEPALIVE_ISSUER_CLIENT_SECRET="+issuerSecret,
		"KEEPALIVE_KEYS="+keys, "KEEPALIVE_STORE="+store, "KEEPALIVE_LOG_LEVEL="+level,
		"KEEPALIVE_RATE_LOGIN=off", "KEEPALIVE_RATE_UPSTREAM=off", "KEEPALIVE_IDLE_TIMEOUT=12h")
	return s
}

// build compiles the real server, once.
func (w *world) build() string {
	w.b.Helper()
	if w.binary != "" {
		return w.binary
	}
	w.binary = filepath.Join(w.b.TempDir(), "capture-keepalive")
	root, err := gotool.Root(w.b.Context(), "")
	if err != nil {
		w.b.Fatal(err)
	}
	args := gotool.Server("bench", "-o", w.binary)
	if _, err := gotool.Output(w.b.Context(), root, gotool.ServerEnv(), "go", args...); err != nil {
		w.b.Fatal(err)
	}
	return w.binary
}

// startRedis runs a Redis that keeps nothing on disk.
func (w *world) startRedis() (address string) {
	w.b.Helper()
	if _, err := need.Redis.Find(); err != nil {
		w.b.Fatal(err)
	}
	w.redis = porttest.Address(w.b)
	_, port, err := net.SplitHostPort(w.redis)
	if err != nil {
		w.b.Fatal(err)
	}
	w.run(w.redis, exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1",
		"--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"), os.Environ()...)
	return w.redis
}

// run starts a program, on one core, so that all of them have the same and the
// client has the rest, and waits until it listens at address. What it logs goes
// into a file, as a service's would: to read it here would cost what is
// measured.
func (w *world) run(address string, program *exec.Cmd, env ...string) {
	w.b.Helper()
	log, err := os.CreateTemp(w.dir, "log-*")
	if err != nil {
		w.b.Fatal(err)
	}
	defer log.Close()
	program.Env = append(env, "GOMAXPROCS=1")
	program.Dir = w.dir
	program.Stderr = log
	if err := program.Start(); err != nil {
		w.b.Fatal(err)
	}
	w.programs = append(w.programs, program)
	looks := time.NewTicker(10 * time.Millisecond)
	defer looks.Stop()
	for began := time.Now(); ; <-looks.C {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			_ = connection.Close()
			return
		}
		if time.Since(began) > startTimeout {
			text, _ := os.ReadFile(log.Name()) // without it, err has to do
			w.b.Fatalf("%s does not listen: %v\n%s", program, err, text)
		}
	}
}

// signIn opens n sessions, of as many users, and returns their cookies.
func (w *world) signIn(address string, n int) (cookies []string) {
	w.b.Helper()
	tokens := make([]string, n)
	for i := range tokens {
		w.signedIn++
		_, tokens[i] = w.capture.SignIn("user"+strconv.Itoa(w.signedIn)+"@example.com", "User")
	}
	cookies = make([]string, n)
	failures := make(chan error, connections)
	for first := range connections {
		go func() {
			var err error
			for i := first; i < n && err == nil; i += connections {
				cookies[i], err = login(address, tokens[i])
			}
			failures <- err
		}()
	}
	for range connections {
		if err := <-failures; err != nil {
			w.b.Fatal(err)
		}
	}
	return cookies
}

// client is for what is not measured.
var client = &http.Client{
	Timeout:   answerTimeout,
	Transport: &http.Transport{MaxIdleConnsPerHost: connections},
}

func login(address, token string) (cookie string, err error) {
	body, err := json.Marshal(api.OpenRequest{AccessToken: token})
	if err != nil {
		return "", err
	}
	r, err := http.NewRequest(http.MethodPost, "http://"+address+"/keepalive/session", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Origin", origin)
	r.Header.Set("X-Keepalive", "1")
	r.Header.Set("Content-Type", "application/json")
	response, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body) // so that the connection can be used again
	for _, each := range response.Cookies() {
		if each.Name == "keepalive" {
			return each.Name + "=" + each.Value, nil
		}
	}
	return "", fmt.Errorf("a login was answered %s", response.Status)
}

// residentMemory is in bytes, by the server's own metrics.
func (s server) residentMemory(b *testing.B) float64 {
	b.Helper()
	response, err := client.Get("http://" + s.admin + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "process_resident_memory_bytes "); ok {
			bytes, err := strconv.ParseFloat(value, 64)
			if err != nil {
				b.Fatal(err)
			}
			return bytes
		}
	}
	b.Fatal("the metrics have no process_resident_memory_bytes")
	return 0
}
