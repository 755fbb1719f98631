package demo

import (
	"fmt"
	"net"
	"strconv"
)

// listenLocal listens on an address of this machine. localhost is two: which
// of them a browser takes is its own affair.
func listenLocal(address string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	if host != "localhost" {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("--listen: %w", err)
		}
		return []net.Listener{listener}, nil
	}
	four, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	port = strconv.Itoa(four.Addr().(*net.TCPAddr).Port)
	six, err := net.Listen("tcp", net.JoinHostPort("::1", port))
	if err != nil {
		return []net.Listener{four}, nil // a machine without IPv6
	}
	return []net.Listener{four, six}, nil
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
