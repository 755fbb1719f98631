package capture

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Defaults of [Config].
const (
	DefaultTypeName      = "user"
	DefaultTokenLifetime = time.Hour
	DefaultTimeout       = 10 * time.Second
)

// Config says which application to talk to, and as whom: Issuer for
// client-side sessions, Login for server-side ones, at least one of them.
type Config struct {
	// URL is the application's base address; see [ValidateURL].
	URL string
	// ClientID is the page's clientId, for whom Issuer issues tokens
	// (for_client_id); without Issuer it is not used.
	ClientID string
	// Issuer is the API client with the access_issuer feature; with neither
	// field there are no client-side sessions.
	Issuer Credentials
	// Login is the client of the pages that sign in with responseType code;
	// with neither field there are no server-side sessions.
	Login Credentials
	// Scheme is how clients prove themselves; empty means SchemeBasic.
	Scheme Scheme
	// TypeName is the entity type of users; empty means DefaultTypeName.
	TypeName string
	// TokenLifetime is how long a token lives of which Capture does not say it:
	// every issued one (contract section 4); 0 means DefaultTokenLifetime.
	TokenLifetime time.Duration
	// Timeout bounds one call with its answer and with the second attempt that a
	// dead connection causes; 0 means DefaultTimeout. An earlier deadline of the
	// call's context wins.
	Timeout time.Duration
	// Transport carries the calls; nil means ones of its own with bounds on
	// connections, handshakes and headers.
	Transport http.RoundTripper
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Client calls the Capture API. It is safe for concurrent use.
type Client struct {
	base          *url.URL
	clientID      string
	issuer, login Credentials
	scheme        Scheme
	typeName      string
	tokenLifetime time.Duration
	timeout       time.Duration
	connections   *connections
	now           func() time.Time
}

// New returns a client, or everything that is wrong with config, each problem
// with the name of its field and the remedy.
func New(config Config) (*Client, error) {
	config.Scheme = cmp.Or(config.Scheme, SchemeBasic)
	config.TypeName = cmp.Or(config.TypeName, DefaultTypeName)
	config.TokenLifetime = cmp.Or(config.TokenLifetime, DefaultTokenLifetime)
	config.Timeout = cmp.Or(config.Timeout, DefaultTimeout)
	if config.Now == nil {
		config.Now = time.Now
	}
	if err := config.validate(); err != nil {
		return nil, err
	}
	base, err := parseURL(config.URL)
	if err != nil {
		return nil, fmt.Errorf("capture: URL: %w", err)
	}
	return &Client{
		base:          base,
		clientID:      config.ClientID,
		issuer:        config.Issuer,
		login:         config.Login,
		scheme:        config.Scheme,
		typeName:      config.TypeName,
		tokenLifetime: config.TokenLifetime,
		timeout:       config.Timeout,
		connections:   newConnections(config.Transport),
		now:           config.Now,
	}, nil
}

// validate returns everything that is wrong, joined.
func (c *Config) validate() error {
	var problems []error
	wrong := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("capture: "+format, args...))
	}
	if err := ValidateURL(c.URL); err != nil {
		wrong("URL: %w", err)
	}
	if c.Issuer.absent() && c.Login.absent() {
		wrong("Issuer, Login: both are missing; set the one for client-side sessions, the one " +
			"for server-side sessions, or both")
	}
	if !c.Issuer.absent() {
		if c.ClientID == "" || !printable(c.ClientID) {
			wrong("ClientID: set it to the clientId of the page's settings, without spaces")
		}
		c.Issuer.check("Issuer", "the API client that has the access_issuer feature", wrong)
	}
	if !c.Login.absent() {
		c.Login.check("Login", "the client of the pages with responseType code", wrong)
	}
	if c.Scheme != SchemeBasic && c.Scheme != SchemeSignature {
		wrong("Scheme: %q is not known; use %q or %q", c.Scheme, SchemeBasic, SchemeSignature)
	}
	if !printable(c.TypeName) {
		wrong("TypeName: set it to the name of an entity type, such as %q, without "+
			"spaces", DefaultTypeName)
	}
	if c.TokenLifetime < 0 {
		wrong("TokenLifetime: %s is negative; set it to what getAccessToken's tokens live, such "+
			"as 1h", c.TokenLifetime)
	}
	if c.Timeout < 0 {
		wrong("Timeout: %s is negative; set it to the bound of one call, such as 10s", c.Timeout)
	}
	return errors.Join(problems...)
}
