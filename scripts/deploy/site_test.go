package deploy

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/gotool"
	"github.com/capture-keepalive/capture-keepalive/scripts/internal/need"
	"github.com/capture-keepalive/capture-keepalive/server/porttest"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
)

const (
	host        = "www.example.com"
	origin      = "https://" + host
	redirectURI = origin + "/back"

	issuerSecret = "issuer-secret-0001"
	loginSecret  = "login-secret-00001"
	oldKey       = "k1:c2V2ZW50ZWVuIGJ5dGVzIGFuZCBmaWZ0ZWVuIG1vcmU="
	newKey       = "k2:YW5vdGhlciBrZXksIG9mIHRoaXJ0eS10d28gYnl0ZXM="

	patience = 30 * time.Second
)

// town is a site behind a proxy, with the real server, the stand-in Capture
// service, and a visitor.
type town struct {
	t       *testing.T // the test that the programs live as long as
	capture *simulator.Service
	visitor *http.Client
	binary  string
	env     map[string]string
	server  *exec.Cmd
}

// shipped is a proxy with a configuration that we ship. In its other fields,
// ADDRESS is where it listens, PORT a part of that, and DIR a folder with the certificate (site.pem,
// site.key), with file as site.conf, and with main as main.conf.
type shipped struct {
	need   need.Need
	file   string
	places map[string]string // what of the file is another on this machine
	main   string            // a configuration around the file
	args   []string
}

var nginx = shipped{
	need: need.Nginx,
	file: "nginx.conf",
	places: map[string]string{
		"listen 443 ssl;":               "listen ADDRESS ssl;",
		"/etc/ssl/www.example.com.pem;": "DIR/site.pem;",
		"/etc/ssl/www.example.com.key;": "DIR/site.key;",
	},
	main: `daemon off;
pid nginx.pid;
error_log stderr warn;
worker_processes 1;
events {}
http {
    access_log off;
    underscores_in_headers on;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include site.conf;
}
`,
	args: []string{"-p", "DIR", "-c", "DIR/main.conf", "-e", "stderr"},
}

var caddy = shipped{
	need:   need.Caddy,
	file:   "Caddyfile",
	places: map[string]string{"www.example.com {": "https://www.example.com {\n\ttls DIR/site.pem DIR/site.key"},
	main: `{
	admin off
	auto_https disable_redirects
	https_port PORT
	default_bind 127.0.0.1
	storage file_system DIR
}
import site.conf
`,
	args: []string{"run", "--adapter", "caddyfile", "--config", "DIR/main.conf"},
}

// newTown runs it all, behind a proxy.
func newTown(t *testing.T, proxy shipped) *town {
	t.Helper()
	programs := proxy.need.Require(t)
	dir := t.TempDir()
	// The site shows what reached it.
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/broken") {
			http.Error(w, "broken", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(seen{
			Path: r.URL.Path, UUID: values(r, "HTTP_X_CAPTURE_UUID"), Token: values(r, "HTTP_X_CAPTURE_ACCESS_TOKEN"),
		})
	}))
	t.Cleanup(site.Close)
	town := &town{
		t: t,
		capture: simulator.New(simulator.Options{Clients: []simulator.Client{
			{ID: "page"},
			{ID: "issuer", Secret: secret.New(issuerSecret), AccessIssuer: true},
			{ID: "login", Secret: secret.New(loginSecret), Login: true},
		}}),
		binary: filepath.Join(dir, "capture-keepalive"),
	}
	upstream := httptest.NewServer(town.capture)
	t.Cleanup(upstream.Close)

	root, err := gotool.Root(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gotool.Output(t.Context(), root, gotool.ServerEnv(), "go",
		gotool.Server("test", "-o", town.binary)...); err != nil {
		t.Fatal(err)
	}
	address, public, admin := porttest.Address(t), porttest.Address(t), porttest.Address(t)
	town.env = map[string]string{
		"LISTEN": public, "ADMIN_LISTEN": admin, "ORIGINS": origin, "KEYS": oldKey,
		"CAPTURE_URL": upstream.URL, "CLIENT_ID": "page",
		"ISSUER_CLIENT_ID": "issuer", "ISSUER_CLIENT_SECRET": issuerSecret,
		"LOGIN_CLIENT_ID": "login", "LOGIN_CLIENT_SECRET": loginSecret, "REDIRECT_URI": redirectURI,
		"STORE": "bolt:" + filepath.Join(dir, "keepalive.db"), "TRUSTED_PROXIES": "127.0.0.1",
	}
	town.serve()

	certificate, key, authorities := certify(t)
	text, err := os.ReadFile(proxy.file)
	if err != nil {
		t.Fatal(err)
	}
	config := string(text)
	_, port, _ := net.SplitHostPort(address) // Address made it
	at := strings.NewReplacer("ADDRESS", address, "PORT", port, "DIR", dir)
	for from, to := range proxy.places {
		if strings.Count(config, from) != 1 {
			t.Fatalf("%s says %q %d times, want once", proxy.file, from, strings.Count(config, from))
		}
		config = strings.Replace(config, from, at.Replace(to), 1)
	}
	config = strings.NewReplacer("127.0.0.1:8080", public, "127.0.0.1:9090", admin,
		"127.0.0.1:3000", strings.TrimPrefix(site.URL, "http://")).Replace(config)
	for name, text := range map[string]string{
		"site.conf": config, "site.pem": certificate, "site.key": key,
		"main.conf": at.Replace(proxy.main),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var args []string
	for _, arg := range proxy.args {
		args = append(args, at.Replace(arg))
	}
	run(t, exec.Command(programs[0], args...))

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: authorities},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	town.visitor = &http.Client{Transport: transport, Jar: jar, Timeout: patience}
	waitFor(t, address)
	return town
}

// serve starts the real server, in the place of the one before.
func (town *town) serve() {
	town.t.Helper()
	town.stop()
	town.server = exec.Command(town.binary, "serve")
	for name, value := range town.env {
		town.server.Env = append(town.server.Env, "KEEPALIVE_"+name+"="+value)
	}
	run(town.t, town.server)
	waitFor(town.t, town.env["LISTEN"])
	waitFor(town.t, town.env["ADMIN_LISTEN"])
}

// stop ends the server, if there is one.
func (town *town) stop() {
	if town.server != nil {
		_ = town.server.Process.Signal(syscall.SIGTERM) // it may have gone
		_ = town.server.Wait()                          // so may this
	}
}

// seen is what the site says of a request that reached it.
type seen struct {
	Path        string
	UUID, Token []string
}

// values returns those of all headers that CGI gives one name (RFC 3875 section
// 4.1.18).
func values(r *http.Request, variable string) (values []string) {
	for name, all := range r.Header {
		if "HTTP_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")) == variable {
			values = append(values, all...)
		}
	}
	return values
}

// get asks for a page of the site as the visitor, or as anonymous.
func (town *town) get(t *testing.T, path string, cookies bool, headers ...string) (*http.Response, seen) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, origin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	client := *town.visitor
	if !cookies {
		client.Jar = nil
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var at seen
	if response.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, &at); err != nil {
			t.Fatalf("GET %s: %s", path, body)
		}
	}
	return response, at
}

// call is what the page's module does.
func (town *town) call(t *testing.T, method, path, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, origin+"/keepalive"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", origin)
	r.Header.Set("X-Keepalive", "1")
	r.Header.Set("Content-Type", "application/json")
	response, err := town.visitor.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// signIn is a login of a server-side session.
func (town *town) signIn(t *testing.T) (uuid string) {
	t.Helper()
	uuid, code := town.capture.SignInCode("ada@example.com", "Ada", redirectURI)
	if status := town.call(t, http.MethodPost, "/session",
		fmt.Sprintf(`{"authorizationCode":%q}`, code)); status != http.StatusCreated {
		t.Fatalf("login: %d", status)
	}
	return uuid
}

func want[T comparable](t *testing.T, what string, got []T, want ...T) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// spoofed are headers that only the proxy may set. PHP, CGI and WSGI read the
// names with an underscore as those with a hyphen.
var spoofed = []string{
	"X-Capture-Uuid", "spoofed", "X-Capture-Access-Token", "spoofed",
	"x-capture-uuid", "spoofed", "X_Capture_Uuid", "spoofed", "x-capture_uuid", "spoofed",
	"X_CAPTURE-ACCESS_TOKEN", "spoofed",
}

// Behind every proxy the site knows its visitors by the server's word alone.
func TestSiteKnowsItsVisitors(t *testing.T) {
	for name, proxy := range map[string]shipped{"nginx": nginx, "caddy": caddy} {
		t.Run(name, func(t *testing.T) {
			newTown(t, proxy).knowsItsVisitors(t)
		})
	}
}

func (town *town) knowsItsVisitors(t *testing.T) {
	for _, headers := range [][]string{nil, spoofed, {"Cookie", "__Host-Http-keepalive=forged"}} {
		if response, _ := town.get(t, "/account/", false,
			headers...); response.StatusCode != http.StatusUnauthorized {
			t.Errorf("signed out, with %q: %s, want 401", headers, response.Status)
		}
	}
	_, at := town.get(t, "/news", false, spoofed...)
	want(t, "spoofed uuid on a page for everybody", at.UUID)
	want(t, "spoofed token on a page for everybody", at.Token)

	uuid := town.signIn(t)
	for _, headers := range [][]string{nil, spoofed} {
		response, at := town.get(t, "/account/orders", true, headers...)
		if response.StatusCode != http.StatusOK || at.Path != "/account/orders" {
			t.Errorf("signed in: %s at %q", response.Status, at.Path)
		}
		want(t, "uuid", at.UUID, uuid)
		want(t, "token, which was not asked for", at.Token)
		if response.Header.Get("X-Capture-Uuid") != "" || len(response.Header.Values("Set-Cookie")) != 0 {
			t.Errorf("the visitor is told %v", response.Header)
		}
	}
	_, at = town.get(t, "/news", true, spoofed...)
	want(t, "spoofed uuid on a page for everybody", at.UUID)

	for _, path := range []string{"/_keepalive/auth", "/keepalive/auth", "/keepalive/revoke",
		"/keepalive/../_keepalive/auth", "/keepalive/%2e%2e/_keepalive/auth"} {
		response, at := town.get(t, path, true)
		if response.StatusCode != http.StatusNotFound && at.Path == "" {
			t.Errorf("GET %s: %s, want 404, or a page of the site", path, response.Status)
		}
	}
	// These are names of the site's own.
	for _, path := range []string{"/auth", "/revoke", "/healthz"} {
		if _, at := town.get(t, path, true); at.Path != path {
			t.Errorf("GET %s did not reach the site", path)
		}
	}
}

func TestNginx(t *testing.T) {
	town := newTown(t, nginx)
	uuid := town.signIn(t)

	t.Run("with the token", func(t *testing.T) {
		town.env["AUTH_TOKEN_HEADER"] = "true"
		town.serve()
		_, at := town.get(t, "/account/", true, spoofed...)
		if len(at.Token) != 1 || town.capture.TokenOwner(at.Token[0]) != uuid {
			t.Errorf("the site got %d tokens, or one that is not the visitor's", len(at.Token))
		}
	})

	t.Run("a new key", func(t *testing.T) {
		town.env["KEYS"] = newKey + "," + oldKey
		town.serve()
		response, _ := town.get(t, "/account/", true)
		if got := response.Cookies(); len(got) != 1 || got[0].Name != "__Host-Http-keepalive" ||
			!got[0].Secure || !got[0].HttpOnly {
			t.Errorf("Set-Cookie: %q", response.Header.Values("Set-Cookie"))
		}
		if response, at := town.get(t, "/account/", true); response.StatusCode != http.StatusOK ||
			len(response.Cookies()) != 0 || len(at.UUID) != 1 {
			t.Errorf("with the new cookie: %s, Set-Cookie %q", response.Status, response.Header.Values("Set-Cookie"))
		}
	})

	t.Run("the server is away", func(t *testing.T) {
		town.stop()
		response, _ := town.get(t, "/account/", true)
		if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
			t.Errorf("%s, Retry-After %q, want 503", response.Status, response.Header.Get("Retry-After"))
		}
		if _, at := town.get(t, "/news", true); at.Path != "/news" {
			t.Error("a page for everybody is not there")
		}
		town.serve()
		if response, _ := town.get(t, "/account/", true); response.StatusCode != http.StatusOK {
			t.Errorf("when it is back: %s", response.Status)
		}
	})

	t.Run("the site's own fault is its own", func(t *testing.T) {
		response, _ := town.get(t, "/account/broken", true)
		if response.StatusCode != http.StatusInternalServerError ||
			response.Header.Get("Retry-After") != "" {
			t.Errorf("%s, Retry-After %q, want 500 as the site said", response.Status,
				response.Header.Get("Retry-After"))
		}
	})

	t.Run("signed out again", func(t *testing.T) {
		if status := town.call(t, http.MethodDelete, "/session", ""); status != http.StatusNoContent {
			t.Fatalf("logout: %d", status)
		}
		if response, _ := town.get(t, "/account/", true); response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s, want 401", response.Status)
		}
	})
}

// run starts a program, shows what it says on stderr, and ends it with the
// test.
func run(t *testing.T, command *exec.Cmd) {
	t.Helper()
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			fmt.Fprintf(t.Output(), "%s: %s\n", filepath.Base(command.Path), lines.Text())
		}
	}()
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM) // it may have gone
		<-shown
		_ = command.Wait() // so may this
	})
}

func waitFor(t *testing.T, address string) {
	t.Helper()
	ticks := time.NewTicker(10 * time.Millisecond)
	defer ticks.Stop()
	for deadline := time.Now().Add(patience); ; <-ticks.C {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no listener: %v", err)
		}
	}
}

// certify makes a certificate for the site, and the pool that trusts it.
func certify(t *testing.T) (certificate, key string, authorities *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
	authorities = x509.NewCertPool()
	authorities.AppendCertsFromPEM([]byte(certificate))
	return certificate, key, authorities
}
