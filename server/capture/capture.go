// Package capture is the client of the Capture API, as far as keeping sessions
// alive needs it: [Client.Identify] says which user a token is for. For
// client-side sessions [Client.Issue] gets a new token for that user. For
// server-side sessions [Client.Exchange] turns the code of a login into tokens,
// and [Client.Refresh] turns a refresh token into new ones. Contract section 4
// describes the API. Every error is an [*Error], and its [Kind] says whether
// the user, the operator or only patience can help.
//
// Tokens and secrets travel in POST bodies and headers alone. No URL and no
// error holds one.
package capture

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// Tokens are what Capture gives.
type Tokens struct {
	Access  secret.String
	Refresh secret.String // empty: an issued access token, which has none
	// Life is how long Access lives, as Capture said; TokenLifetime if it did not
	// say. Count it from before the call: what the call takes counts against the
	// token, never for it.
	Life time.Duration
}

// operation is one call of the API.
type operation struct {
	name     string // for Config.Watch
	endpoint string
	// credential is the argument that holds the user's own credential, as
	// argument_name spells it.
	credential string
	// once: what was sent must not be sent again, for that could cost the user
	// the session.
	once bool
}

var (
	identify = operation{name: "identify", endpoint: "entity", credential: "access_token"}
	issue    = operation{name: "issue", endpoint: "access/getAccessToken"}
	exchange = operation{name: "exchange", endpoint: "oauth/token", credential: "code", once: true}
	refresh  = operation{name: "refresh", endpoint: "oauth/token", credential: "refresh_token", once: true}
)

// Calls returns the names of the calls, as Config.Watch hears them.
func Calls() []string { return []string{identify.name, issue.name, exchange.name, refresh.name} }

// watched is deferred by each call.
func (c *Client) watched(op operation, began time.Time, failure *error) {
	if c.config.Watch != nil {
		c.config.Watch(op.name, time.Since(began), *failure)
	}
}

// Identify returns the uuid of the user whom this access token is for. Only
// Capture's own answer counts. A token that no header can hold is not sent; it
// is [GrantGone], since Capture cannot have issued it. Check what a visitor
// sends with [WellFormed] before.
func (c *Client) Identify(ctx context.Context, token secret.String) (uuid string, err error) {
	defer c.watched(identify, time.Now(), &err)
	if !usable(token) {
		return "", &Error{Op: identify.endpoint, Kind: GrantGone, Cause: errMalformedToken}
	}
	header := http.Header{"Authorization": {"OAuth " + token.Reveal()}}
	form := url.Values{
		"type_name":  {c.config.TypeName},
		"attributes": {`["uuid"]`},
	}
	clients := c.clients.Load()
	body, err := c.call(ctx, identify, header, form, token, clients.issuer.Secret, clients.login.Secret)
	if err != nil {
		return "", err
	}
	named, ok := readUUID(body)
	if !ok {
		return "", &Error{Op: identify.endpoint, Status: http.StatusOK, Cause: errNoUUID}
	}
	return named, nil
}

// Issue returns a new access token of the user, for the page's client. The
// user's own token and grant take no part in it: of all errors only
// [AccountGone] and Capture's explicit word that the grant was deleted
// ([GrantGone]) are about the user.
func (c *Client) Issue(ctx context.Context, uuid string) (tokens Tokens, err error) {
	defer c.watched(issue, time.Now(), &err)
	issuer := c.clients.Load().issuer
	if issuer.absent() {
		return Tokens{}, &Error{Op: issue.endpoint, Kind: OperatorFault, Cause: errNoIssuer}
	}
	form := url.Values{
		"uuid":          {uuid},
		"type_name":     {c.config.TypeName},
		"for_client_id": {c.config.ClientID},
	}
	header := http.Header{}
	proof := c.config.Scheme.authenticate(header, issuer, "/"+issue.endpoint, form, c.config.Now())
	body, err := c.call(ctx, issue, header, form, proof, issuer.Secret, secret.New(uuid))
	if err != nil {
		return Tokens{}, err
	}
	access, ok := readAccessToken(body)
	if !ok {
		return Tokens{}, &Error{Op: issue.endpoint, Status: http.StatusOK, Cause: errNoToken}
	}
	return Tokens{Access: access, Life: c.config.TokenLifetime}, nil
}

// Exchange returns the tokens for the code of a login. redirectURI is the one
// the page signed in with. A code works once: whatever the outcome, it is sent
// at most once, and must not be exchanged again. A code that is not
// [WellFormed] is not sent; it is [GrantGone].
func (c *Client) Exchange(
	ctx context.Context, code secret.String, redirectURI string,
) (tokens Tokens, err error) {
	defer c.watched(exchange, time.Now(), &err)
	if !WellFormed(code) {
		return Tokens{}, &Error{Op: exchange.endpoint, Kind: GrantGone, Cause: errMalformedCode}
	}
	tokens, err = c.token(ctx, exchange, code, url.Values{
		"grant_type":   {"authorization_code"},
		"code":         {code.Reveal()},
		"redirect_uri": {redirectURI},
	})
	if err == nil && tokens.Refresh.Empty() {
		err = &Error{Op: exchange.endpoint, Status: http.StatusOK, Cause: errNoRefreshToken}
		return Tokens{}, err
	}
	return tokens, err
}

// Refresh returns new tokens for a refresh token, which works once. If Capture
// gives no new refresh token, the one that was sent stays good. The error's
// Lost says that Capture may have done it and the answer was lost.
func (c *Client) Refresh(ctx context.Context, token secret.String) (tokens Tokens, err error) {
	defer c.watched(refresh, time.Now(), &err)
	tokens, err = c.token(ctx, refresh, token, url.Values{
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
func (c *Client) token(
	ctx context.Context, op operation, credential secret.String, form url.Values,
) (Tokens, error) {
	login := c.clients.Load().login
	if login.absent() {
		return Tokens{}, &Error{Op: op.endpoint, Kind: OperatorFault, Cause: errNoLogin}
	}
	header := http.Header{}
	proof := c.config.Scheme.authenticate(header, login, "/"+op.endpoint, form, c.config.Now())
	body, err := c.call(ctx, op, header, form, credential, proof, login.Secret)
	if err != nil {
		return Tokens{}, err
	}
	tokens, ok := readTokens(body)
	if !ok {
		return Tokens{}, &Error{Op: op.endpoint, Status: http.StatusOK, Cause: errNoToken}
	}
	if tokens.Life == 0 {
		tokens.Life = c.config.TokenLifetime
	}
	return tokens, nil
}
