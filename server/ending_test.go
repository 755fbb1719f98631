//go:build unix

package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
)

// untilReady waits until /readyz answers with the status.
func (p *process) untilReady(t *testing.T, status int) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for get(t, p.admin+"/readyz") != status {
		if time.Now().After(deadline) {
			t.Fatalf("/readyz does not turn %d", status)
		}
	}
}

func (p *process) signal(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := p.command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// exits waits for the end of the process, which must be its own: code 0.
func (p *process) exits(t *testing.T) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- p.command.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("exit: %v, want 0\n%s", err, p.log())
		}
	case <-time.After(patience):
		t.Fatalf("the process does not end\n%s", p.log())
	}
}

// The process ends by its own will, a hundred times, while proxies ask and
// each answer begins a renewal.
func TestSIGTERMUnderLoad(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 5
	}
	service, url := upstream(t)
	env := serving(url, filepath.Join(t.TempDir(), "keepalive.db"),
		"SHUTDOWN_DELAY=20ms", "TOKEN_LIFETIME=1ms", "RATE_FORCED=off", "RATE_LOGIN=off", "RATE_UPSTREAM=off")
	for range rounds {
		server := start(t, env)
		var cookies []string
		for range 4 {
			_, token := service.SignIn("ada@example.com", "Ada")
			browser := newPage(t, server.public)
			browser.login(t, token)
			cookies = append(cookies, cookieOf(t, browser))
		}
		var load sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		client := &http.Client{Transport: new(http.Transport)}
		for _, cookie := range cookies {
			load.Go(func() {
				for ctx.Err() == nil {
					askAuth(ctx, client, server.admin, cookie)
				}
			})
		}
		server.signal(t, syscall.SIGTERM)
		server.exits(t)
		stop()
		load.Wait()
		client.CloseIdleConnections()
	}
}

// askAuth asks as a proxy does. The server may be gone, which is the point.
func askAuth(ctx context.Context, client *http.Client, admin, cookie string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/auth", nil)
	if err != nil {
		return
	}
	r.Header.Set("Cookie", "keepalive="+cookie)
	if response, err := client.Do(r); err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
}

// After the signal the real program accepts new connections for the delay, and
// answers close them.
func TestAcceptsForTheDelay(t *testing.T) {
	_, url := upstream(t)
	// On a machine that stands still through the delay no connection comes in time.
	delay := 500 * time.Millisecond
	clocktest.OneOf(t, 5, func() error {
		delay *= 2
		server := start(t, serving(url, filepath.Join(t.TempDir(), "keepalive.db"),
			"SHUTDOWN_DELAY="+delay.String()))
		began := time.Now()
		server.signal(t, syscall.SIGTERM)
		for status := 0; status != http.StatusServiceUnavailable; {
			response, err := http.Get(server.admin + "/readyz")
			if err != nil {
				return fmt.Errorf("/readyz during a delay of %v: %w", delay, err)
			}
			response.Body.Close()
			status = response.StatusCode
		}
		for range 20 {
			client := &http.Client{Transport: new(http.Transport)}
			response, err := client.Get(server.public + "/keepalive/session")
			if err != nil {
				return fmt.Errorf("a new connection during a delay of %v: %w", delay, err)
			}
			response.Body.Close()
			if !response.Close {
				t.Error("the answer keeps its connection")
			}
		}
		server.exits(t)
		if took := time.Since(began); took < delay {
			t.Errorf("the process ended after %v, before the delay was over", took)
		}
		return nil
	})
}

// A platform that sends SIGTERM twice, or any signal that is no Ctrl-C on a
// terminal, does not cut a refresh off.
func TestSecondSIGTERMKillsNothing(t *testing.T) {
	service, url := upstream(t)
	_, code := service.SignInCode("ada@example.com", "Ada", testRedirect)
	env := serving(url, filepath.Join(t.TempDir(), "keepalive.db"),
		serverSide("SHUTDOWN_DELAY=0s", "RATE_FORCED=off")...)
	server := start(t, env)
	browser := newPage(t, server.public)
	token := browser.exchange(t, code).AccessToken
	reached, finish := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(finish) })
	defer release()
	const minted = "mintedwhiledying1"
	service.Fail(simulator.Fault{Endpoint: simulator.EndpointRefresh, Times: 1,
		Answer: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(reached)
			<-finish
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w,
				`{"stat":"ok","access_token":"`+minted+`","refresh_token":"thenextone","expires_in":3600}`)
		})})
	answered := make(chan error, 1)
	go func() {
		var answer api.TokenAnswer
		status, err := browser.post(t.Context(), api.PathToken,
			api.TokenRequest{Reason: api.ReasonInvalid, Have: token}, &answer)
		if err == nil && status != http.StatusOK {
			err = errors.New(http.StatusText(status))
		}
		answered <- err
	}()
	<-reached
	server.signal(t, syscall.SIGTERM)
	server.untilReady(t, http.StatusServiceUnavailable)
	for _, again := range []os.Signal{syscall.SIGTERM, os.Interrupt, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		server.signal(t, again)
		for range 5 { // the next one must not be merged with it
			server.untilReady(t, http.StatusServiceUnavailable)
		}
	}
	release()
	if err := <-answered; err != nil {
		t.Errorf("the refresh: %v\n%s", err, server.log())
	}
	server.exits(t)

	var kept api.TokenAnswer
	again := browser.at(start(t, env).public)
	status, err := again.post(t.Context(), api.PathToken, api.TokenRequest{Reason: api.ReasonStart}, &kept)
	if err != nil || status != http.StatusOK || kept.AccessToken != minted {
		t.Errorf("the session after the restart: %d %v", status, err)
	}
}

// startInto runs the real program with the given standard error, and waits until
// the other end of that says that it serves.
func startInto(t *testing.T, environment []string, stderr, reader *os.File) *process {
	t.Helper()
	command := exec.Command(os.Args[0], "serve")
	command.Env = append(environment, asProgram+"=1")
	command.Stderr = stderr
	p := &process{command: command, said: newProgramLog()}
	p.launch(t)
	p.readUntilServing(t, reader)
	return p
}

// readUntilServing reads the log to the line that says where the program listens,
// and no further.
func (p *process) readUntilServing(t *testing.T, log *os.File) {
	t.Helper()
	buffer := make([]byte, 4<<10)
	for len(p.said.serving) == 0 {
		n, err := log.Read(buffer)
		if err != nil {
			t.Fatalf("it does not serve: %v\n%s", err, p.log())
		}
		_, _ = p.said.Write(buffer[:n]) // never fails
	}
	p.untilServing(t)
}

// The reader of the log goes away, or is stuck: that costs the log only.
func TestLostLogCostsTheLogOnly(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test waits for a reader that is stuck")
	}
	for name, lose := range map[string]func(t *testing.T, reader *os.File){
		"gone":  func(t *testing.T, reader *os.File) { reader.Close() },
		"stuck": func(*testing.T, *os.File) {},
	} {
		t.Run(name, func(t *testing.T) {
			service, url := upstream(t)
			reader, writer, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _, _ = reader.Close(), writer.Close() })
			server := startInto(t, serving(url, filepath.Join(t.TempDir(), "keepalive.db"),
				"LOG_LEVEL=debug", "SHUTDOWN_DELAY=0s", "RATE_LOGIN=off"), writer, reader)
			writer.Close()
			lose(t, reader)

			// More lines than a pipe holds.
			const requests = 400
			client := &http.Client{Timeout: patience, Transport: new(http.Transport)}
			defer client.CloseIdleConnections()
			for range requests {
				response, err := client.Get(server.public + "/keepalive/session?" + strings.Repeat("x", 1<<10))
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
			}
			_, token := service.SignIn("ada@example.com", "Ada")
			browser := newPage(t, server.public)
			browser.login(t, token)
			var renewed api.TokenAnswer
			status, err := browser.post(t.Context(), api.PathToken,
				api.TokenRequest{Reason: api.ReasonInvalid, Have: token}, &renewed)
			if err != nil || status != http.StatusOK {
				t.Errorf("renewing: %d %v", status, err)
			}
			server.signal(t, syscall.SIGTERM)
			server.exits(t)
		})
	}
}
