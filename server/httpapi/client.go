package httpapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// admitLogin counts the logins of a client.
func (s *Server) admitLogin(c echo.Context) error {
	wait, ok := s.logins.Take(network(clientAddress(c.Request(), s.config.TrustedProxies)))
	if !ok {
		return &problem{code: api.RateLimited, retryAfter: wait, detail: "too many logins from " +
			"this address; wait, then report the login again"}
	}
	return nil
}

// clientAddress is the address of a client, and the zero Addr if it cannot be
// read. X-Forwarded-For counts only from the proxies listed. Each proxy appends
// the address that it was called from, so the list is read from its end, as
// far as it was written by trusted proxies.
func clientAddress(r *http.Request, proxies []netip.Prefix) netip.Addr {
	client := parseAddress(r.RemoteAddr)
	forwarded := strings.Split(strings.Join(r.Header.Values(echo.HeaderXForwardedFor), ","), ",")
	for _, written := range slices.Backward(forwarded) {
		if !trusted(client, proxies) {
			break
		}
		address := parseAddress(written)
		if !address.IsValid() {
			break // the proxy knows more than we can read; its own address counts
		}
		client = address
	}
	return client
}

func trusted(address netip.Addr, proxies []netip.Prefix) bool {
	has := func(proxy netip.Prefix) bool { return proxy.Contains(address) }
	return slices.ContainsFunc(proxies, has)
}

// parseAddress reads an address in every way that proxies write it: plain, with
// a port (Azure), in brackets, with both, in quotes. An IPv4 address that is
// written as IPv6 is IPv4.
func parseAddress(written string) netip.Addr {
	written = strings.Trim(strings.TrimSpace(written), `"`)
	if address, err := netip.ParseAddrPort(written); err == nil {
		return address.Addr().Unmap().WithZone("")
	}
	// With an error the address is zero.
	address, _ := netip.ParseAddr(strings.Trim(written, "[]"))
	return address.Unmap().WithZone("")
}

// network is what counts as one client: an IPv4 address, or the /64 that one
// IPv6 subscriber gets. Clients without a readable address share one count, that
// of the zero Prefix.
func network(address netip.Addr) netip.Prefix {
	bits := 32
	if address.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(address, bits).Masked()
}
