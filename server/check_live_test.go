package server

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/config/configtest"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
)

func TestCheck(t *testing.T) {
	service, url := upstream(t)
	dir := t.TempDir()
	// at is an answer at another time than the machine's.
	at := func(ahead time.Duration, answer http.Handler) simulator.Fault {
		return simulator.Fault{Answer: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			answer.ServeHTTP(w, r)
		})}
	}
	number := func(n int) http.Handler {
		return simulator.Body(http.StatusOK, "application/json", fmt.Sprintf(`{"stat":"error","code":%d}`, n))
	}
	// choosy knows one redirect URI.
	choosy := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("redirect_uri") == testRedirect {
			number(415).ServeHTTP(w, r)
			return
		}
		number(420).ServeHTTP(w, r)
	})
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of each client that hangs up
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	listen := func() net.Listener {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() }) // ends the loop that accepts
		return listener
	}
	silent, rude := listen(), listen()
	go func() {
		for {
			connection, err := rude.Accept()
			if err != nil {
				return
			}
			_, _ = connection.Read(make([]byte, 1<<10)) // or the close would be a reset
			_ = connection.Close()
		}
	}()
	const clock = "This machine's clock"
	for _, tc := range []struct {
		name  string
		args  []string
		env   []string
		code  int
		says  []string
		fault simulator.Fault
		not   string
	}{
		{name: "fine", env: serving(url, filepath.Join(dir, "new.db")), code: exitOK,
			says: []string{"The configuration "}},
		{name: "fine, and Capture agrees", args: []string{"--live"},
			env: serving(url, filepath.Join(dir, "new.db")), code: exitOK,
			says: []string{"takes the credentials", "The configuration "}},
		{name: "fine, with signatures", args: []string{"--live"},
			env: serving(url, filepath.Join(dir, "new.db"), "AUTH_SCHEME=signature"), code: exitOK,
			says: []string{"takes the credentials"}},
		{name: "both clients, and Capture agrees", args: []string{"--live"},
			env: serving(url, filepath.Join(dir, "new.db"), serverSide()...), code: exitOK,
			says: []string{"KEEPALIVE_ISSUER_CLIENT_ID: it", "KEEPALIVE_LOGIN_CLIENT_ID: it", "The configuration "}},
		{name: "the login client alone", args: []string{"--live"},
			env:  serving(url, filepath.Join(dir, "new.db"), serverSide(clientSideGone...)...),
			code: exitOK, says: []string{"KEEPALIVE_LOGIN_CLIENT_ID: it", "The configuration "}},
		{name: "the login client, with signatures", args: []string{"--live"},
			env:  serving(url, filepath.Join(dir, "new.db"), serverSide("AUTH_SCHEME=signature")...),
			code: exitOK, says: []string{"KEEPALIVE_LOGIN_CLIENT_ID: it"}},
		{name: "wrong login secret", args: []string{"--live"},
			env:  serving(url, filepath.Join(dir, "new.db"), serverSide("LOGIN_CLIENT_SECRET=another-secret-9")...),
			code: exitError, says: []string{"KEEPALIVE_LOGIN_CLIENT_ID and its secret",
				"KEEPALIVE_ISSUER_CLIENT_ID: it"}},
		{name: "not a login client", args: []string{"--live"},
			env: serving(url, filepath.Join(dir, "new.db"),
				serverSide("LOGIN_CLIENT_ID=issuer", "LOGIN_CLIENT_SECRET="+configtest.IssuerSecret)...),
			code: exitError, says: []string{"login_client feature"}},
		{name: "half a login client",
			env:  serving(url, filepath.Join(dir, "new.db"), "LOGIN_CLIENT_ID=login"),
			code: exitError, says: []string{"KEEPALIVE_LOGIN_CLIENT_SECRET is not set",
				"KEEPALIVE_REDIRECT_URI is not set"}},
		{name: "two problems", env: configtest.Environment("ORIGINS", "KEYS"), code: exitError,
			says: []string{"KEEPALIVE_ORIGINS is not set", "KEEPALIVE_KEYS is not set"}},
		{name: "no directory", env: serving(url, filepath.Join(dir, "none", "x.db")),
			code: exitError, says: []string{"KEEPALIVE_STORE: ", "create the directory"}},
		{name: "a directory for a file", env: serving(url, dir), code: exitError, says: []string{"KEEPALIVE_STORE: "}},
		{name: "wrong secret", args: []string{"--live"},
			env:  serving(url, filepath.Join(dir, "new.db"), "ISSUER_CLIENT_SECRET=another-secret-9"),
			code: exitError, says: []string{"KEEPALIVE_ISSUER_CLIENT_ID and its secret"}},
		{name: "not an issuer", args: []string{"--live"},
			env: serving(url, filepath.Join(dir, "new.db"), "ISSUER_CLIENT_ID=login",
				"ISSUER_CLIENT_SECRET="+loginSecret), code: exitError,
			says: []string{"KEEPALIVE_ISSUER_CLIENT_ID may not issue tokens; give it the access_issuer feature"}},
		{name: "an issuer no longer", args: []string{"--live"},
			env: serving(url, filepath.Join(dir, "new.db")), fault: simulator.Fault{Number: 480},
			code: exitError, says: []string{
				"KEEPALIVE_ISSUER_CLIENT_ID may not issue tokens; give it the access_issuer feature"}},
		{name: "wrong page", args: []string{"--live"},
			env: serving(url, filepath.Join(dir, "new.db"), "CLIENT_ID=other"), code: exitError,
			says: []string{"KEEPALIVE_CLIENT_ID"}},
		{name: "wrong type", args: []string{"--live"},
			env: serving(url, filepath.Join(dir, "new.db"), "TYPE_NAME=other"), code: exitError,
			says: []string{"KEEPALIVE_TYPE_NAME"}},
		{name: "no server there", args: []string{"--live"},
			env: serving("http://127.0.0.1:1", filepath.Join(dir, "new.db")), code: exitError,
			says: []string{"No server answers at KEEPALIVE_CAPTURE_URL"}, not: clock},
		{name: "no Redis there", args: []string{"--live"},
			env:  serving(url, "", "STORE=redis://:"+configtest.IssuerSecret+"@127.0.0.1:1"),
			code: exitError, says: []string{"KEEPALIVE_STORE: there is no answer",
				"start Redis, correct the address", "takes the credentials"}, not: "The configuration "},
		{name: "no cluster there", args: []string{"--live"},
			env:  serving(url, "", "STORE=redis-cluster://:"+configtest.IssuerSecret+"@127.0.0.1:1"),
			code: exitError, says: []string{"KEEPALIVE_STORE: there is no answer"}},
		{name: "no sentinel there", args: []string{"--live"},
			env:  serving(url, "", "STORE=redis-sentinel://:"+configtest.IssuerSecret+"@127.0.0.1:1/main"),
			code: exitError, says: []string{"KEEPALIVE_STORE: there is no answer"}},
		{name: "a Redis that is silent", args: []string{"--live"},
			env:  serving(url, "", "STORE=redis://:"+configtest.IssuerSecret+"@"+silent.Addr().String()),
			code: exitError, says: []string{"KEEPALIVE_STORE: there is no answer", "start Redis"}},
		{name: "a Redis that hangs up", args: []string{"--live"},
			env:  serving(url, "", "STORE=redis://:"+configtest.IssuerSecret+"@"+rude.Addr().String()),
			code: exitError, says: []string{"KEEPALIVE_STORE: the server there closes the connection", "rediss://"}},
		{name: "another's Redis", args: []string{"--live"},
			env:  serving(url, "", "STORE=rediss://:"+configtest.IssuerSecret+"@"+untrusted.Listener.Addr().String()),
			code: exitError, says: []string{"KEEPALIVE_STORE: the server there has no certificate", "parameter ca"}},
		{name: "another's certificate", args: []string{"--live"},
			env: serving(untrusted.URL, filepath.Join(dir, "new.db")), code: exitError,
			says: []string{"server at KEEPALIVE_CAPTURE_URL has no certificate"}, not: "No server answers"},
		{name: "a web page instead", args: []string{"--live"},
			env:   serving(url, filepath.Join(dir, "new.db")),
			fault: at(time.Hour, simulator.HTML(http.StatusNotFound)), code: exitError,
			says: []string{"this is not a Capture domain", "HTTP 404"}, not: clock},
		{name: "a page that says all is well", args: []string{"--live"},
			env:   serving(url, filepath.Join(dir, "new.db")),
			fault: simulator.Fault{Answer: simulator.HTML(http.StatusOK)}, code: exitError,
			says: []string{"this is not a Capture domain"}},
		{name: "moved", args: []string{"--live"}, env: serving(url, filepath.Join(dir, "new.db")),
			fault: simulator.Fault{Answer: http.RedirectHandler("https://www.example.com/",
				http.StatusMovedPermanently)}, code: exitError,
			says: []string{"this is not a Capture domain", "a redirect"}},
		{name: "JSON of another program", args: []string{"--live"},
			env: serving(url, filepath.Join(dir, "new.db"), serverSide(clientSideGone...)...),
			fault: simulator.Fault{Answer: simulator.Body(http.StatusNotFound, "application/json",
				`{"message":"no route"}`)}, code: exitError, says: []string{"this is not a Capture domain"}},
		{name: "in trouble", args: []string{"--live"},
			env:   serving(url, filepath.Join(dir, "new.db")),
			fault: simulator.Fault{Answer: simulator.HTML(http.StatusBadGateway)}, code: exitError,
			says: []string{"Capture is in trouble", "HTTP 502"}, not: "not a Capture domain"},
		{name: "a foreign redirect URI", args: []string{"--live"},
			env: serving(url, filepath.Join(dir, "new.db"),
				serverSide(append(clientSideGone, "REDIRECT_URI="+testRedirect+","+testOrigin+"/other")...)...),
			fault: simulator.Fault{Answer: choosy}, code: exitError,
			says: []string{"entry 2 of KEEPALIVE_REDIRECT_URI, " + testOrigin + "/other,",
				"make it the redirectUri of the page's settings", "add it to the client's redirect URIs"}},
		{name: "a clock that is slow", args: []string{"--live"},
			env: serving(url, filepath.Join(dir, "new.db")), fault: at(time.Hour, number(310)),
			code: exitError, says: []string{"takes the credentials", clock + " is ", " behind Capture's; set it"},
			not: "The configuration "},
		{name: "a clock that is fast", args: []string{"--live"},
			env:   serving(url, filepath.Join(dir, "new.db"), "AUTH_SCHEME=signature"),
			fault: at(-2*time.Minute, number(402)), code: exitError,
			says: []string{"KEEPALIVE_ISSUER_CLIENT_ID and its secret", clock + " is ",
				" ahead of Capture's", "KEEPALIVE_AUTH_SCHEME"}},
		{name: "a clock that is good enough", args: []string{"--live"},
			env: serving(url, filepath.Join(dir, "new.db")), fault: at(30*time.Second, number(310)),
			code: exitOK, says: []string{"The configuration "}, not: clock},
	} {
		t.Run(tc.name, func(t *testing.T) {
			defer service.Fail(tc.fault)() // the zero Fault is none
			var stdout, stderr output
			code := run(t.Context(), append([]string{"check"}, tc.args...), tc.env, &stdout, &stderr)
			if code != tc.code {
				t.Errorf("exit %d, want %d", code, tc.code)
			}
			for _, want := range tc.says {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("%q does not say %q", stdout.String(), want)
				}
			}
			if tc.not != "" && strings.Contains(stdout.String(), tc.not) {
				t.Errorf("%q says %q", stdout.String(), tc.not)
			}
			if all := stdout.String() + stderr.String(); strings.Contains(all, configtest.IssuerSecret) ||
				strings.Contains(all, loginSecret) || strings.Contains(all, "another-secret-9") {
				t.Errorf("a secret is in %q", all)
			}
			if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 0 {
				t.Errorf("check left %q behind (%v)", left, err)
			}
		})
	}
}
