package config

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// Advice is what works and is still a risk, a sentence or two for each. Nothing
// is asked over the network.
func (c *Config) Advice() []string {
	advice := slices.Clone(c.Warnings)
	for _, advise := range []func() string{
		c.captureAdvice, c.loginAdvice, c.proxyAdvice, c.adminAdvice, c.lifeAdvice, c.delayAdvice,
	} {
		if text := advise(); text != "" {
			advice = append(advice, text)
		}
	}
	return append(advice, c.fileAdvice()...)
}

// captureAdvice: the addresses that people have at hand are those of a call or
// of a page, and Capture's calls begin at the top of its host. A proxy, or a
// stand-in on this machine, may have them below a path.
func (c *Config) captureAdvice() string {
	base, err := url.Parse(c.CaptureURL)
	if err != nil || strings.Trim(base.Path, "/") == "" || loopbackHost(base.Hostname()) {
		return ""
	}
	return fmt.Sprintf("KEEPALIVE_CAPTURE_URL has a path (%s), so the first call goes to %s. Capture's "+
		"calls have nothing in front: write https://%s, unless a proxy of yours has them below "+
		"that path.", base.Path, base.JoinPath("entity"), base.Host)
}

// loginAdvice: without the address of its proxy every visitor looks like that
// proxy. A server on loopback has one, unless InsecureCookie says that the
// browser is on this machine; for one that the network reaches it is a guess.
func (c *Config) loginAdvice() string {
	switch {
	case c.RateLogin.Off(), len(c.Proxies) > 0, c.InsecureCookie:
		return ""
	case !LoopbackAddress(c.Listen):
		return fmt.Sprintf("KEEPALIVE_TRUSTED_PROXIES is empty and KEEPALIVE_LISTEN (%s) is open "+
			"to the network. "+
			"If a proxy or balancer stands in front, all visitors share its one limit of logins: "+
			"set KEEPALIVE_TRUSTED_PROXIES to its addresses.", c.Listen)
	}
	return fmt.Sprintf("KEEPALIVE_TRUSTED_PROXIES is empty and KEEPALIVE_LISTEN is on "+
		"loopback, so all visitors share "+
		"the one limit of logins (KEEPALIVE_RATE_LOGIN, %s) that is meant for each. "+
		"Set KEEPALIVE_TRUSTED_PROXIES to the proxy's address, 127.0.0.1/32 for one on this "+
		"machine.", c.RateLogin)
}

// widest is the largest network, in bits, that is taken for a site's own: all
// private ranges of RFC 1918 and RFC 4193 fit in.
const (
	widest4 = 8
	widest6 = 7
)

func (c *Config) proxyAdvice() string {
	for _, network := range c.Proxies {
		widest := widest4
		if network.Addr().Is6() {
			widest = widest6
		}
		if network.Bits() < widest {
			return fmt.Sprintf("KEEPALIVE_TRUSTED_PROXIES trusts %s, so visitors can write any "+
				"address into "+
				"X-Forwarded-For and escape KEEPALIVE_RATE_LOGIN. List the addresses of your "+
				"proxies only.", network)
		}
	}
	return ""
}

func (c *Config) adminAdvice() string {
	if LoopbackAddress(c.AdminListen) {
		return ""
	}
	reach := "on " + c.AdminListen
	if everywhere(c.AdminListen) {
		reach = fmt.Sprintf("on all addresses of this machine (%s)", c.AdminListen)
	}
	can := "end anyone's sessions"
	if c.AuthTokenHeader {
		can += ", read access tokens (KEEPALIVE_AUTH_TOKEN_HEADER)"
	}
	if c.Pprof {
		can += ", profile the process (KEEPALIVE_PPROF)"
	}
	return fmt.Sprintf("KEEPALIVE_ADMIN_LISTEN is %s. A program that reaches it can %s: "+
		"let only your proxies and Prometheus through, or listen on 127.0.0.1.", reach, can)
}

// everywhere reports whether a listener is on all addresses.
func everywhere(address string) bool {
	host, _ := listener(address)
	ip, notIP := netip.ParseAddr(host)
	return host == "" || notIP == nil && ip.IsUnspecified()
}

// usualLife is how long Capture lets a token live at most (contract section 1).
const usualLife = time.Hour

// lifeAdvice: the setting is taken for accessTokenLifeHours, which a page may
// set to a day though its tokens are dead after an hour.
func (c *Config) lifeAdvice() string {
	if c.TokenLifetime <= usualLife {
		return ""
	}
	return fmt.Sprintf("KEEPALIVE_TOKEN_LIFETIME is %s, and a token lives for an hour at most at "+
		"Capture, whatever accessTokenLifeHours the page sets. Users would work with dead tokens. "+
		"Set it to 1h.", c.TokenLifetime)
}

// usualDelay is up to where supervisors that wait for 30 s wait long enough.
const usualDelay = usualPatience - DrainTimeout - patienceMargin

func (c *Config) delayAdvice() string {
	if c.ShutdownDelay <= usualDelay {
		return ""
	}
	return fmt.Sprintf("KEEPALIVE_SHUTDOWN_DELAY is %s: the server needs up to %s to stop. "+
		"Have the supervisor wait longer than that (terminationGracePeriodSeconds, "+
		"TimeoutStopSec, --stop-timeout).",
		c.ShutdownDelay, c.ShutdownDelay+DrainTimeout)
}

// fileAdvice is about secrets that every user of the machine can read.
func (c *Config) fileAdvice() []string {
	var advice []string
	for _, name := range slices.Sorted(maps.Keys(c.Files)) {
		info, err := os.Stat(c.Files[name])
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o007 == 0 {
			continue
		}
		advice = append(advice, fmt.Sprintf("%s%s names a file that every user of this machine "+
			"can read (mode %04o). "+
			"Give it mode 0400 and the server's user.", Prefix, name, info.Mode().Perm()))
	}
	return advice
}
