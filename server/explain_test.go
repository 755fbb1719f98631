//go:build unix

package server

import (
	"context"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
)

func TestExplainCommand(t *testing.T) {
	for _, tc := range []struct {
		name, log string
		args      []string
		code      int
		says      string
	}{
		{"no uuid", "", nil, exitUsage, "--uuid is missing"},
		{"no log", "", []string{"--uuid", someUUID}, exitError, "KEEPALIVE_LOG_FORMAT=json"},
		{"another user's log", `{"time":"2026-11-26T13:00:00Z","msg":"x","user":"00000000"}`,
			[]string{"--uuid", someUUID}, exitError, "says nothing about this user"},
		{"a time ahead", "", []string{"--uuid", someUUID, "--since", "-2h"}, exitUsage, "a time back from now"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stdout, stderr output
			p := &program{stdin: strings.NewReader(tc.log), stdout: &stdout, stderr: &stderr}
			code := p.run(t.Context(), append([]string{"explain"}, tc.args...))
			if said := stdout.String() + stderr.String(); code != tc.code || !strings.Contains(said, tc.says) {
				t.Errorf("exit %d, want %d, with %q: %s", code, tc.code, tc.says, said)
			}
		})
	}
}

// longLog ends after more than a person would wait for.
type longLog struct {
	reads  int
	onRead func()
}

// Read implements io.Reader.
func (l *longLog) Read(to []byte) (int, error) {
	l.onRead()
	if l.reads++; l.reads > 100 {
		return 0, io.EOF
	}
	return copy(to, strings.Repeat("{}\n", 1000)), nil
}

func TestExplainStopsWhenAsked(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	log := &longLog{onRead: stop}
	var stderr output
	p := &program{stdin: log, stdout: new(output), stderr: &stderr}
	code := p.run(ctx, []string{"explain", "--uuid", someUUID})
	if code != exitError || !strings.Contains(stderr.String(), "was stopped") || log.reads > 1 {
		t.Errorf("exit %d after %d reads: %s", code, log.reads, stderr.String())
	}
}

// The log of the real program, and what support wants to know from it.
func TestExplainTheRealLog(t *testing.T) {
	ask := func(t *testing.T, browser *page) int {
		t.Helper()
		status, err := browser.post(t.Context(), api.PathToken,
			api.TokenRequest{Reason: api.ReasonStart}, new(api.TokenAnswer))
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	for _, tc := range []struct {
		name    string
		changes []string
		end     func(t *testing.T, server *process, service *simulator.Service, browser *page, uuid string)
		says    string
	}{
		{name: "idle", changes: []string{"IDLE_TIMEOUT=200ms"}, says: "the user was not active for the idle limit"},
		{name: "absolute", changes: []string{"IDLE_TIMEOUT=200ms", "ABSOLUTE_TIMEOUT=200ms"}, says: "limit"},
		{name: "revoked", end: func(t *testing.T, server *process, _ *simulator.Service, _ *page, uuid string) {
			var stdout, stderr output
			admin := "KEEPALIVE_ADMIN_LISTEN=" + strings.TrimPrefix(server.admin, "http://")
			if code := run(t.Context(), []string{"revoke", "--uuid", uuid}, []string{admin},
				&stdout, &stderr); code != exitOK {
				t.Fatalf("revoke: exit %d: %s", code, stderr.String())
			}
		}, says: "the operator revoked all sessions"},
		{name: "signed out", end: func(t *testing.T, server *process, _ *simulator.Service, browser *page, _ string) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodDelete,
				server.public+"/keepalive/session", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Origin", testOrigin)
			r.Header.Set("X-Keepalive", "1")
			response, err := browser.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
		}, says: "the user signed out"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			service, url := upstream(t)
			uuid, token := service.SignIn("ada@example.com", "Ada")
			server := start(t, serving(url, "", append(tc.changes, "STORE=memory:")...))
			browser := newPage(t, server.public)
			browser.login(t, token)
			if tc.end != nil {
				tc.end(t, server, service, browser, uuid)
			}
			for deadline := time.Now().Add(patience); ask(t, browser) != http.StatusUnauthorized; {
				if time.Now().After(deadline) {
					t.Fatal("the session does not end")
				}
			}
			server.signal(t, syscall.SIGTERM)
			server.exits(t)
			var stdout, stderr output
			p := &program{stdin: strings.NewReader(server.log()), stdout: &stdout, stderr: &stderr}
			code := p.run(t.Context(), []string{"explain", "--uuid", uuid, "--since", "1h"})
			story := stdout.String()
			if code != exitOK || !strings.Contains(story, "The user signed in") || !strings.Contains(story, tc.says) ||
				strings.Contains(story, uuid) || strings.Contains(story, "does not say") {
				t.Errorf("exit %d, want the story with %q:\n%s%s\nof\n%s", code, tc.says, story,
					stderr.String(), server.log())
			}
		})
	}
}
