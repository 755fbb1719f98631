package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A firewall or a balancer forgets connections that are idle, and resets them on
// the next byte or swallows all of it; and a Redis that is replaced leaves a pool
// full of dead ones. So where one connection is lost the idle ones to the same
// address that are older are not used again.

// keepAlive finds out about a peer that is gone within half a minute.
var keepAlive = net.KeepAliveConfig{
	Enable:   true,
	Idle:     15 * time.Second,
	Interval: 5 * time.Second,
	Count:    3,
}

// lines makes the connections of a client.
type lines struct {
	tls *tls.Config // nil: a plain line
	// losses counts the connections lost, by address: string to *atomic.Int64.
	losses sync.Map
}

func (l *lines) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: Timeout, KeepAliveConfig: keepAlive}
	dial := dialer.DialContext
	if l.tls != nil {
		dial = (&tls.Dialer{NetDialer: dialer, Config: l.tls}).DialContext
	}
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	counter, _ := l.losses.LoadOrStore(address, new(atomic.Int64))
	losses := counter.(*atomic.Int64) //nolint:forcetypeassert // lines puts nothing else there
	return &line{Conn: conn, losses: losses, before: losses.Load()}, nil
}

// line is a connection that notices its loss.
type line struct {
	net.Conn
	losses *atomic.Int64 // of connections to the same address
	before int64         // losses when it was made
}

// lastLook is how long an answer is looked for after its time.
const lastLook = 50 * time.Millisecond

// Read implements net.Conn. An answer that has come while the process stood still
// is there, though its time is over.
func (l *line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) &&
		l.Conn.SetReadDeadline(time.Now().Add(lastLook)) == nil {
		n, err = l.Conn.Read(p)
	}
	l.notice(err)
	return n, err
}

// Write implements net.Conn.
func (l *line) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	l.notice(err)
	return n, err
}

// notice counts a loss. A timeout is one, too: a forgotten connection can
// swallow everything.
func (l *line) notice(err error) {
	if err != nil && !errors.Is(err, net.ErrClosed) {
		l.losses.Add(1)
	}
}

var errSuspect = errors.New("another connection to this address was lost")

// SyscallConn is how the pool asks whether an idle connection is alive: a plain
// one by looking at the socket, one with TLS not at all.
func (l *line) SyscallConn() (syscall.RawConn, error) {
	if l.losses.Load() != l.before {
		return nil, errSuspect
	}
	if plain, ok := l.Conn.(syscall.Conn); ok {
		return plain.SyscallConn()
	}
	return opaque{}, nil
}

// opaque is a socket that cannot be looked at: what waits there is encrypted.
type opaque struct{}

// Control implements syscall.RawConn.
func (opaque) Control(func(uintptr)) error { return nil }

// Read implements syscall.RawConn.
func (opaque) Read(func(uintptr) bool) error { return nil }

// Write implements syscall.RawConn.
func (opaque) Write(func(uintptr) bool) error { return nil }

// firstTry bounds the first try of what can be done twice, so that there is time
// for the second one within Timeout.
const firstTry = 6 * Timeout / 10

// repeat calls again, on another connection, after one that was lost or did not
// answer. What it calls can be done twice, and late, without harm.
func repeat(ctx context.Context, call func(context.Context) error) error {
	first, cancel := context.WithTimeout(ctx, firstTry)
	defer cancel()
	err := call(first)
	if err != nil && ctx.Err() == nil && (lost(err) || timedOut(err)) {
		return call(ctx)
	}
	return err
}

// lost reports whether a connection ended before its answer. Redis may have done
// what was asked for, or will never do it.
func lost(err error) bool {
	for _, end := range [...]error{
		io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED,
	} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

func timedOut(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}
