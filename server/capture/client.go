package capture

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
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
	// Watch is told of each call, how long it took and its error; nil: nothing is.
	Watch func(call string, took time.Duration, err error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Client calls the Capture API. It is safe for concurrent use.
type Client struct {
	config      Config
	base        *url.URL
	clients     atomic.Pointer[clients]
	connections *connections
}

// clients are the API clients with the secrets in use.
type clients struct{ issuer, login Credentials }

// New returns a client. Its error is that of [ValidateURL]; all else in config
// has the rules of package config, which tells operators in the words of their
// settings.
func New(config Config) (*Client, error) {
	base, err := parseURL(config.URL)
	if err != nil {
		return nil, fmt.Errorf("capture: URL: %w", err)
	}
	config.TypeName = cmp.Or(config.TypeName, DefaultTypeName)
	config.TokenLifetime = cmp.Or(config.TokenLifetime, DefaultTokenLifetime)
	config.Timeout = cmp.Or(config.Timeout, DefaultTimeout)
	if config.Now == nil {
		config.Now = time.Now
	}
	c := &Client{config: config, base: base, connections: newConnections(config.Transport)}
	c.UseSecrets(config.Issuer.Secret, config.Login.Secret)
	return c, nil
}

// UseSecrets has all later calls use these secrets of the clients in Config.
func (c *Client) UseSecrets(issuer, login secret.String) {
	c.clients.Store(&clients{
		issuer: Credentials{c.config.Issuer.ID, issuer},
		login:  Credentials{c.config.Login.ID, login},
	})
}
