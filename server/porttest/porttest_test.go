package porttest

import (
	"net"
	"net/netip"
	"testing"
)

// A port that a program can have, that no other call returns, and that the
// system gives to nobody by itself.
func TestFree(t *testing.T) {
	seen := make(map[string]bool)
	for range 20 {
		address, err := Free()
		if err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		port := netip.MustParseAddrPort(address).Port()
		if seen[address] || port < first || port >= end {
			t.Errorf("%s: given before: %t", address, seen[address])
		}
		seen[address] = true
	}
}
