package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/app"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// nilUUID is the uuid of no user (RFC 9562 section 5.9): asking Capture for a
// token of it proves the credentials and changes nothing.
const nilUUID = "00000000-0000-0000-0000-000000000000"

// unproven reports whether a server answered under another name, or with a
// certificate that no trusted authority has signed.
func unproven(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// maxSkew is the most by which the machine's clock may differ from Capture's.
const maxSkew = time.Minute

// checkCapture says in a sentence for each client what Capture thinks of it, and
// what is wrong besides.
func checkCapture(ctx context.Context, settings *config.Config, uuid string) []finding {
	client, err := app.NewCapture(settings, nil, nil)
	if err != nil {
		return []finding{bad("%s", err)}
	}
	var found []finding
	if settings.ClientSide() {
		found = append(found, askAsIssuer(ctx, client))
	}
	if settings.ServerSide() {
		found = append(found, askAsLogin(ctx, client, settings.RedirectURIs))
	}
	switch {
	case uuid != "" && !settings.ClientSide():
		found = append(found, bad("--uuid needs KEEPALIVE_ISSUER_CLIENT_ID: only that client "+
			"gets tokens for a user."))
	case uuid != "":
		found = append(found, askForUser(ctx, client, uuid))
	case settings.ClientSide():
		found = append(found, good("What this check cannot know: whether "+
			"KEEPALIVE_CAPTURE_URL and KEEPALIVE_TYPE_NAME are those of your pages. "+
			"Another application with these credentials answers the same. To be sure, add "+
			"--uuid with a user of your site."))
	}
	return append(found, judgeClock(found)...)
}

// judgeClock compares the clocks by the answers that Capture gave.
func judgeClock(answers []finding) []finding {
	var skew time.Duration
	for _, f := range answers {
		if f.skew.Abs() > skew.Abs() {
			skew = f.skew
		}
	}
	if skew.Abs() <= maxSkew {
		return nil
	}
	direction := "behind"
	if skew < 0 {
		direction = "ahead of"
	}
	return []finding{bad("This machine's clock is %s %s Capture's; set it, best by NTP: "+
		"signatures (KEEPALIVE_AUTH_SCHEME=signature) and the ends of tokens and sessions "+
		"go by it.", skew.Abs(), direction)}
}

// askForUser gets a token for a real user, and asks Capture for the user of that token.
func askForUser(ctx context.Context, client *capture.Client, uuid string) finding {
	const variables = "KEEPALIVE_CAPTURE_URL and KEEPALIVE_TYPE_NAME"
	token, err := client.Issue(ctx, uuid)
	if refused, ok := errors.AsType[*capture.Error](err); ok && refused.Kind == capture.AccountGone {
		return bad("Capture knows no such user: %s are of another application than your pages', "+
			"or the uuid is not of your site. With them every session would end. %s",
			variables, refused)
	}
	if err != nil {
		return bad("Capture gave no token for the user: %s", err)
	}
	owner, err := client.Identify(ctx, token.Access)
	switch {
	case err != nil:
		return bad("Capture gave a token for the user, and does not say which user has it: %s", err)
	case owner != uuid:
		return bad("Capture gave a token for the user, and says that it is another's; see %s.",
			variables)
	}
	return good("Capture knows the user, gave a token and says which user has it: %s are right.",
		variables)
}

// apiClient is a client of the settings, with the words for what Capture says
// of it.
type apiClient struct {
	setting   string // that names it
	work      string // what it does at Capture
	feature   string // that lets it
	arguments string // settings that become arguments of its call

	// asksFor is what cannot exist. Only the right credentials get this kind of
	// error for it, and nothing is changed.
	asksFor string
	kind    capture.Kind
}

var (
	issuerClient = apiClient{
		setting: "KEEPALIVE_ISSUER_CLIENT_ID", work: "issue tokens", feature: "access_issuer",
		arguments: "KEEPALIVE_CLIENT_ID and KEEPALIVE_TYPE_NAME",
		asksFor:   "a user", kind: capture.AccountGone,
	}
	loginClient = apiClient{
		setting: "KEEPALIVE_LOGIN_CLIENT_ID", work: "exchange codes", feature: "login_client",
		arguments: "KEEPALIVE_LOGIN_CLIENT_ID and KEEPALIVE_REDIRECT_URI",
		asksFor:   "a code", kind: capture.GrantGone,
	}
)

func askAsIssuer(ctx context.Context, client *capture.Client) finding {
	_, err := client.Issue(ctx, nilUUID)
	return issuerClient.judge(err)
}

// noCode is a code of no login: Capture proves the client before it looks for
// the code.
const noCode = "capturekeepalivecheck"

// askAsLogin asks with each redirect URI, up to the first that is refused.
func askAsLogin(ctx context.Context, client *capture.Client, redirectURIs []string) finding {
	var last finding
	for i, uri := range redirectURIs {
		_, err := client.Exchange(ctx, secret.New(noCode), uri)
		last = loginClient.judge(err)
		if refused, ok := errors.AsType[*capture.Error](err); ok && refused.Number == 420 {
			last.sentence = fmt.Sprintf("Capture does not know entry %d of KEEPALIVE_REDIRECT_URI, "+
				"%s, for the client KEEPALIVE_LOGIN_CLIENT_ID; make it the redirectUri of the "+
				"page's settings to the letter, and add it to the client's redirect URIs. (%s)",
				i+1, uri, refused)
		}
		if last.grade == fault {
			break
		}
	}
	return last
}

// judge says what an error of Capture tells of the client.
func (c apiClient) judge(err error) finding {
	refused, ok := errors.AsType[*capture.Error](err)
	switch {
	case err == nil:
		return bad("Capture gave a token for what cannot exist; is KEEPALIVE_CAPTURE_URL a " +
			"Capture application?")
	case !ok:
		return bad("%s", err)
	}
	f := bad("%s (%s)", c.verdict(refused), refused)
	if refused.Kind == c.kind {
		f = good("Capture takes the credentials of %s: it looked for %s that cannot exist, and "+
			"said so.", c.setting, c.asksFor)
	}
	if !errors.Is(refused, capture.ErrNotCapture) {
		f.skew = refused.Skew
	}
	return f
}

// verdict says what to do about a refusal of the client itself or of its call.
func (c apiClient) verdict(refused *capture.Error) string {
	switch refused.Number {
	case 205, 402:
		return "Capture does not take " + c.setting + " and its secret; compare both, and " +
			"KEEPALIVE_AUTH_SCHEME, with the API client's settings."
	case 403, 480:
		return "The client " + c.setting + " may not " + c.work + "; give it the " + c.feature +
			" feature."
	case 100, 200, 201:
		switch refused.Argument {
		case "for_client_id":
			return "Capture knows no page by KEEPALIVE_CLIENT_ID; copy the clientId of the " +
				"page's settings."
		case "type_name":
			return "Capture knows no entity type by KEEPALIVE_TYPE_NAME; name the one that " +
				"holds the users."
		}
		return "Capture does not take an argument of the call; compare " + c.arguments +
			" with the application's settings."
	}
	if refused.Kind == capture.OperatorFault {
		return "Capture misses something in its configuration that the call names; compare " +
			c.arguments + " with the application's settings."
	}
	return trouble(refused)
}

// trouble is for what has nothing to do with the client.
func trouble(refused *capture.Error) string {
	switch {
	case refused.Kind == capture.RateLimited:
		return "Capture asks for patience; try again later."
	case errors.Is(refused, capture.ErrNotCapture):
		return "A server answers at KEEPALIVE_CAPTURE_URL, but this is not a Capture domain; " +
			"copy the application's address, such as https://app.us.janraincapture.com."
	case unproven(refused):
		return "The server at KEEPALIVE_CAPTURE_URL has no certificate for it that this " +
			"machine trusts; compare it with the application's address, and see whether this " +
			"machine's clock is right."
	case refused.Status == 0:
		return "No server answers at KEEPALIVE_CAPTURE_URL; compare it with the application's " +
			"address, and see whether this machine can reach it."
	}
	return "Capture is in trouble, or what stands before it; try again later, and compare " +
		"KEEPALIVE_CAPTURE_URL with the application's address."
}
