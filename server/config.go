package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis"
)

const (
	prefix = "KEEPALIVE_"
	// fileSuffix makes a variable name a file that holds the value.
	fileSuffix = "_FILE"
	// maxSecretFile bounds what is read from such a file, in bytes.
	maxSecretFile = 64 << 10

	maxTokenLifetime = 24 * time.Hour
	// maxAbsolute is as long as browsers keep a cookie (RFC 6265bis section 5.5).
	maxAbsolute = 400 * 24 * time.Hour
	maxUpstream = 2 * time.Minute
)

// Config is what the environment says. The tags are the variables, without
// prefix, and their defaults.
type Config struct {
	Listen      string   `env:"LISTEN" envDefault:"127.0.0.1:8080"`
	AdminListen string   `env:"ADMIN_LISTEN" envDefault:"127.0.0.1:9090"`
	BasePath    string   `env:"BASE_PATH" envDefault:"/keepalive"`
	Origins     []string `env:"ORIGINS"`

	CaptureURL         string         `env:"CAPTURE_URL"`
	ClientID           string         `env:"CLIENT_ID"`
	IssuerClientID     string         `env:"ISSUER_CLIENT_ID"`
	IssuerClientSecret secret.String  `env:"ISSUER_CLIENT_SECRET"`
	LoginClientID      string         `env:"LOGIN_CLIENT_ID"`
	LoginClientSecret  secret.String  `env:"LOGIN_CLIENT_SECRET"`
	RedirectURIs       []string       `env:"REDIRECT_URI"`
	AuthScheme         capture.Scheme `env:"AUTH_SCHEME" envDefault:"basic"`
	TypeName           string         `env:"TYPE_NAME" envDefault:"user"`

	// Store is a secret because a URL can hold a password.
	Store secret.String `env:"STORE" envDefault:"bolt:keepalive.db"`
	Keys  secret.String `env:"KEYS"`

	TokenLifetime   time.Duration `env:"TOKEN_LIFETIME" envDefault:"1h"`
	IdleTimeout     time.Duration `env:"IDLE_TIMEOUT" envDefault:"30m"`
	AbsoluteTimeout time.Duration `env:"ABSOLUTE_TIMEOUT" envDefault:"12h"`
	UpstreamTimeout time.Duration `env:"UPSTREAM_TIMEOUT" envDefault:"10s"`

	RateLogin    limit.Rate `env:"RATE_LOGIN" envDefault:"30/1m"`
	RateForced   limit.Rate `env:"RATE_FORCED" envDefault:"6/1m"`
	RateUpstream limit.Rate `env:"RATE_UPSTREAM" envDefault:"100/1s"`

	AuthTokenHeader bool `env:"AUTH_TOKEN_HEADER" envDefault:"false"`
	AuthIsActivity  bool `env:"AUTH_IS_ACTIVITY" envDefault:"true"`

	TrustedProxies []string `env:"TRUSTED_PROXIES"`
	InsecureCookie bool     `env:"INSECURE_COOKIE" envDefault:"false"`

	LogLevel  string `env:"LOG_LEVEL" envDefault:"info"`
	LogFormat string `env:"LOG_FORMAT" envDefault:"json"`

	// What validate made of the words above.
	ring    *keyring.Ring
	proxies []netip.Prefix
	level   slog.Level
	backend backend
}

// backend is the database a STORE names: a Redis, a bolt file, or memory if it
// is neither. The URL stays in Store, which is exported: fmt cannot see the methods
// of what is in an unexported field, and would print it.
type backend struct {
	redis bool
	path  string
}

// secrets can also come from a file.
var secrets = []string{"ISSUER_CLIENT_SECRET", "LOGIN_CLIENT_SECRET", "STORE", "KEYS"}

// Problem is one thing wrong with the configuration.
type Problem struct {
	Variable string // with its prefix
	Text     string // what is wrong and the remedy; never the value
}

// Error implements error.
func (p Problem) Error() string { return p.Variable + ": " + p.Text }

// Problems is everything wrong with the configuration.
type Problems []Problem

// Error implements error, a line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

func (p *Problems) add(name, text string) {
	*p = append(*p, Problem{Variable: prefix + name, Text: text})
}

// has reports whether a variable, or the file it was to come from, has a
// problem already; one is enough.
func (p Problems) has(name string) bool {
	return slices.ContainsFunc(p, func(problem Problem) bool {
		return problem.Variable == prefix+name || problem.Variable == prefix+name+fileSuffix
	})
}

// ParseConfig reads environment, which is like os.Environ. A variable that is
// set to nothing is not set. The error is a Problems with all that is wrong.
func ParseConfig(environment []string) (*Config, error) {
	var problems Problems
	values := ours(environment)
	problems.unknown(values)
	problems.readFiles(values)

	config := new(Config)
	if err := env.ParseWithOptions(config, env.Options{Environment: values, Prefix: prefix}); err != nil {
		problems.unparsed(err)
	}
	config.validate(&problems)
	if len(problems) > 0 {
		return nil, problems
	}
	return config, nil
}

// ours returns the variables with the prefix, by full name.
func ours(environment []string) map[string]string {
	values := make(map[string]string)
	for _, line := range environment {
		name, value, _ := strings.Cut(line, "=")
		if strings.HasPrefix(name, prefix) && value != "" {
			values[name] = value
		}
	}
	return values
}

// names returns every variable there is, without prefix.
func names() []string {
	var all []string
	for field := range fields() {
		all = append(all, field)
	}
	for _, name := range secrets {
		all = append(all, name+fileSuffix)
	}
	slices.Sort(all)
	return all
}

// fields maps each variable, without prefix, to the field of Config it sets.
func fields() map[string]reflect.StructField {
	byName := make(map[string]reflect.StructField)
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		if name := field.Tag.Get("env"); name != "" {
			byName[name] = field
		}
	}
	return byName
}

// unknown finds the variables that mean nothing: most are misspelt, and a
// limit that is not there is worse than a server that does not start.
func (p *Problems) unknown(values map[string]string) {
	known := names()
	for _, full := range slices.Sorted(maps.Keys(values)) {
		name := strings.TrimPrefix(full, prefix)
		if slices.Contains(known, name) {
			continue
		}
		if nearest, ok := nearest(name, known); ok {
			p.add(name, "there is no such setting; did you mean "+prefix+nearest+"?")
			continue
		}
		p.add(name, "there is no such setting; remove it, or see the list in the help")
	}
}

// readFiles replaces each …_FILE by the content of its file.
func (p *Problems) readFiles(values map[string]string) {
	for _, name := range secrets {
		path, given := values[prefix+name+fileSuffix]
		if !given {
			continue
		}
		delete(values, prefix+name+fileSuffix)
		if _, both := values[prefix+name]; both {
			p.add(name, "it and "+prefix+name+fileSuffix+" are both set; keep one")
			continue
		}
		content, err := readSecret(path)
		if err != nil {
			p.add(name+fileSuffix, err.Error())
			continue
		}
		values[prefix+name] = content
	}
}

func readSecret(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("the file cannot be opened (%w); correct the path or its permissions", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err != nil {
		return "", fmt.Errorf("the file cannot be read (%w); name a plain file", err)
	}
	if len(content) > maxSecretFile {
		return "", errors.New("the file is over 64 KiB and so no secret; correct the path")
	}
	// Editors and echo end a file with a line break that is not meant.
	value := strings.TrimRight(string(content), "\r\n")
	if value == "" {
		return "", errors.New("the file is empty; put the secret in it")
	}
	return value, nil
}

// unparsed names the variables whose values have the wrong type. The parser's
// own words quote the value and name the Go field, so they are not used.
func (p *Problems) unparsed(err error) {
	var all env.AggregateError
	if !errors.As(err, &all) {
		p.add("*", "the environment cannot be read: "+err.Error())
		return
	}
	byField := make(map[string]string)
	for name, field := range fields() {
		byField[field.Name] = name
	}
	for _, one := range all.Errors {
		var wrong env.ParseError
		if !errors.As(one, &wrong) {
			p.add("*", "the environment cannot be read: "+one.Error())
			continue
		}
		remedy := "it cannot be read"
		switch wrong.Type {
		case reflect.TypeFor[time.Duration]():
			remedy = "it must be a duration with a unit, such as 90s, 30m or 12h"
		case reflect.TypeFor[limit.Rate]():
			remedy = "it must be events/duration, such as 30/1m, or off"
		case reflect.TypeFor[bool]():
			remedy = "it must be true or false"
		}
		p.add(byField[wrong.Name], remedy)
	}
}

// validate checks what can be checked without asking anyone.
func (c *Config) validate(p *Problems) {
	check := func(name string, err error) {
		if err != nil && !p.has(name) {
			p.add(name, err.Error())
		}
	}
	check("LISTEN", checkAddress(c.Listen))
	check("ADMIN_LISTEN", checkAddress(c.AdminListen))
	if c.Listen == c.AdminListen && !strings.HasSuffix(c.Listen, ":0") {
		check("ADMIN_LISTEN", errors.New("it is the same as KEEPALIVE_LISTEN; give the operator's listener an address of its own"))
	}
	check("BASE_PATH", checkBasePath(c.BasePath))

	c.Origins = trimmed(c.Origins)
	if len(c.Origins) == 0 {
		check("ORIGINS", errors.New("it is missing; list the origins of your pages, such as https://www.example.com"))
	}
	for i, origin := range c.Origins {
		if err := checkOrigin(origin); err != nil {
			p.add("ORIGINS", fmt.Sprintf("entry %d %s", i+1, err))
		}
	}

	check("CAPTURE_URL", capture.ValidateURL(c.CaptureURL))
	c.validateClients(p, check)
	if c.AuthScheme != capture.SchemeBasic && c.AuthScheme != capture.SchemeSignature {
		check("AUTH_SCHEME", errors.New("it must be basic or signature"))
	}
	if strings.ContainsFunc(c.TypeName, unprintable) {
		check("TYPE_NAME", errors.New("it must be the name of an entity type, such as user, without spaces"))
	}

	var err error
	c.backend, err = parseStore(c.Store)
	check("STORE", err)
	if !p.has("KEYS") {
		c.ring, err = keyring.Parse(c.Keys)
		p.keys(err)
	}

	check("TOKEN_LIFETIME", within(c.TokenLifetime, maxTokenLifetime))
	check("ABSOLUTE_TIMEOUT", within(c.AbsoluteTimeout, maxAbsolute))
	check("IDLE_TIMEOUT", within(c.IdleTimeout, maxAbsolute))
	if c.IdleTimeout > c.AbsoluteTimeout && !p.has("ABSOLUTE_TIMEOUT") {
		check("IDLE_TIMEOUT", errors.New("it is longer than KEEPALIVE_ABSOLUTE_TIMEOUT and so could never end a session; shorten it"))
	}
	check("UPSTREAM_TIMEOUT", within(c.UpstreamTimeout, maxUpstream))

	for i, entry := range trimmed(c.TrustedProxies) {
		proxy, err := parseProxy(entry)
		if err != nil {
			p.add("TRUSTED_PROXIES", fmt.Sprintf("entry %d %s", i+1, err))
			continue
		}
		c.proxies = append(c.proxies, proxy)
	}

	if c.InsecureCookie {
		if !loopbackAddress(c.Listen) {
			check("INSECURE_COOKIE", errors.New("it sends the session over plain http, and KEEPALIVE_LISTEN is not on loopback; remove it and serve https, or listen on 127.0.0.1"))
		}
		if slices.ContainsFunc(c.Origins, func(origin string) bool { return !loopbackOrigin(origin) }) {
			check("INSECURE_COOKIE", errors.New("it is for pages of this machine, and KEEPALIVE_ORIGINS lists others; remove it, or list only http://localhost origins"))
		}
	}

	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, ok := levels[c.LogLevel]
	if !ok {
		check("LOG_LEVEL", errors.New("it must be debug, info, warn or error"))
	}
	c.level = level
	if c.LogFormat != "json" && c.LogFormat != "text" {
		check("LOG_FORMAT", errors.New("it must be json or text"))
	}
}

// clientSide reports whether anything of a client for client-side sessions is
// there; when it is valid, all is.
func (c *Config) clientSide() bool { return c.IssuerClientID != "" || !c.IssuerClientSecret.Empty() }

// serverSide is clientSide for server-side sessions.
func (c *Config) serverSide() bool {
	return c.LoginClientID != "" || !c.LoginClientSecret.Empty() || len(c.RedirectURIs) > 0
}

// modes are the kinds of session that the configured clients can open.
func (c *Config) modes() []store.Mode {
	var modes []store.Mode
	if c.clientSide() {
		modes = append(modes, store.ModeToken)
	}
	if c.serverSide() {
		modes = append(modes, store.ModeCode)
	}
	return modes
}

// validateClients wants at least one client, and each of them whole.
func (c *Config) validateClients(p *Problems, check func(name string, err error)) {
	c.RedirectURIs = trimmed(c.RedirectURIs)
	issuing := c.clientSide() || p.has("ISSUER_CLIENT_SECRET")
	logging := c.serverSide() || p.has("LOGIN_CLIENT_SECRET")
	if !issuing && !logging {
		check("ISSUER_CLIENT_ID", errors.New("neither it nor KEEPALIVE_LOGIN_CLIENT_ID is set; set the first, its secret and KEEPALIVE_CLIENT_ID for client-side sessions (responseType token), or the second, its secret and KEEPALIVE_REDIRECT_URI for server-side ones (responseType code)"))
	}
	if issuing {
		const whose = "the API client that has the access_issuer feature"
		check("CLIENT_ID", checkClientID(c.ClientID, "the clientId of the page's settings"))
		check("ISSUER_CLIENT_ID", checkClientID(c.IssuerClientID, "the id of "+whose))
		check("ISSUER_CLIENT_SECRET", checkClientSecret(c.IssuerClientSecret, "ISSUER_CLIENT_SECRET", whose))
	}
	if logging {
		const whose = "the client of the pages with responseType code"
		check("LOGIN_CLIENT_ID", checkClientID(c.LoginClientID, "the id of "+whose))
		check("LOGIN_CLIENT_SECRET", checkClientSecret(c.LoginClientSecret, "LOGIN_CLIENT_SECRET", whose))
		if len(c.RedirectURIs) == 0 {
			check("REDIRECT_URI", errors.New("it is missing; set it to the redirectUri of the page's settings, several with commas between them"))
		}
		for i, uri := range c.RedirectURIs {
			if err := checkRedirectURI(uri); err != nil {
				p.add("REDIRECT_URI", fmt.Sprintf("entry %d %s", i+1, err))
			}
		}
	}
}

func checkClientSecret(value secret.String, name, whose string) error {
	if value.Empty() {
		return errors.New("it is missing; set it, or " + prefix + name + fileSuffix + ", to the secret of " + whose)
	}
	return nil
}

// checkRedirectURI accepts what RFC 6749 section 3.1.2 does, over https.
func checkRedirectURI(uri string) error {
	parsed, err := url.Parse(uri)
	switch {
	case err != nil, parsed.Scheme != "http" && parsed.Scheme != "https", parsed.Hostname() == "", strings.ContainsFunc(uri, unprintable):
		return errors.New("is not a web address; write it like https://www.example.com/signed-in, exactly as the page's settings have it")
	case strings.Contains(uri, "#"):
		return errors.New("has a fragment, which no redirectUri may have; leave out everything from the # on")
	case parsed.User != nil:
		return errors.New("holds a user name or password; leave out what stands before the @")
	case parsed.Scheme == "http" && !loopbackHost(parsed.Hostname()):
		return errors.New("is plain http to another machine; use https")
	}
	return nil
}

// keys adds each problem of the key ring by itself.
func (p *Problems) keys(err error) {
	if err == nil {
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			p.add("KEYS", one.Error())
		}
		return
	}
	p.add("KEYS", err.Error())
}

func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("it must be host:port, such as 127.0.0.1:8080")
	}
	return nil
}

var basePath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

func checkBasePath(path string) error {
	if !basePath.MatchString(path) {
		return errors.New("it must be a path such as /keepalive: a slash in front, none at the end, and plain letters, digits and . _ ~ - between")
	}
	return nil
}

// checkOrigin accepts exactly what a browser writes into Origin (RFC 6454
// section 6.2), so that comparing strings is enough ever after.
func checkOrigin(origin string) error {
	switch {
	case origin == "null":
		return errors.New("is null, which is what every sandboxed page sends; list real origins")
	case strings.Contains(origin, "*"):
		return errors.New("has a wildcard; list each origin in full")
	}
	parsed, err := url.Parse(origin)
	switch {
	case err != nil, parsed.Scheme != "http" && parsed.Scheme != "https", parsed.Hostname() == "":
		return errors.New("is not an origin; write it like https://www.example.com")
	case origin != parsed.Scheme+"://"+parsed.Host:
		return errors.New("has more than scheme, host and port (a path or slash at the end, capitals in the scheme, a query); write it like https://www.example.com")
	case origin != strings.ToLower(origin), strings.ContainsFunc(origin, unprintable):
		return errors.New("has a host that browsers write otherwise; write it in lower case, international names in their xn-- form")
	case parsed.Scheme == "https" && parsed.Port() == "443", parsed.Scheme == "http" && parsed.Port() == "80", strings.HasSuffix(parsed.Host, ":"):
		return errors.New("names the scheme's own port, which browsers leave out; leave it out")
	case parsed.Scheme == "http" && !loopbackOrigin(origin):
		return errors.New("is plain http, where the session's cookie cannot live; use https")
	}
	return nil
}

func checkClientID(id, what string) error {
	switch {
	case id == "":
		return errors.New("it is missing; set it to " + what)
	case strings.ContainsFunc(id, unprintable), strings.Contains(id, ":"):
		return errors.New("it holds a space, a colon or something else that no client id has; set it to " + what)
	}
	return nil
}

func unprintable(r rune) bool { return r <= ' ' || r > '~' }

func parseStore(text secret.String) (backend, error) {
	if redis.Handles(text) {
		return backend{redis: true}, redis.Validate(text)
	}
	scheme, rest, _ := strings.Cut(text.Reveal(), ":")
	switch scheme {
	case "bolt":
		if rest == "" {
			return backend{}, errors.New("it names no file; write it like bolt:/var/lib/keepalive/keepalive.db")
		}
		return backend{path: rest}, nil
	case "memory":
		if rest != "" {
			return backend{}, errors.New("memory: takes nothing after the colon; remove it")
		}
		return backend{}, nil
	}
	return backend{}, errors.New("it must be bolt:PATH, redis://HOST (or rediss, redis-cluster, redis-sentinel), or memory: to try things out")
}

func within(d, most time.Duration) error {
	if d <= 0 || d > most {
		return fmt.Errorf("it must be more than 0s and at most %s", most)
	}
	return nil
}

func parseProxy(entry string) (netip.Prefix, error) {
	if network, err := netip.ParsePrefix(entry); err == nil {
		return network.Masked(), nil
	}
	address, err := netip.ParseAddr(entry)
	if err != nil || address.Zone() != "" {
		return netip.Prefix{}, errors.New("is not a network; write it like 10.0.0.0/8 or 192.0.2.7")
	}
	return netip.PrefixFrom(address, address.BitLen()), nil
}

func trimmed(entries []string) []string {
	var kept []string
	for _, entry := range entries {
		if entry = strings.TrimSpace(entry); entry != "" {
			kept = append(kept, entry)
		}
	}
	return kept
}

// loopbackAddress reports whether a listener there is out of the network's
// reach.
func loopbackAddress(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && loopbackHost(host)
}

func loopbackOrigin(origin string) bool {
	parsed, err := url.Parse(origin)
	return err == nil && loopbackHost(parsed.Hostname())
}

func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// nearest finds the name that a misspelt one was meant to be.
func nearest(name string, known []string) (string, bool) {
	best, distance := "", len(name)/3+1
	for _, candidate := range known {
		if d := edits(name, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	return best, best != ""
}

// edits is the Levenshtein distance of two short words.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
