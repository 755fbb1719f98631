package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// raw sends text to the listener of base as it is, and returns the answer. The
// library's client would tidy it up.
func raw(t *testing.T, base, text string) *http.Response {
	t.Helper()
	at, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", at.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// head is a request's first lines, as a page sends them.
func head(method, path string, headers ...string) string {
	lines := append([]string{
		method + " " + path + " HTTP/1.1", "Host: localhost", "Origin: " + testOrigin, "X-Keepalive: 1",
	}, headers...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// What proxies, balancers and large sites do to requests, against the real
// program.
func TestTheDoor(t *testing.T) {
	service, upstreamURL := upstream(t)
	server := start(t, serving(upstreamURL, filepath.Join(t.TempDir(), "keepalive.db"),
		"TRUSTED_PROXIES=127.0.0.1", "RATE_LOGIN=1/1h"))
	_, token := service.SignIn("ada@example.com", "Ada")
	browser := newPage(t, server.public)
	browser.login(t, token)
	session := "Cookie: keepalive=" + cookieOf(t, browser)

	t.Run("HEAD wherever there is GET", func(t *testing.T) {
		for _, at := range []string{
			server.admin + "/healthz", server.admin + "/readyz", server.admin + "/metrics", server.admin + "/auth",
			server.public + "/keepalive/session", server.public + "/keepalive/keepalive.js",
			server.public + "/keepalive/manifest.json",
		} {
			where, err := url.Parse(at)
			if err != nil {
				t.Fatal(err)
			}
			got, want := raw(t, at, head("HEAD", where.Path, session)), raw(t, at, head("GET", where.Path, session))
			if got.StatusCode != want.StatusCode || got.StatusCode == http.StatusMethodNotAllowed {
				t.Errorf("%s: HEAD %s, GET %s", where.Path, got.Status, want.Status)
			}
			if got.Header.Get("Content-Type") != want.Header.Get("Content-Type") ||
				got.Header.Get("X-Capture-Uuid") != want.Header.Get("X-Capture-Uuid") {
				t.Errorf("%s: HEAD has other headers", where.Path)
			}
		}
		if got := raw(t, server.admin, head("HEAD", "/auth", session)); got.StatusCode != http.StatusNoContent {
			t.Errorf("HEAD /auth: %s, want 204", got.Status)
		}
		if got := raw(t, server.admin, head("HEAD", "/auth")); got.StatusCode != http.StatusUnauthorized {
			t.Errorf("HEAD /auth without a cookie: %s, want 401", got.Status)
		}
	})
	t.Run("22 KB of other cookies", func(t *testing.T) {
		var others []string
		for i := range 11 {
			others = append(others, fmt.Sprintf("site%d=%s", i, strings.Repeat("x", 2<<10)))
		}
		_, own, _ := strings.Cut(session, ": ")
		line := "Cookie: " + strings.Join(append(append(others[:5:5], own), others[5:]...), "; ")
		if got := raw(t, server.public, head("GET", "/keepalive/session", line)); got.StatusCode != http.StatusOK {
			t.Errorf("the status: %s", got.Status)
		}
		if got := raw(t, server.admin, head("GET", "/auth", line)); got.StatusCode != http.StatusNoContent {
			t.Errorf("/auth: %s", got.Status)
		}
	})
	t.Run("logins behind a proxy that writes ports", func(t *testing.T) {
		for i, from := range []string{"192.0.2.1:4711", "192.0.2.2:4711", "[2001:db8:1::1]:4711",
			"[2001:db8:2::1]", `"[2001:db8:3::1]:80"`} {
			login := func(from string) *http.Response {
				_, token := service.SignIn(fmt.Sprintf("user%d@example.com", i), "")
				body := `{"accessToken":"` + token + `"}`
				return raw(t, server.public, head("POST", "/keepalive/session", "X-Forwarded-For: "+from,
					"Content-Type: application/json", fmt.Sprint("Content-Length: ", len(body)))+body)
			}
			if got := login(from); got.StatusCode != http.StatusCreated {
				t.Errorf("the first login from %s: %s", from, got.Status)
			}
			if got := login(from); got.StatusCode != http.StatusTooManyRequests {
				t.Errorf("the second login from %s: %s", from, got.Status)
			}
		}
	})
	t.Run("an empty body in chunks", func(t *testing.T) {
		const chunked, empty = "Transfer-Encoding: chunked", "0\r\n\r\n"
		if got := raw(t, server.public,
			head("POST", "/keepalive/session/activity", session, chunked)+
				empty); got.StatusCode != http.StatusNoContent {
			t.Errorf("activity: %s", got.Status)
		}
		if got := raw(t, server.public,
			head("GET", "/keepalive/session", session, chunked)+empty); got.StatusCode != http.StatusOK {
			t.Errorf("status: %s", got.Status)
		}
		if got := raw(t, server.public,
			head("DELETE", "/keepalive/session", session, chunked)+"1\r\nx\r\n"+
				empty); got.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("a sign-out with a body that is no JSON: %s", got.Status)
		}
		if got := raw(t, server.public,
			head("DELETE", "/keepalive/session", session, chunked)+empty); got.StatusCode != http.StatusNoContent {
			t.Errorf("sign-out: %s", got.Status)
		}
	})
}
