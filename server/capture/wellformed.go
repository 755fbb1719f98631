package capture

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// The length of an access token, in bytes. Contract section 1 calls tokens
// opaque; every recorded one has 16 or 17 characters.
const (
	minToken = 8
	maxToken = 512
)

// WellFormed reports whether a string that a visitor sent could be an access
// token or a code: 8 to 512 ASCII letters and digits.
//
// Every recorded token and code consists of lower-case letters and digits
// (contract section 1). Capital letters are taken as well: they cannot do harm.
// Nothing else is: punctuation lets a visitor write what a firewall in front of
// Capture takes for an attack (<script, ../, xp_cmdshell), and such a firewall
// may then refuse this server, and with it everyone's renewals.
func WellFormed(token secret.String) bool {
	value := token.Reveal()
	for i := range len(value) {
		if c := value[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return usable(token)
}

// usable reports whether a token that Capture itself issued can be used: 8 to
// 512 printable ASCII characters without space, so that a header can hold it.
// It is wider than [WellFormed], because no visitor chose the token.
func usable(token secret.String) bool {
	value := token.Reveal()
	return len(value) >= minToken && len(value) <= maxToken && printable(value)
}

// maxUUID is far above the 36 characters of every recorded uuid.
const maxUUID = 128

// plausibleUUID keeps what is plainly no identifier out of sessions, logs and
// the header X-Capture-Uuid.
func plausibleUUID(uuid string) bool {
	return uuid != "" && len(uuid) <= maxUUID && printable(uuid)
}

// printable reports whether s is ASCII without space and control characters.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// What a log may hold of an answer.
const (
	wordChars       = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	identifierChars = wordChars + "0123456789-."
	maxLoggable     = 64
)

// loggable returns s if it is short, made of chars alone and contains none of
// the secrets; otherwise "".
func loggable(s, chars string, secrets []secret.String) string {
	foreign := func(r rune) bool { return !strings.ContainsRune(chars, r) }
	if len(s) > maxLoggable || strings.ContainsFunc(s, foreign) {
		return ""
	}
	for _, hidden := range secrets {
		if !hidden.Empty() && strings.Contains(s, hidden.Reveal()) {
			return ""
		}
	}
	return s
}

// shortNames are the arguments' names without an underscore.
var shortNames = []string{"attributes", "code", "uuid"}

// loggableName returns s if it is the name of an error or of an argument. Such
// names have an underscore or are known, so that no token passes for one: not
// even a token of letters that this call did not send.
func loggableName(s string, secrets []secret.String) string {
	if !strings.Contains(s, "_") && !slices.Contains(shortNames, s) {
		return ""
	}
	return loggable(s, wordChars, secrets)
}

// ValidateURL reports why raw cannot be the base URL of a Capture application.
// It must be absolute and https, or http to this machine, and hold nothing but
// host, port and path. The error is a sentence with the remedy and
// does not repeat raw, which may hold a password.
func ValidateURL(raw string) error {
	_, err := parseURL(raw)
	return err
}

func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The parse error quotes raw.
		return nil, errors.New("the address is not a URL; write it like " +
			"https://app.us.janraincapture.com")
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return nil, errors.New("the address does not begin with https:// and a host; write it like " +
			"https://app.us.janraincapture.com")
	case u.User != nil:
		return nil, errors.New("the address holds a user name or password; remove what stands " +
			"before the @, credentials have their own settings")
	case strings.ContainsAny(raw, "?#"):
		return nil, errors.New("the address holds a query or fragment; remove everything from " +
			"the ? or # on")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, errors.New("the address is plain http to another machine, which would " +
			"show tokens to the network; use https")
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, errors.New("the port is not a number from 1 to 65535; correct or remove it")
		}
	}
	if u.Path == "" {
		u.Path = "/" // for JoinPath, which would else make a path without it
	}
	return u, nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
