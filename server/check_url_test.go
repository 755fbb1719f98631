package server

import (
	"bufio"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/capture-keepalive/capture-keepalive/server/app"
	"github.com/capture-keepalive/capture-keepalive/server/config"
)

// builtFiles stand in for what the build makes.
func builtFiles() fs.FS {
	file := &fstest.MapFile{Data: []byte("x")}
	return fstest.MapFS{
		"manifest.json": {Data: []byte(`{"module":{"file":"module.abc.wasm"},"files":{"keepalive.js":{}}}`)},
		"keepalive.js":  file, "keepalive.js.br": file, "module.abc.wasm": file, "module.abc.wasm.br": file,
	}
}

// site is a whole server in this process, behind a proxy that changes requests
// and answers.
func site(t *testing.T, request func(*http.Request), answer func(*http.Response) error) (address string) {
	t.Helper()
	settings, err := config.Read(serving("http://127.0.0.1:1", "", "STORE=memory:"))
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewUnstartedServer(nil)
	origin := "http://" + front.Listener.Addr().String()
	settings.Origins = append(settings.Origins, origin)
	server, err := app.New(t.Context(), settings, app.Options{Files: builtFiles(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	public, admin := httptest.NewServer(server.Public()), httptest.NewServer(server.Admin())
	t.Cleanup(public.Close)
	t.Cleanup(admin.Close)
	behind := func(address string) *httputil.ReverseProxy {
		target, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				if request != nil {
					request(r.Out)
				}
			},
			ModifyResponse: answer,
		}
	}
	pages, operators := behind(public.URL), behind(admin.URL)
	front.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/open/") {
			http.StripPrefix("/open", operators).ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
	front.Start()
	t.Cleanup(front.Close)
	return origin
}

func TestCheckFromOutside(t *testing.T) {
	for _, tc := range []struct {
		name, path string
		args       []string
		request    func(*http.Request)
		answer     func(*http.Response) error
		code       int
		says       string
	}{
		{name: "a good proxy", says: "Seen from here the server is fine"},
		{name: "pages of another origin", args: []string{"--origin", testOrigin},
			says: "Pages of " + testOrigin + " may ask"},
		{name: "a slash at the end", path: "/keepalive/", says: "Seen from here the server is fine"},
		{name: "another path", path: "/other", code: exitError, says: "KEEPALIVE_BASE_PATH"},
		{name: "pages that may not ask", args: []string{"--origin", "https://other.example"},
			code: exitError, says: "KEEPALIVE_ORIGINS"},
		{name: "a proxy that drops our header",
			request: func(r *http.Request) { r.Header.Del("X-Keepalive") }, code: exitError,
			says: "pass all headers on"},
		{name: "a proxy that drops Origin",
			request: func(r *http.Request) { r.Header.Set("Origin", "null") }, code: exitError,
			says: "have the proxy pass the header Origin on"},
		{name: "a proxy that redirects", answer: func(r *http.Response) error {
			r.StatusCode = http.StatusMovedPermanently
			r.Header.Set("Location", "https://elsewhere.example/")
			return nil
		}, code: exitError, says: "redirects to https://elsewhere.example/"},
		{name: "a proxy that drops cookies",
			answer: func(r *http.Response) error { r.Header.Del("Set-Cookie"); return nil },
			code:   exitError, says: "does not have the server's cookie"},
		{name: "a proxy that changes cookies", answer: func(r *http.Response) error {
			for i, line := range r.Header.Values("Set-Cookie") {
				r.Header["Set-Cookie"][i] = strings.ReplaceAll(line, "HttpOnly; ", "")
			}
			return nil
		}, code: exitError, says: "takes Secure, HttpOnly or SameSite"},
		{name: "a proxy that moves cookies", answer: func(r *http.Response) error {
			for i, line := range r.Header.Values("Set-Cookie") {
				r.Header["Set-Cookie"][i] = strings.ReplaceAll(line, "Path=/", "Path=/keepalive")
			}
			return nil
		}, code: exitError, says: "changes the path or domain"},
		{name: "a proxy that answers preflights itself", args: []string{"--origin", testOrigin},
			request: func(r *http.Request) {
				if r.Method == http.MethodOptions {
					r.Method = http.MethodGet
				}
			}, code: exitError, says: "pass OPTIONS requests on"},
		{name: "wrong types", answer: func(r *http.Response) error {
			if strings.HasSuffix(r.Request.URL.Path, ".wasm") {
				r.Header.Set("Content-Type", "application/octet-stream")
			}
			return nil
		}, code: exitError, says: "browsers want application/wasm"},
		{name: "no compression", request: func(r *http.Request) { r.Header.Del("Accept-Encoding") },
			says: "works, with 2 risks: see above"},
		{name: "another program", answer: func(r *http.Response) error {
			r.Body = io.NopCloser(strings.NewReader("<html>"))
			r.Header.Del("Content-Length")
			return nil
		}, code: exitError, says: "is not this server. Have the proxy pass /keepalive on"},
		{name: "a proxy that does not reach the server", answer: func(r *http.Response) error {
			r.StatusCode = http.StatusBadGateway
			r.Body = io.NopCloser(strings.NewReader("<html>"))
			r.Header.Del("Content-Length")
			return nil
		}, code: exitError, says: "does not reach the server. Start the server"},
		{name: "a cookie for https alone", answer: func(r *http.Response) error {
			for i, line := range r.Header.Values("Set-Cookie") {
				r.Header["Set-Cookie"][i] = "__Host-Http-" + line
			}
			return nil
		}, code: exitError, says: "Give check the https address"},
		// A fault that was found first does not hide the worst one.
		{name: "a proxy that leads to the operator's listener", path: "/open", code: exitError,
			says: "The operator's listener answers at"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			address := site(t, tc.request, tc.answer)
			if tc.path == "" {
				tc.path = "/keepalive"
			}
			var stdout, stderr output
			code := run(t.Context(),
				append([]string{"check", "--url", address + tc.path}, tc.args...), nil, &stdout, &stderr)
			if said := stdout.String() + stderr.String(); code != tc.code || !strings.Contains(said, tc.says) {
				t.Errorf("exit %d, want %d, with %q:\n%s", code, tc.code, tc.says, said)
			}
		})
	}
}

// An address is that of pages, as browsers write it: otherwise the server would
// be blamed for refusing an origin that no page has.
func TestCheckTakesAnAddressAsBrowsersWriteIt(t *testing.T) {
	for address, says := range map[string]string{
		"https://WWW.Example.com/keepalive":         "Write it in lower case",
		"https://www.example.com:443/keepalive":     "Leave it out",
		"http://www.example.com/keepalive":          "Use https",
		"https://:8443/keepalive":                   "is no web address",
		"https://www.example.com":                   "has no path",
		"https://www.example.com/keepalive?release": "is no web address",
	} {
		_, err := newOutside(address, "")
		if err == nil || !strings.HasPrefix(err.Error(), "--url ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", address, err, says)
		}
	}
	// From inside, past the proxy, the pages are told apart.
	if _, err := newOutside("http://10.0.0.7:8080/keepalive", "https://www.example.com"); err != nil {
		t.Error(err)
	}
}

// The operator's listener where everyone can ask is told of.
func TestCheckFindsTheOperatorsListener(t *testing.T) {
	for path, want := range map[string]bool{"/metrics": true, "/healthz": true, "/other": false} {
		address := site(t, nil, nil)
		seen, err := newOutside(address+"/keepalive", "")
		if err != nil {
			t.Fatal(err)
		}
		if got := seen.isOperators(t.Context(), address+"/open"+path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// What listens on the usual port may be anything, and an answer that breaks off
// is one: the part that came says enough, or nothing.
func TestAnswersThatBreakOff(t *testing.T) {
	for answer, want := range map[string]bool{
		"": false, "HTTP/1.1 200": false, "HTTP/1.1 200 OK\r\nContent-Ty": false, "\x00\xff": false,
		"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nkeepalive_build_info":   true,
		"HTTP/1.1 500 Oops\r\nContent-Length: 99\r\n\r\nkeepalive_build_info": false,
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = bufio.NewReader(conn).ReadString('\n')
				_, _ = io.WriteString(conn, answer)
				_ = conn.(*net.TCPConn).CloseWrite()
			}
		}()
		address := "http://" + listener.Addr().String()
		seen, err := newOutside(address+"/keepalive", "")
		if err != nil {
			t.Fatal(err)
		}
		if got := seen.isOperators(t.Context(), address+"/metrics"); got != want {
			t.Errorf("%q: %v, want %v", answer, got, want)
		}
		_ = listener.Close()
	}
}
