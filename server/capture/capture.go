// Package capture is the client of the Capture API, as far as keeping a
// client-side session alive needs it: whose token is this ([Client.Identify]),
// and a new one for that user ([Client.Issue]). What the API does is written
// in contract section 4; every error is an [*Error], and its [Kind] says
// whether the user, the operator or only patience can help.
//
// Nothing but POST bodies and headers carries tokens and secrets: they are in
// no URL and no error.
package capture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// Defaults of [Config].
const (
	DefaultTypeName      = "user"
	DefaultTokenLifetime = time.Hour
	DefaultTimeout       = 10 * time.Second
)

// Config says which application to talk to, and as whom.
type Config struct {
	// URL is the application's base address; see [ValidateURL].
	URL string
	// ClientID is the page's clientId, for whom tokens are issued
	// (for_client_id).
	ClientID string
	// Issuer is the API client with the access_issuer feature.
	Issuer Credentials
	// Scheme is how Issuer proves itself; empty means SchemeBasic.
	Scheme Scheme
	// TypeName is the entity type of users; empty means DefaultTypeName.
	TypeName string
	// TokenLifetime is how long an issued token lives. Capture does not say
	// (contract section 4); 0 means DefaultTokenLifetime.
	TokenLifetime time.Duration
	// Timeout bounds one call, answer included; 0 means DefaultTimeout. An
	// earlier deadline of the call's context wins.
	Timeout time.Duration
	// Transport carries the calls; nil means one of its own with bounds on
	// connections, handshakes and headers.
	Transport http.RoundTripper
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Client calls the Capture API. It is safe for concurrent use.
type Client struct {
	base          *url.URL
	clientID      string
	issuer        Credentials
	scheme        Scheme
	typeName      string
	tokenLifetime time.Duration
	timeout       time.Duration
	http          *http.Client
	now           func() time.Time
}

// New returns a client, or everything that is wrong with config, each problem
// with the name of its field and the remedy.
func New(config Config) (*Client, error) {
	c := &Client{
		clientID:      config.ClientID,
		issuer:        config.Issuer,
		scheme:        config.Scheme,
		typeName:      config.TypeName,
		tokenLifetime: config.TokenLifetime,
		timeout:       config.Timeout,
		now:           config.Now,
	}
	if c.scheme == "" {
		c.scheme = SchemeBasic
	}
	if c.typeName == "" {
		c.typeName = DefaultTypeName
	}
	if c.tokenLifetime == 0 {
		c.tokenLifetime = DefaultTokenLifetime
	}
	if c.timeout == 0 {
		c.timeout = DefaultTimeout
	}
	if c.now == nil {
		c.now = time.Now
	}

	var problems []error
	wrong := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("capture: "+format, args...))
	}
	var err error
	if c.base, err = parseURL(config.URL); err != nil {
		wrong("URL: %w", err)
	}
	if c.clientID == "" || !printable(c.clientID) {
		wrong("ClientID: set it to the clientId of the page's settings, without spaces")
	}
	// RFC 7617 section 2: a user-id with a colon cannot be told from its
	// password; the signature scheme splits at a colon as well.
	if c.issuer.ID == "" || !printable(c.issuer.ID) || strings.Contains(c.issuer.ID, ":") {
		wrong("Issuer.ID: set it to the id of the API client that has the access_issuer feature, without spaces and colons")
	}
	if c.issuer.Secret.Empty() {
		wrong("Issuer.Secret: set it to the secret of the API client that has the access_issuer feature")
	}
	if c.scheme != SchemeBasic && c.scheme != SchemeSignature {
		wrong("Scheme: %q is not known; use %q or %q", c.scheme, SchemeBasic, SchemeSignature)
	}
	if !printable(c.typeName) {
		wrong("TypeName: set it to the name of an entity type, such as %q, without spaces", DefaultTypeName)
	}
	if c.tokenLifetime < 0 {
		wrong("TokenLifetime: %s is negative; set it to what getAccessToken's tokens live, such as 1h", c.tokenLifetime)
	}
	if c.timeout < 0 {
		wrong("Timeout: %s is negative; set it to the bound of one call, such as 10s", c.timeout)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	c.http = newHTTPClient(config.Transport)
	return c, nil
}

// Token is an issued access token.
type Token struct {
	Access secret.String
	// Expires is TokenLifetime after the moment before the call: what the call
	// takes counts against the token, never for it. It has no monotonic part,
	// which stops while a machine sleeps.
	Expires time.Time
}

// operation is one call of the API, and which of its arguments is the user's
// own credential, as argument_name spells it.
type operation struct {
	endpoint   string
	credential string
}

var (
	identify = operation{endpoint: "entity", credential: "access_token"}
	issue    = operation{endpoint: "access/getAccessToken"}
)

// Identify returns the uuid of the user whose access token this is: Capture's
// word, the only one to be believed. A token that is not [WellFormed] is not
// sent; it is [GrantGone], since Capture cannot have issued it.
func (c *Client) Identify(ctx context.Context, token secret.String) (string, error) {
	if !WellFormed(token) {
		return "", &Error{Op: identify.endpoint, Kind: GrantGone, Cause: errMalformedToken}
	}
	header := http.Header{"Authorization": {"OAuth " + token.Reveal()}}
	form := url.Values{
		"type_name":  {c.typeName},
		"attributes": {`["uuid"]`},
	}
	body, err := c.call(ctx, identify, header, form, token, c.issuer.Secret)
	if err != nil {
		return "", err
	}
	uuid, ok := readUUID(body)
	if !ok {
		return "", &Error{Op: identify.endpoint, Status: http.StatusOK, Cause: errNoUUID}
	}
	return uuid, nil
}

// Issue returns a new access token of the user, for the page's client. The
// user's own token and grant take no part in it: of all errors only
// [AccountGone] and Capture's explicit word that the grant was deleted
// ([GrantGone]) are about the user.
func (c *Client) Issue(ctx context.Context, uuid string) (Token, error) {
	form := url.Values{
		"uuid":          {uuid},
		"type_name":     {c.typeName},
		"for_client_id": {c.clientID},
	}
	before := c.now().Round(0)
	header := http.Header{}
	proof := c.scheme.authenticate(header, c.issuer, "/"+issue.endpoint, form, before)
	body, err := c.call(ctx, issue, header, form, proof, c.issuer.Secret, secret.New(uuid))
	if err != nil {
		return Token{}, err
	}
	access, ok := readAccessToken(body)
	if !ok {
		return Token{}, &Error{Op: issue.endpoint, Status: http.StatusOK, Cause: errNoToken}
	}
	return Token{Access: access, Expires: before.Add(c.tokenLifetime)}, nil
}

func readUUID(body []byte) (string, bool) {
	var answer struct {
		Result struct {
			UUID string `json:"uuid"`
		} `json:"result"`
	}
	err := json.Unmarshal(body, &answer)
	return answer.Result.UUID, err == nil && plausibleUUID(answer.Result.UUID)
}

// readAccessToken holds Capture to what WellFormed asks of the page: a token
// that could not be reported back is of no use to anyone.
func readAccessToken(body []byte) (secret.String, bool) {
	var answer struct {
		AccessToken string `json:"accessToken"`
	}
	err := json.Unmarshal(body, &answer)
	token := secret.New(answer.AccessToken)
	return token, err == nil && WellFormed(token)
}
