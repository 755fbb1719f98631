package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
)

const (
	// asBare and bareAddress make this program a bare server of that kind, there.
	asBare      = "BENCH_AS_BARE"
	bareAddress = "BENCH_ADDRESS"

	bareHTTP = "net/http"
	bareEcho = "echo"
	// boltLoud is bolt with a line in the log for every request.
	boltLoud = "bolt-loud"

	issuerSecret = "issuer-secret-0001"
	// keys is no secret: it seals what lives as long as this program.
	keys = "k1:c2V2ZW50ZWVuIGJ5dGVzIGFuZCBmaWZ0ZWVuIG1vcmU="

	startTimeout = 20 * time.Second
)

// world is the stand-in for Capture and all programs that run.
type world struct {
	redis       string          // the address of its Redis, if it has one
	ctx         context.Context // the programs live as long as it
	binary, dir string
	capture     *simulator.Service
	upstream    *httptest.Server
	programs    []*exec.Cmd
	signedIn    int
}

func newWorld(ctx context.Context, binary, dir string) (*world, error) {
	own, err := os.MkdirTemp(dir, "world-*")
	if err != nil {
		return nil, err
	}
	w := &world{ctx: ctx, binary: binary, dir: own}
	w.capture = simulator.New(simulator.Options{Clients: []simulator.Client{
		{ID: "page"}, {ID: "issuer", Secret: secret.New(issuerSecret), AccessIssuer: true},
	}})
	w.upstream = httptest.NewServer(w.capture)
	return w, nil
}

// close ends what newWorld and the start methods began.
func (w *world) close() error {
	var problems []error
	for _, program := range w.programs {
		problems = append(problems, program.Process.Kill())
		_ = program.Wait() // the error is the signal
	}
	w.upstream.Close()
	return errors.Join(problems...)
}

// run starts a program on one core, so that all of them have the same and
// the client has the rest.
//
// What it logs goes into a file, as a service's would: to read it here would
// cost what is measured.
func (w *world) run(name string, args, env []string) (log string, err error) {
	file, err := os.CreateTemp(w.dir, "log-*")
	if err != nil {
		return "", err
	}
	defer file.Close()
	program := exec.CommandContext(w.ctx, name, args...)
	program.Env = append(env, "GOMAXPROCS=1")
	program.Dir = w.dir
	program.Stderr = file
	if err := program.Start(); err != nil {
		return "", err
	}
	w.programs = append(w.programs, program)
	return file.Name(), nil
}

// await waits until a server listens at address. The log says why none does.
func await(address, log string) error {
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			return connection.Close()
		}
		if time.Since(began) > startTimeout {
			text, _ := os.ReadFile(log) // without it, the error has to do
			return fmt.Errorf("it does not serve: %w\n%s", err, text)
		}
	}
}

// freeAddress has no listener just now.
func freeAddress() (string, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return free.Addr().String(), free.Close()
}

// startBare returns the address of a server that does nothing but to read the
// same request and to give the same answer.
func (w *world) startBare(kind string) (address string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if address, err = freeAddress(); err != nil {
		return "", err
	}
	log, err := w.run(self, nil, []string{asBare + "=" + kind, bareAddress + "=" + address})
	if err != nil {
		return "", err
	}
	return address, await(address, log)
}

// bareCookie is as long as a real one.
var bareCookie = "keepalive=" + strings.Repeat("x", 230)

// bareAnswer has the size of a real one.
var bareAnswer = api.TokenAnswer{
	AccessToken: "z0y98xv76u5t4rs3", UUID: "6b1d9c2e-0f0a-4c57-9f63-1d5a0d2b7a11",
	ExpiresAt: 1795000000, ExpiresIn: 3600, ServerTime: 1795000000000, IdleExpiresIn: 1800, AbsoluteExpiresIn: 43200,
}

// serveBare is the program that startBare starts. It returns when it fails.
func serveBare(kind string) error {
	var handler http.Handler
	switch kind {
	case bareEcho:
		e := echo.New()
		e.POST("/keepalive/session/token", func(c echo.Context) error {
			var body api.TokenRequest
			if err := c.Bind(&body); err != nil {
				return err
			}
			return c.JSON(http.StatusOK, bareAnswer)
		})
		handler = e
	case bareHTTP:
		mux := http.NewServeMux()
		mux.HandleFunc("POST /keepalive/session/token", func(w http.ResponseWriter, r *http.Request) {
			var body api.TokenRequest
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				http.Error(w, "bad request", http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(bareAnswer) // a write that fails means that the client has gone
		})
		handler = mux
	default:
		return fmt.Errorf("there is no bare server %q", kind)
	}
	return http.ListenAndServe(os.Getenv(bareAddress), handler)
}

// listening is where a real server is.
type listening struct{ public, admin string }

// startServer runs the real server, as it is shipped.
func (w *world) startServer(kind string) (listening, error) {
	level := "info"
	var where string
	switch kind {
	case "memory":
		where = "memory:"
	case "bolt":
		where = "bolt:" + filepath.Join(w.dir, "keepalive.db")
	case boltLoud:
		where, level = "bolt:"+filepath.Join(w.dir, "loud.db"), "debug"
	case "redis":
		address, err := w.startRedis()
		if err != nil {
			return listening{}, err
		}
		where = "redis://" + address
	}
	public, err := freeAddress()
	if err != nil {
		return listening{}, err
	}
	admin, err := freeAddress()
	if err != nil {
		return listening{}, err
	}
	log, err := w.run(w.binary, []string{"serve"}, []string{
		"KEEPALIVE_LISTEN=" + public, "KEEPALIVE_ADMIN_LISTEN=" + admin, "KEEPALIVE_ORIGINS=" + origin, "KEEPALIVE_INSECURE_COOKIE=true",
		"KEEPALIVE_CAPTURE_URL=" + w.upstream.URL, "KEEPALIVE_CLIENT_ID=page", "KEEPALIVE_ISSUER_CLIENT_ID=issuer",
		"KEEPALIVE_ISSUER_CLIENT_SECRET=" + issuerSecret, "KEEPALIVE_KEYS=" + keys, "KEEPALIVE_STORE=" + where,
		"KEEPALIVE_LOG_LEVEL=" + level, "KEEPALIVE_RATE_LOGIN=off", "KEEPALIVE_RATE_UPSTREAM=off", "KEEPALIVE_IDLE_TIMEOUT=12h",
	})
	if err != nil {
		return listening{}, err
	}
	return listening{public, admin}, await(public, log)
}

// startRedis runs a Redis that keeps nothing on disk.
func (w *world) startRedis() (address string, err error) {
	if address, err = freeAddress(); err != nil {
		return "", err
	}
	w.redis = address
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	log, err := w.run("redis-server", []string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"}, os.Environ())
	if err != nil {
		return "", err
	}
	return address, await(address, log)
}

// signIn opens n sessions, of as many users, and returns their cookies.
func (w *world) signIn(ctx context.Context, address string, n int) (cookies []string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tokens := make([]string, n)
	for i := range tokens {
		w.signedIn++
		_, tokens[i] = w.capture.SignIn("user"+strconv.Itoa(w.signedIn)+"@example.com", "User")
	}
	cookies = make([]string, n)
	var group sync.WaitGroup
	for first := range connections {
		group.Go(func() {
			for i := first; i < n && ctx.Err() == nil; i += connections {
				var err error
				if cookies[i], err = login(ctx, address, tokens[i]); err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	return cookies, context.Cause(ctx)
}

func login(ctx context.Context, address, token string) (cookie string, err error) {
	body, err := json.Marshal(api.OpenRequest{AccessToken: token})
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/keepalive/session", bytes.NewReader(body))
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
	defer drain(response)
	for _, each := range response.Cookies() {
		if each.Name == "keepalive" {
			return each.Name + "=" + each.Value, nil
		}
	}
	return "", fmt.Errorf("a login was answered %s", response.Status)
}

var errNoMemory = errors.New("the server does not say how much memory it has")

// residentMemory asks the server's own metrics.
func residentMemory(ctx context.Context, admin string) (bytes float64, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer drain(response)
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "process_resident_memory_bytes "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, errors.Join(errNoMemory, lines.Err())
}
