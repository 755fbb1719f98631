package journeys

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
)

// Trouble between the page and the server costs no session: the state says so,
// attempts are few, and what the user does next is finished.
func TestTrouble(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		spoil http.HandlerFunc
		why   string
	}{
		{"a captive portal", portal, "unintelligible"},
		{"a gateway without a server", gateway, "unintelligible"},
		{"reset connections", reset, "offline"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			w := outside(t, d)
			p := visit(t, browsertest.Chromium(t), w.URL)
			signIn(t, p)
			w.turns(tc.spoil)
			p.WaitFor(t, fmt.Sprintf(`heard.includes("renewerror:%s") &&
				captureKeepalive.status().phase === "waiting"`, tc.why), 2*life)
			wait(12 * time.Second) // the token has died meanwhile
			// Not counted at the server: Chromium makes two of one request if its
			// connection is reset.
			var attempts int
			p.Eval(t, `captureKeepalive.diagnostics().flatMap(d => d.effects ?? [])
				.filter(e => e.startsWith("ask:due")).length`, &attempts)
			if attempts < 1 || attempts > 7 { // after 0.5, 1, 2, 4, 8 s, and one before the death
				t.Errorf("%d attempts in about 20 s", attempts)
			}
			w.turns(nil)
			saved := d.saved(t)
			p.Click(t, "#capture_editProfile_submit")
			p.WaitFor(t, `document.querySelector("#editProfile .capture_message")?.textContent === "Saved."`, soon)
			if got := d.saved(t) - saved; got != 1 {
				t.Errorf("saved %d times", got)
			}
			got := without(without(heard(t, p), "renewed:"), "renewerror:"+tc.why)
			if got := without(without(got, "holding:expired"), "released:renewed"); len(got) > 0 {
				t.Errorf("also heard %v", got)
			}
		})
	}
}

// What the server, or a proxy, asks to wait holds for other tabs and for the
// next page, in both spellings: three tabs make one call.
func TestRetryAfterIsShared(t *testing.T) {
	t.Parallel()
	const long = time.Minute
	inSeconds := func() string { return fmt.Sprint(int(long.Seconds())) }
	for name, spoil := range map[string]http.HandlerFunc{
		"in seconds": tooMany(inSeconds),
		"as a date":  tooMany(func() string { return time.Now().Add(long).UTC().Format(http.TimeFormat) }),
		"by a proxy": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", inSeconds())
			http.Error(w, "slow down", http.StatusTooManyRequests)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := outside(t, startDemo(t))
			b := browsertest.Chromium(t)
			first := visitWithClock(t, b, w.URL)
			signIn(t, first)
			tabs := []*browsertest.Page{first}
			for range 2 {
				fresh(t, first)
				tab := visitWithClock(t, b, w.URL)
				waitSignedIn(t, tab)
				tabs = append(tabs, tab)
			}
			fresh(t, first) // not in the middle of a renewal
			before := w.asked()
			w.turns(spoil)
			tabs[0].WaitFor(t, `captureKeepalive.status().phase === "waiting"`, 2*life)
			w.turns(nil)
			tabs[1].Reload(t)
			listen(t, tabs[1])
			tabs[0].Eval(t, `dispatchEvent(new Event("online")), captureKeepalive.renew().catch(() => {}), 1`, nil)
			tabs[1].Eval(t, `captureKeepalive.renew().catch(() => {}), 1`, nil)
			// Most of that time is slept through.
			pass(t, tabs, long-20*time.Second)
			wait(3 * time.Second)
			if got := w.asked() - before; got != 1 {
				t.Errorf("%d calls during the time of Retry-After, want 1", got)
			}
			pass(t, tabs, long)
			for _, tab := range tabs {
				tab.WaitFor(t, `captureKeepalive.status().phase === "active" &&
					captureKeepalive.status().expiresIn > 0`, 2*life)
			}
		})
	}
}

// pass lets time pass for pages as a sleeping machine does.
func pass(t *testing.T, tabs []*browsertest.Page, d time.Duration) {
	t.Helper()
	for _, tab := range tabs {
		tab.SetClock(t, d)
	}
	for _, tab := range tabs {
		tab.Eval(t, `document.dispatchEvent(new Event("visibilitychange")), 1`, nil)
	}
}

// Five 503s, and the server is well: the page is good again within 15 s; and
// before the token dies, if there is time for one more attempt.
func TestGoodAgainSoon(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		life     time.Duration
		survives bool
	}{{10 * time.Second, false}, {75 * time.Second, true}} {
		t.Run(tc.life.String(), func(t *testing.T) {
			t.Parallel()
			clocktest.OneOf(t, 3, func() error { return goodAgain(t, tc.life, tc.survives) })
		})
	}
}

func goodAgain(t *testing.T, life time.Duration, survives bool) error {
	t.Helper()
	w := outside(t, startDemo(t, "--life", life.String()))
	p := visitWithClock(t, browsertest.Chromium(t), w.URL)
	signIn(t, p)
	var dies float64
	p.Eval(t, `Number(localStorage.captureKeepalive.split(" ")[4])`, &dies)
	const failures = 5
	calls := make(chan time.Time, 64)
	w.turns(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/token") {
			return
		}
		if len(calls) < failures {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
		calls <- time.Now()
	})
	var dueIn int
	p.Eval(t, `captureKeepalive.status().dueIn`, &dueIn)
	pass(t, []*browsertest.Page{p}, time.Duration(dueIn+1)*time.Second)
	p.WaitFor(t, `!!(window.good = captureKeepalive.diagnostics().find((each) =>
		each.event === "answered" && each.from === "renewing" && each.to === "active"))`, time.Minute)
	for range failures - 1 {
		<-calls
	}
	fifth, next := <-calls, <-calls
	if took := next.Sub(fifth); took > 15*time.Second {
		return fmt.Errorf("asked again %v after the last failure", took)
	}
	var good, failed float64
	p.Eval(t, `good.at`, &good)
	p.Eval(t, `captureKeepalive.diagnostics().findLast((each) =>
		each.event === "answered" && each.to === "waiting").at`, &failed)
	if survives && dies-failed < 5000 {
		t.Logf("on this machine the fifth failure came %.0f ms before the token's death", dies-failed)
		return nil // too late for one more
	}
	if (good < dies) != survives {
		return fmt.Errorf("good again %.0f ms before the token's death", dies-good)
	}
	return nil
}

// What is saved while there is no network and the token is dead does not fail:
// it is sent when both are back.
func TestSubmitIsHeld(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := visit(t, browsertest.Chromium(t), d.URL)
	signIn(t, p)
	p.Eval(t, `window.failures = 0, janrain.events.onCaptureProfileSaveFailed.addHandler(() => failures++), 1`, nil)
	p.Offline(t, true)
	p.WaitFor(t, `captureKeepalive.status().expiresIn === 0 && captureKeepalive.status().phase === "waiting"`, 2*life)
	wait(2 * time.Second) // whole seconds are rounded down
	const text = "written on a train"
	p.Eval(t, `document.querySelector("#capture_editProfile_aboutMe").value = "", 1`, nil)
	p.Type(t, "#capture_editProfile_aboutMe", text)
	saved, refused := d.saved(t), d.calls(t, "profile/save", "error")
	p.Click(t, "#capture_editProfile_submit")
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `captureKeepalive.diagnostics().some(d => d.event === "submit_held")`, soon)
	wait(11 * time.Second) // longer than it would be held with a network
	p.Offline(t, false)
	p.WaitFor(t, `document.querySelector("#editProfile .capture_message")?.textContent === "Saved."`, soon)
	var shown string
	var failures int
	p.Eval(t, `document.querySelector("#capture_editProfile_aboutMe").value`, &shown)
	p.Eval(t, `failures`, &failures)
	if shown != text || failures != 0 {
		t.Errorf("the form shows %q, and failed %d times", shown, failures)
	}
	if got := d.saved(t) - saved; got != 1 {
		t.Errorf("saved %d times", got)
	}
	if got := d.calls(t, "profile/save", "error") - refused; got != 0 {
		t.Errorf("refused %d times: it was not held", got)
	}
}

// Single sign-on replaces the token while a Save is held: of the same person,
// it is sent once, with the new token; of another, never.
func TestSingleSignOnWhileASaveIsHeld(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	w := outside(t, d)
	p := visit(t, browsertest.Chromium(t), w.URL)
	signIn(t, p)
	editing(t, p, strings.Replace(richForm, "redraw: true", "redraw: false", 1))
	for _, tc := range []struct {
		email string // an expression
		saved int
		told  []string
	}{
		{`document.querySelector("#capture_editProfile_email").value`, 1,
			[]string{"holding:expired", "released:renewed"}},
		{`"grace@example.com"`, 0, []string{"holding:expired", "identitychanged:other_user",
			"released:other_user", "unfinished:other_user", "signedin:signed_in"}},
	} {
		p.Type(t, "#capture_editProfile_city", "London")
		p.Eval(t, `heard.length = sent.length = 0, 1`, nil)
		saved := d.saved(t)
		expire(t, p)
		keep, arrived, open := gate(t)
		w.turns(keep)
		p.Click(t, "#capture_editProfile_submit")
		waitFor(t, arrived) // it was refused, and the server was asked
		p.Click(t, "#capture_editProfile_submit")
		p.WaitFor(t, `heard.includes("holding:expired")`, soon)
		uiTells(t, p, fmt.Sprintf(`fetch("/capture/ui/signin", { method: "POST",
			headers: { "Content-Type": "application/json" }, body: JSON.stringify({ email: %s, displayName: "SSO" }) })
			.then((r) => r.json()).then((answer) => (window.sso = answer.accessToken))`, tc.email),
			`["onCaptureFederateRefreshedToken", { accessToken }]`)
		waitFor(t, arrived) // the new token was reported
		open()
		w.turns(nil)
		p.WaitFor(t, fmt.Sprintf(`heard.join() === %q && captureKeepalive.status().phase === "active"`,
			strings.Join(tc.told, ",")), soon)
		for deadline := time.Now().Add(soon); d.saved(t)-saved < tc.saved && time.Now().Before(deadline); {
			wait(50 * time.Millisecond)
		}
		sent := submits(t, p)
		if got := d.saved(t) - saved; got != tc.saved || len(sent) != 1+tc.saved || sent[0] != sent[tc.saved] {
			t.Errorf("saved %d times, want %d; sent\n%s", got, tc.saved, strings.Join(sent, "\n"))
		}
		var with bool
		if p.Eval(t, `localStorage.janrainCaptureToken === sso`, &with); !with {
			t.Error("the token is not the one of the single sign-on")
		}
	}
}

// While the server is down and the network is not, a submit is let go at the
// bound, and the page is told.
func TestHeldSubmitIsLetGo(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	w := outside(t, d)
	p := visit(t, browsertest.Chromium(t), w.URL)
	signIn(t, p)
	w.turns(gateway)
	p.WaitFor(t, `captureKeepalive.status().phase === "waiting" && captureKeepalive.status().expiresIn === 0`, 3*life)
	wait(2 * time.Second)
	refused := d.calls(t, "profile/save", "error")
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `heard.includes("released:held_too_long")`, soon)
	p.WaitFor(t, `document.querySelector("#editProfile .capture_message")?.textContent`, soon)
	if got := d.calls(t, "profile/save", "error") - refused; got != 1 {
		t.Errorf("refused %d times, want once: it was let go", got)
	}
	// That was its outcome: it is not sent again when the server is back. The
	// values are there, and the user's next Save is one like any other.
	saved := d.saved(t)
	w.turns(nil)
	p.Eval(t, `dispatchEvent(new Event("online")), 1`, nil)
	p.WaitFor(t, `captureKeepalive.status().phase === "active" && captureKeepalive.status().expiresIn > 0`, 2*life)
	if got := d.saved(t) - saved; got != 0 {
		t.Errorf("saved %d times without the user", got)
	}
	saveWorks(t, d, p)
}

// token() does not wait for a renewal that hangs while the token at hand is good.
func TestTokenDoesNotWaitForAHungRenewal(t *testing.T) {
	t.Parallel()
	w := outside(t, startDemo(t, "--life", "10m"))
	p := visit(t, browsertest.Chromium(t), w.URL)
	signIn(t, p)
	keep, arrived, _ := gate(t)
	w.turns(keep)
	p.Eval(t, `captureKeepalive.renew().catch(() => {}), 1`, nil)
	waitFor(t, arrived)
	var same bool
	if p.Eval(t, `captureKeepalive.token().then(token => token === localStorage.janrainCaptureToken)`, &same); !same {
		t.Error("token() is not the token at hand")
	}
	p.WaitFor(t, `captureKeepalive.status().phase === "renewing"`, soon)
}
