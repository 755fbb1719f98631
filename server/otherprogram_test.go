package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
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
