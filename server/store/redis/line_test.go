package redis_test

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis/redistest"
)

// firewall stands between the store and a real Redis, and can forget the
// connections that it has at that moment.
type firewall struct {
	net.Listener
	to string

	mu    sync.Mutex
	flows []*flow // guarded by mu
}

// flow is one connection through the firewall.
type flow struct {
	near, far net.Conn

	mu   sync.Mutex
	fate fate // guarded by mu
}

// fate is what becomes of the next bytes of a connection.
type fate int

const (
	passes      fate = iota
	isReset          // the next request is answered by a reset
	isSwallowed      // the next request gets nowhere, and no answer
	losesAnswer      // the next request arrives, its answer is a reset
)

func newFirewall(t *testing.T, server *redistest.Server) *firewall {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &firewall{Listener: listener, to: server.Address}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", f.to)
			if err != nil {
				_ = near.Close()
				continue
			}
			one := &flow{near: near, far: far}
			f.mu.Lock()
			f.flows = append(f.flows, one)
			f.mu.Unlock()
			group.Go(one.requests)
			group.Go(one.answers)
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		f.mu.Lock()
		for _, one := range f.flows {
			one.cut()
		}
		f.mu.Unlock()
		group.Wait()
	})
	return f
}

// forget gives all present connections their fate, and returns how many there are.
func (f *firewall) forget(to fate) (flows int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.flows {
		one.mu.Lock()
		one.fate = to
		one.mu.Unlock()
	}
	return len(f.flows)
}

func (f *flow) what() fate {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fate
}

// cut ends a connection by a reset.
func (f *flow) cut() {
	if near, ok := f.near.(*net.TCPConn); ok {
		_ = near.SetLinger(0)
	}
	_, _ = f.near.Close(), f.far.Close()
}

func (f *flow) requests() {
	buffer := make([]byte, 64<<10)
	for {
		n, err := f.near.Read(buffer)
		switch what := f.what(); {
		case err != nil:
			_ = f.far.Close()
			return
		case what == isReset:
			f.cut()
			return
		case what == isSwallowed:
			continue
		}
		if _, err := f.far.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (f *flow) answers() {
	buffer := make([]byte, 64<<10)
	for {
		n, err := f.far.Read(buffer)
		switch what := f.what(); {
		case err != nil:
			if errors.Is(err, io.EOF) {
				f.cut()
			}
			return
		case what == losesAnswer:
			f.cut()
			return
		}
		if _, err := f.near.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// A pool full of connections that a firewall has forgotten costs no call: not one
// of many that read, and not one that writes.
func TestForgottenConnectionsCostNothing(t *testing.T) {
	server := redistest.Start(t)
	wall := newFirewall(t, server)
	b := open(t, "redis://"+wall.Addr().String())
	mustInsert(t, b, testRow(1))
	row := testRow(1)
	for name, call := range map[string]func() error{
		"Lookup": func() error { _, err := b.Lookup(t.Context(), row.Key); return err },
		"Owned":  func() error { _, err := b.Owned(t.Context(), row.Owner); return err },
		"Ping":   func() error { return b.Ping(t.Context()) },
		"Now":    func() error { _, err := b.Now(t.Context()); return err },
		"Insert": func() error {
			other := testRow(2)
			other.Key = store.Key(now(t, b))
			return b.Insert(t.Context(), other, 0)
		},
		"Lock":   func() error { return b.Lock(t.Context(), row.Key, store.Holder{1}, time.Minute) },
		"Unlock": func() error { return b.Unlock(t.Context(), row.Key, store.Holder{1}) },
		"Remove": func() error { _, err := b.Remove(t.Context(), store.Key{0xff}); return err },
	} {
		warm(t, b)
		if wall.forget(isReset) < 3 {
			t.Fatal("the pool has hardly a connection")
		}
		for range 20 {
			if err := answered(call); err != nil { // what was reset is told at once
				t.Errorf("%s() over forgotten connections = %v", name, err)
			}
		}
	}
	warm(t, b)
	wall.forget(isReset)
	row.Version = 2
	if err := b.Replace(t.Context(), row); err != nil {
		t.Errorf("Replace() = %v", err)
	}
	wall.forget(isReset)
	if n, err := b.RemoveOwner(t.Context(), row.Owner); n != 1 || err != nil {
		t.Errorf("RemoveOwner() = %d, %v, want 1", n, err)
	}
}

// now makes a key that no row has.
func now(t *testing.T, b store.Backend) (key [32]byte) {
	t.Helper()
	m, err := b.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		key[i] = byte(m >> (8 * i))
	}
	return key
}

// Connections that swallow everything cost a reader half a second at most once,
// and a writer one call.
func TestConnectionsThatSwallowEverything(t *testing.T) {
	server := redistest.Start(t)
	wall := newFirewall(t, server)
	b := open(t, "redis://"+wall.Addr().String())
	mustInsert(t, b, testRow(1))
	warm(t, b)
	wall.forget(isSwallowed)
	slow := 0
	for range 20 {
		watch := clocktest.Start()
		_, err := b.Lookup(t.Context(), testRow(1).Key)
		took := watch.Took()
		if err != nil || took >= redis.Timeout {
			t.Errorf("Lookup() = %v after %v", err, took)
		}
		if took > redis.Timeout/2 {
			slow++
		}
	}
	if slow != 1 {
		t.Errorf("%d lookups waited for a connection that swallows, want 1: the others are "+
			"suspect after it", slow)
	}

	warm(t, b)
	wall.forget(isSwallowed)
	row := testRow(1)
	row.Version = 2
	if err := b.Replace(t.Context(), row); err != nil { // its index comes first, and finds out
		t.Errorf("Replace() = %v", err)
	}
}

// An answer that was lost is no conflict of a writer with itself.
func TestLostAnswersAreNoConflict(t *testing.T) {
	server := redistest.Start(t)
	wall := newFirewall(t, server)
	b := open(t, "redis://"+wall.Addr().String())
	unowned := testRow(7)
	unowned.Owner = store.Owner(unowned.Key) // so that its row is the first request
	warm := func() {
		if err := b.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		wall.forget(losesAnswer)
	}
	warm()
	if err := b.Insert(t.Context(), unowned, 0); err != nil {
		t.Errorf("Insert() = %v", err)
	}
	unowned.Version, unowned.Value = 2, []byte("second")
	warm()
	if err := b.Replace(t.Context(), unowned); err != nil {
		t.Errorf("Replace() = %v", err)
	}
	got, err := b.Lookup(t.Context(), unowned.Key)
	if err != nil || got.Version != 2 || !slices.Equal(got.Value, unowned.Value) {
		t.Errorf("Lookup() = %v, %v, want what was written", got, err)
	}
	// Another's row is another's, though its version is the same.
	unowned.Value = []byte("theirs")
	if err := b.Replace(t.Context(), unowned); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Replace(same version, another value) = %v, want ErrConflict", err)
	}
	if err := b.Insert(t.Context(), unowned, 0); !errors.Is(err, store.ErrExists) {
		t.Errorf("Insert(another value) = %v, want ErrExists", err)
	}
}
