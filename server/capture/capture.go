// Package capture is the client of the Capture API, as far as keeping sessions
// alive needs it: whose token is this ([Client.Identify]); for client-side
// sessions a new one for that user ([Client.Issue]); for server-side sessions
// tokens for a login's code ([Client.Exchange]) and for a refresh token
// ([Client.Refresh]). What the API does is written in contract section 4; every
// error is an [*Error], and its [Kind] says whether the user, the operator or
// only patience can help.
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
	// Timeout bounds one call, answer included; 0 means DefaultTimeout. An
	// earlier deadline of the call's context wins.
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
	http, fresh   *http.Client // fresh uses no connection twice
	now           func() time.Time
}

// New returns a client, or everything that is wrong with config, each problem
// with the name of its field and the remedy.
func New(config Config) (*Client, error) {
	c := &Client{
		clientID:      config.ClientID,
		issuer:        config.Issuer,
		login:         config.Login,
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
	if c.issuer.absent() && c.login.absent() {
		wrong("Issuer, Login: both are missing; set the one for client-side sessions, the one for server-side sessions, or both")
	}
	if !c.issuer.absent() {
		if c.clientID == "" || !printable(c.clientID) {
			wrong("ClientID: set it to the clientId of the page's settings, without spaces")
		}
		c.issuer.check("Issuer", "the API client that has the access_issuer feature", wrong)
	}
	if !c.login.absent() {
		c.login.check("Login", "the client of the pages with responseType code", wrong)
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
	c.http, c.fresh = newHTTPClients(config.Transport)
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

// Tokens are what oauth/token gives.
type Tokens struct {
	Access, Refresh secret.String
	// Expires is when Access dies: what Capture said, from the moment before
	// the call, without a monotonic part.
	Expires time.Time
}

// operation is one call of the API, and which of its arguments is the user's
// own credential, as argument_name spells it.
type operation struct {
	endpoint   string
	credential string
	// once: sending it again could cost the user the session, so that no layer
	// below may do it.
	once bool
}

var (
	identify = operation{endpoint: "entity", credential: "access_token"}
	issue    = operation{endpoint: "access/getAccessToken"}
	exchange = operation{endpoint: "oauth/token", credential: "code", once: true}
	refresh  = operation{endpoint: "oauth/token", credential: "refresh_token", once: true}
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
	body, err := c.call(ctx, identify, header, form, token, c.issuer.Secret, c.login.Secret)
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
	if c.issuer.absent() {
		return Token{}, &Error{Op: issue.endpoint, Kind: OperatorFault, Cause: errNoIssuer}
	}
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

// Exchange returns the tokens for the code of a login. redirectURI is the one
// the page signed in with. A code works once: whatever the outcome, it is sent
// at most once, and must not be exchanged again. A code that is not
// [WellFormed] is not sent; it is [GrantGone].
func (c *Client) Exchange(ctx context.Context, code secret.String, redirectURI string) (Tokens, error) {
	if !WellFormed(code) {
		return Tokens{}, &Error{Op: exchange.endpoint, Kind: GrantGone, Cause: errMalformedCode}
	}
	tokens, err := c.token(ctx, exchange, code, url.Values{
		"grant_type":   {"authorization_code"},
		"code":         {code.Reveal()},
		"redirect_uri": {redirectURI},
	})
	if err == nil && tokens.Refresh.Empty() {
		return Tokens{}, &Error{Op: exchange.endpoint, Status: http.StatusOK, Cause: errNoRefreshToken}
	}
	return tokens, err
}

// Refresh returns new tokens for a refresh token, which works once. If Capture
// gives no new refresh token, the one that was sent stays good. The error's
// Lost says that Capture may have done it and the answer was lost.
func (c *Client) Refresh(ctx context.Context, token secret.String) (Tokens, error) {
	tokens, err := c.token(ctx, refresh, token, url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {token.Reveal()},
	})
	if err == nil && tokens.Refresh.Empty() {
		tokens.Refresh = token
	}
	return tokens, err
}

// token is one call of oauth/token with the user's credential. Tokens.Refresh
// is empty if Capture gave none.
func (c *Client) token(ctx context.Context, op operation, credential secret.String, form url.Values) (Tokens, error) {
	if c.login.absent() {
		return Tokens{}, &Error{Op: op.endpoint, Kind: OperatorFault, Cause: errNoLogin}
	}
	before := c.now().Round(0)
	header := http.Header{}
	proof := c.scheme.authenticate(header, c.login, "/"+op.endpoint, form, before)
	body, err := c.call(ctx, op, header, form, credential, proof, c.login.Secret)
	if err != nil {
		return Tokens{}, err
	}
	tokens, life, ok := readTokens(body)
	if !ok {
		return Tokens{}, &Error{Op: op.endpoint, Status: http.StatusOK, Cause: errNoToken}
	}
	if life == 0 {
		life = c.tokenLifetime
	}
	tokens.Expires = before.Add(life)
	return tokens, nil
}

// maxLife bounds what Capture can say of a token's life; the real service says
// an hour at most (contract section 4).
const maxLife = 24 * time.Hour

// readTokens reads an answer of oauth/token. A life of 0 is one that Capture
// did not name: the tokens are good all the same, and the grant behind them
// cannot be had again.
func readTokens(body []byte) (tokens Tokens, life time.Duration, ok bool) {
	var answer struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		// A json.Number is read from a number and from a text that holds one.
		Seconds json.Number `json:"expires_in"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return Tokens{}, 0, false
	}
	tokens = Tokens{Access: secret.New(answer.Access), Refresh: secret.New(answer.Refresh)}
	if !WellFormed(tokens.Access) || !tokens.Refresh.Empty() && !WellFormed(tokens.Refresh) {
		return Tokens{}, 0, false
	}
	if seconds, err := answer.Seconds.Float64(); err == nil && seconds > 0 {
		life = time.Duration(min(seconds, maxLife.Seconds()) * float64(time.Second))
	}
	return tokens, life, true
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
