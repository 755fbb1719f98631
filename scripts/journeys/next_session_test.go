package journeys

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
)

// What happens between one session of a browser and the next.

// signOut is a person's sign-out by the page's link.
func signOut(t *testing.T, p *browsertest.Page) {
	t.Helper()
	p.Click(t, "#btn-signout")
	p.WaitFor(t, `heard.includes("signedout:signed_out")`, soon)
}

// A sign-out on its way through a slow network does not take the cookie of the
// login that follows it.
func TestLoginBehindASlowSignOut(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	w := outside(t, d)
	p := visit(t, browsertest.Chromium(t), w.URL)
	signIn(t, p)
	late, passed := make(chan struct{}), make(chan struct{}, 8)
	w.turns(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			// What is on its way arrives, whether or not the page still waits.
			<-late
			*r = *r.WithContext(context.WithoutCancel(r.Context()))
			passed <- struct{}{}
		}
	})
	signOut(t, p)
	signIn(t, p)
	close(late)
	waitFor(t, passed)
	wait(500 * time.Millisecond) // for an answer to what has passed
	if got := sessionStatus(t, p); got != http.StatusOK {
		t.Errorf("GET session is %d after the sign-out was answered, want 200", got)
	}
	saveWorks(t, d, p)
}

// The next session is warned of limits of its own, and of no other's.
func TestTheNextSessionIsWarnedAnew(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	p := visit(t, browsertest.Chromium(t), d.URL+`/?options={"idleWarning":43200}`)
	for range 2 {
		p.Eval(t, `heard.length = 0, 1`, nil)
		signIn(t, p)
		p.WaitFor(t, `heard.includes("warning:absolute_limit") && heard.includes("warning:idle_limit")`, soon)
		signOut(t, p)
		got := heard(t, p)
		slices.Sort(got)
		if want := []string{
			"signedout:signed_out", "warning:absolute_limit", "warning:idle_limit",
		}; !slices.Equal(got, want) {
			t.Errorf("heard %v, want %v", got, want)
		}
	}
}

// Day one of every roll-out: a token that Capture does not accept ends as every
// other session does, and its user can sign in.
func TestDeadTokenOfBefore(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	p := visit(t, browsertest.Chromium(t), d.URL)
	p.Eval(t, `localStorage.setItem("janrainCaptureToken", "abcdefgh12345678"),
		localStorage.setItem("janrainCaptureToken_Expires", new Date(Date.now() + 36e5).toUTCString()), 1`, nil)
	p.Reload(t)
	listen(t, p)
	p.WaitFor(t, `heard.includes("expired:grant_refused") && !localStorage.janrainCaptureToken`, soon)
	signIn(t, p)
	saveWorks(t, d, p)
}

// A tab that began without a user takes up the session of another tab.
func TestAnonymousTabIsRestored(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"/", "/?mode=code&clientSession=onDemand"} {
		d := startDemo(t, "--life", "10m")
		b := browsertest.Chromium(t)
		anonymous := visit(t, b, d.URL+query)
		anonymous.WaitFor(t, `captureKeepalive.user().signedIn === false`, soon)
		signIn(t, visit(t, b, d.URL+query))
		anonymous.WaitFor(t, `heard.includes("signedin:signed_in") && captureKeepalive.status().phase === "active"`, soon)
		anonymous.Click(t, "#btn-edit")
		waitSignedIn(t, anonymous)
		saveWorks(t, d, anonymous)
	}
}

// A form that was given up is never sent: not when a dead token is reported
// without a screen, and not in the next user's session.
func TestGivenUpForGood(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	w := outside(t, d)
	p := visitWithClock(t, browsertest.Chromium(t), w.URL)
	signIn(t, p)
	editing(t, p, strings.Replace(richForm, "redraw: true", "redraw: false", 1))
	later := time.Duration(0)
	sleep := func(d time.Duration) {
		later += d
		pass(t, []*browsertest.Page{p}, later)
	}
	saved := d.saved(t)
	for _, next := range []string{"", "grace@example.com"} {
		p.Eval(t, `heard.length = sent.length = 0, 1`, nil)
		p.Type(t, "#capture_editProfile_city", "London")
		expire(t, p)
		w.turns(gateway)
		p.Click(t, "#capture_editProfile_submit")
		p.WaitFor(t, `heard.some((e) => e.startsWith("renewerror:"))`, soon)
		sleep(time.Minute)
		p.WaitFor(t, `heard.includes("unfinished:held_too_long")`, soon)
		w.turns(nil)
		p.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)
		if next != "" {
			signInAs(t, p, next)
		}
		p.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)
		sleep(20 * time.Second)
		p.Eval(t, `heard.length = 0, 1`, nil)
		expire(t, p)
		uiTells(t, p, `localStorage.janrainCaptureToken`, `["onCaptureExpiredToken", {}]`)
		p.WaitFor(t, `heard.includes("renewed:expired") && captureKeepalive.status().phase === "active"`, soon)
		wait(500 * time.Millisecond) // for a form that is sent after all
		if got := without(heard(t, p), "renewed:"); len(got) > 0 {
			t.Errorf("heard %v", got)
		}
		if got := len(submits(t, p)); got > 1 && next == "" || d.saved(t) != saved {
			t.Errorf("sent %d times, saved %d times", got, d.saved(t)-saved)
		}
	}
}

// A laptop that slept past the idle limit: a key moves no limit by itself. The
// page asks, and what the server says counts.
func TestKeyAfterALongSleep(t *testing.T) {
	t.Parallel()
	store := t.TempDir() + "/sessions.db"
	d := startDemo(t, "--life", "50m", "--store", store)
	p := visitWithClock(t, browsertest.Chromium(t), d.URL)
	signIn(t, p)
	d.forget(t, store)
	p.SetClock(t, 31*time.Minute)
	p.Type(t, "#capture_editProfile_aboutMe", "a")
	p.WaitFor(t, `heard.includes("expired:idle_limit")`, soon)
	p.WaitFor(t, `!!document.querySelector("#capture_signIn_email")`, soon)
}
