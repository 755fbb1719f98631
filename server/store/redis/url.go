package redis

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// kind is how the servers of a URL hang together.
type kind int

const (
	single kind = iota
	cluster
	sentinel
)

// target is what a URL names.
type target struct {
	kind      kind
	tls       bool
	addresses []string // host:port, at least one
	user      string
	password  secret.String
	db        int

	// For sentinel.
	master           string
	sentinelUser     string
	sentinelPassword secret.String

	// Paths of PEM files, for tls; each may be empty.
	ca, certificate, key string
}

// schemes are the first words of a URL. The ones with a second s speak TLS.
var schemes = map[string]target{
	"redis":           {kind: single},
	"rediss":          {kind: single, tls: true},
	"redis-cluster":   {kind: cluster},
	"rediss-cluster":  {kind: cluster, tls: true},
	"redis-sentinel":  {kind: sentinel},
	"rediss-sentinel": {kind: sentinel, tls: true},
}

// Validate checks the form of a URL, and contacts nothing. Its errors name
// the part and the remedy, and hold nothing of the URL. The forms:
//
//	redis://[[user]:password@]host[:6379][/db]
//	redis-cluster://[[user]:password@]host[:6379],host…
//	redis-sentinel://[[user]:password@]host[:26379],host…/master[?db=0]
//
// The last two take a list of hosts, of which one that answers is enough. With
// rediss for redis, the line is encrypted, and the certificate has to be good
// for the host's name or address; the parameters ca, cert and key then name PEM
// files: whom to trust instead of the system's roots, and a certificate of our
// own with its key. A sentinel's own credentials are the parameters
// sentinel_user and sentinel_password. A user and a password are
// percent-encoded (RFC 3986 section 2.1) where they hold / ? @ : or %.
func Validate(text secret.String) error {
	_, err := parse(text)
	return err
}

var (
	errScheme = errors.New("the URL must begin with redis://, rediss://, redis-cluster://, " +
		"rediss-cluster://, redis-sentinel:// or rediss-sentinel://")
	errBlank = errors.New("the URL holds a space, a line end or another invisible character; " +
		"remove it, or percent-encode it in a password")
	errEncoding = errors.New("the URL's user or password holds a character that means something else " +
		"in a URL; percent-encode / as %2F, ? as %3F, @ as %40, : as %3A and % as %25")
	errNoPass = errors.New("the URL has a user and no password; write user:password@ before the " +
		"host, or :password@ for the default user")
	errPath = errors.New("the URL has more than a number after the host; write the database " +
		"like /0, or leave it out")
	errCluster = errors.New("the URL has a path, and a cluster has no databases to choose from; " +
		"end it after the last host")
	errMaster = errors.New("the URL names no master; write the name that the sentinels know it by " +
		"after the hosts, like /mymaster")
	errDB    = errors.New("the URL's parameter db is no number; write it like db=0")
	errQuery = errors.New("the URL's parameters cannot be read; write them like " +
		"?name=value&name=value, percent-encoded")
	errOneHost = errors.New("the URL has several hosts; use redis-cluster:// for a cluster and " +
		"redis-sentinel:// for sentinels, or name one")
	errKeyPair = errors.New("the URL has only one of the parameters cert and key; set both, or neither")
)

// parse does not leave the work to net/url: that knows no list of hosts, and
// its errors quote what they are about.
func parse(text secret.String) (target, error) {
	if strings.ContainsFunc(
		text.Reveal(), func(r rune) bool { return r <= ' ' || r == 0x7f || r == 0xfeff },
	) {
		return target{}, errBlank
	}
	scheme, rest, found := strings.Cut(text.Reveal(), "://")
	t, known := schemes[scheme]
	if !found || !known {
		return target{}, errScheme
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority, rest := rest[:end], rest[end:]
	path, query, _ := strings.Cut(rest, "?")
	if strings.Contains(rest, "@") {
		return target{}, errEncoding
	}
	hosts := authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		hosts = authority[at+1:]
		if err := t.readUser(authority[:at]); err != nil {
			return target{}, err
		}
	}
	if err := t.readHosts(hosts); err != nil {
		return target{}, err
	}
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return target{}, errQuery
	}
	if err := t.readPath(strings.TrimPrefix(path, "/"), parameters); err != nil {
		return target{}, err
	}
	if err := t.readParameters(parameters); err != nil {
		return target{}, err
	}
	return t, nil
}

func (t *target) readUser(text string) error {
	user, password, found := strings.Cut(text, ":")
	if !found || password == "" {
		return errNoPass
	}
	if strings.ContainsAny(password, ":@") {
		return errEncoding
	}
	user, errUser := url.PathUnescape(user)
	password, errPassword := url.PathUnescape(password)
	if errUser != nil || errPassword != nil {
		return errEncoding
	}
	t.user, t.password = user, secret.New(password)
	return nil
}

func (t *target) readHosts(text string) error {
	port := "6379"
	if t.kind == sentinel {
		port = "26379"
	}
	for i, entry := range strings.Split(text, ",") {
		address, err := address(entry, port)
		if err != nil {
			return fmt.Errorf("host %d of the URL %w", i+1, err)
		}
		t.addresses = append(t.addresses, address)
	}
	if t.kind == single && len(t.addresses) > 1 {
		return errOneHost
	}
	return nil
}

var (
	errHost = errors.New("is not host or host:port; write it like redis.example.com:6379, an " +
		"IPv6 address in brackets, and percent-encode the password before it")
	errPort = errors.New("has a port that is not a number from 1 to 65535; correct it, and " +
		"percent-encode the password before it")
)

// address makes one entry of the list a host:port.
func address(entry, port string) (string, error) {
	host := entry
	if colon := strings.LastIndexByte(entry, ':'); colon > strings.LastIndexByte(entry, ']') {
		host, port = entry[:colon], entry[colon+1:]
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errPort
	}
	if inner, bracketed := strings.CutPrefix(host, "["); bracketed {
		inner, closed := strings.CutSuffix(inner, "]")
		if !closed || net.ParseIP(inner) == nil {
			return "", errHost
		}
		host = inner
	} else if strings.ContainsAny(host, ":[]%#") {
		return "", errHost
	}
	if host == "" || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errHost
	}
	return net.JoinHostPort(host, port), nil
}

// readPath reads what follows the hosts, which each kind uses for something
// else.
func (t *target) readPath(path string, parameters url.Values) error {
	number := path
	switch t.kind {
	case cluster:
		if path != "" {
			return errCluster
		}
		return nil
	case sentinel:
		master, err := url.PathUnescape(path)
		if err != nil || master == "" || strings.Contains(path, "/") {
			return errMaster
		}
		t.master, number = master, parameters.Get("db")
	case single: // the path is the number
	}
	if number == "" {
		return nil
	}
	db, err := strconv.ParseUint(number, 10, 16)
	if err != nil && t.kind == sentinel {
		return errDB
	}
	if err != nil {
		return errPath
	}
	t.db = int(db)
	return nil
}

// readParameters reads the query. A parameter that means nothing here is an
// error: an operator would believe in it.
func (t *target) readParameters(parameters url.Values) error {
	var sentinelPassword string
	known := map[string]*string{}
	if t.tls {
		known["ca"], known["cert"], known["key"] = &t.ca, &t.certificate, &t.key
	}
	if t.kind == sentinel {
		known["db"] = new(string) // read with the path
		known["sentinel_user"], known["sentinel_password"] = &t.sentinelUser, &sentinelPassword
	}
	for name, values := range parameters {
		value, ok := known[name]
		if !ok || len(values) != 1 {
			return unknownParameter(slices.Sorted(maps.Keys(known)))
		}
		*value = values[0]
	}
	t.sentinelPassword = secret.New(sentinelPassword)
	if (t.certificate == "") != (t.key == "") {
		return errKeyPair
	}
	return nil
}

// unknownParameter does not name the parameter: it may be half of a password.
func unknownParameter(known []string) error {
	if len(known) == 0 {
		return errors.New("the URL has a parameter, and takes none; remove what follows the " +
			"question mark (ca, cert and key are for rediss)")
	}
	return fmt.Errorf(
		"the URL has a parameter that means nothing here, or one twice; its kind takes %s",
		strings.Join(known, ", "),
	)
}
