package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// A command that meets another program says so, in time, whatever that program
// answers; it tells it nothing more and lets it write nothing to the terminal.
func TestCommandsMeetAnotherProgram(t *testing.T) {
	asked := make(chan string, 100)
	third := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- r.Method
	}))
	defer third.Close()
	over := make(chan struct{})
	says := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, answer := range map[string]http.HandlerFunc{
		"a page":         says(200, "<h1>It works!</h1>"),
		"nothing":        says(200, ""),
		"JSON":           says(200, `{"status":"fine"}`),
		"null":           says(200, "null"),
		"control codes":  says(500, `{"code":"internal","detail":"\u001b[2J\u0007\u009b31m"}`),
		"a redirect":     http.RedirectHandler(third.URL, http.StatusTemporaryRedirect).ServeHTTP,
		"other protocol": switchProtocols(over),
	} {
		other := httptest.NewServer(answer)
		address := strings.TrimPrefix(other.URL, "http://")
		for _, args := range [][]string{
			{"check", "--running"}, {"sessions", "--uuid", someUUID}, {"revoke", "--uuid", someUUID},
			{"check", "--url", other.URL + "/keepalive"},
		} {
			var stdout, stderr output
			done := make(chan int, 1)
			go func() {
				done <- run(t.Context(), args, []string{"KEEPALIVE_ADMIN_LISTEN=" + address}, &stdout, &stderr)
			}()
			select {
			case code := <-done:
				said := stdout.String() + stderr.String()
				if code != exitError || said == "" || strings.Contains(said, "check the uuid") ||
					strings.ContainsAny(said, "\x1b\a\u009b") {
					t.Errorf("%s, %s: exit %d, %q", name, args[:2], code, said)
				}
			case <-time.After(patience):
				t.Errorf("%s, %s: no end", name, args[:2])
			}
		}
		other.CloseClientConnections()
	}
	close(over)
	select {
	case method := <-asked:
		t.Errorf("a redirect was followed: %s", method)
	default:
	}
}

// A user can have more sessions than fit on a screen: all are listed, or none.
func TestSessionsListsAll(t *testing.T) {
	const sessions = 20_000
	var answer api.ListAnswer
	for range sessions {
		answer.Sessions = append(answer.Sessions, api.ListedSession{
			Session: "0123abcd", Mode: "token", Opened: "2026-11-26T13:00:00Z", Key: "k1",
			AbsoluteExpires: "2026-11-26T13:00:00Z", IdleExpires: "2026-11-26T13:00:00Z",
		})
	}
	body, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		body        []byte
		code, lines int
	}{
		{body, exitOK, 1 + sessions},
		{append(bytes.Repeat([]byte(" "), maxAdminAnswer), body...), exitError, 0},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(tc.body)
		}))
		defer server.Close()
		var stdout, stderr output
		code := run(t.Context(), []string{"sessions", "--uuid", someUUID},
			[]string{"KEEPALIVE_ADMIN_LISTEN=" + strings.TrimPrefix(server.URL, "http://")}, &stdout, &stderr)
		if lines := strings.Count(stdout.String(), "\n"); code != tc.code || lines != tc.lines {
			t.Errorf("%d bytes: exit %d with %d lines, want %d with %d: %s",
				len(tc.body), code, lines, tc.code, tc.lines, stderr.String())
		}
	}
}

// switchProtocols answers HTTP 101 and holds the connection until over.
func switchProtocols(over <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n" +
			"Connection: Upgrade\r\nUpgrade: x\r\n\r\n"))
		<-over
	}
}
