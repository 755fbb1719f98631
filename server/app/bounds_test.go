package app

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/config/configtest"
)

// patience bounds what a test waits for.
const patience = 30 * time.Second

// A client that asks for a lot and reads nothing loses its connection as well.
func TestSlowReadersAreCutOff(t *testing.T) {
	server := newHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 64<<20)) // more than the buffers on the way hold
	}), slog.New(slog.DiscardHandler))
	server.WriteTimeout = 200 * time.Millisecond
	cut := make(chan struct{})
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			close(cut)
		}
	}
	connection := dial(t, serve(t, server))
	if _, err := io.WriteString(connection, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-cut:
	case <-time.After(patience):
		t.Fatal("it is still connected")
	}
}

// A client that is slow on purpose loses its connection, and so cannot use them
// up. The program's own bounds are too long to wait for; that they are set is
// the other test.
func TestSlowClientsAreCutOff(t *testing.T) {
	const bound = 200 * time.Millisecond
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	listening := func(bound time.Duration) (address string) {
		server := newHTTPServer(handler, slog.New(slog.DiscardHandler))
		server.ReadHeaderTimeout, server.ReadTimeout, server.IdleTimeout = bound, bound, bound
		return serve(t, server)
	}
	// An endless head is cut off for its size.
	address, sizeAlone := listening(bound), listening(time.Hour)
	for name, sent := range map[string]string{
		"nothing":      "",
		"half a head":  "POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"half a body":  "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
		"idle":         "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		"endless head": "GET / HTTP/1.1\r\nHost: x\r\nX-Big: " + strings.Repeat("x", 2*maxHeaderBytes),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := address
			if name == "endless head" {
				at = sizeAlone
			}
			connection := dial(t, at)
			if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(connection, sent); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(connection)
			if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
				t.Fatalf("it is still connected; it was answered %q", answer)
			}
			if name == "endless head" && !strings.HasPrefix(string(answer), "HTTP/1.1 431 ") {
				t.Errorf("answered %q, want 431", answer)
			}
		})
	}
}

// serve runs server until the test ends, and returns its address.
func serve(t *testing.T, server *http.Server) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

func TestServerHasBounds(t *testing.T) {
	settings, err := config.Read(configtest.Environment())
	if err != nil {
		t.Fatal(err)
	}
	a := &App{settings: settings, log: slog.New(slog.DiscardHandler)}
	server := a.newHTTPServer(http.NotFoundHandler())
	for name, bound := range map[string]time.Duration{
		"head": server.ReadHeaderTimeout, "body": server.ReadTimeout, "answer": server.WriteTimeout,
	} {
		if bound <= 0 || bound > 5*time.Minute {
			t.Errorf("%s: %s", name, bound)
		}
	}
	// Google's balancers keep a connection for 600 s: a server that closes first
	// turns the next request into a 502.
	if server.IdleTimeout <= 600*time.Second || server.IdleTimeout > time.Hour {
		t.Errorf("idle connections are closed after %s", server.IdleTimeout)
	}
	if server.MaxHeaderBytes <= 0 || server.MaxHeaderBytes > 64<<10 {
		t.Errorf("a head may have %d bytes", server.MaxHeaderBytes)
	}
	if longest := 10 * time.Second; server.ReadHeaderTimeout > longest {
		t.Errorf("a head may take %s, want %s at most", server.ReadHeaderTimeout, longest)
	}
}

// Connections that wait, idle or with half a head, are closed when there are too
// many, the oldest first. One with a request under way is not.
func TestTooManyConnections(t *testing.T) {
	busy, release := make(chan struct{}), make(chan struct{})
	server := newHTTPServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/busy" {
			close(busy)
			<-release
		}
	}), slog.New(slog.DiscardHandler))
	connections, idles := newConnections(4), make(chan struct{}, 16)
	server.ConnState = func(connection net.Conn, state http.ConnState) {
		connections.changed(connection, state)
		if state == http.StateIdle {
			idles <- struct{}{}
		}
	}
	server.ReadHeaderTimeout, server.ReadTimeout, server.IdleTimeout = time.Hour, time.Hour, time.Hour
	address := serve(t, server)
	open := func(sent string) net.Conn {
		t.Helper()
		connection := dial(t, address)
		if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(connection, sent); err != nil {
			t.Fatal(err)
		}
		return connection
	}
	answered := func(connection net.Conn) {
		t.Helper()
		if _, err := http.ReadResponse(bufio.NewReader(connection), nil); err != nil {
			t.Fatal(err)
		}
	}
	const head = "GET / HTTP/1.1\r\nHost: x\r\n"
	working := open("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n")
	<-busy
	half := open(head)
	idle := open(head + "\r\n")
	answered(idle)
	<-idles // the server has its answer out before it counts it as idle
	for range 8 {
		answered(open(head + "\r\n"))
	}
	for name, connection := range map[string]net.Conn{"half a head": half, "idle": idle} {
		_, err := connection.Read(make([]byte, 1))
		if timeout, ok := errors.AsType[net.Error](err); err == nil || ok && timeout.Timeout() {
			t.Errorf("%s: it is still connected: %v", name, err)
		}
	}
	close(release)
	answered(working)
}
