// Package capturetest has what stands between this server and Capture in real
// networks, for tests.
package capturetest

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Firewall passes everything on between a client and a server, on real sockets,
// until it forgets its connections.
type Firewall struct {
	// Address is where clients connect to.
	Address string

	server string
	mu     sync.Mutex // guards all below
	paths  []*path
}

// path is one connection through the firewall.
type path struct {
	client *net.TCPConn
	fate   atomic.Value // a Fate, once it is forgotten
}

// Fate is what meets the next byte that a client sends on a connection that the
// firewall has forgotten.
type Fate func(*net.TCPConn)

// Reset answers with a TCP reset.
func Reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

// Swallow takes every byte and never answers.
func Swallow(*net.TCPConn) {}

// NewFirewall starts a firewall in front of server, a host and port.
func NewFirewall(t testing.TB, server string) *Firewall {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &Firewall{Address: listener.Addr().String(), server: server}
	t.Cleanup(func() {
		_ = listener.Close()
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, each := range f.paths {
			_ = each.client.Close()
		}
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go f.pass(conn.(*net.TCPConn))
		}
	}()
	return f
}

// Forget forgets all connections there are. New ones are passed on.
func (f *Firewall) Forget(fate Fate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, each := range f.paths {
		each.fate.Store(fate)
	}
}

func (f *Firewall) pass(client *net.TCPConn) {
	defer client.Close()
	upstream, err := net.Dial("tcp", f.server)
	if err != nil {
		return
	}
	defer upstream.Close()
	here := &path{client: client}
	f.mu.Lock()
	f.paths = append(f.paths, here)
	f.mu.Unlock()
	go func() { _, _ = io.Copy(client, upstream) }()
	buffer := make([]byte, 16<<10)
	for {
		n, err := client.Read(buffer)
		if fate, forgotten := here.fate.Load().(Fate); forgotten {
			fate(client)
			_, _ = io.Copy(io.Discard, client)
			return
		}
		if err != nil {
			return
		}
		if _, err := upstream.Write(buffer[:n]); err != nil {
			return
		}
	}
}
