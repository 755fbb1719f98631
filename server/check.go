package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// nobody is a uuid that no user has (RFC 9562 section 5.9): asking Capture for
// that user's token proves the credentials and changes nothing.
const nobody = "00000000-0000-0000-0000-000000000000"

func checkCommand(ctx context.Context, args, environment []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	live := flags.Bool("live", false, "ask Capture whether it takes the credentials, and Redis whether it does")
	running := flags.Bool("running", false, "ask the server that runs here whether it is well, and nothing else")
	if code, ok := parseFlags(flags, args, stderr); !ok {
		return code
	}
	if *running {
		return checkRunning(ctx, environment, stdout, stderr)
	}
	config, err := ParseConfig(environment)
	if err != nil {
		fmt.Fprintln(stdout, err)
		return exitError
	}
	code := exitOK
	if err := checkStore(ctx, config, *live, stdout); err != nil {
		fmt.Fprintf(stdout, "KEEPALIVE_STORE: %s\n", err)
		code = exitError
	}
	if advice := loginAdvice(config); advice != "" {
		fmt.Fprintln(stdout, advice)
	}
	if *live {
		for _, question := range questions(config) {
			sentence, err := question(ctx, config)
			if err != nil {
				code = exitError
			}
			fmt.Fprintln(stdout, sentence)
		}
	}
	if code == exitOK {
		fmt.Fprintln(stdout, "The configuration is fine.")
	}
	return code
}

// loginAdvice says what is amiss with the limit of logins, if anything: a server
// on loopback has a proxy in front of it, and without its address every visitor
// looks like that proxy. With INSECURE_COOKIE the browser is on this machine.
func loginAdvice(config *Config) string {
	if config.RateLogin.Off() || config.InsecureCookie || len(config.proxies) > 0 || !loopbackAddress(config.Listen) {
		return ""
	}
	return fmt.Sprintf("KEEPALIVE_TRUSTED_PROXIES is empty and KEEPALIVE_LISTEN is on loopback, so all visitors share the one limit of logins (KEEPALIVE_RATE_LOGIN, %s) that is meant for each; set KEEPALIVE_TRUSTED_PROXIES to the proxy's address, 127.0.0.1/32 for one on this machine.", config.RateLogin)
}

// checkStore asks a Redis only if live, and says what its settings put at risk.
func checkStore(ctx context.Context, config *Config, live bool, stdout io.Writer) error {
	if !config.backend.redis {
		return checkStorePath(config.backend.path)
	}
	if !live {
		return nil
	}
	opened, err := openRedis(ctx, config.Store, func(advice string) { fmt.Fprintf(stdout, "KEEPALIVE_STORE: %s\n", advice) })
	if err != nil {
		return err
	}
	return opened.Close()
}

// checkStorePath finds out whether the file can be written, without opening
// the store: a server may be running on it.
func checkStorePath(path string) error {
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		return file.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the file cannot be read and written (%w); correct the path or its permissions", err)
	}
	probe, err := os.CreateTemp(filepath.Dir(path), ".keepalive-check-*")
	if err != nil {
		return fmt.Errorf("no file can be made in its directory (%w); create the directory, or correct its permissions", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// question says in a sentence what Capture thinks of the credentials of a
// client, and returns an error if they will not do.
type question func(ctx context.Context, config *Config) (sentence string, err error)

// questions has one for each client that is configured.
func questions(config *Config) []question {
	var all []question
	if config.clientSide() {
		all = append(all, askAsIssuer)
	}
	if config.serverSide() {
		all = append(all, askAsLogin)
	}
	return all
}

func askAsIssuer(ctx context.Context, config *Config) (sentence string, err error) {
	client, err := newCapture(config)
	if err != nil {
		return err.Error(), err
	}
	_, err = client.Issue(ctx, nobody)
	if err == nil {
		return "Capture issued a token for a user that cannot exist; is KEEPALIVE_CAPTURE_URL a Capture application?", errUnexpected
	}
	return judge(err, capture.AccountGone, "Capture takes the credentials of KEEPALIVE_ISSUER_CLIENT_ID: it looked for a user that cannot exist, and said so.", issuerVerdict)
}

// noCode is a code that nobody was given: Capture proves the client before it
// looks for the code, and nothing is changed.
const noCode = "capturekeepalivecheck"

func askAsLogin(ctx context.Context, config *Config) (sentence string, err error) {
	client, err := newCapture(config)
	if err != nil {
		return err.Error(), err
	}
	_, err = client.Exchange(ctx, secret.New(noCode), config.RedirectURIs[0])
	if err == nil {
		return "Capture gave tokens for a code that cannot exist; is KEEPALIVE_CAPTURE_URL a Capture application?", errUnexpected
	}
	return judge(err, capture.GrantGone, "Capture takes the credentials of KEEPALIVE_LOGIN_CLIENT_ID: it looked for a code that cannot exist, and said so.", loginVerdict)
}

// judge is good for the one kind of error that only the right credentials get.
func judge(err error, kind capture.Kind, good string, verdict func(*capture.Error) string) (string, error) {
	var refused *capture.Error
	if !errors.As(err, &refused) {
		return err.Error(), err
	}
	if refused.Kind == kind {
		return good, nil
	}
	return fmt.Sprintf("%s (%s)", verdict(refused), refused), err
}

var errUnexpected = errors.New("an answer that Capture does not give")

// loginVerdict says what to do about an error that the login client got.
func loginVerdict(refused *capture.Error) string {
	switch refused.Number {
	case 205, 402:
		return wrongCredentials("KEEPALIVE_LOGIN_CLIENT_ID")
	case 403, 480:
		return "The client KEEPALIVE_LOGIN_CLIENT_ID may not exchange codes; give it the login_client feature."
	case 420:
		return "Capture does not know the first entry of KEEPALIVE_REDIRECT_URI for the client KEEPALIVE_LOGIN_CLIENT_ID; copy the page's redirectUri, and add it to the client's settings."
	case 100, 200, 201:
		return "Capture does not take an argument of the call; compare KEEPALIVE_LOGIN_CLIENT_ID and KEEPALIVE_REDIRECT_URI with the application's settings."
	}
	return otherVerdict(refused, "KEEPALIVE_LOGIN_CLIENT_ID and KEEPALIVE_REDIRECT_URI")
}

func wrongCredentials(variable string) string {
	return "Capture does not take " + variable + " and its secret; compare both, and KEEPALIVE_AUTH_SCHEME, with the API client's settings."
}

// issuerVerdict says what to do about an error that the issuer client got.
func issuerVerdict(refused *capture.Error) string {
	switch refused.Number {
	case 205, 402:
		return wrongCredentials("KEEPALIVE_ISSUER_CLIENT_ID")
	case 403:
		return "The API client KEEPALIVE_ISSUER_CLIENT_ID may not issue tokens; give it the access_issuer feature."
	case 480:
		return "A feature is switched off for the API client KEEPALIVE_ISSUER_CLIENT_ID; give it the access_issuer feature."
	case 100, 200, 201:
		switch refused.Argument {
		case "for_client_id":
			return "Capture knows no page by KEEPALIVE_CLIENT_ID; copy the clientId of the page's settings."
		case "type_name":
			return "Capture knows no entity type by KEEPALIVE_TYPE_NAME; name the one that holds the users."
		}
		return "Capture does not take an argument of the call; compare KEEPALIVE_CLIENT_ID and KEEPALIVE_TYPE_NAME with the application's settings."
	}
	return otherVerdict(refused, "KEEPALIVE_TYPE_NAME and KEEPALIVE_CLIENT_ID")
}

// otherVerdict is for what has nothing to do with the kind of client.
func otherVerdict(refused *capture.Error, variables string) string {
	switch refused.Kind {
	case capture.OperatorFault:
		return "Capture misses something in its configuration that the call names; compare " + variables + " with the application's settings."
	case capture.RateLimited:
		return "Capture asks for patience; try again later."
	}
	return "Capture did not answer as it does; compare KEEPALIVE_CAPTURE_URL with the application's address, and see whether this machine can reach it."
}
