// Package config reads the settings of the server from the environment.
//
// Each setting is one field of [Config] with its name and default, and one line
// in help.go. Each rule that it must keep is one function in rules.go. Nothing
// here opens a store or asks Capture: that is the work of the check command.
package config

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// Prefix stands before the name of every setting.
	Prefix = "KEEPALIVE_"
	// FileSuffix makes a variable name a file that holds the value.
	FileSuffix = "_FILE"
	// DrainTimeout bounds how long work in flight may delay the end after
	// ShutdownDelay: a refresh that is cut off can cost its session. With the
	// default delay the process ends within 25 s, and supervisors kill after 30.
	DrainTimeout = 20 * time.Second
	// usualPatience is what supervisors wait for as a rule before they kill.
	usualPatience  = 30 * time.Second
	patienceMargin = 5 * time.Second
	// MaxTokenLifetime is the longest life of an access token.
	MaxTokenLifetime = 24 * time.Hour
)

// Config is what the environment says. Of each setting the tags hold the name
// without prefix, the default, and when it is required; meanings has the rest.
type Config struct {
	Listen      string   `env:"LISTEN" envDefault:"127.0.0.1:8080"`
	AdminListen string   `env:"ADMIN_LISTEN" envDefault:"127.0.0.1:9090"`
	BasePath    string   `env:"BASE_PATH" envDefault:"/keepalive"`
	Origins     []string `env:"ORIGINS" required:"yes"`

	CaptureURL         string         `env:"CAPTURE_URL" required:"yes"`
	ClientID           string         `env:"CLIENT_ID" required:"responseType token"`
	IssuerClientID     string         `env:"ISSUER_CLIENT_ID" required:"responseType token"`
	IssuerClientSecret secret.String  `env:"ISSUER_CLIENT_SECRET" required:"responseType token"`
	LoginClientID      string         `env:"LOGIN_CLIENT_ID" required:"responseType code"`
	LoginClientSecret  secret.String  `env:"LOGIN_CLIENT_SECRET" required:"responseType code"`
	RedirectURIs       []string       `env:"REDIRECT_URI" required:"responseType code"`
	AuthScheme         capture.Scheme `env:"AUTH_SCHEME" envDefault:"basic"`
	TypeName           string         `env:"TYPE_NAME" envDefault:"user"`

	// Store is a secret because a URL can hold a password.
	Store secret.String `env:"STORE" envDefault:"bolt:keepalive.db"`
	Keys  secret.String `env:"KEYS" required:"yes"`

	TokenLifetime   time.Duration `env:"TOKEN_LIFETIME" envDefault:"1h"`
	IdleTimeout     time.Duration `env:"IDLE_TIMEOUT" envDefault:"30m"`
	AbsoluteTimeout time.Duration `env:"ABSOLUTE_TIMEOUT" envDefault:"12h"`
	UpstreamTimeout time.Duration `env:"UPSTREAM_TIMEOUT" envDefault:"10s"`

	RateLogin          limit.Rate `env:"RATE_LOGIN" envDefault:"30/1m"`
	MaxSessionsPerUser int        `env:"MAX_SESSIONS_PER_USER" envDefault:"50"`
	RateForced         limit.Rate `env:"RATE_FORCED" envDefault:"6/1m"`
	RateUpstream       limit.Rate `env:"RATE_UPSTREAM" envDefault:"100/1s"`

	AuthTokenHeader bool `env:"AUTH_TOKEN_HEADER" envDefault:"false"`
	AuthIsActivity  bool `env:"AUTH_IS_ACTIVITY" envDefault:"true"`

	ConnectionIdleTimeout time.Duration `env:"CONNECTION_IDLE_TIMEOUT" envDefault:"11m"`
	ShutdownDelay         time.Duration `env:"SHUTDOWN_DELAY" envDefault:"5s"`
	Pprof                 bool          `env:"PPROF" envDefault:"false"`

	TrustedProxies []string `env:"TRUSTED_PROXIES"`
	InsecureCookie bool     `env:"INSECURE_COOKIE" envDefault:"false"`

	LogLevel  slog.Level `env:"LOG_LEVEL" envDefault:"info"`
	LogFormat string     `env:"LOG_FORMAT" envDefault:"json"`

	Derived
}

// Derived is what the rules make of the words of a Config.
type Derived struct {
	Ring    *keyring.Ring  // of Keys
	Proxies []netip.Prefix // of TrustedProxies
	Driver  store.Driver   // of Store

	// Warnings are about variables that mean nothing here, one sentence each.
	Warnings []string
	// Files are the files with secrets, by variable without prefix.
	Files map[string]string
}

// secrets can also come from a file.
var secrets = []string{"ISSUER_CLIENT_SECRET", "LOGIN_CLIENT_SECRET", "STORE", "KEYS"}

// Read reads environment, which is like os.Environ. A variable that is set to
// nothing is not set. The error is a Problems with all that is wrong.
func Read(environment []string) (*Config, error) {
	var problems Problems
	values := ours(environment)
	config := new(Config)
	config.Warnings = problems.unknown(values)
	problems.clean(values)
	config.Files = files(values)
	problems.readFiles(values)

	options := env.Options{Environment: values, Prefix: Prefix}
	if err := env.ParseWithOptions(config, options); err != nil {
		problems.unparsed(err)
	}
	for _, rule := range rules {
		rule(config, &problems)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return config, nil
}

// ClientSide reports whether anything of a client for client-side sessions is
// there; when the configuration is valid, all of it is.
func (c *Config) ClientSide() bool {
	return c.IssuerClientID != "" || !c.IssuerClientSecret.Empty()
}

// ServerSide is ClientSide for server-side sessions.
func (c *Config) ServerSide() bool {
	return c.LoginClientID != "" || !c.LoginClientSecret.Empty() || len(c.RedirectURIs) > 0
}

// Modes are the kinds of session that the configured clients can open.
func (c *Config) Modes() []store.Mode {
	var modes []store.Mode
	if c.ClientSide() {
		modes = append(modes, store.ModeToken)
	}
	if c.ServerSide() {
		modes = append(modes, store.ModeCode)
	}
	return modes
}
