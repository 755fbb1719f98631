package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
	"github.com/capture-keepalive/capture-keepalive/web"
)

// stuck is a Capture whose answer to Issue does not come, whatever the caller's
// patience.
type stuck struct {
	session.Capture
	answer chan struct{}
}

func (stuck) Identify(context.Context, secret.String) (string, error) { return "a uuid", nil }

func (s stuck) Issue(context.Context, string) (capture.Token, error) {
	<-s.answer
	return capture.Token{}, errors.New("too late")
}

// silence is a listener that nobody calls.
type silence struct{ closed chan struct{} }

func (s silence) Accept() (net.Conn, error) {
	<-s.closed
	return nil, net.ErrClosed
}
func (s silence) Close() error   { close(s.closed); return nil }
func (s silence) Addr() net.Addr { return &net.TCPAddr{} }

// The end comes in the time that supervisors are told of, whatever is in flight.
func TestTheEndComesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config, err := ParseConfig(serving("http://127.0.0.1:1", "unused.db"))
		if err != nil {
			t.Fatal(err)
		}
		log, never := slog.New(slog.DiscardHandler), stuck{answer: make(chan struct{})}
		a := &app{store: store.New(memory.New(), config.ring, nil), log: log, stopSweep: func() {}}
		a.sessions = session.New(session.Config{
			Store: a.store, Capture: never, TokenLifetime: time.Hour, IdleTimeout: time.Hour, AbsoluteTimeout: time.Hour, UpstreamTimeout: time.Second, Log: log,
		})
		a.api, err = httpapi.New(httpapi.Config{
			Sessions: a.sessions, Modes: config.modes(), Keys: config.ring, Origins: config.Origins, Files: web.Dist(), InsecureCookie: true, Log: log,
		})
		if err != nil {
			t.Fatal(err)
		}
		token := secret.New("alicestoken01")
		opened, err := a.sessions.Open(t.Context(), session.Login{Token: token})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		go a.sessions.Token(t.Context(), opened.ID, api.ReasonInvalid, token)
		time.AfterFunc(time.Second, stop)
		began := time.Now().Add(time.Second)
		nobody := func() []endpoint {
			return []endpoint{{silence{make(chan struct{})}, newHTTPServer(http.NotFoundHandler(), log)}}
		}
		if err := errors.Join(a.serve(ctx, nobody(), nobody()), a.Close()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > drainTimeout || took < drainTimeout/2 {
			t.Errorf("it ended after %v, want at most %v, and most of that for the renewal", took, drainTimeout)
		}
		close(never.answer)
		if err := a.sessions.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

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
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-cut:
	case <-time.After(patience):
		t.Fatal("it is still connected")
	}
}
