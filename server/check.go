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
)

// nobody is a uuid that no user has (RFC 9562 section 5.9): asking Capture for
// that user's token proves the credentials and changes nothing.
const nobody = "00000000-0000-0000-0000-000000000000"

func checkCommand(ctx context.Context, args, environment []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	live := flags.Bool("live", false, "ask Capture whether it takes the credentials")
	if code, ok := parseFlags(flags, args, stderr); !ok {
		return code
	}
	config, err := ParseConfig(environment)
	if err != nil {
		fmt.Fprintln(stdout, err)
		return exitError
	}
	code := exitOK
	if err := checkStorePath(config.backend.path); err != nil {
		fmt.Fprintf(stdout, "KEEPALIVE_STORE: %s\n", err)
		code = exitError
	}
	if *live {
		sentence, err := askCapture(ctx, config)
		if err != nil {
			code = exitError
		}
		fmt.Fprintln(stdout, sentence)
	}
	if code == exitOK {
		fmt.Fprintln(stdout, "The configuration is fine.")
	}
	return code
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

// askCapture says in a sentence what Capture thinks of the credentials, and
// returns an error if they will not do.
func askCapture(ctx context.Context, config *Config) (sentence string, err error) {
	client, err := newCapture(config)
	if err != nil {
		return err.Error(), err
	}
	_, err = client.Issue(ctx, nobody)
	if err == nil {
		return "Capture issued a token for a user that cannot exist; is KEEPALIVE_CAPTURE_URL a Capture application?", errUnexpected
	}
	var refused *capture.Error
	if !errors.As(err, &refused) {
		return err.Error(), err
	}
	if refused.Kind == capture.AccountGone {
		return "Capture takes the credentials: it looked for a user that cannot exist, and said so.", nil
	}
	return fmt.Sprintf("%s (%s)", verdict(refused), refused), err
}

var errUnexpected = errors.New("an answer that Capture does not give")

// verdict says what to do about an error of Capture.
func verdict(refused *capture.Error) string {
	switch refused.Number {
	case 205, 402:
		return "Capture does not take KEEPALIVE_ISSUER_CLIENT_ID and its secret; compare both, and KEEPALIVE_AUTH_SCHEME, with the API client's settings."
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
	switch refused.Kind {
	case capture.OperatorFault:
		return "Capture misses something in its configuration that the call names; compare KEEPALIVE_TYPE_NAME and KEEPALIVE_CLIENT_ID with the application's settings."
	case capture.RateLimited:
		return "Capture asks for patience; try again later."
	}
	return "Capture did not answer as it does; compare KEEPALIVE_CAPTURE_URL with the application's address, and see whether this machine can reach it."
}
