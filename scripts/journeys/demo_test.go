// Package journeys drives the demo in real browsers, as its visitors would:
// the real page, module, server and store, and the stand-in for what is not
// ours. It runs the binary that scripts/build made.
package journeys

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
	"github.com/capture-keepalive/capture-keepalive/server/porttest"
)

const (
	// life is long enough for the 8 s that the module keeps between attempts.
	life = 10 * time.Second
	// soon bounds what needs no waiting. It is long, for a busy machine: it only
	// ends tests that have failed already.
	soon = 30 * time.Second
)

// demo is a running demo.
type demo struct {
	URL string
	cmd *exec.Cmd
}

// startDemo runs the demo until the test ends. Its flags are those of args, and
// of its own where args have none.
func startDemo(t *testing.T, args ...string) *demo {
	t.Helper()
	listen := "localhost:0"
	if slices.Contains(args, "--store") {
		// It will be started again in the same place, which no other test may get
		// meanwhile.
		_, port, _ := net.SplitHostPort(porttest.Address(t))
		listen = "localhost:" + port
	}
	for _, own := range [][]string{{"--listen", listen}, {"--life", life.String()}} {
		if !slices.Contains(args, own[0]) {
			args = append(own, args...)
		}
	}
	return startProgram(t, append([]string{"demo"}, args...))
}

// startDev runs the server and the stand-in service for pages of an origin.
func startDev(t *testing.T, origin string) *demo {
	t.Helper()
	return startProgram(t, []string{"dev", "--listen", "localhost:0", "--life", "10m", "--origin", origin})
}

// startProgram runs the built program until the test ends.
func startProgram(t *testing.T, args []string) *demo {
	t.Helper()
	binary, err := filepath.Abs("../../bin/capture-keepalive")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("%v: run `make build` first", err)
	}
	cmd := exec.Command(binary, args...)
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the program said nothing: %v", err)
	}
	named := regexp.MustCompile(`http://localhost:\d+`).FindAllString(line, -1)
	if len(named) == 0 {
		t.Fatalf("no address in %q", line)
	}
	return &demo{URL: named[len(named)-1], cmd: cmd} // dev names the page's origin first
}

// port is what the demo listens on, for starting it again in the same place.
func (d *demo) port() string { return d.URL[strings.LastIndexByte(d.URL, ':')+1:] }

// kill ends the demo as kill -9 does.
func (d *demo) kill(t *testing.T) {
	t.Helper()
	if err := d.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = d.cmd.Wait()
}

// forget ends every session as a limit does: the browsers keep their cookies.
func (d *demo) forget(t *testing.T, store string) {
	t.Helper()
	d.kill(t)
	if err := os.Remove(store); err != nil {
		t.Fatal(err)
	}
	startDemo(t, "--store", store, "--listen", "localhost:"+d.port()) // with the same keys
}

// call is a line of the stand-in service's log.
type call struct {
	Endpoint, Outcome string
	Code, Status      int
}

// calls returns what the stand-in service was asked, with an outcome, of one
// endpoint.
func (d *demo) calls(t *testing.T, endpoint, outcome string) int {
	t.Helper()
	response, err := http.Get(d.URL + "/capture/control/calls")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var log struct{ Calls []call }
	if err := json.NewDecoder(response.Body).Decode(&log); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range log.Calls {
		if strings.Contains(c.Endpoint, endpoint) && (outcome == "" || c.Outcome == outcome) {
			n++
		}
	}
	return n
}

// issued is how many tokens were minted.
func (d *demo) issued(t *testing.T) int { t.Helper(); return d.calls(t, "getAccessToken", "ok") }

// saved is how many saves were accepted.
func (d *demo) saved(t *testing.T) int { t.Helper(); return d.calls(t, "profile/save", "ok") }

// outage switches the stand-in service off, or on again.
func (d *demo) outage(t *testing.T, on bool) {
	t.Helper()
	body := strings.NewReader(fmt.Sprintf(`{"on":%t}`, on))
	response, err := http.Post(d.URL+"/capture/control/outage", "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNoContent {
		answer, _ := io.ReadAll(response.Body)
		t.Fatalf("outage: %s: %s", response.Status, answer)
	}
}

// visit opens the demo page and keeps a list of the public events in
// window.heard.
func visit(t *testing.T, b *browsertest.Browser, url string) *browsertest.Page {
	t.Helper()
	p := b.Open(t, url)
	onDemo(t, p)
	return p
}

// visitWithClock opens the page with a clock that SetClock sets for our files,
// too: they keep the Date that is there when they run.
func visitWithClock(t *testing.T, b *browsertest.Browser, url string) *browsertest.Page {
	t.Helper()
	p := b.Open(t, "about:blank")
	p.SetClock(t, 0)
	p.Navigate(t, url)
	onDemo(t, p)
	return p
}

// visitToo opens the page in another tab of the browser of first, where the
// user is signed in, and waits until it is signed in, too. It is loaded while
// the token is fresh: a token that is renewed at that moment is dead before the
// Registration UI has shown a screen with it.
func visitToo(t *testing.T, b *browsertest.Browser, first *browsertest.Page) *browsertest.Page {
	t.Helper()
	var url string
	first.Eval(t, `location.href`, &url)
	p := b.Open(t, url[:strings.LastIndexByte(url, '/')]+"/favicon.svg")
	fresh(t, first)
	p.Navigate(t, url)
	onDemo(t, p)
	waitSignedIn(t, p)
	return p
}

// fresh waits until most of the token's life is to come.
func fresh(t *testing.T, p *browsertest.Page) {
	t.Helper()
	p.WaitFor(t, `captureKeepalive.status().phase === "active" && captureKeepalive.status().dueIn >= 6`, 3*life)
}

// onDemo prepares the demo page for a test.
func onDemo(t *testing.T, p *browsertest.Page) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			var report string
			p.Eval(t, `captureKeepalive.report() + "\n" + document.querySelector("#log")?.innerText`, &report)
			t.Logf("the page says:\n%s", report)
		}
	})
	// The side without capture-keepalive makes calls of its own.
	p.Eval(t, `document.querySelector("#without")?.remove(), 1`, nil)
	listen(t, p)
}

func listen(t *testing.T, p *browsertest.Page) {
	t.Helper()
	p.Eval(t, `window.heard = [],
		["renewed","renewerror","warning","stayed","expired","signedout",
			"identitychanged","signedin","holding","released","unfinished"]
		.forEach(name => captureKeepalive.on(name, e => heard.push(name + ":" + e.reason))), 1`, nil)
}

func heard(t *testing.T, p *browsertest.Page) []string {
	t.Helper()
	var events []string
	p.Eval(t, `window.heard`, &events)
	return events
}

// signIn signs in through the form, as a visitor does, and takes what the page
// hears of it out of what it has heard.
func signIn(t *testing.T, p *browsertest.Page) {
	t.Helper()
	p.Eval(t, `window.logins = (window.heard ?? []).filter(e => e === "signedin:signed_in").length, 1`, nil)
	p.WaitFor(t, `document.querySelector("#capture_signIn_email")?.value !== ""`, soon)
	p.Click(t, "#capture_signIn_submit")
	waitSignedIn(t, p)
	p.WaitFor(t, `!window.heard || heard.filter(e => e === "signedin:signed_in").length === logins + 1`, soon)
	p.Eval(t, `window.heard && heard.splice(heard.lastIndexOf("signedin:signed_in"), 1), 1`, nil)
}

// signInAs signs another person in, also over a user who is signed in.
func signInAs(t *testing.T, p *browsertest.Page, email string) {
	t.Helper()
	// The UI shows the profile over it when a renewal has just brought a token.
	p.WaitFor(t, `(async () => {
		const shows = () => document.querySelector("#capture_signIn_email")?.value !== undefined;
		if (!shows()) janrain.capture.ui.renderScreen("signIn");
		await new Promise((done) => setTimeout(done, 300));
		return shows();
	})()`, soon)
	p.Eval(t, fmt.Sprintf(`["email", "displayName"].forEach((field) =>
		document.querySelector("#capture_signIn_" + field).value = %q), 1`, email), nil)
	p.Click(t, "#capture_signIn_submit")
	waitSignedIn(t, p)
}

// uiTells has the Registration UI take a token, an expression, and tell of it
// by an event with a payload of its own.
func uiTells(t *testing.T, p *browsertest.Page, token, event string) {
	t.Helper()
	p.Eval(t, fmt.Sprintf(`(async () => {
		const { capture } = janrain.settings, { standIn } = capture, accessToken = await %s;
		capture.standIn = { tell: () => %s };
		janrain.capture.ui.createCaptureSession(accessToken);
		capture.standIn = standIn;
	})()`, token, event), nil)
}

func waitSignedIn(t *testing.T, p *browsertest.Page) {
	t.Helper()
	p.WaitFor(t, `!!document.querySelector("#capture_editProfile_aboutMe")`, soon)
	p.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)
}

// expire makes the stand-in service let the page's token expire.
func expire(t *testing.T, p *browsertest.Page) {
	t.Helper()
	var status int
	p.Eval(t, `fetch("/capture/control/expire", {method: "POST", headers: {"Content-Type": "application/json"},
		body: JSON.stringify({accessToken: localStorage.janrainCaptureToken})}).then(r => r.status)`, &status)
	if status < 200 || status > 299 {
		t.Fatalf("expire answered %d", status)
	}
}

func phase(t *testing.T, p *browsertest.Page) string {
	t.Helper()
	var s struct{ Phase string }
	p.Eval(t, `captureKeepalive.status()`, &s)
	return s.Phase
}

// sessionStatus asks the server about the session, with the page's cookie.
func sessionStatus(t *testing.T, p *browsertest.Page) int {
	t.Helper()
	var status int
	p.Eval(t, `fetch("/keepalive/session", {headers: {"X-Keepalive": "1"}}).then(r => r.status)`, &status)
	return status
}

func noErrors(t *testing.T, p *browsertest.Page) {
	t.Helper()
	if errs := p.Errors(t); len(errs) > 0 {
		t.Errorf("on the console:\n%s", strings.Join(errs, "\n"))
	}
}

func without(events []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(events), func(e string) bool { return strings.HasPrefix(e, prefix) })
}
