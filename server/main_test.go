package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/config/configtest"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
)

func TestSessionsSurviveKill(t *testing.T) {
	service, url := upstream(t)
	_, token := service.SignIn("ada@example.com", "Ada")
	env := serving(url, filepath.Join(t.TempDir(), "keepalive.db"))
	first := start(t, env)
	browser := newPage(t, first.public)
	browser.login(t, token)
	for round := range 3 {
		var before, after api.TokenAnswer
		if status, err := browser.post(t.Context(), api.PathToken,
			api.TokenRequest{Reason: api.ReasonInvalid, Have: token}, &before); err != nil || status != http.StatusOK {
			t.Fatalf("round %d: %d %v", round, status, err)
		}
		if err := first.command.Process.Kill(); err != nil { // SIGKILL
			t.Fatal(err)
		}
		_ = first.command.Wait() // the error is the signal
		first = start(t, env)
		browser = browser.at(first.public)
		if status, err := browser.post(t.Context(), api.PathToken,
			api.TokenRequest{Reason: api.ReasonStart}, &after); err != nil || status != http.StatusOK {
			t.Fatalf("round %d, after the kill: %d %v\n%s", round, status, err, first.log())
		}
		if before.AccessToken == token || after.AccessToken != before.AccessToken {
			t.Fatalf("round %d: the token that was answered is not the one that was kept", round)
		}
		token = after.AccessToken
	}
}

// A renewal is under way when the server is told to stop: it is finished and
// kept, whether or not its page waits for it.
func TestTerminateDrains(t *testing.T) {
	for name, waits := range map[string]bool{"the page waits": true, "the page has left": false} {
		t.Run(name, func(t *testing.T) {
			const minted = "mintedwhiledying1"
			service, url := upstream(t)
			_, token := service.SignIn("ada@example.com", "Ada")
			path := filepath.Join(t.TempDir(), "keepalive.db")
			server := start(t, serving(url, path))
			browser := newPage(t, server.public)
			browser.login(t, token)

			reached, finish := make(chan struct{}), make(chan struct{})
			release := sync.OnceFunc(func() { close(finish) })
			defer release()
			service.Fail(simulator.Fault{Endpoint: simulator.EndpointIssue, Times: 1,
				Answer: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					close(reached)
					<-finish
					w.Header().Set("Content-Type", "application/json")
					_, _ = io.WriteString(w, `{"stat":"ok","accessToken":"`+minted+`"}`)
				})})
			type outcome struct {
				status int
				answer api.TokenAnswer
				err    error
			}
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			inFlight := make(chan outcome, 1)
			go func() {
				var got outcome
				got.status, got.err = browser.post(ctx, api.PathToken,
					api.TokenRequest{Reason: api.ReasonInvalid, Have: token}, &got.answer)
				inFlight <- got
			}()
			<-reached
			if !waits {
				leave()
				if got := <-inFlight; !errors.Is(got.err, context.Canceled) {
					t.Fatalf("the page did not leave: %d %v", got.status, got.err)
				}
			}

			if status := get(t, server.admin+"/readyz"); status != http.StatusOK {
				t.Errorf("/readyz before: %d", status)
			}
			if err := server.command.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			deadline := time.Now().Add(patience)
			for get(t, server.admin+"/readyz") != http.StatusServiceUnavailable {
				if time.Now().After(deadline) {
					t.Fatal("/readyz does not turn 503")
				}
			}
			release()
			if waits {
				if got := <-inFlight; got.err != nil || got.status != http.StatusOK ||
					got.answer.AccessToken != minted {
					t.Errorf("the request in flight: %d %v", got.status, got.err)
				}
			}
			if err := server.command.Wait(); err != nil {
				t.Errorf("exit: %v, want 0\n%s", err, server.log())
			}

			again := browser.at(start(t, serving(url, path)).public)
			var kept api.TokenAnswer
			if status, err := again.post(t.Context(), api.PathToken,
				api.TokenRequest{Reason: api.ReasonStart}, &kept); err != nil ||
				status != http.StatusOK || kept.AccessToken != minted {
				t.Errorf("after the restart: %d %v, another token: %v", status, err, kept.AccessToken != minted)
			}
		})
	}
}

func TestServeFailsClearly(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	path, missing := filepath.Join(dir, "keepalive.db"), filepath.Join(dir, "nowhere", "keepalive.db")
	for _, tc := range []struct {
		name string
		env  []string
		args []string
		code int
		says string
	}{
		{"a port that is taken",
			serving("http://127.0.0.1:1", path, "LISTEN="+taken.Addr().String()), nil, exitError, "KEEPALIVE_LISTEN"},
		{"an admin port that is taken",
			serving("http://127.0.0.1:1", path, "ADMIN_LISTEN="+taken.Addr().String()), nil,
			exitError, "KEEPALIVE_ADMIN_LISTEN"},
		{"a store that cannot be", serving("http://127.0.0.1:1", missing), nil, exitError, "create the directory"},
		{"no configuration", nil, nil, exitError, "KEEPALIVE_ORIGINS"},
		{"an argument", configtest.Environment(), []string{"now"}, exitUsage, `"now"`},
		{"a flag", configtest.Environment(), []string{"--now"}, exitUsage, "--now"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stdout, stderr output
			code := run(t.Context(), append([]string{"serve"}, tc.args...), tc.env, &stdout, &stderr)
			if code != tc.code || !strings.Contains(stderr.String(), tc.says) {
				t.Errorf("exit %d, want %d; %q should say %q", code, tc.code, stderr.String(), tc.says)
			}
		})
	}
}

func TestOtherCommands(t *testing.T) {
	for _, tc := range []struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{[]string{"version"}, exitOK, "capture-keepalive dev go", ""},
		{[]string{"--version"}, exitOK, "capture-keepalive version dev go", ""},
		{[]string{"help"}, exitOK, "Available Commands:", ""},
		{[]string{"--help"}, exitOK, "Available Commands:", ""},
		{nil, exitUsage, "", "no command is given"},
		{[]string{"sevre"}, exitUsage, "", "Did you mean this?\n\tserve"},
		{[]string{"serve", "--help"}, exitOK, "KEEPALIVE_ in front", ""},
		{[]string{"check", "--help"}, exitOK, "IDLE_TIMEOUT", ""},
		{[]string{"demo", "--listen", "0.0.0.0:8080"}, exitUsage, "", "on this machine"},
		{[]string{"demo", "--life", "-1s"}, exitUsage, "", "--life"},
		{[]string{"demo", "--life", "long"}, exitUsage, "", "--life"},
		{[]string{"check", "-live"}, exitUsage, "", "two dashes"},
		{[]string{"revoke"}, exitUsage, "", "--uuid is missing"},
		{[]string{"revoke", "--uuid", "u", "now"}, exitUsage, "", `"now"`},
		{[]string{"revoke", "--uuid", "u"}, exitUsage, "", "is no uuid"},
		{[]string{"sessions", "--uuid", someUUID + "x"}, exitUsage, "", "is no uuid"},
		{[]string{"check", "--uuid", "ada@example.com"}, exitUsage, "", "is no uuid"},
		{[]string{"sessions"}, exitUsage, "", "--uuid is missing"},
		{[]string{"demo", "--help"}, exitOK, "--store", ""},
		{[]string{"help", "serve"}, exitOK, "KEEPALIVE_ in front", ""},
		{[]string{"help", "nothing"}, exitUsage, "", `unknown command "nothing"`},
		{[]string{"completion"}, exitUsage, "", "bash, zsh, fish or powershell"},
		{[]string{"completion", "tcsh"}, exitUsage, "", `unknown command "tcsh"`},
		// A shell's unset variable is no reason to check something else.
		{[]string{"check", "--url", ""}, exitUsage, "", `"--url" flag: the flag is empty`},
		{[]string{"check", "--live", "--uuid", " "}, exitUsage, "", `"--uuid" flag: the flag is empty`},
		{[]string{"revoke", "--uuid", ""}, exitUsage, "", `"--uuid" flag: the flag is empty`},
		{[]string{"revoke", "--uuid", someUUID, "--uuid=" + someUUID}, exitUsage, "", "give it once"},
		{[]string{"check", "--live", "--live=false"}, exitUsage, "", "give it once"},
		{[]string{"check", "--url", "www.example.com"}, exitUsage, "", "--url is no web address"},
		{[]string{"check", "--url", testOrigin + "/k?x"}, exitUsage, "", "--url is no web address"},
		{[]string{"check", "--url", testOrigin + "/k#x"}, exitUsage, "", "--url is no web address"},
		{[]string{"check", "--url", testOrigin + "/"}, exitUsage, "", "--url has no path"},
		{
			[]string{"check", "--url", testOrigin + "/k", "--origin", "a.example"}, exitUsage, "",
			"--origin is not an origin",
		},
		{
			[]string{"check", "--url", testOrigin + "/k", "--origin", "https://a\nb"}, exitUsage, "",
			"--origin holds a line break",
		},
		{[]string{"check", "--origin", testOrigin}, exitUsage, "", "--origin goes with --url"},
		{[]string{"check", "--running", "--live"}, exitUsage, "", "three different checks"},
		{[]string{"check", "--url", testOrigin, "--live"}, exitUsage, "", "three different checks"},
		{[]string{"init", "--dir", "/nowhere/at/all"}, exitUsage, "", "is no folder"},
		{[]string{"dev"}, exitUsage, "", "--origin is missing"},
		{[]string{"dev", "--origin", "localhost:5173"}, exitUsage, "", "like http://localhost:5173"},
		{[]string{"dev", "--origin", "https://a.example"}, exitUsage, "", "like http://localhost:5173"},
		{[]string{"dev", "--origin", "http://192.168.1.5:3000"}, exitUsage, "", "is not on this machine"},
		{[]string{"dev", "--origin", "https://localhost:5173"}, exitUsage, "", "is https"},
		{[]string{"dev", "--origin", `"https://a.example"`}, exitUsage, "", "is not on this machine"},
		{[]string{"dev", "--origin", "“https://localhost:5173/”"}, exitUsage, "", "is https"},
		{[]string{"check", "--live=yes"}, exitUsage, "", "write the flag alone"},
		{[]string{"check"}, exitError, "capture-keepalive init", ""},
		{[]string{"serve"}, exitError, "", "set -a; . ./environment"},
		{[]string{"check", "keepalive.env"}, exitUsage, "", `check takes flags alone, and "keepalive.env" is none`},
		{[]string{"explain", "--uuid", someUUID, "keepalive.log"}, exitUsage, "", "put < in front of its name"},
		{[]string{"explain", "--uuid", someUUID, "--since", "2d"}, exitUsage, "", "such as 90s, 30m or 48h"},
		{[]string{"dev", "--life", "90"}, exitUsage, "", "such as 90s, 30m or 48h"},
		{[]string{"snippet", "--endpoint", "//keepalive"}, exitUsage, "", "such as /keepalive"},
		{[]string{"completion", "bash"}, exitOK, "__start_capture-keepalive", ""},
	} {
		var stdout, stderr output
		code := run(t.Context(), tc.args, nil, &stdout, &stderr)
		if code != tc.code || !strings.Contains(stdout.String(), tc.stdout) ||
			!strings.Contains(stderr.String(), tc.stderr) {
			t.Errorf("%q: exit %d, stdout %q, stderr %q", tc.args, code, stdout.String(), stderr.String())
		}
	}
}

// docs/reference.md has all commands, and no other.
func TestReferenceHasTheCommands(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "reference.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n## Commands\n")
	table, _, _ = strings.Cut(table, "\n## ")
	var listed, want []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|").FindAllStringSubmatch(table, -1) {
		listed = append(listed, row[1])
	}
	for _, command := range new(program).root().Commands() {
		want = append(want, command.Name()) // help comes when it runs
	}
	slices.Sort(listed)
	slices.Sort(want)
	if !slices.Equal(listed, want) {
		t.Errorf("the reference lists %q, the commands are %q", listed, want)
	}
}
