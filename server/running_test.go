package main

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCheckRunning(t *testing.T) {
	_, url := upstream(t)
	server := start(t, serving(url, filepath.Join(t.TempDir(), "keepalive.db")))
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, tc := range []struct {
		name, address string
		code          int
	}{
		{"it runs", strings.TrimPrefix(server.admin, "http://"), exitOK},
		{"another program", other.Listener.Addr().String(), exitError},
		{"nothing there", gone.Listener.Addr().String(), exitError},
		{"no address", "nonsense", exitError},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stdout, stderr output
			// No secret is needed for it, and no proxy is asked.
			environment := []string{"KEEPALIVE_ADMIN_LISTEN=" + tc.address, "HTTP_PROXY=http://127.0.0.1:1"}
			if code := run(t.Context(), []string{"check", "-running"}, environment, &stdout, &stderr); code != tc.code {
				t.Errorf("exit %d, want %d\n%s%s", code, tc.code, &stdout, &stderr)
			}
			if said := stdout.String() != ""; said != (tc.code == exitOK) || (stderr.String() == "") != said {
				t.Errorf("stdout %q, stderr %q", &stdout, &stderr)
			}
		})
	}
}

// A client that is slow on purpose loses its connection, and so cannot use them
// up. The program's own bounds are too long to wait for; that they are set is
// the other test.
func TestSlowClientsAreCutOff(t *testing.T) {
	const bound = 200 * time.Millisecond
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	server := newHTTPServer(handler, slog.New(slog.DiscardHandler))
	server.ReadHeaderTimeout, server.ReadTimeout, server.IdleTimeout = bound, bound, bound
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	for name, sent := range map[string]string{
		"nothing":      "",
		"half a head":  "POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"half a body":  "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
		"idle":         "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		"endless head": "GET / HTTP/1.1\r\nHost: x\r\nX-Big: " + strings.Repeat("x", 2*maxHeaderBytes),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connection, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(connection, sent); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(connection)
			if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
				t.Fatalf("it is still connected; it was answered %q", answer)
			}
			if name == "endless head" && !strings.HasPrefix(string(answer), "HTTP/1.1 431 ") {
				t.Errorf("answered %q, want 431", answer)
			}
		})
	}
}

func TestServerHasBounds(t *testing.T) {
	server := newHTTPServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	for name, bound := range map[string]time.Duration{
		"head": server.ReadHeaderTimeout, "body": server.ReadTimeout, "answer": server.WriteTimeout, "idle": server.IdleTimeout,
	} {
		if bound <= 0 || bound > 5*time.Minute {
			t.Errorf("%s: %s", name, bound)
		}
	}
	if server.MaxHeaderBytes <= 0 || server.MaxHeaderBytes > 64<<10 {
		t.Errorf("a head may have %d bytes", server.MaxHeaderBytes)
	}
	if longest := 10 * time.Second; server.ReadHeaderTimeout > longest {
		t.Errorf("a head may take %s, want %s at most", server.ReadHeaderTimeout, longest)
	}
}

// What is shipped to run the program with must fit the program.
func TestDeployFiles(t *testing.T) {
	known := names()
	for _, name := range []string{"capture-keepalive.service", "Dockerfile"} {
		text, err := os.ReadFile(filepath.Join("..", "scripts", "deploy", name))
		if err != nil {
			t.Fatal(err)
		}
		variables := regexp.MustCompile(`\bKEEPALIVE_([A-Z_]+)`).FindAllStringSubmatch(string(text), -1)
		for _, variable := range variables {
			if !slices.Contains(known, variable[1]) {
				t.Errorf("%s: there is no setting %s", name, variable[0])
			}
		}
		if len(variables) == 0 {
			t.Errorf("%s sets nothing", name)
		}
	}
}

func TestSystemdUnit(t *testing.T) {
	file, err := os.Open(filepath.Join("..", "scripts", "deploy", "capture-keepalive.service"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	settings := make(map[string][]string)
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok && !strings.HasPrefix(name, "#") {
			settings[name] = append(settings[name], value)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"DynamicUser", "NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "ProtectKernelTunables",
		"MemoryDenyWriteExecute", "RestrictNamespaces", "RestrictSUIDSGID", "LockPersonality",
	} {
		if !slices.Equal(settings[name], []string{"yes"}) {
			t.Errorf("%s is %q, want yes", name, settings[name])
		}
	}
	if !slices.Equal(settings["ProtectSystem"], []string{"strict"}) || !slices.Equal(settings["CapabilityBoundingSet"], []string{""}) ||
		!slices.Equal(settings["Restart"], []string{"on-failure"}) || len(settings["LoadCredential"]) == 0 {
		t.Errorf("ProtectSystem %q, CapabilityBoundingSet %q, Restart %q, LoadCredential %q",
			settings["ProtectSystem"], settings["CapabilityBoundingSet"], settings["Restart"], settings["LoadCredential"])
	}
	// A secret that is no credential would be in everybody's sight.
	for _, value := range settings["Environment"] {
		if !regexp.MustCompile(`^KEEPALIVE_[A-Z_]+_FILE=%d/[a-z-]+$`).MatchString(value) {
			t.Errorf("Environment=%s", value)
		}
	}
	stop, err := time.ParseDuration(strings.Join(settings["TimeoutStopSec"], ""))
	if err != nil || stop <= drainTimeout {
		t.Errorf("TimeoutStopSec is %s (%v), and the server drains for %s", stop, err, drainTimeout)
	}
}
