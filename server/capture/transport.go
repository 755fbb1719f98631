package capture

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// idleTimeout is how long a connection is kept without a call on it. Firewalls
// forget idle connections without telling either end, the quickest ones after
// a minute.
const idleTimeout = 30 * time.Second

// connections carry the calls. Neither kind follows redirects: a credential is
// for the configured host alone.
type connections struct {
	// kept holds connections open for further calls.
	kept atomic.Pointer[http.Client]
	// fresh opens a connection for each call. A call that must be sent once
	// needs it: the other side may be closing a kept connection just now.
	fresh *http.Client
	// replacement makes a new kept client; nil for a transport that is not ours.
	replacement func() *http.Client
	// took is how long the last answer took, in nanoseconds.
	took atomic.Int64
}

// patience is how long a kept connection may stay silent before it counts as
// dead: a third of the time of a call, so that there is time for another attempt,
// but longer while Capture itself is slow.
func (c *connections) patience(timeout time.Duration) time.Duration {
	return max(timeout/3, 3*time.Duration(c.took.Load()))
}

// newConnections uses transport for everything; nil means transports of our
// own.
func newConnections(transport http.RoundTripper) *connections {
	c := new(connections)
	if transport != nil {
		c.fresh = newHTTPClient(transport)
		c.kept.Store(c.fresh)
		return c
	}
	alone := newTransport()
	alone.DisableKeepAlives = true
	// With HTTP/2 calls would meet on one connection, and each would close it
	// under the others.
	alone.ForceAttemptHTTP2 = false
	alone.Protocols = new(http.Protocols)
	alone.Protocols.SetHTTP1(true)
	c.fresh = newHTTPClient(alone)
	c.replacement = func() *http.Client { return newHTTPClient(newTransport()) }
	c.kept.Store(c.replacement())
	return c
}

func newHTTPClient(transport http.RoundTripper) *http.Client {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: transport, CheckRedirect: stay}
}

func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		// Some networks reach the outside through a proxy only.
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &dialed{conn, time.Now()}, nil
		},
		TLSHandshakeTimeout: 5 * time.Second,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		// A connection of HTTP/2 serves many calls; one that swallows everything
		// must not do so for long.
		HTTP2: &http.HTTP2Config{
			SendPingTimeout: 10 * time.Second,
			PingTimeout:     5 * time.Second,
		},
		MaxConnsPerHost:        64,
		MaxIdleConns:           16,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: 32 << 10,
		// Answers are small: compression is not asked for. See inflate.
		DisableCompression: true,
	}
}

// dialed is a connection that knows its age.
type dialed struct {
	net.Conn
	at time.Time
}

// olderThan reports whether a connection was made before began. One that was
// dialed for a burst of calls, and came too late for it, waits for the next one
// without having carried any, and HTTP/2 does not call it reused then.
func olderThan(began time.Time, conn net.Conn) bool {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	made, ok := conn.(*dialed)
	return ok && made.at.Before(began)
}

// distrust has later calls use none of the connections of client: where one
// was dead, the others of its age may be, too. Calls under way go on.
func (c *connections) distrust(client *http.Client) {
	if c.replacement == nil {
		return
	}
	if c.kept.CompareAndSwap(client, c.replacement()) {
		client.CloseIdleConnections()
	}
}

// send makes the call, once more on a fresh connection where that is safe and
// the first attempt says nothing about Capture:
//
//   - A kept connection dies, or stays silent, before the first byte of an
//     answer. A firewall that has forgotten the connection does that. A call
//     that may be repeated is.
//   - No connection is made. Nothing was sent, so that even a code or a refresh
//     token can be sent now.
func (c *Client) send(
	ctx context.Context, op operation, header http.Header, form url.Values,
) attempt {
	request := func() *http.Request { return c.request(op, header, form) }
	if op.once {
		first := try(ctx, c.connections.fresh, request(), 0)
		if first.connected || !noConnection(first.err) || ctx.Err() != nil {
			return first
		}
		return try(ctx, c.connections.fresh, request(), 0)
	}
	kept := c.connections.kept.Load()
	patience := c.connections.patience(c.config.Timeout)
	first := c.timed(func() attempt { return try(ctx, kept, request(), patience) })
	if first.err == nil || first.answered {
		return first
	}
	if first.connected {
		c.connections.distrust(kept)
	}
	if !first.reused || ctx.Err() != nil {
		return first
	}
	return c.timed(func() attempt { return try(ctx, c.connections.fresh, request(), 0) })
}

// timed remembers how long an answer took, or how long no answer came on a
// connection that was not dead.
func (c *Client) timed(do func() attempt) attempt {
	began := time.Now()
	made := do()
	if made.answered || made.connected && !made.reused {
		c.connections.took.Store(int64(time.Since(began)))
	}
	return made
}

// noConnection reports whether err proves that there was no connection to send
// anything on.
func noConnection(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

func (c *Client) request(op operation, header http.Header, form url.Values) *http.Request {
	body := form.Encode()
	request := &http.Request{
		Method: http.MethodPost,
		URL:    c.base.JoinPath(op.endpoint),
		Header: header.Clone(),
		// Without GetBody net/http cannot send the body a second time by itself.
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "capture-keepalive")
	return request
}

// attempt is one request and what came of it.
type attempt struct {
	status int // 0: no answer
	header http.Header
	body   []byte // at most one byte more than maxAnswer
	err    error

	connected bool // there was a connection, so the request may have gone out
	reused    bool // the connection was there before the call
	answered  bool // the first byte of an answer came
}

// errSilent ends an attempt on a kept connection that brings no answer.
var errSilent = errors.New("the connection stays silent")

// try makes one attempt. A kept connection that brings no byte of an answer
// within patience is given up; 0 means patience until ctx ends.
func try(
	ctx context.Context, client *http.Client, request *http.Request, patience time.Duration,
) attempt {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now()
	var connected, reused, answered atomic.Bool
	silence := time.AfterFunc(time.Hour, func() {
		if !answered.Load() {
			cancel(errSilent)
		}
	})
	silence.Stop()
	defer silence.Stop()
	request = request.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			connected.Store(true)
			old := info.Reused || olderThan(began, info.Conn)
			reused.Store(old)
			if old && patience > 0 {
				silence.Reset(patience)
			}
		},
		GotFirstResponseByte: func() { answered.Store(true) },
	}))

	response, err := client.Do(request)
	made := attempt{
		err:       err,
		connected: connected.Load(),
		reused:    reused.Load(),
		// An answer that comes while the attempt is given up is not read.
		answered: answered.Load() && context.Cause(ctx) != errSilent,
	}
	if err != nil {
		return made
	}
	defer response.Body.Close()
	made.answered = true
	made.status, made.header = response.StatusCode, response.Header
	if response.StatusCode == http.StatusSwitchingProtocols {
		return made // the body is the connection, and has no end, not even with ctx
	}
	made.body, made.err = io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	return made
}
