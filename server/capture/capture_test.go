package capture_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
)

const (
	pageID       = "page-client"
	issuerID     = "issuer-client"
	issuerSecret = "issuersecretvalue"
)

func options() simulator.Options {
	return simulator.Options{Clients: []simulator.Client{
		{ID: pageID},
		{ID: issuerID, Secret: secret.New(issuerSecret), AccessIssuer: true},
		{ID: "plain-client", Secret: secret.New("plainsecretvalue")},
	}}
}

func config(url string) capture.Config {
	return capture.Config{
		URL:      url,
		ClientID: pageID,
		Issuer:   capture.Credentials{ID: issuerID, Secret: secret.New(issuerSecret)},
	}
}

func newClient(t *testing.T, config capture.Config) *capture.Client {
	t.Helper()
	client, err := capture.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// start runs a handler and returns a client of it.
func start(t *testing.T, handler http.Handler) *capture.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return newClient(t, config(server.URL))
}

// failure is the *Error of err, which there has to be.
func failure(t *testing.T, err error) *capture.Error {
	t.Helper()
	failure, ok := errors.AsType[*capture.Error](err)
	if !ok {
		t.Fatalf("err = %v, want a *capture.Error", err)
	}
	return failure
}

// call is one of the two methods, for the tests of what they share.
type call struct {
	name     string
	endpoint string
	do       func(ctx context.Context, c *capture.Client, uuid, token string) error
}

var calls = []call{
	{"Identify", simulator.EndpointEntity, func(ctx context.Context, c *capture.Client, _, token string) error {
		_, err := c.Identify(ctx, secret.New(token))
		return err
	}},
	{"Issue", simulator.EndpointIssue, func(ctx context.Context, c *capture.Client, uuid, _ string) error {
		_, err := c.Issue(ctx, uuid)
		return err
	}},
}

func TestIdentifyAndIssue(t *testing.T) {
	for _, scheme := range []capture.Scheme{"", capture.SchemeBasic, capture.SchemeSignature} {
		t.Run("scheme "+string(scheme), func(t *testing.T) {
			sim := simulator.New(options())
			server := httptest.NewServer(sim)
			defer server.Close()
			settings := config(server.URL + "/")
			settings.Scheme = scheme
			client := newClient(t, settings)
			uuid, token := sim.SignIn("ada@example.com", "Ada")
			sim.SignIn("eve@example.com", "Eve")

			got, err := client.Identify(t.Context(), secret.New(token))
			if err != nil || got != uuid {
				t.Fatalf("Identify = %q, %v; want %q", got, err, uuid)
			}
			issued, err := client.Issue(t.Context(), uuid)
			if err != nil {
				t.Fatal(err)
			}
			if owner := sim.TokenOwner(issued.Access.Reveal()); owner != uuid {
				t.Errorf("the issued token is %q's, want %q's", owner, uuid)
			}
			if issued.Access.Equal(secret.New(token)) {
				t.Error("Issue returned the old token")
			}
			if got, err := client.Identify(t.Context(), issued.Access); err != nil || got != uuid {
				t.Errorf("Identify of the issued token = %q, %v; want %q", got, err, uuid)
			}
		})
	}
}

// The life of an issued token is a setting: Capture does not name it.
func TestLifeOfAnIssuedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulator.New(options())
		uuid, _ := sim.SignIn("ada@example.com", "Ada")
		settings := config("http://localhost")
		settings.Transport = handlerTransport{sim}
		settings.TokenLifetime = 40 * time.Second
		client := newClient(t, settings)

		issued, err := client.Issue(t.Context(), uuid)
		if err != nil || issued.Life != 40*time.Second {
			t.Errorf("Issue: a life of %v, %v; want 40s", issued.Life, err)
		}
	})
}

// Every number of contract section 4, through the wire, in both shapes.
func TestNumbers(t *testing.T) {
	const op, temp = capture.OperatorFault, capture.Temporary
	for _, tc := range []struct {
		number          int
		argument        string
		identify, issue capture.Kind
	}{
		{100, "access_token", capture.GrantGone, op},
		{200, "access_token", capture.GrantGone, op},
		{201, "access_token", capture.GrantGone, op},
		{100, "uuid", op, op},
		{200, "uuid", op, op},
		{201, "type_name", op, op},
		{205, "", op, op},
		{221, "", op, op},
		{222, "", op, op},
		{223, "", op, op},
		{224, "", op, op},
		{310, "", capture.AccountGone, capture.AccountGone},
		{402, "", op, op},
		{403, "", op, op},
		{413, "", capture.GrantGone, capture.GrantGone},
		{414, "", capture.TokenExpired, temp},
		{415, "", temp, temp},
		{420, "", op, op},
		{480, "", op, op},
		{500, "", temp, temp},
		{510, "", capture.RateLimited, capture.RateLimited},
		{777, "", temp, temp},
	} {
		sim := simulator.New(options())
		client := start(t, sim)
		uuid, token := sim.SignIn("ada@example.com", "Ada")
		for _, status := range []int{200, 400, 401} {
			for _, call := range calls {
				want := tc.issue
				if call.endpoint == simulator.EndpointEntity {
					want = tc.identify
				}
				sim.Fail(simulator.Fault{Times: 1, Number: tc.number, Argument: tc.argument, Status: status})
				got := failure(t, call.do(t.Context(), client, uuid, token))
				if got.Kind != want {
					t.Errorf("%s, %d %q, HTTP %d: %s, want %s", call.name, tc.number, tc.argument,
						status, got.Kind, want)
				}
				if got.Op != call.endpoint || got.Number != tc.number || got.Argument != tc.argument ||
					got.Status != status || got.Name == "" || got.RequestID == "" {
					t.Errorf("%s, %d, HTTP %d: %+v lacks a fact", call.name, tc.number, status, got)
				}
			}
		}
	}
}

// What the service answers by itself.
func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		name    string
		change  func(*capture.Config)
		prepare func(sim *simulator.Service, uuid, token string)
		call    call
		kind    capture.Kind
		number  int
	}{
		{"unknown token", nil, func(sim *simulator.Service, _, token string) { sim.Invalidate(token) },
			calls[0], capture.GrantGone, 200},
		{"expired token", nil, func(sim *simulator.Service, _, token string) { sim.Expire(token) },
			calls[0], capture.TokenExpired, 414},
		{"token of a deleted account", nil, func(sim *simulator.Service, uuid, _ string) { sim.Delete(uuid) },
			calls[0], capture.AccountGone, 310},
		{"deleted account", nil, func(sim *simulator.Service, uuid, _ string) { sim.Delete(uuid) },
			calls[1], capture.AccountGone, 310},
		{"wrong secret", func(c *capture.Config) { c.Issuer.Secret = secret.New("wrongsecretvalue") }, nil,
			calls[1], capture.OperatorFault, 402},
		{"wrong secret, signed", func(c *capture.Config) {
			c.Scheme, c.Issuer.Secret = capture.SchemeSignature, secret.New("wrongsecretvalue")
		}, nil, calls[1], capture.OperatorFault, 402},
		{"client may not issue", func(c *capture.Config) {
			c.Issuer = capture.Credentials{ID: "plain-client", Secret: secret.New("plainsecretvalue")}
		}, nil, calls[1], capture.OperatorFault, 403},
		{"wrong page", func(c *capture.Config) { c.ClientID = "no-such-client" }, nil,
			calls[1], capture.OperatorFault, 200},
		{"wrong type, identify", func(c *capture.Config) { c.TypeName = "customer" }, nil,
			calls[0], capture.OperatorFault, 222},
		{"wrong type, issue", func(c *capture.Config) { c.TypeName = "customer" }, nil,
			calls[1], capture.OperatorFault, 222},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sim := simulator.New(options())
			server := httptest.NewServer(sim)
			defer server.Close()
			settings := config(server.URL)
			if tc.change != nil {
				tc.change(&settings)
			}
			client := newClient(t, settings)
			uuid, token := sim.SignIn("ada@example.com", "Ada")
			if tc.prepare != nil {
				tc.prepare(sim, uuid, token)
			}
			got := failure(t, tc.call.do(t.Context(), client, uuid, token))
			if got.Kind != tc.kind || got.Number != tc.number {
				t.Errorf("%v, want %s %d", got, tc.kind, tc.number)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	body := func(body string) http.Handler { return simulator.Body(200, "application/json", body) }
	for _, tc := range []struct {
		name       string
		answer     http.Handler
		kind       capture.Kind
		retryAfter time.Duration
	}{
		{"HTML 502", simulator.HTML(502), capture.Temporary, 0},
		{"HTML 200", simulator.HTML(200), capture.Temporary, 0},
		{"HTML 404", simulator.HTML(404), capture.Temporary, 0},
		{"empty", body(""), capture.Temporary, 0},
		{"garbage", body("\x00\xff{]"), capture.Temporary, 0},
		{"without stat", body(`{"accessToken":"a1b2c3d4e5f6g7h8","result":{"uuid":"u"}}`), capture.Temporary, 0},
		{"cut", body(`{"stat":"error","code":413,"err`), capture.Temporary, 0},
		{"cut below its length", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"stat":"error","code":413}`)
		}), capture.Temporary, 0},
		{"too long",
			body(`{"stat":"error","code":413,"error":"` + strings.Repeat("x", 64<<10) + `"}`), capture.Temporary, 0},
		{"not HTTP", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.2\r\n\r\n")
			_ = conn.Close()
		}), capture.Temporary, 0},
		{"429", simulator.TooMany(""), capture.RateLimited, 0},
		{"429, seconds", simulator.TooMany("7"), capture.RateLimited, 7 * time.Second},
		{"429, a week", simulator.TooMany("604800"), capture.RateLimited, time.Minute},
		{"ok without anything", body(`{"stat":"ok"}`), capture.Temporary, 0},
		{"ok and empty", body(`{"stat":"ok","accessToken":"","result":{"uuid":""}}`), capture.Temporary, 0},
		{"ok and null", body(`{"stat":"ok","accessToken":null,"result":null}`), capture.Temporary, 0},
		{"ok and no string",
			body(`{"stat":"ok","accessToken":12345678,"result":{"uuid":12345678}}`), capture.Temporary, 0},
		{"ok and absurdly long", body(`{"stat":"ok","accessToken":"` + strings.Repeat("x", 1025) +
			`","result":{"uuid":"` + strings.Repeat("x", 129) + `"}}`), capture.Temporary, 0},
		{"ok and control characters",
			body(`{"stat":"ok","accessToken":"a1b2c3d4\r\nX-Evil: 1","result":{"uuid":"a\nb"}}`),
			capture.Temporary, 0},
		{"ok and a space",
			body(`{"stat":"ok","accessToken":"a1b2c3d4 e5f6g7h8","result":{"uuid":"a b"}}`), capture.Temporary, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sim := simulator.New(options())
			server := httptest.NewServer(sim)
			defer server.Close()
			settings := config(server.URL)
			settings.Now = func() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }
			client := newClient(t, settings)
			uuid, token := sim.SignIn("ada@example.com", "Ada")
			for _, call := range calls {
				sim.Fail(simulator.Fault{Times: 1, Answer: tc.answer})
				got := failure(t, call.do(t.Context(), client, uuid, token))
				if got.Kind != tc.kind || got.RetryAfter != tc.retryAfter || got.Number != 0 {
					t.Errorf("%s: %v, want %s, retry after %s", call.name, got, tc.kind, tc.retryAfter)
				}
				if err := call.do(t.Context(), client, uuid, token); err != nil {
					t.Errorf("%s after the fault: %v", call.name, err)
				}
				if n := sim.Count(call.endpoint); n != 2 {
					t.Errorf("%s made %d calls for 2: an answer was asked for again", call.name, n)
				}
			}
		})
	}
}

func TestOutage(t *testing.T) {
	sim := simulator.New(options())
	client := start(t, sim)
	uuid, token := sim.SignIn("ada@example.com", "Ada")
	sim.SetOutage(true)
	for _, call := range calls {
		if got := failure(t, call.do(t.Context(), client, uuid, token)); got.Kind != capture.Temporary ||
			got.Status != 503 {
			t.Errorf("%s: %v, want temporary with 503", call.name, got)
		}
	}
}

func TestUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	client := newClient(t, config(server.URL))
	server.Close()
	_, err := client.Issue(t.Context(), "2d4f7ad6-1ba9-4a0b-a6a5-1c1f3b2a9c10")
	if got := failure(t, err); got.Kind != capture.Temporary || got.Status != 0 {
		t.Errorf("%v, want temporary without a status", got)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v does not lead to ECONNREFUSED", err)
	}
}

// A host without a trusted certificate gets nothing.
func TestUntrustedCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the call was made")
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	_, err := newClient(t, config(server.URL)).Issue(t.Context(), "u")
	if got := failure(t, err); got.Kind != capture.Temporary {
		t.Errorf("%v, want temporary", got)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		t.Errorf("%v does not lead to the certificate", err)
	}
}

func TestTimeout(t *testing.T) {
	for _, tc := range []struct {
		name     string
		timeout  time.Duration // of the client
		deadline time.Duration // of the caller; 0: none
		want     time.Duration
	}{
		{"default", 0, 0, 10 * time.Second},
		{"the client's", 2 * time.Second, time.Minute, 2 * time.Second},
		{"the caller's", time.Minute, 2 * time.Second, 2 * time.Second},
	} {
		for _, call := range calls {
			t.Run(tc.name+" "+call.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sim := simulator.New(options())
					uuid, token := sim.SignIn("ada@example.com", "Ada")
					sim.Fail(simulator.Fault{Delay: time.Hour})
					settings := config("http://localhost")
					settings.Transport, settings.Timeout = handlerTransport{sim}, tc.timeout
					client := newClient(t, settings)

					ctx := t.Context()
					if tc.deadline != 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, tc.deadline)
						defer cancel()
					}
					before := time.Now()
					err := call.do(ctx, client, uuid, token)
					if got := failure(t, err); got.Kind != capture.Temporary ||
						!errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%v, want temporary, deadline exceeded", got)
					}
					if took := time.Since(before); took != tc.want {
						t.Errorf("gave up after %s, want %s", took, tc.want)
					}
				})
			})
		}
	}
}

// The bound holds for the body as well: a service may dribble.
func TestTimeoutInBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := config("http://localhost")
		settings.Timeout = 2 * time.Second
		settings.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: stuck{r.Context()}}, nil
		})
		_, err := newClient(t, settings).Issue(t.Context(), "u")
		if got := failure(t, err); got.Kind != capture.Temporary || got.Status != 200 ||
			!errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want temporary, deadline exceeded", got)
		}
	})
}

func TestCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulator.New(options())
		uuid, _ := sim.SignIn("ada@example.com", "Ada")
		sim.Fail(simulator.Fault{Delay: time.Hour})
		settings := config("http://localhost")
		settings.Transport = handlerTransport{sim}
		client := newClient(t, settings)

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := client.Issue(ctx, uuid)
		if got := failure(t, err); got.Kind != capture.Temporary || !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want temporary, cancelled", got)
		}
	})
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		_, _ = io.WriteString(w, `{"stat":"ok","accessToken":"a1b2c3d4e5f6g7h8","result":{"uuid":"u"}}`)
	}))
	defer other.Close()
	// 307 and 308 would carry the form along.
	for _, status := range []int{301, 302, 303, 307, 308} {
		client := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, status)
		}))
		for _, call := range calls {
			got := failure(t, call.do(t.Context(), client, "u", "z0t8k3vq5n1m7p2r"))
			if got.Kind != capture.Temporary || got.Status != status {
				t.Errorf("%s, %d: %v, want temporary with the status", call.name, status, got)
			}
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d calls went to another host", n)
	}
}

func TestMalformedTokenIsNotSent(t *testing.T) {
	sim := simulator.New(options())
	client := start(t, sim)
	_, err := client.Identify(t.Context(), secret.New("short"))
	if got := failure(t, err); got.Kind != capture.GrantGone {
		t.Errorf("%v, want grant_gone", got)
	}
	if n := sim.Count(simulator.EndpointEntity); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

// Form and header carry everything; what stands in a URL ends up in logs.
func TestRequest(t *testing.T) {
	const token, uuid = "z0t8k3vq5n1m7p2r", "2d4f7ad6-1ba9-4a0b-a6a5-1c1f3b2a9c10"
	type request struct{ method, uri, kind, authorization, form string }
	var got request
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		got = request{r.Method, r.RequestURI, r.Header.Get("Content-Type"),
			r.Header.Get("Authorization"), r.PostForm.Encode()}
	}))
	defer server.Close()
	client := newClient(t, config(server.URL+"/prefix"))
	const kind = "application/x-www-form-urlencoded"
	for i, want := range []request{
		{"POST", "/prefix/entity", kind, "OAuth " + token, "attributes=%5B%22uuid%22%5D&type_name=user"},
		{"POST", "/prefix/access/getAccessToken", kind,
			"Basic " + base64.StdEncoding.EncodeToString([]byte(issuerID+":"+issuerSecret)),
			"for_client_id=page-client&type_name=user&uuid=" + uuid},
	} {
		failure(t, calls[i].do(t.Context(), client, uuid, token))
		if got != want {
			t.Errorf("%s sent\n%+v, want\n%+v", calls[i].name, got, want)
		}
	}
}

// A service that repeats what it was sent, wherever it can.
func TestErrorsHoldNoSecret(t *testing.T) {
	const token, uuid = "z0t8k3vq5n1m7p2r", "2d4f7ad6-1ba9-4a0b-a6a5-1c1f3b2a9c10"
	basic := base64.StdEncoding.EncodeToString([]byte(issuerID + ":" + issuerSecret))
	sent := map[string][]string{
		"Identify": {token, issuerSecret},
		"Issue":    {uuid, issuerSecret, basic},
	}

	var answers []http.Handler
	for _, s := range []string{token, uuid, issuerSecret, basic} {
		for _, status := range []int{200, 400, 429, 502} {
			body, err := json.Marshal(map[string]any{
				"stat": "error", "code": 200, "error": s, "sub_error": s, "argument_name": s,
				"error_description": s, "request_id": "r-" + s,
			})
			if err != nil {
				t.Fatal(err)
			}
			answers = append(answers, simulator.Body(status, "application/json", string(body)),
				simulator.Body(status, "text/html", "<p>"+s))
		}
		answers = append(answers,
			http.RedirectHandler("/?"+s, http.StatusFound),
			simulator.TooMany(s),
			// net/http quotes a broken status line.
			http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					panic(err)
				}
				_, _ = fmt.Fprintf(conn, "HTTP/1.1 %s %s\r\n\r\n", s, s)
				_ = conn.Close()
			}))
	}
	for i, answer := range answers {
		client := start(t, answer)
		for _, call := range calls {
			err := failure(t, call.do(t.Context(), client, uuid, token))
			var out bytes.Buffer
			fmt.Fprintf(&out, "%v %+v %#v %q %+v\n", err, err, err, err, *err)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "err", err)
			if e := json.NewEncoder(&out).Encode(err); e != nil {
				t.Fatal(e)
			}
			for cause := errors.Unwrap(err); cause != nil; cause = errors.Unwrap(cause) {
				fmt.Fprintf(&out, "%v %+v %#v\n", cause, cause, cause)
			}
			for _, s := range sent[call.name] {
				if strings.Contains(out.String(), s) {
					t.Errorf("answer %d, %s: the error repeats %q:\n%s", i, call.name, s, out.String())
				}
			}
		}
	}
}

func TestErrorSaysWhatIsKnown(t *testing.T) {
	err := &capture.Error{
		Op: "entity", Kind: capture.RateLimited, Number: 510, Name: "api_limit_error", Argument: "uuid", Status: 429,
		RequestID: "r1", RetryAfter: 7 * time.Second, Cause: context.Canceled,
	}
	const want = "capture: entity: rate_limited: error 510, api_limit_error, " +
		"argument uuid, HTTP 429, request r1, retry after 7s, context canceled"
	if got := err.Error(); got != want {
		t.Errorf("Error() =\n%s, want\n%s", got, want)
	}
	if got, want := (&capture.Error{Op: "entity"}).Error(), "capture: entity: temporary"; got != want {
		t.Errorf("Error() = %s, want %s", got, want)
	}
}

func TestNew(t *testing.T) {
	good := config("https://app.us.janraincapture.com")
	if _, err := capture.New(good); err != nil {
		t.Fatal(err)
	}
	good.URL = "http://app.us.janraincapture.com"
	if _, err := capture.New(good); err == nil || !strings.HasPrefix(err.Error(), "capture: URL: ") {
		t.Errorf("a wrong URL: %v", err)
	}
}

// handlerTransport calls a handler without a network, so that synctest's clock
// can pass.
type handlerTransport struct{ http.Handler }

func (h handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	answered := httptest.NewRecorder()
	h.ServeHTTP(answered, r)
	if err := r.Context().Err(); err != nil {
		return nil, &net.OpError{Op: "read", Err: err}
	}
	return answered.Result(), nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// stuck is a body that never comes.
type stuck struct{ ctx context.Context }

func (s stuck) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func (stuck) Close() error { return nil }
