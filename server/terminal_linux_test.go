package server

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
	"github.com/capture-keepalive/capture-keepalive/server/config"
)

// terminal opens a pseudo terminal: what is written to keyboard is typed.
func terminal(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keyboard.Close() })
	fd := int(keyboard.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	return keyboard, screen
}

// A person at a terminal is not made to wait: no delay for balancers, and the
// second Ctrl-C ends a server that still has something in flight.
func TestSecondCtrlCOnATerminalKills(t *testing.T) {
	reached := make(chan struct{})
	finish := make(chan struct{})
	capture := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(reached)
		<-finish
	}))
	t.Cleanup(capture.Close)
	t.Cleanup(func() { close(finish) })
	env := serving(capture.URL, filepath.Join(t.TempDir(), "keepalive.db"), "SHUTDOWN_DELAY")
	keyboard, screen := terminal(t)
	command := exec.Command(os.Args[0], "serve")
	command.Env = append(env, asProgram+"=1")
	command.Stdin, command.Stdout, command.Stderr = screen, screen, screen
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	server := &process{command: command, said: newProgramLog()}
	server.launch(t)
	server.readUntilServing(t, keyboard)
	shown := show(keyboard)

	browser := newPage(t, server.public)
	go browser.post(t.Context(), api.PathSession, api.OpenRequest{AccessToken: "alicestoken01"}, new(api.Problem))
	<-reached
	press := func() {
		t.Helper()
		if _, err := keyboard.WriteString("\x03"); err != nil {
			t.Fatal(err)
		}
	}
	press()
	server.untilReady(t, http.StatusServiceUnavailable)
	watch := clocktest.Start()
	press()
	_ = command.Wait() // the code says more
	if code := command.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("exit %d, want %d", code, exitInterrupted)
	}
	if took := watch.Took(); took > config.DrainTimeout/2 {
		t.Errorf("the process lived on for %v", took)
	}
	_ = screen.Close() // shown ends when no process has it
	if text := <-shown; !strings.Contains(text, "Press Ctrl-C again") {
		t.Errorf("the first Ctrl-C says nothing of a second one:\n%s", text)
	}
}

// show reads what a terminal shows, until no process has it open any more.
func show(keyboard io.Reader) <-chan string {
	shown := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(keyboard) // the end of a terminal is an error
		shown <- string(text)
	}()
	return shown
}

// A command that serves nothing has no renewal under way.
func TestCtrlCEndsInit(t *testing.T) {
	keyboard, screen := terminal(t)
	command := exec.Command(os.Args[0], "init", "--dir", t.TempDir())
	command.Env = append(os.Environ(), asProgram+"=1")
	command.Stdin, command.Stdout, command.Stderr = screen, screen, screen
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	_ = screen.Close()
	question := make([]byte, 1)
	if _, err := keyboard.Read(question); err != nil { // it is asked when signals are heard
		t.Fatal(err)
	}
	shown := show(keyboard)
	if _, err := keyboard.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait() // the code says more
	text := <-shown
	if code := command.ProcessState.ExitCode(); code != exitError ||
		!strings.Contains(text, "nothing was written") || strings.Contains(text, "renewal") {
		t.Errorf("exit %d, want %d, with:\n%s", code, exitError, text)
	}
}

// net/http shows what it did not ask for to the standard logger, and that can
// be a user's token.
func TestUnsolicitedAnswersAreNotLogged(t *testing.T) {
	const secret = "anothersessionstoken"
	body := `{"stat":"error","code":500}`
	capture := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		connection, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer connection.Close()
		fmt.Fprintf(buffer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"+
			"Content-Length: %d\r\n\r\n%s%s\r\n\r\n", len(body), body, secret)
		_ = buffer.Flush() // the reader is the test's subject
		_, _ = io.Copy(io.Discard, buffer)
	}))
	t.Cleanup(capture.Close)
	server := start(t, serving(capture.URL, filepath.Join(t.TempDir(), "keepalive.db"), "LOG_LEVEL=debug"))
	status, err := newPage(t, server.public).post(t.Context(), api.PathSession,
		api.OpenRequest{AccessToken: "alicestoken01"}, new(api.Problem))
	if err != nil || status != http.StatusServiceUnavailable {
		t.Fatalf("login: %d %v", status, err)
	}
	server.signal(t, syscall.SIGTERM)
	server.exits(t)
	if strings.Contains(server.log(), secret) {
		t.Errorf("the log shows what came over the line:\n%s", server.log())
	}
}
