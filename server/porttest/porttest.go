// Package porttest finds ports for the programs that tests run and that cannot
// say which port they got.
package porttest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Systems hand out ports from 32768 on (Linux) or 49152 on (RFC 6335 section 6)
// to whoever asks for any. One of those may be taken between Free and the start
// of the program, by a test of another package. One below is taken only by a
// program that is told to.
const (
	first = 20_000
	end   = 32_000
)

var given sync.Map // ports that this process has been given

// Address is [Free] for a test.
func Address(t testing.TB) string {
	t.Helper()
	address, err := Free()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// Free returns an address of this machine, 127.0.0.1 with a port, at which
// nothing listens. It returns no address twice.
func Free() (address string, err error) {
	for range 100 {
		port := first + rand.N(end-first)
		if _, again := given.LoadOrStore(port, true); again {
			continue
		}
		var listener net.Listener
		address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if listener, err = net.Listen("tcp", address); err == nil {
			return address, listener.Close()
		}
	}
	return "", fmt.Errorf("no port from %d to %d is free: %w", first, end, err)
}
