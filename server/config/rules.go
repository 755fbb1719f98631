package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store/drivers"
)

const (
	// minLife is the unit in which lives are told.
	minLife = time.Millisecond
	// maxAbsolute is as long as browsers keep a cookie (RFC 6265bis section 5.5).
	maxAbsolute = 400 * 24 * time.Hour
	// maxUpstream fits a login, which asks Capture twice, into the drain.
	maxUpstream = DrainTimeout / 2
	// minUpstream: less would cut off good answers, and a refresh token whose
	// answer is cut off is lost.
	minUpstream       = time.Second
	minConnectionIdle = time.Second
	maxDelay          = 5 * time.Minute
	maxConnectionIdle = time.Hour
)

// rules are what a configuration must keep, and what can be checked without
// asking another program. Each adds its problems and fills in its part of Derived.
var rules = []func(*Config, *Problems){
	(*Config).checkListeners,
	(*Config).checkOrigins,
	(*Config).checkCapture,
	(*Config).checkClients,
	(*Config).checkIssuer,
	(*Config).checkLogin,
	(*Config).checkStore,
	(*Config).checkKeys,
	(*Config).checkLives,
	(*Config).checkProcess,
	(*Config).checkRates,
	(*Config).checkProxies,
	(*Config).checkInsecureCookie,
	(*Config).checkLog,
}

func (c *Config) checkListeners(p *Problems) {
	p.check("LISTEN", checkAddress(c.Listen, Default("LISTEN")))
	p.check("ADMIN_LISTEN", checkAddress(c.AdminListen, Default("ADMIN_LISTEN")))
	if sameListener(c.Listen, c.AdminListen) {
		p.check("ADMIN_LISTEN", "is where KEEPALIVE_LISTEN listens. Give the operator's "+
			"listener an address or port of its own.")
	}
	p.check("BASE_PATH", checkBasePath(c.BasePath))
}

func (c *Config) checkOrigins(p *Problems) {
	if len(c.Origins) == 0 {
		p.check("ORIGINS", "is not set. List the origins of your pages, such as "+
			"https://www.example.com.")
	}
	for i, origin := range c.Origins {
		p.checkEntry("ORIGINS", i, checkOrigin(origin))
	}
}

func (c *Config) checkCapture(p *Problems) {
	switch {
	case c.CaptureURL == "":
		p.check("CAPTURE_URL", "is not set. Set it to your application's address, such as "+
			"https://app.us.janraincapture.com.")
	case strings.ContainsFunc(c.CaptureURL, unprintable):
		p.check("CAPTURE_URL", "holds a space or a letter beyond ASCII. Write it like "+
			"https://app.us.janraincapture.com.")
	default:
		p.check("CAPTURE_URL", wrong(capture.ValidateURL(c.CaptureURL)))
	}
	if c.AuthScheme != capture.SchemeBasic && c.AuthScheme != capture.SchemeSignature {
		p.check("AUTH_SCHEME", "must be basic or signature.")
	}
	if !clientID.MatchString(c.TypeName) {
		p.check("TYPE_NAME", "must be the name of an entity type, such as user: letters, "+
			"digits and _, without spaces.")
	}
}

// issuing reports whether an issuer client is wanted; the others complete it.
func (c *Config) issuing(p *Problems) bool { return c.ClientSide() || p.has("ISSUER_CLIENT_SECRET") }

// loggingIn is issuing for the login client.
func (c *Config) loggingIn(p *Problems) bool { return c.ServerSide() || p.has("LOGIN_CLIENT_SECRET") }

// checkClients wants at least one client.
func (c *Config) checkClients(p *Problems) {
	if !c.issuing(p) && !c.loggingIn(p) {
		p.check("ISSUER_CLIENT_ID", "and KEEPALIVE_LOGIN_CLIENT_ID are both not set. "+
			"For client-side sessions (responseType token) set the first, its secret and "+
			"KEEPALIVE_CLIENT_ID; "+
			"for server-side ones (responseType code) the second, its secret and "+
			"KEEPALIVE_REDIRECT_URI.")
	}
}

func (c *Config) checkIssuer(p *Problems) {
	if !c.issuing(p) {
		return
	}
	const client = "the API client that has the access_issuer feature"
	p.check("CLIENT_ID", checkClientID(c.ClientID, "the clientId of the page's settings"))
	p.check("ISSUER_CLIENT_ID", checkClientID(c.IssuerClientID, "the id of "+client))
	p.check("ISSUER_CLIENT_SECRET", checkSecret(c.IssuerClientSecret, "ISSUER_CLIENT_SECRET", client))
}

func (c *Config) checkLogin(p *Problems) {
	if !c.loggingIn(p) {
		return
	}
	const client = "the client of the pages with responseType code"
	p.check("LOGIN_CLIENT_ID", checkClientID(c.LoginClientID, "the id of "+client))
	p.check("LOGIN_CLIENT_SECRET", checkSecret(c.LoginClientSecret, "LOGIN_CLIENT_SECRET", client))
	same := c.LoginClientID != "" && c.LoginClientID == c.IssuerClientID
	both := !c.LoginClientSecret.Empty() && !c.IssuerClientSecret.Empty()
	if same && both && !c.LoginClientSecret.Equal(c.IssuerClientSecret) {
		p.check("LOGIN_CLIENT_SECRET", "and KEEPALIVE_ISSUER_CLIENT_SECRET differ, and both are "+
			"of the client that KEEPALIVE_LOGIN_CLIENT_ID and KEEPALIVE_ISSUER_CLIENT_ID name. "+
			"Correct one of them, or one of the ids.")
	}
	if len(c.RedirectURIs) == 0 {
		p.check("REDIRECT_URI", "is not set. Set it to the redirectUri of the page's settings, "+
			"several with commas between them.")
	}
	for i, uri := range c.RedirectURIs {
		p.checkEntry("REDIRECT_URI", i, checkRedirectURI(uri))
	}
}

func checkSecret(value secret.String, name, client string) string {
	switch {
	case value.Empty():
		return fmt.Sprintf("is not set. Set it, or %s%s%s, to the "+
			"secret of %s.", Prefix, name, FileSuffix, client)
	case strings.ContainsFunc(value.Reveal(), unprintable):
		return "holds a space, a letter beyond ASCII or a mark that cannot be seen, which no " +
			"secret of Capture has. Copy it again."
	}
	return ""
}

func (c *Config) checkStore(p *Problems) {
	var err error
	c.Driver, err = drivers.For(c.Store)
	p.check("STORE", wrong(err))
}

func (c *Config) checkKeys(p *Problems) {
	if p.has("KEYS") {
		return
	}
	if c.Keys.Empty() {
		p.add("KEYS", "is not set. Set it to id:base64key, for example k1:$(openssl rand "+
			"-base64 32).")
		return
	}
	// Capture would be sent it.
	if c.Keys.Equal(c.IssuerClientSecret) || c.Keys.Equal(c.LoginClientSecret) {
		p.add("KEYS", "is the secret of a client, too. Name the right file or value for each.")
		return
	}
	var err error
	c.Ring, err = keyring.Parse(c.Keys)
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			p.add("KEYS", wrong(one))
		}
		return
	}
	p.check("KEYS", wrong(err))
}

func (c *Config) checkLives(p *Problems) {
	p.check("TOKEN_LIFETIME", within(c.TokenLifetime, minLife, MaxTokenLifetime))
	p.check("ABSOLUTE_TIMEOUT", within(c.AbsoluteTimeout, minLife, maxAbsolute))
	p.check("IDLE_TIMEOUT", within(c.IdleTimeout, minLife, maxAbsolute))
	if c.IdleTimeout > c.AbsoluteTimeout && !p.has("ABSOLUTE_TIMEOUT") {
		p.check("IDLE_TIMEOUT", "is longer than KEEPALIVE_ABSOLUTE_TIMEOUT and so could never "+
			"end a session. Shorten it.")
	}
	if c.MaxSessionsPerUser < 0 {
		p.check("MAX_SESSIONS_PER_USER", "is negative. Set it to the sessions that a user may "+
			"have, or to 0 for no limit.")
	}
}

func (c *Config) checkProcess(p *Problems) {
	if c.UpstreamTimeout < minUpstream || c.UpstreamTimeout > maxUpstream {
		p.check("UPSTREAM_TIMEOUT", fmt.Sprintf("must be at least %s and at most %s: an answer "+
			"that is cut off can cost a session, a login asks Capture twice, "+
			"and after SIGTERM (and KEEPALIVE_SHUTDOWN_DELAY) requests have %s to "+
			"finish.", minUpstream, maxUpstream, DrainTimeout))
	}
	p.check("SHUTDOWN_DELAY", within(c.ShutdownDelay, 0, maxDelay))
	p.check("CONNECTION_IDLE_TIMEOUT", within(c.ConnectionIdleTimeout, minConnectionIdle, maxConnectionIdle))
}

// checkRates refuses a limit for one that is above the limit for all: it would
// never be met, and one could take all there is.
func (c *Config) checkRates(p *Problems) {
	for name, rate := range map[string]limit.Rate{"RATE_LOGIN": c.RateLogin, "RATE_FORCED": c.RateForced} {
		if !rate.Off() && !c.RateUpstream.Off() && perSecond(rate) > perSecond(c.RateUpstream) {
			p.check(name, fmt.Sprintf("(%s) lets one visitor make more calls to Capture than "+
				"KEEPALIVE_RATE_UPSTREAM (%s) allows the whole server. Lower it, or raise "+
				"the other.", rate, c.RateUpstream))
		}
	}
}

func perSecond(rate limit.Rate) float64 { return float64(rate.Events) / rate.Per.Seconds() }

// CheckTokenLifetime is the rule for TOKEN_LIFETIME. The subject of its error is
// the lifetime.
func CheckTokenLifetime(lifetime time.Duration) error {
	if text := within(lifetime, minLife, MaxTokenLifetime); text != "" {
		return errors.New(strings.TrimSuffix(text, "."))
	}
	return nil
}

func within(d, least, most time.Duration) string {
	if d < least || d > most {
		return fmt.Sprintf("must be at least %s and at most %s.", plain(least), plain(most))
	}
	return ""
}

// plain is a duration as people write it: 24h for 24h0m0s.
func plain(d time.Duration) string {
	text := d.String()
	for _, unit := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, unit) {
			text = text[:len(text)-2]
		}
	}
	return text
}

func (c *Config) checkProxies(p *Problems) {
	for i, entry := range c.TrustedProxies {
		proxy, text := parseProxy(entry)
		p.checkEntry("TRUSTED_PROXIES", i, text)
		if text == "" {
			c.Proxies = append(c.Proxies, proxy)
		}
	}
}

func (c *Config) checkInsecureCookie(p *Problems) {
	if !c.InsecureCookie {
		return
	}
	if !LoopbackAddress(c.Listen) {
		p.check("INSECURE_COOKIE", "sends the session over plain http, and KEEPALIVE_LISTEN is "+
			"not on loopback. "+
			"Remove it and serve https, or listen on 127.0.0.1.")
	}
	foreign := func(origin string) bool { return !loopbackOrigin(origin) }
	if slices.ContainsFunc(c.Origins, foreign) {
		p.check("INSECURE_COOKIE", "is for pages of this machine, and KEEPALIVE_ORIGINS lists "+
			"others. "+
			"Remove it, or list only http://localhost origins.")
	}
}

func (c *Config) checkLog(p *Problems) {
	if c.LogFormat != "json" && c.LogFormat != "text" {
		p.check("LOG_FORMAT", "must be json or text.")
	}
}
