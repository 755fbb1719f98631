package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/config/configtest"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
	"github.com/capture-keepalive/capture-keepalive/web"
)

// block stands still from the moment it is armed until the test is over,
// whatever the caller's patience.
type block struct {
	armed    atomic.Bool
	released chan struct{}
}

func (b *block) wait() {
	if b.armed.Load() {
		<-b.released
	}
}

// standingTransport is a Capture that stands still.
type standingTransport struct{ *block }

func (s standingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	s.wait()
	body := `{"stat":"ok","result":{"uuid":"00000000-0000-4000-8000-000000000001"},"accessToken":"anewtoken0000001"}`
	answer := httptest.NewRecorder()
	answer.Header().Set("Content-Type", "application/json")
	_, _ = answer.WriteString(body) // a recorder takes all
	response := answer.Result()
	response.Request = r
	return response, nil
}

// standingStore is a database that stands still, as a frozen disk does.
type standingStore struct {
	store.Backend
	*block
}

func (s standingStore) Insert(ctx context.Context, row store.Row, begun store.Moment) error {
	s.wait()
	return s.Backend.Insert(ctx, row, begun)
}

func (s standingStore) Lookup(ctx context.Context, key store.Key) (store.Row, error) {
	s.wait()
	return s.Backend.Lookup(ctx, key)
}

func (s standingStore) Replace(ctx context.Context, row store.Row) error {
	s.wait()
	return s.Backend.Replace(ctx, row)
}

func (s standingStore) Sweep(ctx context.Context, now time.Time, limit int) ([]store.Row, error) {
	s.wait()
	return s.Backend.Sweep(ctx, now, limit)
}

func (s standingStore) Close() error {
	s.wait()
	return s.Backend.Close()
}

// silence is a listener without clients.
type silence struct{ closed chan struct{} }

func (s silence) Accept() (net.Conn, error) {
	<-s.closed
	return nil, net.ErrClosed
}
func (s silence) Close() error   { close(s.closed); return nil }
func (s silence) Addr() net.Addr { return &net.TCPAddr{} }

func unused() []Endpoint {
	return []Endpoint{{silence{make(chan struct{})}, http.NotFoundHandler()}}
}

// settingsOf reads a good environment with changes, over the given backend.
func settingsOf(t *testing.T, backend store.Backend, changes ...string) *config.Config {
	t.Helper()
	settings, err := config.Read(configtest.Environment(changes...))
	if err != nil {
		t.Fatal(err)
	}
	settings.Driver = store.Driver{
		Open: func(context.Context, secret.String) (store.Backend, error) { return backend, nil },
	}
	return settings
}

// A request that comes in the last moment before the fronts close, with the
// longest UPSTREAM_TIMEOUT that is allowed, has its answer before it is cut off.
func TestTheLongestAnswerFitsIntoDraining(t *testing.T) {
	const longest = config.DrainTimeout / 2
	if _, err := config.Read(configtest.Environment("UPSTREAM_TIMEOUT=" + longest.String())); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Read(configtest.Environment("UPSTREAM_TIMEOUT=" +
		(longest + time.Millisecond).String())); err == nil {
		t.Error("a longer UPSTREAM_TIMEOUT is allowed")
	}
	if answer := session.AnswerTimeout(longest); answer > workTimeout || answer > requestTimeout(longest) {
		t.Errorf("an answer takes up to %v; draining gives it %v, and the route %v", answer,
			workTimeout, requestTimeout(longest))
	}
}

// Whatever stands still, the process ends in the time that supervisors are
// told: 20 s after SHUTDOWN_DELAY, 25 s by default.
func TestTheEndComesInTime(t *testing.T) {
	const promised = 25 * time.Second
	for name, blocks := range map[string]func(capture, database *block){
		"Capture stands still":   func(capture, _ *block) { capture.armed.Store(true) },
		"the store stands still": func(_, database *block) { database.armed.Store(true) },
		"both stand still": func(capture, database *block) {
			capture.armed.Store(true)
			database.armed.Store(true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				released := make(chan struct{})
				capture, database := &block{released: released}, &block{released: released}
				settings := settingsOf(t, standingStore{memory.New(), database})
				a, err := New(t.Context(), settings, Options{
					Files: web.Dist(), Log: slog.New(slog.DiscardHandler), Transport: standingTransport{capture},
				})
				if err != nil {
					t.Fatal(err)
				}
				token := secret.New("alicestoken01")
				opened, err := a.sessions.Open(t.Context(), session.Login{Token: token})
				if err != nil {
					t.Fatal(err)
				}
				blocks(capture, database)
				ctx, stop := context.WithCancel(t.Context())
				go a.sessions.Token(t.Context(), opened.ID, api.ReasonInvalid, token)
				synctest.Wait()
				stop()
				began := time.Now()
				if err := errors.Join(a.Serve(ctx, unused(), unused()), a.Close()); err != nil {
					t.Error(err)
				}
				took := time.Since(began)
				if took > promised {
					t.Errorf("the process ended after %v, want at most %v", took, promised)
				}
				if took < settings.ShutdownDelay {
					t.Errorf("the process ended after %v, and was to serve for %v", took, settings.ShutdownDelay)
				}
				close(released)
			})
		})
	}
}

// From the signal on, /readyz tells balancers to go elsewhere, and a
// request that comes nevertheless is served, on a connection that then closes.
func TestServesOnAfterTheSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := settingsOf(t, memory.New(), "SHUTDOWN_DELAY=8s")
		a, err := New(t.Context(), settings, Options{Files: web.Dist(), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		public, admin := a.newHTTPServer(a.Public()).Handler, a.newHTTPServer(a.Admin()).Handler
		ask := func(handler http.Handler, path string) *httptest.ResponseRecorder {
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
			return answer
		}
		if answer := ask(admin, "/readyz"); answer.Code != http.StatusOK || answer.Header().Get("Connection") != "" {
			t.Fatalf("before the signal: %d, Connection %q", answer.Code, answer.Header().Get("Connection"))
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- errors.Join(a.Serve(ctx, unused(), unused()), a.Close()) }()
		synctest.Wait()
		stop()
		began := time.Now()
		synctest.Wait()
		if answer := ask(admin, "/readyz"); answer.Code != http.StatusServiceUnavailable {
			t.Errorf("/readyz after the signal: %d", answer.Code)
		}
		for _, handler := range []http.Handler{public, admin} {
			if got := ask(handler, "/healthz").Header().Get("Connection"); got != "close" {
				t.Errorf("Connection: %q, want close", got)
			}
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != settings.ShutdownDelay {
			t.Errorf("an idle server ended after %v, want %v", took, settings.ShutdownDelay)
		}
	})
}

// A panic in the background costs its own work: the next sweep comes.
func TestPanicsInTheBackgroundEndNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		backend := &panickingStore{Backend: memory.New()}
		a, err := New(t.Context(), settingsOf(t, backend), Options{
			Files: web.Dist(), Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2*interval + time.Second)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if got := backend.sweeps.Load(); got != 3 {
			t.Errorf("%d sweeps, want one at the start and two more", got)
		}
		if text := log.String(); !strings.Contains(text, "panicked") || strings.Contains(text, "asecrettoken") {
			t.Errorf("the log should name the panic and not what it says:\n%s", text)
		}
	})
}

type panickingStore struct {
	store.Backend
	sweeps atomic.Int32
}

func (p *panickingStore) Sweep(context.Context, time.Time, int) ([]store.Row, error) {
	p.sweeps.Add(1)
	panic("asecrettoken")
}
