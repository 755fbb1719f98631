package demo

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/capture-keepalive/capture-keepalive/server/app"
)

// listenLocal listens on an address of this machine. localhost is two: which
// of them a browser takes is its own affair, so both must be ours.
func listenLocal(address string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	if host != "localhost" {
		listener, err := app.Listen("--listen", address)
		return []net.Listener{listener}, err
	}
	for {
		four, err := app.Listen("--listen", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			return nil, err
		}
		same := strconv.Itoa(portOf([]net.Listener{four}))
		six, err := app.Listen("--listen", net.JoinHostPort("::1", same))
		if err == nil {
			return []net.Listener{four, six}, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return []net.Listener{four}, nil // a machine without IPv6
		}
		_ = four.Close() // nothing has come in
		if port != "0" {
			return nil, err
		}
	}
}

func closeAll(listeners []net.Listener) {
	for _, listener := range listeners {
		_ = listener.Close() // the server may have closed it
	}
}

func portOf(listeners []net.Listener) int { return listeners[0].Addr().(*net.TCPAddr).Port }

// hostsOf are the names of this machine that the listeners answer to.
func hostsOf(listeners []net.Listener) map[string]bool {
	hosts := map[string]bool{net.JoinHostPort("localhost", strconv.Itoa(portOf(listeners))): true}
	for _, listener := range listeners {
		hosts[listener.Addr().String()] = true
	}
	return hosts
}
