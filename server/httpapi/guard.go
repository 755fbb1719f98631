package httpapi

import (
	"mime"
	"net"
	"net/http"
	"net/netip"

	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

const (
	allowedMethods = "GET, POST, DELETE"
	allowedHeaders = "x-keepalive, content-type"
	// preflightAge is how long, in seconds, a browser may remember a preflight.
	preflightAge = "600"
)

// Values of headers, shared like those in observe.
var (
	allowCredentials = []string{"true"}
	exposeHeaders    = []string{echo.HeaderRetryAfter}
)

// pageOnly lets through what a page of a listed origin sent on purpose.
//
// Three things must hold, each of which alone would stop cross-site request
// forgery: the origin, the header that no form can send, and (in the cookie)
// SameSite=Strict.
func (s *Server) pageOnly(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := s.admitOrigin(c); err != nil {
			return err
		}
		r := c.Request()
		if values := r.Header.Values(api.HeaderKeepalive); len(values) != 1 || values[0] != api.HeaderKeepaliveValue {
			return &problem{code: api.OriginRefused, detail: "header " + api.HeaderKeepalive + ": " + api.HeaderKeepaliveValue + " is missing; send it with every call"}
		}
		if r.ContentLength != 0 && !isJSON(r.Header.Values(echo.HeaderContentType)) {
			return &problem{code: api.UnsupportedMedia, detail: "header Content-Type must be application/json"}
		}
		return next(c)
	}
}

// admitOrigin refuses whoever is not a page of a listed origin, and tells the
// browsers of those that are that they may read the answer, errors included.
func (s *Server) admitOrigin(c echo.Context) error {
	header := c.Response().Header()
	header.Add(echo.HeaderVary, echo.HeaderOrigin)
	r := c.Request()
	origins := r.Header.Values(echo.HeaderOrigin)
	if len(origins) == 0 {
		// Browsers leave Origin out of a same-origin GET, and of nothing else
		// that can get here. What sends neither header is no page.
		if sites := r.Header.Values("Sec-Fetch-Site"); len(sites) == 1 && sites[0] == "same-origin" {
			return nil
		}
		return &problem{code: api.OriginRefused, detail: "the request has neither an Origin nor Sec-Fetch-Site: same-origin; call from a page"}
	}
	if len(origins) > 1 || !s.origins[origins[0]] {
		return &problem{code: api.OriginRefused, detail: "the page's origin is not on the server's list; its operator can add it to KEEPALIVE_ORIGINS"}
	}
	header.Set(echo.HeaderAccessControlAllowOrigin, origins[0])
	header[echo.HeaderAccessControlAllowCredentials] = allowCredentials
	header[echo.HeaderAccessControlExposeHeaders] = exposeHeaders
	return nil
}

// preflight answers the browser's question before a call from another origin.
func (s *Server) preflight(c echo.Context) error {
	header := c.Response().Header()
	header.Add(echo.HeaderVary, echo.HeaderAccessControlRequestMethod)
	header.Add(echo.HeaderVary, echo.HeaderAccessControlRequestHeaders)
	if err := s.admitOrigin(c); err != nil {
		return err
	}
	header.Set(echo.HeaderAccessControlAllowMethods, allowedMethods)
	header.Set(echo.HeaderAccessControlAllowHeaders, allowedHeaders)
	header.Set(echo.HeaderAccessControlMaxAge, preflightAge)
	return c.NoContent(http.StatusNoContent)
}

func isJSON(values []string) bool {
	if len(values) != 1 {
		return false
	}
	if values[0] == echo.MIMEApplicationJSON {
		return true // what our own page sends
	}
	media, _, err := mime.ParseMediaType(values[0])
	return err == nil && media == echo.MIMEApplicationJSON
}

// clientAddress reads the address of a client. X-Forwarded-For counts only
// from the proxies listed: echo's own default believes anyone.
func clientAddress(proxies []netip.Prefix) echo.IPExtractor {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, proxy := range proxies {
		options = append(options, echo.TrustIPRange(&net.IPNet{
			IP:   proxy.Addr().AsSlice(),
			Mask: net.CIDRMask(proxy.Bits(), proxy.Addr().BitLen()),
		}))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

// admitLogin counts the logins of a client.
func (s *Server) admitLogin(c echo.Context) error {
	if wait, ok := s.logins.Take(client(c.RealIP())); !ok {
		return &problem{code: api.RateLimited, retryAfter: wait, detail: "too many logins from this address; wait, then report the login again"}
	}
	return nil
}

// client is what counts as one client: an IPv4 address, or the /64 that one
// IPv6 subscriber gets. Whoever has no readable address shares one count.
func client(address string) netip.Prefix {
	parsed, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	parsed = parsed.Unmap().WithZone("")
	bits := 32
	if parsed.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(parsed, bits).Masked()
}
