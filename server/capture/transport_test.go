package capture

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/andybalholm/brotli"

	"github.com/capture-keepalive/capture-keepalive/server/capture/capturetest"
	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

const okBody = `{"stat":"ok","accessToken":"a1b2c3d4e5f6g7h8","result":{"uuid":"u1"},` +
	`"access_token":"a1b2c3d4e5f6g7h8","refresh_token":"r1b2c3d4e5f6g7h8","expires_in":3600}`

func firewallConfig(base string) Config {
	return Config{
		URL: base, ClientID: "page", Timeout: 5 * time.Second,
		Issuer: Credentials{ID: "issuer", Secret: secret.New("issuersecret")},
		Login:  Credentials{ID: "login", Secret: secret.New("loginsecret")},
	}
}

// inParallel makes n calls at once and returns their errors.
func inParallel(n int, call func() error) []error {
	failures := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { failures[i] = call() })
	}
	group.Wait()
	return failures
}

// Fourteen kept connections that a firewall has forgotten cost no renewal and
// no login, whichever way the firewall has of forgetting.
func TestForgottenConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test waits for a firewall that swallows everything")
	}
	const many = 14
	for name, fate := range map[string]capturetest.Fate{"reset": capturetest.Reset, "swallow": capturetest.Swallow} {
		for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(name+" "+protocol, func(t *testing.T) {
				client, wall, together := behindFirewall(t, protocol)
				for call, ask := range map[string]func() error{
					"issue": func() error { _, err := client.Issue(t.Context(), "u1"); return err },
					"identify": func() error {
						_, err := client.Identify(t.Context(), secret.New("z0t8k3vq5n1m7p2r"))
						return err
					},
				} {
					// On a machine so busy that fourteen calls take longer than they may,
					// they are made again. What is lost with a connection is no timeout.
					clocktest.OneOf(t, 5, func() error {
						// All are at the server at once, so that as many connections are
						// open, and are kept.
						together(many)
						before := inParallel(many, ask)
						together(0)
						if err := errors.Join(before...); err != nil {
							return fmt.Errorf("%s before: %w", call, err)
						}
						wall.Forget(fate)
						after := errors.Join(inParallel(many, ask)...)
						if after != nil && !errors.Is(after, os.ErrDeadlineExceeded) {
							t.Errorf("%s: %v", call, after)
						}
						return after
					})
					// From now on the forgotten ones are not met again.
					watch := clocktest.Start()
					err := ask()
					if took := watch.Took(); err != nil || took > client.config.Timeout/4 {
						t.Errorf("%s after that: %v, after %v", call, err, took)
					}
				}
			})
		}
	}
}

// behindFirewall returns a client of a server, with a firewall between them.
// together(n) has the server answer when n requests are there.
func behindFirewall(t *testing.T, protocol string) (client *Client, wall *capturetest.Firewall, together func(n int)) {
	t.Helper()
	var mu sync.Mutex
	arrived, gate := 0, make(chan struct{})
	close(gate)
	want := 0
	var spoken atomic.Bool
	t.Cleanup(func() {
		if !spoken.Load() {
			t.Errorf("no request came by %s: the test tests nothing", protocol)
		}
	})
	together = func(n int) {
		mu.Lock()
		defer mu.Unlock()
		arrived, want, gate = 0, n, make(chan struct{})
		if n == 0 {
			close(gate)
		}
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A connection for one call speaks HTTP/1.1 always.
		if r.Proto != protocol && r.Proto != "HTTP/1.1" {
			t.Errorf("the request came by %s", r.Proto)
		}
		if r.Proto == protocol {
			spoken.Store(true)
		}
		mu.Lock()
		arrived++
		if want > 0 && arrived == want {
			close(gate)
		}
		wait := gate
		mu.Unlock()
		select {
		case <-wait:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, okBody)
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if protocol == "HTTP/1.1" {
		server.Start()
	} else {
		server.EnableHTTP2 = true
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	wall = capturetest.NewFirewall(t, at.Host)
	settings := firewallConfig(at.Scheme + "://" + wall.Address)
	settings.Timeout = 10 * time.Second // many handshakes at once, on a busy machine
	client, err = New(settings)
	if err != nil {
		t.Fatal(err)
	}
	if certificate := server.Certificate(); certificate != nil {
		trust(client, certificate)
	}
	return client, wall, together
}

// trust has all transports of client, those to come too, accept certificate.
func trust(client *Client, certificate *x509.Certificate) {
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	with := func(c *http.Client) *http.Client {
		c.Transport.(*http.Transport).TLSClientConfig.RootCAs = roots
		return c
	}
	replacement := client.connections.replacement
	client.connections.replacement = func() *http.Client { return with(replacement()) }
	client.connections.kept.Store(client.connections.replacement())
	with(client.connections.fresh)
}

// A Capture that is slow is not taken for a dead connection: a second call would
// only make it slower.
func TestSlowCaptureIsAskedOnce(t *testing.T) {
	var requests atomic.Int32
	const timeout = 900 * time.Millisecond
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		select {
		case <-time.After(timeout / 2):
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, okBody)
	}))
	defer server.Close()
	settings := firewallConfig(server.URL)
	settings.Timeout = timeout
	// After a pause a connection looks silent, and is right to be left.
	clocktest.OneOf(t, 5, func() error {
		client, err := New(settings)
		if err != nil {
			t.Fatal(err)
		}
		requests.Store(0)
		for range 3 {
			if _, err := client.Issue(t.Context(), "u1"); err != nil {
				return err
			}
		}
		if n := requests.Load(); n != 3 {
			return fmt.Errorf("%d requests for 3 calls", n)
		}
		return nil
	})
}

// A dead connection says nothing about Capture; a second one does.
func TestSecondAttemptDecides(t *testing.T) {
	var requests atomic.Int32
	address := serveConns(t, func(n int32, conn net.Conn) {
		reader := bufio.NewReader(conn)
		for {
			if !readCall(reader) {
				return
			}
			if requests.Add(1); n > 1 || requests.Load() > 1 {
				return // closed without an answer
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(okBody), okBody)
		}
	})
	client, err := New(firewallConfig("http://" + address))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Issue(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	_, err = client.Issue(t.Context(), "u1")
	failure, ok := errors.AsType[*Error](err)
	if !ok || !failure.Outage() || !failure.Lost {
		t.Errorf("%v, want an outage", err)
	}
	if n := requests.Load(); n != 3 {
		t.Errorf("%d requests, want the first, the one on the dead connection, and one more", n)
	}
}

// An answer that breaks off has been made: the call may have had its effect,
// and asking again would hide it.
func TestBrokenAnswerIsNotAskedForAgain(t *testing.T) {
	var requests atomic.Int32
	address := serveConns(t, func(_ int32, conn net.Conn) {
		reader := bufio.NewReader(conn)
		for {
			if !readCall(reader) {
				return
			}
			if requests.Add(1) > 1 {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Le")
				return
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(okBody), okBody)
		}
	})
	client, err := New(firewallConfig("http://" + address))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err = client.Issue(t.Context(), "u1")
	}
	if err == nil || requests.Load() != 2 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

// An answer that hands the connection over has no body that ends, and net/http
// does not end it with the call.
func TestSwitchedProtocolsAreNoAnswer(t *testing.T) {
	over := make(chan struct{})
	address := serveConns(t, func(_ int32, conn net.Conn) {
		if readCall(bufio.NewReader(conn)) {
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n"+
				"Connection: Upgrade\r\nUpgrade: x\r\n\r\n")
			<-over
		}
	})
	defer close(over)
	client, err := New(firewallConfig("http://" + address))
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"issue": func() error { _, err := client.Issue(t.Context(), "u1"); return err },
		"refresh": func() error {
			_, err := client.Refresh(t.Context(), secret.New("r1b2c3d4e5f6g7h8"))
			return err
		},
	} {
		answered := make(chan error, 1)
		go func() { answered <- call() }()
		select {
		case err := <-answered:
			failure, ok := errors.AsType[*Error](err)
			if !ok || failure.Kind != Temporary || !errors.Is(err, ErrNotCapture) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s has no answer", name)
		}
	}
}

// readCall reads a request with its body.
func readCall(reader *bufio.Reader) bool {
	request, err := http.ReadRequest(reader)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, request.Body)
	return err == nil
}

// serveConns hands each connection to talk, with its number from 1 on.
func serveConns(t *testing.T, talk func(n int32, conn net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	var opened atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				talk(opened.Add(1), conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// A code or a refresh token is sent again only where nothing was sent: the
// connection was refused, and is accepted at the second try.
func TestOnceMeansOnce(t *testing.T) {
	var dials, sent atomic.Int32
	dialer := func(refused int32, err error) http.RoundTripper {
		dials.Store(0)
		sent.Store(0)
		transport := newTransport()
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if dials.Add(1) <= refused {
				return nil, err
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}
		return transport
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		sent.Add(1)
		_, _ = io.WriteString(w, okBody)
	}))
	defer server.Close()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("refused")}
	for _, tc := range []struct {
		name         string
		refused      int32
		err          error
		dials, sent  int32
		good, outage bool
	}{
		{"refused once", 1, refused, 2, 1, true, false},
		{"refused twice", 2, refused, 2, 0, false, true},
		{"died in the handshake", 1, &net.OpError{Op: "read", Net: "tcp", Err: errors.New("reset")}, 1, 0, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			settings := firewallConfig(server.URL)
			settings.Transport = dialer(tc.refused, tc.err)
			client, err := New(settings)
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Refresh(t.Context(), secret.New("refreshtoken0000"))
			if (err == nil) != tc.good || dials.Load() != tc.dials || sent.Load() != tc.sent {
				t.Errorf("%v, %d dials, %d requests", err, dials.Load(), sent.Load())
			}
			if failure, ok := errors.AsType[*Error](err); ok && (failure.Outage() != tc.outage || failure.Lost) {
				t.Errorf("%v: outage %v, lost %v", err, failure.Outage(), failure.Lost)
			}
		})
	}
}

// What a proxy on the way compresses is read, also if it names it wrongly.
func TestCompressedAnswers(t *testing.T) {
	pack := func(open func(io.Writer) io.WriteCloser, text string) string {
		var packed bytes.Buffer
		w := open(&packed)
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return packed.String()
	}
	zip := func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
	wrapped := func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }
	br := func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) }
	bare := func(w io.Writer) io.WriteCloser {
		deflater, err := flate.NewWriter(w, flate.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		return deflater
	}
	bomb := okBody + strings.Repeat(" ", 4*maxAnswer)
	for _, tc := range []struct {
		name, coding, body string
		good, packed       bool
	}{
		{"plain", "", okBody, true, false},
		{"plain, said to be gzip", "gzip", okBody, true, false},
		{"identity", "identity", okBody, true, false},
		{"gzip", "gzip", pack(zip, okBody), true, false},
		{"x-gzip", " X-GZIP ", pack(zip, okBody), true, false},
		{"gzip, not said", "", pack(zip, okBody), true, false},
		{"deflate", "deflate", pack(wrapped, okBody), true, false},
		{"deflate without its wrapper", "deflate", pack(bare, okBody), true, false},
		{"brotli", "br", pack(br, okBody), true, false},
		{"gzip twice", "gzip, gzip", pack(zip, pack(zip, okBody)), true, false},
		{"gzip in brotli", "gzip, br", pack(br, pack(zip, okBody)), true, false},
		{"brotli in gzip", "br, gzip", pack(zip, pack(br, okBody)), true, false},
		{"deflate, not said", "", pack(wrapped, okBody), true, false},
		{"deflate, said to be brotli", "br", pack(wrapped, okBody), true, false},
		{"gzip, said to be brotli", "br", pack(zip, okBody), true, false},
		{"plain, said to be brotli", "br", okBody, true, false},
		{"plain, said to be deflate", "deflate", okBody, true, false},
		{"a byte order mark", "", "\ufeff" + okBody, true, false},
		{"a byte order mark, gzip", "gzip", pack(zip, "\ufeff"+okBody), true, false},
		{"two byte order marks", "", "\ufeff\ufeff" + okBody, false, false},
		{"too long once inflated", "gzip", pack(zip, bomb), false, false},
		{"too long, brotli", "br", pack(br, bomb), false, false},
		{"cut", "gzip", pack(zip, okBody)[:30], false, true},
		{"an unknown coding", "zstd", "\x28\xb5\x2f\xfd", false, true},
		{"nothing that is brotli", "br", "<html>", false, false},
		{"a packed web page", "gzip", pack(zip, "<html>"), false, false},
		{"gzip thrice", "gzip, gzip, gzip", pack(zip, pack(zip, pack(zip, okBody))), false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("Accept-Encoding"); got != "identity" {
					t.Errorf("Accept-Encoding: %q", got)
				}
				w.Header()["Content-Encoding"] = []string{tc.coding}
				_, _ = io.WriteString(w, tc.body)
			}))
			defer server.Close()
			client, err := New(firewallConfig(server.URL))
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Issue(t.Context(), "u1")
			if (err == nil) != tc.good {
				t.Errorf("%v, want a good answer: %v", err, tc.good)
			}
			if failure, ok := errors.AsType[*Error](err); ok && (failure.Kind != Temporary || failure.Outage()) {
				t.Errorf("%v: outage %v", failure, failure.Outage())
			}
			if told := errors.Is(err, errPacked); told != tc.packed {
				t.Errorf("%v: it says that it is compressed: %v", err, told)
			}
		})
	}
}

// Only what shows that Capture cannot be reached, or says itself that it is in
// trouble, is an outage.
func TestOutageIsTransportOr5xx(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		body   string
		want   bool
	}{
		{"a firewall's 403", 403, "<html>Access Denied</html>", false},
		{"a captive portal", 200, "<html>Sign in</html>", false},
		{"a redirect", 302, "", false},
		{"a limit", 429, "", false},
		{"a limit by number", 200, `{"stat":"error","code":510}`, false},
		{"a refusal of the client", 401, `{"stat":"error","code":402}`, false},
		{"a dead token", 200, `{"stat":"error","code":200,"argument_name":"access_token"}`, false},
		{"an unexpected error that is an answer", 200, `{"stat":"error","code":500}`, false},
		{"500", 500, `{"stat":"error","code":500}`, true},
		{"502", 502, "<html>", true},
		{"503 with a final word", 503, `{"stat":"error","code":413}`, true},
	} {
		failure := judge(identify, tc.status, http.Header{}, []byte(tc.body), now, nil)
		if failure == nil || failure.Outage() != tc.want {
			t.Errorf("%s: %v, want an outage: %v", tc.name, failure, tc.want)
		}
	}
	for _, tc := range []struct {
		name    string
		failure Error
		want    bool
	}{
		{"no connection", Error{Cause: errors.New("refused")}, true},
		{"a timeout", Error{Cause: context.DeadlineExceeded, Lost: true}, true},
		{"an answer that breaks off", Error{Status: 200, Cause: io.ErrUnexpectedEOF, Lost: true}, true},
		{"a caller who left", Error{Cause: context.Canceled, Lost: true}, false},
		{"no file left to open", Error{Cause: &net.OpError{Op: "dial",
			Err: os.NewSyscallError("socket", syscall.EMFILE)}}, false},
		{"a token that was not sent", Error{Kind: GrantGone, Cause: errMalformedToken}, false},
		{"no client", Error{Kind: OperatorFault, Cause: errNoIssuer}, false},
		{"an answer without a token", Error{Status: 200, Cause: errNoToken}, false},
	} {
		if got := tc.failure.Outage(); got != tc.want {
			t.Errorf("%s: outage %v, want %v", tc.name, got, tc.want)
		}
	}
}

// lateAnswer is a kept connection on which an answer comes just when the attempt
// is given up, as after a pause of the process.
type lateAnswer struct{ calls int }

func (l *lateAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	l.calls++
	trace := httptrace.ContextClientTrace(r.Context())
	trace.GotConn(httptrace.GotConnInfo{Reused: true})
	if l.calls == 1 {
		<-r.Context().Done()
		trace.GotFirstResponseByte()
		return nil, r.Context().Err()
	}
	trace.GotFirstResponseByte()
	answer := httptest.NewRecorder()
	_, _ = answer.WriteString(`{"stat":"ok","accessToken":"a1b2c3d4e5f6g7h8"}`)
	return answer.Result(), nil
}

// spare is a kept connection that has carried no call, and is forgotten.
type spare struct {
	made  time.Time
	calls int
}

func (s *spare) RoundTrip(r *http.Request) (*http.Response, error) {
	s.calls++
	trace := httptrace.ContextClientTrace(r.Context())
	if s.calls == 1 {
		line := tls.Client(&dialed{at: s.made}, new(tls.Config))
		trace.GotConn(httptrace.GotConnInfo{Conn: line})
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: errors.New("reset")}
	}
	trace.GotConn(httptrace.GotConnInfo{Conn: &dialed{at: time.Now()}})
	trace.GotFirstResponseByte()
	answer := httptest.NewRecorder()
	_, _ = answer.WriteString(okBody)
	return answer.Result(), nil
}

// A connection that was made for an earlier call and never used can be forgotten
// like any other. One that was made for this call says that Capture is down.
func TestASpareConnectionCanBeForgottenToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, age := range []time.Duration{time.Minute, 0} {
			line := &spare{made: time.Now().Add(-age)}
			settings := firewallConfig("http://localhost")
			settings.Transport = line
			client, err := New(settings)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Issue(t.Context(), "u1"); (err == nil) != (age > 0) {
				t.Errorf("made %v before the call: %v after %d attempts", age, err, line.calls)
			}
		}
	})
}

func TestAnAnswerThatCameTooLateIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := new(lateAnswer)
		settings := firewallConfig("http://localhost")
		settings.Transport = line
		client, err := New(settings)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Issue(t.Context(), "u1"); err != nil || line.calls != 2 {
			t.Errorf("%v after %d attempts, want none after 2", err, line.calls)
		}
	})
}
