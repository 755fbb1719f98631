package capture_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
)

const (
	loginID     = "login-client"
	loginSecret = "loginsecretvalue"
	back        = "https://www.example.com/back?a=b"
)

func loginOptions() simulator.Options {
	options := options()
	options.Clients = append(options.Clients,
		simulator.Client{ID: loginID, Secret: secret.New(loginSecret), Login: true})
	return options
}

func loginConfig(url string) capture.Config {
	return capture.Config{URL: url, Login: capture.Credentials{ID: loginID, Secret: secret.New(loginSecret)}}
}

func TestExchangeAndRefresh(t *testing.T) {
	for _, scheme := range []capture.Scheme{capture.SchemeBasic, capture.SchemeSignature} {
		t.Run(string(scheme), func(t *testing.T) {
			sim := simulator.New(loginOptions())
			server := httptest.NewServer(sim)
			defer server.Close()
			settings := loginConfig(server.URL)
			settings.Scheme = scheme
			client := newClient(t, settings)
			uuid, code := sim.SignInCode("ada@example.com", "Ada", back)

			tokens, err := client.Exchange(t.Context(), secret.New(code), back)
			if err != nil {
				t.Fatal(err)
			}
			if sim.TokenOwner(tokens.Access.Reveal()) != uuid || sim.RefreshToken(uuid) != tokens.Refresh.Reveal() {
				t.Error("Exchange returned other tokens than the user's newest")
			}
			if got, err := client.Identify(t.Context(), tokens.Access); err != nil || got != uuid {
				t.Errorf("Identify = %q, %v; want %q", got, err, uuid)
			}
			fresh, err := client.Refresh(t.Context(), tokens.Refresh)
			if err != nil {
				t.Fatal(err)
			}
			if fresh.Access.Equal(tokens.Access) || fresh.Refresh.Equal(tokens.Refresh) ||
				sim.RefreshToken(uuid) != fresh.Refresh.Reveal() {
				t.Error("Refresh returned old tokens")
			}
		})
	}
}

func TestLifeOfTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		options := loginOptions()
		options.TokenLifetime = 40 * time.Second
		sim := simulator.New(options)
		_, code := sim.SignInCode("ada@example.com", "Ada", back)
		settings := loginConfig("http://localhost")
		settings.Transport = handlerTransport{sim}
		client := newClient(t, settings)

		tokens, err := client.Exchange(t.Context(), secret.New(code), back)
		if err != nil || tokens.Life != 40*time.Second {
			t.Errorf("Exchange: a life of %v, %v; want 40s", tokens.Life, err)
		}
		tokens, err = client.Refresh(t.Context(), tokens.Refresh)
		if err != nil || tokens.Life != 40*time.Second {
			t.Errorf("Refresh: a life of %v, %v; want 40s", tokens.Life, err)
		}
	})
}

// What may come instead of the contract's answer, and is good all the same.
func TestTokenAnswers(t *testing.T) {
	const sent = "refreshtoken0000"
	for _, tc := range []struct {
		name, body string
		refresh    string        // of Refresh; empty: an error
		exchanges  bool          // Exchange takes it
		life       time.Duration // of the access token
	}{
		{"the contract's",
			`{"stat":"ok","access_token":"a1b2c3d4e5f6g7h8","refresh_token":"r1b2c3d4e5f6g7h8","expires_in":3600}`,
			"r1b2c3d4e5f6g7h8", true, time.Hour},
		{"no new refresh token",
			`{"stat":"ok","access_token":"a1b2c3d4e5f6g7h8","expires_in":3600}`, sent, false, time.Hour},
		{"an empty refresh token",
			`{"stat":"ok","access_token":"a1b2c3d4e5f6g7h8","refresh_token":"","expires_in":3600}`,
			sent, false, time.Hour},
		{"seconds as text",
			`{"stat":"ok","access_token":"a1b2c3d4e5f6g7h8","refresh_token":"r1b2c3d4e5f6g7h8","expires_in":"60"}`,
			"r1b2c3d4e5f6g7h8", true, time.Minute},
		{"half a second",
			`{"stat":"ok","access_token":"a1b2c3d4e5f6g7h8","refresh_token":"r1b2c3d4e5f6g7h8","expires_in":1.5}`,
			"r1b2c3d4e5f6g7h8", true, 1500 * time.Millisecond},
		{"no seconds",
			`{"stat":"ok","access_token":"a1b2c3d4e5f6g7h8","refresh_token":"r1b2c3d4e5f6g7h8"}`,
			"r1b2c3d4e5f6g7h8", true, 7 * time.Minute},
		{"no second",
			`{"stat":"ok","access_token":"a1b2c3d4e5f6g7h8","refresh_token":"r1b2c3d4e5f6g7h8","expires_in":0}`,
			"r1b2c3d4e5f6g7h8", true, 7 * time.Minute},
		{"negative seconds",
			`{"stat":"ok","access_token":"a1b2c3d4e5f6g7h8","refresh_token":"r1b2c3d4e5f6g7h8","expires_in":-5}`,
			"r1b2c3d4e5f6g7h8", true, 7 * time.Minute},
		{"seconds without end",
			`{"stat":"ok","access_token":"a1b2c3d4e5f6g7h8","refresh_token":"r1b2c3d4e5f6g7h8","expires_in":1e300}`,
			"r1b2c3d4e5f6g7h8", true, 24 * time.Hour},

		{"no access token", `{"stat":"ok","refresh_token":"r1b2c3d4e5f6g7h8","expires_in":3600}`, "", false, 0},
		{"an access token with a line break",
			`{"stat":"ok","access_token":"a1b2c3d4\r\nX: 1","refresh_token":"r1b2c3d4e5f6g7h8","expires_in":3600}`,
			"", false, 0},
		{"a refresh token with a space",
			`{"stat":"ok","access_token":"a1b2c3d4e5f6g7h8","refresh_token":"r1b2c3d4 e5f6g7h8","expires_in":3600}`,
			"", false, 0},
		{"seconds of no sense",
			`{"stat":"ok","access_token":"a1b2c3d4e5f6g7h8","refresh_token":"r1b2c3d4e5f6g7h8","expires_in":true}`,
			"r1b2c3d4e5f6g7h8", true, 7 * time.Minute},
		{"seconds in words",
			`{"stat":"ok","access_token":"a1b2c3d4e5f6g7h8","refresh_token":"r1b2c3d4e5f6g7h8","expires_in":"an hour"}`,
			"r1b2c3d4e5f6g7h8", true, 7 * time.Minute},
		{"seconds in an empty text",
			`{"stat":"ok","access_token":"a1b2c3d4e5f6g7h8","refresh_token":"r1b2c3d4e5f6g7h8","expires_in":""}`,
			"r1b2c3d4e5f6g7h8", true, 7 * time.Minute},
		{"seconds in a list",
			`{"stat":"ok","access_token":"a1b2c3d4e5f6g7h8","refresh_token":"r1b2c3d4e5f6g7h8","expires_in":[60]}`,
			"r1b2c3d4e5f6g7h8", true, 7 * time.Minute},
		{"blanks around the seconds",
			`{"stat":"ok","access_token":"a1b2c3d4e5f6g7h8","refresh_token":"r1b2c3d4e5f6g7h8","expires_in":" 60 "}`,
			"r1b2c3d4e5f6g7h8", true, time.Minute},
		{"getAccessToken's spelling", `{"stat":"ok","accessToken":"a1b2c3d4e5f6g7h8"}`, "", false, 0},
		{"nothing", `{"stat":"ok"}`, "", false, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := httptest.NewServer(simulator.Body(200, "application/json", tc.body))
			defer server.Close()
			now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
			settings := loginConfig(server.URL)
			settings.TokenLifetime, settings.Now = 7*time.Minute, func() time.Time { return now }
			client := newClient(t, settings)

			tokens, err := client.Refresh(t.Context(), secret.New(sent))
			switch {
			case tc.refresh == "":
				if got := failure(t, err); got.Kind != capture.Temporary || got.Lost {
					t.Errorf("Refresh: %v, want temporary and not lost", got)
				}
			case err != nil:
				t.Errorf("Refresh: %v", err)
			case tokens.Refresh.Reveal() != tc.refresh ||
				tokens.Access.Reveal() != "a1b2c3d4e5f6g7h8" || tokens.Life != tc.life:
				t.Errorf("Refresh: refresh token %q, a life of %v; want %q, %v",
					tokens.Refresh.Reveal(), tokens.Life, tc.refresh, tc.life)
			}
			if _, err := client.Exchange(t.Context(), secret.New("codecodecode0000"),
				back); (err == nil) != tc.exchanges {
				t.Errorf("Exchange: %v, want a good answer: %v", err, tc.exchanges)
			}
		})
	}
}

// Every number, through the wire, in the shape of oauth/*.
func TestTokenNumbers(t *testing.T) {
	const op, gone, temp = capture.OperatorFault, capture.GrantGone, capture.Temporary
	for _, tc := range []struct {
		number            int
		argument          string
		exchange, refresh capture.Kind
	}{
		{100, "code", gone, op},
		{200, "code", gone, op},
		{201, "code", gone, op},
		{100, "refresh_token", op, gone},
		{200, "refresh_token", op, gone},
		{201, "refresh_token", op, gone},
		{200, "access_token", op, op},
		{200, "", op, op},
		{205, "", op, op},
		{221, "", op, op},
		{224, "", op, op},
		{310, "", capture.AccountGone, capture.AccountGone},
		{402, "", op, op},
		{403, "", op, op},
		{413, "", gone, gone},
		{414, "", temp, temp},
		{415, "", gone, temp},
		{420, "redirect_uri", op, op},
		{480, "", op, op},
		{500, "", temp, temp},
		{510, "", capture.RateLimited, capture.RateLimited},
		{777, "", temp, temp},
	} {
		sim := simulator.New(loginOptions())
		server := httptest.NewServer(sim)
		client := newClient(t, loginConfig(server.URL))
		sim.Fail(simulator.Fault{Number: tc.number, Argument: tc.argument})
		_, err := client.Exchange(t.Context(), secret.New("codecodecode0000"), back)
		if got := failure(t, err); got.Kind != tc.exchange || got.Number != tc.number || got.Lost {
			t.Errorf("Exchange, %d %q: %v, want %s", tc.number, tc.argument, got, tc.exchange)
		}
		_, err = client.Refresh(t.Context(), secret.New("refreshtoken0000"))
		if got := failure(t, err); got.Kind != tc.refresh || got.Number != tc.number || got.Lost {
			t.Errorf("Refresh, %d %q: %v, want %s", tc.number, tc.argument, got, tc.refresh)
		}
		server.Close()
	}
}

// What the service answers by itself.
func TestTokenRefusals(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*capture.Config)
		do     func(t *testing.T, sim *simulator.Service, c *capture.Client) error
		kind   capture.Kind
		number int
	}{
		{"code used twice", nil, func(t *testing.T, sim *simulator.Service, c *capture.Client) error {
			_, code := sim.SignInCode("ada@example.com", "", back)
			if _, err := c.Exchange(t.Context(), secret.New(code), back); err != nil {
				t.Fatal(err)
			}
			_, err := c.Exchange(t.Context(), secret.New(code), back)
			return err
		}, capture.GrantGone, 200},
		{"refresh token used twice", nil, func(t *testing.T, sim *simulator.Service, c *capture.Client) error {
			_, code := sim.SignInCode("ada@example.com", "", back)
			tokens, err := c.Exchange(t.Context(), secret.New(code), back)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Refresh(t.Context(), tokens.Refresh); err != nil {
				t.Fatal(err)
			}
			_, err = c.Refresh(t.Context(), tokens.Refresh)
			return err
		}, capture.GrantGone, 200},
		{"another redirect URI", nil, func(t *testing.T, sim *simulator.Service, c *capture.Client) error {
			_, code := sim.SignInCode("ada@example.com", "", back)
			_, err := c.Exchange(t.Context(), secret.New(code), back+"/")
			return err
		}, capture.OperatorFault, 420},
		{"wrong secret", func(c *capture.Config) { c.Login.Secret = secret.New("wrongsecretvalue") },
			func(t *testing.T, _ *simulator.Service, c *capture.Client) error {
				_, err := c.Refresh(t.Context(), secret.New("refreshtoken0000"))
				return err
			}, capture.OperatorFault, 402},
		{"not a login client", func(c *capture.Config) {
			c.Login = capture.Credentials{ID: "plain-client", Secret: secret.New("plainsecretvalue")}
		}, func(t *testing.T, _ *simulator.Service, c *capture.Client) error {
			_, err := c.Refresh(t.Context(), secret.New("refreshtoken0000"))
			return err
		}, capture.OperatorFault, 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sim := simulator.New(loginOptions())
			server := httptest.NewServer(sim)
			defer server.Close()
			settings := loginConfig(server.URL)
			if tc.change != nil {
				tc.change(&settings)
			}
			if got := failure(t, tc.do(t, sim, newClient(t, settings))); got.Kind != tc.kind ||
				got.Number != tc.number {
				t.Errorf("%v, want %s %d", got, tc.kind, tc.number)
			}
		})
	}
}

// A client that was not configured is the operator's matter:
// Capture is not asked.
func TestMissingClient(t *testing.T) {
	sim := simulator.New(loginOptions())
	server := httptest.NewServer(sim)
	defer server.Close()
	client := newClient(t, loginConfig(server.URL))
	_, err := client.Issue(t.Context(), "u")
	if got := failure(t, err); got.Kind != capture.OperatorFault || sim.Count(simulator.EndpointIssue) != 0 {
		t.Errorf("Issue without an issuer: %v", got)
	}
	client = newClient(t, config(server.URL))
	_, err = client.Exchange(t.Context(), secret.New("codecodecode0000"), back)
	if got := failure(t, err); got.Kind != capture.OperatorFault || sim.Count(simulator.EndpointExchange) != 0 {
		t.Errorf("Exchange without a login client: %v", got)
	}
	_, err = client.Refresh(t.Context(), secret.New("refreshtoken0000"))
	if got := failure(t, err); got.Kind != capture.OperatorFault || sim.Count(simulator.EndpointRefresh) != 0 {
		t.Errorf("Refresh without a login client: %v", got)
	}
}

func TestMalformedCodeIsNotSent(t *testing.T) {
	sim := simulator.New(loginOptions())
	server := httptest.NewServer(sim)
	defer server.Close()
	_, err := newClient(t, loginConfig(server.URL)).Exchange(t.Context(), secret.New("a b"), back)
	if got := failure(t, err); got.Kind != capture.GrantGone || sim.Count(simulator.EndpointExchange) != 0 {
		t.Errorf("%v after %d calls, want grant_gone after none", got, sim.Count(simulator.EndpointExchange))
	}
}

func TestTokenRequest(t *testing.T) {
	type request struct{ uri, kind, form string }
	var got request
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		id, password, ok := r.BasicAuth()
		if !ok || id != loginID || password != loginSecret {
			t.Errorf("the client is %q", id)
		}
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		got = request{r.RequestURI, r.Header.Get("Content-Type"), r.PostForm.Encode()}
	}))
	defer server.Close()
	client := newClient(t, loginConfig(server.URL+"/prefix"))
	const uri, kind = "/prefix/oauth/token", "application/x-www-form-urlencoded"
	for _, tc := range []struct {
		call func() error
		form url.Values
	}{
		{func() error {
			_, err := client.Exchange(t.Context(), secret.New("codecodecode0000"), back)
			return err
		}, url.Values{"grant_type": {"authorization_code"}, "code": {"codecodecode0000"}, "redirect_uri": {back}}},
		{func() error {
			_, err := client.Refresh(t.Context(), secret.New("refreshtoken0000"))
			return err
		}, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"refreshtoken0000"}}},
	} {
		_ = failure(t, tc.call()) // the server answers nothing
		if want := (request{uri, kind, tc.form.Encode()}); got != want {
			t.Errorf("the request was\n%+v, want\n%+v", got, want)
		}
	}
}

// net/http sends some requests again by itself. A code or a refresh token goes
// out once: there is no body to send again, and no connection that the other
// side may be closing.
func TestTokenIsSentOnce(t *testing.T) {
	t.Run("no second body", func(t *testing.T) {
		calls := 0
		settings := loginConfig("http://localhost")
		settings.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			calls++
			if r.GetBody != nil || r.Header.Get("Idempotency-Key") != "" || r.Header.Get("X-Idempotency-Key") != "" {
				t.Error("the transport may send this request again")
			}
			return nil, io.ErrUnexpectedEOF
		})
		client := newClient(t, settings)
		_, err := client.Exchange(t.Context(), secret.New("codecodecode0000"), back)
		_ = failure(t, err)
		_, err = client.Refresh(t.Context(), secret.New("refreshtoken0000"))
		_ = failure(t, err)
		if calls != 2 {
			t.Errorf("%d requests for two calls", calls)
		}
	})
	// This server takes one request on each connection, then closes it, and never
	// says so beforehand: the usual race with an idle connection, every time.
	t.Run("no used connection", func(t *testing.T) {
		var requests atomic.Int32
		url := serveRaw(t, func(conn net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
				return
			}
			requests.Add(1)
			const body = `{"stat":"ok","access_token":"a1b2c3d4e5f6g7h8",` +
				`"refresh_token":"r1b2c3d4e5f6g7h8","expires_in":3600}`
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			// The next request is read and never answered.
			if n, _ := conn.Read(make([]byte, 1)); n > 0 {
				requests.Add(1)
			}
		})
		client := newClient(t, loginConfig(url))
		for i := range 5 {
			if _, err := client.Exchange(t.Context(), secret.New("codecodecode0000"), back); err != nil {
				t.Errorf("exchange %d: %v", i, err)
			}
		}
		if n := requests.Load(); n != 5 {
			t.Errorf("%d requests for 5 calls", n)
		}
	})
}

// Lost is that Capture may have heard the question.
func TestLost(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	drop := func(conn net.Conn) { _, _ = http.ReadRequest(bufio.NewReader(conn)) }
	cut := func(conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
	}
	silent := func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
	for _, tc := range []struct {
		name string
		url  string
		lost bool
	}{
		{"no server listens", "http://" + closed.Addr().String(), false},
		{"closed without an answer", serveRaw(t, drop), true},
		{"cut in the body", serveRaw(t, cut), true},
		{"never answered", serveRaw(t, silent), true},
		{"answered by a proxy", startURL(t, simulator.HTML(502)), false},
		{"answered without sense", startURL(t, simulator.Body(200, "text/plain", "ok")), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			settings := loginConfig(tc.url)
			settings.Timeout = time.Minute
			if tc.name == "never answered" {
				settings.Timeout = 300 * time.Millisecond
			}
			_, err := newClient(t, settings).Refresh(t.Context(), secret.New("refreshtoken0000"))
			if got := failure(t, err); got.Kind != capture.Temporary || got.Lost != tc.lost {
				t.Errorf("%v, lost: %v; want temporary, lost: %v", got, got.Lost, tc.lost)
			}
		})
	}
}

// The simulator's own lost answer: the work is done, and no client learns of it.
func TestLostAnswer(t *testing.T) {
	sim := simulator.New(loginOptions())
	client := newClient(t, loginConfig(startURL(t, sim)))
	uuid, code := sim.SignInCode("ada@example.com", "Ada", back)
	tokens, err := client.Exchange(t.Context(), secret.New(code), back)
	if err != nil {
		t.Fatal(err)
	}
	sim.Fail(simulator.Fault{Endpoint: simulator.EndpointRefresh, Times: 1, Lost: true})
	_, err = client.Refresh(t.Context(), tokens.Refresh)
	if got := failure(t, err); !got.Lost {
		t.Errorf("%v, want a lost answer", got)
	}
	if sim.RefreshToken(uuid) == tokens.Refresh.Reveal() {
		t.Error("the refresh token was not used up")
	}
	_, err = client.Refresh(t.Context(), tokens.Refresh)
	if got := failure(t, err); got.Kind != capture.GrantGone {
		t.Errorf("%v, want grant_gone", got)
	}
}

func TestTokenErrorsHoldNoSecret(t *testing.T) {
	const code, refresh = "sentinelcode0001", "sentinelrefresh1"
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		value := r.PostForm.Get("code") + r.PostForm.Get("refresh_token")
		_, _ = fmt.Fprintf(w, `{"stat":"error","code":200,"error":%q,"argument_name":%q,`+
			`"request_id":%q,"error_description":%q}`, value, value, value+loginSecret, value)
	})
	client := newClient(t, loginConfig(startURL(t, echo)))
	_, first := client.Exchange(t.Context(), secret.New(code), back)
	_, second := client.Refresh(t.Context(), secret.New(refresh))
	for _, err := range []error{first, second} {
		text := fmt.Sprintf("%v %+v %#v", err, err, failure(t, err))
		for _, hidden := range []string{code, refresh, loginSecret} {
			if strings.Contains(text, hidden) {
				t.Errorf("%q is in %s", hidden, text)
			}
		}
	}
}

func startURL(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// serveRaw hands each connection to talk, and closes it afterwards.
func serveRaw(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(func() {
		stop()
		listener.Close()
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			go func() {
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { conn.Close() })()
				talk(conn)
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}
