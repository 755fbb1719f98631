package config

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// The functions of this file return what is wrong with one value, or nothing.

// checkAddress takes what an address of the kind looks like, too.
func checkAddress(address, example string) string {
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	_, notIP := netip.ParseAddr(host)
	if err != nil || notIP != nil && !listenHost.MatchString(host) {
		return "must be host:port, such as " + example + "."
	}
	return ""
}

// listenHost is a host with a name, or nothing: all addresses.
var listenHost = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]*)?$`)

var basePath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

// sameListener reports whether two listeners would take the same port of the
// same address, however each is spelled.
func sameListener(one, other string) bool {
	host, port := listener(one)
	otherHost, otherPort := listener(other)
	if port != otherPort || port == 0 {
		return false
	}
	return host == otherHost || everywhere(one) || everywhere(other) ||
		loopbackHost(host) && loopbackHost(otherHost)
}

// listener reads an address as net.Listen does: 0080 is port 80, and the IPv4
// address that IPv6 has another spelling for is IPv4. Port 0: any port, or no
// address.
func listener(address string) (host string, port uint64) {
	host, digits, err := net.SplitHostPort(address)
	if err == nil {
		port, _ = strconv.ParseUint(digits, 10, 16) // checkAddress tells of the rest
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String(), port
	}
	return strings.ToLower(strings.TrimSuffix(host, ".")), port
}

func checkBasePath(path string) string {
	dots := slices.ContainsFunc(strings.Split(path, "/"), func(part string) bool {
		return part == "." || part == ".."
	})
	if dots {
		return "has a part . or .., which browsers and proxies take away. Write the path that " +
			"they ask for, such as /keepalive."
	}
	if !basePath.MatchString(path) {
		return "must be a path such as /keepalive: a slash in front, none at the end, " +
			"and plain letters, digits and . _ ~ - between."
	}
	return ""
}

// originName is the name of a host as browsers write it. They take one with a
// number at its end for an IPv4 address.
var originName = regexp.MustCompile(`^([a-z0-9_-]+\.)*[0-9]*[a-z_-][a-z0-9_-]*$`)

// asBrowsersWrite reports whether host and port are spelled as browsers spell
// them (WHATWG URL, section 4.5).
func asBrowsersWrite(u *url.URL) bool {
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if u.Port() != "" && (err != nil || strconv.FormatUint(port, 10) != u.Port()) {
		return false
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return ip.String() == u.Hostname()
	}
	return originName.MatchString(u.Hostname())
}

// originForm is how an origin is written.
const originForm = "https://www.example.com"

// checkOrigin accepts exactly what a browser writes into Origin (RFC 6454
// section 6.2), so that comparing strings is enough ever after.
func checkOrigin(origin string) string {
	switch {
	case origin == "null":
		return "is null, which is what every sandboxed page sends. List real origins."
	case strings.Contains(origin, "*"):
		return "has a wildcard. List each origin in full."
	case strings.ContainsFunc(origin, unicode.IsSpace), strings.Contains(origin, ";"):
		return "has a space or a semicolon in it. Put commas between origins."
	}
	parsed, err := url.Parse(origin)
	if err != nil || !isWeb(parsed) {
		return "is not an origin. Write it like " + originForm + "."
	}
	switch {
	case origin != parsed.Scheme+"://"+parsed.Host:
		return "has more than scheme, host and port (a path or slash at the end, capitals in " +
			"the scheme, a query). Write it like " + originForm + "."
	case !asBrowsersWrite(parsed):
		return "has a host or port that browsers write otherwise. Write it in lower case, " +
			"international names in their xn-- form, and copy it from the browser's address bar."
	case defaultPort(parsed):
		return "names the scheme's own port, which browsers leave out. Leave it out, too."
	case parsed.Scheme == "http" && !loopbackOrigin(origin):
		return "is plain http, where the session's cookie cannot live. Use https."
	}
	return ""
}

// Origin returns the origin of a page as browsers write it. The subject of its
// error is the origin.
func Origin(text string) (string, error) {
	origin, err := Clean(text)
	if err != nil {
		return "", err
	}
	origin = strings.TrimRight(origin, "/")
	if text := checkOrigin(origin); text != "" {
		return "", errors.New(strings.TrimSuffix(text, "."))
	}
	return origin, nil
}

// LocalOrigin is Origin for a page on this machine, beside a server without
// TLS.
func LocalOrigin(text string) (string, error) {
	origin, err := Origin(text)
	cleaned, _ := Clean(text) // Origin has told of what it refuses
	page, unread := url.Parse(cleaned)
	switch {
	case unread != nil || !isWeb(page):
	case !loopbackHost(page.Hostname()):
		err = errors.New("is not on this machine. Write it like " + originForm)
	case page.Scheme == "https":
		err = errors.New("is https, and the server here is plain http: browsers keep no cookie " +
			"between the two. Serve the page over http while you develop it, such as " + originForm)
	}
	if err != nil {
		err = errors.New(strings.ReplaceAll(err.Error(), originForm, "http://localhost:5173"))
	}
	return origin, err
}

func isWeb(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

func defaultPort(u *url.URL) bool {
	usual := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	return u.Port() == usual || strings.HasSuffix(u.Host, ":")
}

var clientID = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)

func checkClientID(id, meaning string) string {
	switch {
	case id == "":
		return "is not set. Set it to " + meaning + "."
	case !clientID.MatchString(id):
		return "holds a space, a colon or something else that no client id has. " +
			"Set it to " + meaning + "."
	}
	return ""
}

// checkRedirectURI accepts what RFC 6749 section 3.1.2 does, over https.
func checkRedirectURI(uri string) string {
	parsed, err := url.Parse(uri)
	switch {
	case err != nil, !isWeb(parsed), strings.ContainsFunc(uri, unprintable):
		return "is not a web address. Write it like https://www.example.com/signed-in, exactly " +
			"as the page's settings have it."
	case strings.Contains(uri, "#"):
		return "has a fragment, which no redirectUri may have. Leave out everything from the # on."
	case parsed.User != nil:
		return "holds a user name or password. Leave out what stands before the @."
	case parsed.Scheme == "http" && !loopbackHost(parsed.Hostname()):
		return "is plain http to another machine. Use https."
	}
	return ""
}

func parseProxy(entry string) (netip.Prefix, string) {
	network, err := netip.ParsePrefix(entry)
	if err != nil {
		address, err := netip.ParseAddr(entry)
		if err != nil || address.Zone() != "" {
			return netip.Prefix{}, "is not a network. Write it like 10.0.0.0/8 or 192.0.2.7."
		}
		network = netip.PrefixFrom(address, address.BitLen())
	}
	// An IPv4 network that is written as IPv6 is IPv4.
	if network.Addr().Is4In6() && network.Bits() >= 96 {
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	return network.Masked(), ""
}

func unprintable(r rune) bool { return r <= ' ' || r > '~' }

// LoopbackAddress reports whether a listener there is out of the network's
// reach.
func LoopbackAddress(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && loopbackHost(host)
}

func loopbackOrigin(origin string) bool {
	parsed, err := url.Parse(origin)
	return err == nil && loopbackHost(parsed.Hostname())
}

func loopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
