package config

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/config/configtest"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const testKeys, testSecret = configtest.Keys, configtest.IssuerSecret

func TestDefaults(t *testing.T) {
	config, err := Read(configtest.Environment())
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name      string
		got, want any
	}{
		{"LISTEN", config.Listen, "127.0.0.1:8080"},
		{"ADMIN_LISTEN", config.AdminListen, "127.0.0.1:9090"},
		{"BASE_PATH", config.BasePath, "/keepalive"},
		{"AUTH_SCHEME", config.AuthScheme, capture.SchemeBasic},
		{"TYPE_NAME", config.TypeName, "user"},
		{"STORE", config.Store.Reveal(), "bolt:keepalive.db"},
		{"TOKEN_LIFETIME", config.TokenLifetime, time.Hour},
		{"IDLE_TIMEOUT", config.IdleTimeout, 30 * time.Minute},
		{"ABSOLUTE_TIMEOUT", config.AbsoluteTimeout, 12 * time.Hour},
		{"UPSTREAM_TIMEOUT", config.UpstreamTimeout, 10 * time.Second},
		{"RATE_LOGIN", config.RateLogin, limit.Rate{Events: 30, Per: time.Minute}},
		{"MAX_SESSIONS_PER_USER", config.MaxSessionsPerUser, 50},
		{"RATE_FORCED", config.RateForced, limit.Rate{Events: 6, Per: time.Minute}},
		{"RATE_UPSTREAM", config.RateUpstream, limit.Rate{Events: 100, Per: time.Second}},
		{"LOGIN_CLIENT_ID", config.LoginClientID, ""},
		{"REDIRECT_URI", len(config.RedirectURIs), 0},
		{"AUTH_TOKEN_HEADER", config.AuthTokenHeader, false},
		{"AUTH_IS_ACTIVITY", config.AuthIsActivity, true},
		{"TRUSTED_PROXIES", len(config.Proxies), 0},
		{"INSECURE_COOKIE", config.InsecureCookie, false},
		{"LOG_LEVEL", config.LogLevel, slog.LevelInfo},
		{"LOG_FORMAT", config.LogFormat, "json"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s is %v, want %v", tc.name, tc.got, tc.want)
		}
	}
}

func TestSettings(t *testing.T) {
	config, err := Read(configtest.Environment(
		"ORIGINS= https://a.example , https://b.example:8443,http://localhost:3000",
		"TRUSTED_PROXIES=10.0.0.0/8, 192.0.2.7,2001:db8::/32,::ffff:10.1.0.0/112",
		"RATE_LOGIN=off", "STORE=memory:", "LOG_LEVEL=debug", "AUTH_SCHEME=signature",
		"TOKEN_LIFETIME=40s", "CAPTURE_URL=http://127.0.0.1:1234",
		"TYPE_NAME=", // set to nothing is not set
	))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"https://a.example", "https://b.example:8443",
		"http://localhost:3000"}; !slices.Equal(config.Origins, want) {
		t.Errorf("origins %q", config.Origins)
	}
	if want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("192.0.2.7/32"),
		netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("10.1.0.0/16"),
	}; !slices.Equal(config.Proxies, want) {
		t.Errorf("proxies %v", config.Proxies)
	}
	if !config.RateLogin.Off() || config.Driver.Schemes[0] != "memory" ||
		config.LogLevel != slog.LevelDebug || config.AuthScheme != capture.SchemeSignature ||
		config.TokenLifetime != 40*time.Second || config.TypeName != "user" {
		t.Errorf("the rest: %v %v %v %v %v %q", config.RateLogin, config.Driver.Schemes,
			config.LogLevel, config.AuthScheme, config.TokenLifetime, config.TypeName)
	}
}

func TestProblems(t *testing.T) {
	for _, tc := range []struct {
		change   string
		variable string // the one blamed; empty: the one changed
		says     string // a word of the remedy
	}{
		{change: "ORIGINS", says: "https://www.example.com"},
		{change: "ORIGINS=,", says: "https://www.example.com"},
		{change: "ORIGINS=https://a.example,*", says: "(entry 2) has a wildcard"},
		{change: "ORIGINS=https://*.example.com", says: "wildcard"},
		{change: "ORIGINS=https://a.example https://b.example", says: "Put commas between origins"},
		{change: "ORIGINS=https://a.example;https://b.example", says: "Put commas between origins"},
		{change: "ORIGINS=null", says: "null"},
		{change: "ORIGINS=https://a.example/", says: "slash at the end"},
		{change: "ORIGINS=https://a.example/path", says: "path"},
		{change: "ORIGINS=https://a.example?x", says: "query"},
		{change: "ORIGINS=https://user@a.example", says: "more than scheme, host and port"},
		{change: "ORIGINS=HTTPS://a.example", says: "capitals"},
		{change: "ORIGINS=https://A.example", says: "lower case"},
		{change: "ORIGINS=https://bücher.example", says: "xn--"},
		{change: "ORIGINS=https://a.example:443", says: "Leave it out"},
		{change: "ORIGINS=http://localhost:80", says: "Leave it out"},
		{change: "ORIGINS=http://a.example", says: "https"},
		{change: "ORIGINS=a.example", says: "https://"},
		{change: "ORIGINS=ftp://a.example", says: "https://"},
		{change: "ORIGINS=https://a.example:0443", says: "address bar"},
		{change: "ORIGINS=https://a.example:99999", says: "address bar"},
		{change: "ORIGINS=https://a..example", says: "address bar"},
		{change: "ORIGINS=https://a.example.", says: "address bar"},
		{change: "ORIGINS=https://10.1", says: "address bar"},
		{change: "ORIGINS=http://[0:0::1]:3000", says: "address bar"},

		{change: "CAPTURE_URL", says: "janraincapture"},
		{change: "CAPTURE_URL=http://capture.example", says: "https"},
		{change: "CAPTURE_URL=ftp://capture.example", says: "does not begin with https://"},
		{change: "CAPTURE_URL=https://capture.example?x=1", says: "emove"},
		{change: "CLIENT_ID", says: "clientId"},
		{change: "CLIENT_ID=two words", says: "clientId"},
		{change: "ISSUER_CLIENT_ID", says: "access_issuer"},
		{change: "ISSUER_CLIENT_ID=a:b", says: "access_issuer"},
		{change: "ISSUER_CLIENT_SECRET", says: "KEEPALIVE_ISSUER_CLIENT_SECRET_FILE"},
		{change: "AUTH_SCHEME=digest", says: "basic or signature"},
		{change: "TYPE_NAME=the user", says: "without spaces"},

		{change: "KEYS", says: "openssl rand -base64 32"},
		{change: "KEYS=" + configtest.IssuerSecret, says: "secret of a client"},
		{change: "KEYS=k1:c2hvcnQ=", says: "openssl rand -base64 32"},
		{change: "KEYS=" + testKeys + ",k2:c2hvcnQ=", says: "key 2"},
		{change: "STORE=sqlite:x", says: "bolt:PATH"},
		{change: "STORE=bolt:", says: "bolt:/"},
		{change: "STORE=memory:x", says: "emove"},
		{change: "STORE=redis://" + testSecret + "@localhost", says: "user:password@"},
		{change: "STORE=rediss://localhost/x", says: "like /0"},
		{change: "STORE=redis-cluster://:" + testSecret + "@a,b:x", says: "host 2"},
		{change: "STORE=redis-sentinel://localhost", says: "names no master"},
		{change: "STORE_FILE=/nowhere/x", says: "cannot be opened"},

		{change: "TOKEN_LIFETIME=0s", says: "at most 24h"},
		{change: "TOKEN_LIFETIME=25h", says: "at most 24h."},
		{change: "TOKEN_LIFETIME=3600", says: "with a unit"},
		{change: "IDLE_TIMEOUT=-1m", says: "at least 1ms"},
		{change: "IDLE_TIMEOUT=13h", says: "KEEPALIVE_ABSOLUTE_TIMEOUT"},
		{change: "ABSOLUTE_TIMEOUT=9601h", says: "at most"},
		{change: "ABSOLUTE_TIMEOUT=soon", says: "with a unit"},
		{change: "MAX_SESSIONS_PER_USER=-1", says: "0"},
		{change: "MAX_SESSIONS_PER_USER=many", says: "whole number"},
		{change: "UPSTREAM_TIMEOUT=1h", says: "at most 10s"},
		{change: "RATE_LOGIN=30", says: "events/duration"},
		{change: "RATE_FORCED=0/1m", says: "events/duration"},
		{change: "RATE_UPSTREAM=none", says: "off"},

		{change: "LISTEN=8080", says: "host:port, such as 127.0.0.1:8080"},
		{change: "LISTEN=127.0.0.1:http", says: "host:port"},
		{change: "LISTEN=$127.0.0.1:8081", says: "host:port"},
		{change: "LISTEN=http://127.0.0.1:8081", says: "host:port"},
		{change: "LISTEN=-:8081", says: "host:port"},
		{change: "LISTEN=127.0.0.1:99999", says: "host:port"},
		{change: "ADMIN_LISTEN=9090", says: "host:port, such as 127.0.0.1:9090"},
		{change: "ADMIN_LISTEN=127.0.0.1:8080", says: "address or port of its own"},
		{change: "BASE_PATH=keepalive", says: "slash in front"},
		{change: "BASE_PATH=/keepalive/", says: "none at the end"},
		{change: "BASE_PATH=/:id", says: "plain letters"},
		{change: "BASE_PATH=/../x", says: "take away"},
		{change: "BASE_PATH=/a/./b", says: "take away"},
		{change: "BASE_PATH=/..", says: "take away"},
		{change: "ADMIN_LISTEN=0.0.0.0:8080", says: "address or port of its own"},
		{change: "ADMIN_LISTEN=localhost:8080", says: "address or port of its own"},
		{change: "ADMIN_LISTEN=LOCALHOST.:8080", says: "address or port of its own"},
		{change: "ADMIN_LISTEN=127.0.0.1:08080", says: "address or port of its own"},
		{change: "ADMIN_LISTEN=[::ffff:127.0.0.1]:8080", says: "address or port of its own"},
		{change: "ADMIN_LISTEN=[::ffff:0.0.0.0]:8080", says: "address or port of its own"},
		{change: "UPSTREAM_TIMEOUT=11s", says: "KEEPALIVE_SHUTDOWN_DELAY"},
		{change: "SHUTDOWN_DELAY=-1s", says: "at least 0s"},
		{change: "CONNECTION_IDLE_TIMEOUT=1ns", says: "at least 1s"},
		{change: "UPSTREAM_TIMEOUT=50ms", says: "can cost a session"},
		{change: "RATE_LOGIN=6000/1s", says: "KEEPALIVE_RATE_UPSTREAM (100/1s)"},
		{change: "RATE_FORCED=6000/1s", says: "KEEPALIVE_RATE_UPSTREAM (100/1s)"},
		{change: "ISSUER_CLIENT_SECRET=two words", says: "no secret of Capture has"},
		{change: "CLIENT_ID=<your client id>", says: "placeholder"},
		{change: "ISSUER_CLIENT_SECRET=${ISSUER_SECRET}", says: "placeholder"},
		{change: "TRUSTED_PROXIES=10.0.0.0/8,proxy", says: "entry 2"},
		{change: "INSECURE_COOKIE=yes", says: "true or false"},
		{change: "INSECURE_COOKIE=true", says: "KEEPALIVE_ORIGINS"},
		{change: "LOG_LEVEL=verbose", says: "debug, info, warn or error"},
		{change: "LOG_FORMAT=xml", says: "json or text"},

		{change: "LISTN=127.0.0.1:8080", says: "Did you mean KEEPALIVE_LISTEN?"},
		{change: "ISSUER_CLIENTSECRET=" + testSecret, says: "Did you mean KEEPALIVE_ISSUER_CLIENT_SECRET?"},
		{change: "ABSOLUTE_TIMOUT=1h", says: "Did you mean KEEPALIVE_ABSOLUTE_TIMEOUT?"},
		{change: "listen=127.0.0.1:8080", says: "Did you mean KEEPALIVE_LISTEN?"},
		{change: "LISTEN_FILE=/x", says: "only secrets come from files"},
		{change: "AUTH_TOKEN_HEADER=yes", says: "true or false"},
		{change: "AUTH_IS_ACTIVITY=1m", says: "true or false"},
	} {
		t.Run(tc.change, func(t *testing.T) {
			_, err := Read(configtest.Environment(tc.change))
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("error %v, want Problems", err)
			}
			name, _, _ := strings.Cut(tc.change, "=")
			if len(problems) != 1 || problems[0].Variable != "KEEPALIVE_"+name {
				t.Fatalf("blamed: %v; want KEEPALIVE_%s alone", problems, name)
			}
			if !strings.Contains(problems[0].Text, tc.says) {
				t.Errorf("%q does not say %q", problems[0].Text, tc.says)
			}
			if strings.Contains(err.Error(), testSecret) ||
				strings.Contains(err.Error(), "c2hvcnQ") || strings.Contains(err.Error(), testKeys) {
				t.Errorf("a secret is in %q", err)
			}
		})
	}
}

// Each client is whole or not there, and one of them is.
func TestClients(t *testing.T) {
	const redirect = "REDIRECT_URI=https://www.example.com/back"
	both := []string{"LOGIN_CLIENT_ID=login", "LOGIN_CLIENT_SECRET=" + testSecret, redirect}
	noIssuer := []string{"CLIENT_ID", "ISSUER_CLIENT_ID", "ISSUER_CLIENT_SECRET"}
	for _, tc := range []struct {
		name    string
		changes []string
		modes   []store.Mode
		blamed  []string
		says    string
	}{
		{name: "client-side alone", modes: []store.Mode{store.ModeToken}},
		{name: "both", changes: both, modes: []store.Mode{store.ModeToken, store.ModeCode}},
		{name: "server-side alone", changes: slices.Concat(noIssuer, both), modes: []store.Mode{store.ModeCode}},
		{name: "server-side and the page's clientId", changes: slices.Concat(noIssuer[1:], both),
			modes: []store.Mode{store.ModeCode}},
		{name: "none", changes: noIssuer, blamed: []string{"ISSUER_CLIENT_ID"}, says: "KEEPALIVE_LOGIN_CLIENT_ID"},

		{name: "no login id", changes: both[1:], blamed: []string{"LOGIN_CLIENT_ID"}, says: "responseType code"},
		{name: "no login secret", changes: []string{both[0], redirect},
			blamed: []string{"LOGIN_CLIENT_SECRET"}, says: "KEEPALIVE_LOGIN_CLIENT_SECRET_FILE"},
		{name: "no redirect URI", changes: both[:2], blamed: []string{"REDIRECT_URI"},
			says: "redirectUri of the page's settings"},
		{name: "a redirect URI alone", changes: []string{redirect},
			blamed: []string{"LOGIN_CLIENT_ID", "LOGIN_CLIENT_SECRET"}, says: "is not set"},
		{name: "a login secret alone", changes: slices.Concat(noIssuer, both[1:2]),
			blamed: []string{"LOGIN_CLIENT_ID", "REDIRECT_URI"}, says: "is not set"},
		{name: "a file that is not there",
			changes: slices.Concat(noIssuer, []string{both[0], "LOGIN_CLIENT_SECRET_FILE=/nowhere/x", redirect}),
			blamed:  []string{"LOGIN_CLIENT_SECRET_FILE"}, says: "cannot be opened"},
		{name: "one client with two secrets",
			changes: []string{"LOGIN_CLIENT_ID=issuer", "LOGIN_CLIENT_SECRET=login-secret-0002", redirect},
			blamed:  []string{"LOGIN_CLIENT_SECRET"}, says: "KEEPALIVE_ISSUER_CLIENT_SECRET differ"},
		{name: "one client with one secret",
			changes: []string{"LOGIN_CLIENT_ID=issuer", "LOGIN_CLIENT_SECRET=" + configtest.IssuerSecret, redirect},
			modes:   []store.Mode{store.ModeToken, store.ModeCode}},
		{name: "a login id with a colon", changes: append(both[1:3:3], "LOGIN_CLIENT_ID=a:b"),
			blamed: []string{"LOGIN_CLIENT_ID"}, says: "no client id has"},

		{name: "no address", changes: append(both[:2:2], "REDIRECT_URI=www.example.com"),
			blamed: []string{"REDIRECT_URI"}, says: "https://"},
		{name: "plain http",
			changes: append(both[:2:2], "REDIRECT_URI=https://a.example/,http://a.example/"),
			blamed:  []string{"REDIRECT_URI"}, says: "(entry 2) is plain http"},
		{name: "plain http on this machine",
			changes: append(both[:2:2], "REDIRECT_URI=http://localhost:3000/"),
			modes:   []store.Mode{store.ModeToken, store.ModeCode}},
		{name: "a fragment", changes: append(both[:2:2], "REDIRECT_URI=https://a.example/#x"),
			blamed: []string{"REDIRECT_URI"}, says: "fragment"},
		{name: "an empty fragment", changes: append(both[:2:2], "REDIRECT_URI=https://a.example/#"),
			blamed: []string{"REDIRECT_URI"}, says: "fragment"},
		{name: "a user", changes: append(both[:2:2], "REDIRECT_URI=https://u:p@a.example/"),
			blamed: []string{"REDIRECT_URI"}, says: "before the @"},
		{name: "another scheme", changes: append(both[:2:2], "REDIRECT_URI=app://a.example/"),
			blamed: []string{"REDIRECT_URI"}, says: "https://"},
		{name: "nothing but commas", changes: append(both[:2:2], "REDIRECT_URI= , "),
			blamed: []string{"REDIRECT_URI"}, says: "not set"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			config, err := Read(configtest.Environment(tc.changes...))
			if tc.blamed == nil {
				if err != nil {
					t.Fatal(err)
				}
				if got := config.Modes(); !slices.Equal(got, tc.modes) {
					t.Errorf("modes %q, want %q", got, tc.modes)
				}
				return
			}
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("error %v, want Problems", err)
			}
			var blamed []string
			for _, problem := range problems {
				blamed = append(blamed, strings.TrimPrefix(problem.Variable, Prefix))
			}
			slices.Sort(blamed)
			if !slices.Equal(blamed, tc.blamed) || !strings.Contains(problems[0].Text, tc.says) {
				t.Errorf("blamed %q, want %q; %q should say %q", blamed, tc.blamed, problems[0].Text, tc.says)
			}
			if strings.Contains(err.Error(), testSecret) || strings.Contains(err.Error(), "u:p") {
				t.Errorf("a secret is in %q", err)
			}
		})
	}
}

func TestInsecureCookieNeedsLoopback(t *testing.T) {
	for listen, ok := range map[string]bool{"127.0.0.1:8080": true, "localhost:8080": true,
		"[::1]:8080": true, ":8080": false, "0.0.0.0:8080": false, "192.0.2.1:8080": false} {
		_, err := Read(configtest.Environment("INSECURE_COOKIE=true",
			"ORIGINS=http://localhost:8080", "LISTEN="+listen))
		if (err == nil) != ok {
			t.Errorf("on %s: %v", listen, err)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := Read([]string{"KEEPALIVE_IDLE_TIMEOUT=x", "KEEPALIVE_LISTNE=1", "KEEPALIVE_RATE_LOGIN=x"})
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	var blamed []string
	for _, problem := range problems {
		blamed = append(blamed, strings.TrimPrefix(problem.Variable, "KEEPALIVE_"))
	}
	slices.Sort(blamed)
	want := []string{"CAPTURE_URL", "IDLE_TIMEOUT", "ISSUER_CLIENT_ID", "KEYS", "LISTNE", "ORIGINS", "RATE_LOGIN"}
	if !slices.Equal(blamed, want) {
		t.Errorf("blamed %q, want %q", blamed, want)
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != len(want) {
		t.Errorf("%d lines for %d problems", len(lines), len(want))
	}
}

func TestFilesThatDoNotAnswer(t *testing.T) {
	fileTimeout = 10 * time.Millisecond
	defer func() { fileTimeout = 5 * time.Second }()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := exec.Command("mkfifo", path).Run(); err != nil {
		t.Fatal(err)
	}
	_, err := Read(configtest.Environment("KEYS", "KEYS_FILE="+path))
	if err == nil || !strings.Contains(err.Error(), "KEEPALIVE_KEYS_FILE names a file that cannot be read in time") {
		t.Errorf("Read() = %v", err)
	}
}

func TestSecretsFromFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("secret", testSecret+"\r\n")
	t.Run("read", func(t *testing.T) {
		config, err := Read(configtest.Environment("ISSUER_CLIENT_SECRET",
			"ISSUER_CLIENT_SECRET_FILE="+good, "KEYS", "KEYS_FILE="+file("keys", testKeys+"\n")))
		if err != nil {
			t.Fatal(err)
		}
		if config.IssuerClientSecret.Reveal() != testSecret {
			t.Error("the secret is not the file's content without its line break")
		}
		if kid, _ := config.Ring.SigningKey(); kid != "k1" {
			t.Errorf("signing key %q", kid)
		}
	})
	for _, tc := range []struct {
		name, path, blames, says string
		keep                     string
	}{
		{"missing", filepath.Join(dir, "nothing"), "ISSUER_CLIENT_SECRET_FILE", "cannot be opened",
			"ISSUER_CLIENT_SECRET"},
		{"a directory", dir, "ISSUER_CLIENT_SECRET_FILE", "plain file", "ISSUER_CLIENT_SECRET"},
		{"empty", file("empty", "\n"), "ISSUER_CLIENT_SECRET_FILE", "empty", "ISSUER_CLIENT_SECRET"},
		{"huge", file("huge", strings.Repeat("x", 65<<10)), "ISSUER_CLIENT_SECRET_FILE", "64 KiB",
			"ISSUER_CLIENT_SECRET"},
		{"both", good, "ISSUER_CLIENT_SECRET", "both set", "TYPE_NAME=user"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Read(configtest.Environment(tc.keep, "ISSUER_CLIENT_SECRET_FILE="+tc.path))
			var problems Problems
			if !errors.As(err, &problems) || len(problems) != 1 ||
				problems[0].Variable != "KEEPALIVE_"+tc.blames || !strings.Contains(problems[0].Text, tc.says) {
				t.Errorf("got %v, want %s alone, with %q", err, tc.blames, tc.says)
			}
		})
	}
}

// The URL of a Redis holds a password: it can come from a file, and prints
// nowhere.
func TestStoreOfRedis(t *testing.T) {
	for _, scheme := range []string{"redis", "rediss", "redis-cluster", "rediss-cluster",
		"redis-sentinel", "rediss-sentinel"} {
		want := scheme + "://keepalive:" + testSecret + "@redis.example.com:6379/"
		if strings.HasSuffix(scheme, "sentinel") {
			want += "mymaster"
		}
		path := filepath.Join(t.TempDir(), "store")
		if err := os.WriteFile(path, []byte(want+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, change := range []string{"STORE=" + want, "STORE_FILE=" + path} {
			config, err := Read(configtest.Environment(change))
			if err != nil {
				t.Errorf("%s: %v", scheme, err)
				continue
			}
			if !config.Driver.Remote || config.Store.Reveal() != want {
				t.Errorf("%s: store %q, %q", scheme, config.Store.Reveal(), config.Driver.Form)
			}
			if printed := fmt.Sprintf("%v %+v %#v", *config, *config, *config); strings.Contains(printed, testSecret) {
				t.Errorf("%s: printing the configuration prints the password", scheme)
			}
		}
	}
}

// A setting without a meaning, or that the help does not show, is one that
// no operator can use.
func TestHelpExplainsEverySetting(t *testing.T) {
	help, unused := Help(), maps.Clone(meanings)
	for _, setting := range Settings() {
		if setting.Meaning == "" {
			t.Errorf("%s has no meaning", setting.Name)
		}
		delete(unused, setting.Name)
		line := regexp.MustCompile(`(?m)^ +` + setting.Name + ` +\S.* ` + regexp.QuoteMeta(setting.Meaning))
		if !line.MatchString(help) {
			t.Errorf("the help does not explain %s:\n%s", setting.Name, help)
		}
	}
	if len(unused) > 0 {
		t.Errorf("meanings of no setting: %v", unused)
	}
	for _, want := range []string{"12h  ", "(required)", "(required for responseType token)", "KEYS_FILE "} {
		if !strings.Contains(help, want) {
			t.Errorf("the help does not say %q", want)
		}
	}
}
