package journeys

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
)

// openTabs signs in and opens n tabs in all.
func openTabs(t *testing.T, b *browsertest.Browser, url string, n int) []*browsertest.Page {
	t.Helper()
	first := visit(t, b, url)
	signIn(t, first)
	tabs := []*browsertest.Page{first}
	for range n - 1 {
		tabs = append(tabs, visitToo(t, b, first))
	}
	return tabs
}

// noLocks fails the test if a lock of the module is held or waited for.
func noLocks(t *testing.T, p *browsertest.Page) {
	t.Helper()
	p.WaitFor(t, `navigator.locks.query().then(q => q.held.concat(q.pending).length === 0)`, soon)
}

// renewals is a list of the tokens that a tab has had since it was asked first,
// and when: by the tab's own clock, for the driver of a slow machine may be
// behind by more than a token's life.
const renewals = `(window.renewals ??= (() => {
	const list = [];
	let left = Infinity;
	setInterval(() => {
		const { expiresIn } = captureKeepalive.status();
		if (expiresIn > left + 1) list.push({token: localStorage.janrainCaptureToken, at: Date.now()});
		left = expiresIn;
	}, 50);
	return list;
})())`

// roundsAtOnce are looked at together. A pause of the machine spoils one round,
// a fault all.
const roundsAtOnce = 4

// renewInTurn opens three visible tabs with a server that takes 800 ms: each
// round of renewal is one request, and all tabs have its token within 2 s.
func renewInTurn(t *testing.T, b *browsertest.Browser, rounds int) {
	t.Helper()
	w := outside(t, startDemo(t))
	w.turns(slow(800 * time.Millisecond))
	tabs := openTabs(t, b, w.URL, 3)
	for left := rounds; left > 0; left -= roundsAtOnce {
		clocktest.OneOf(t, 3, func() error {
			return errors.Join(w.seesTurns(t, tabs, min(left, roundsAtOnce))...)
		})
	}
	w.turns(nil)
	noLocks(t, tabs[0])
}

// seesTurns lets tabs renew, round by round. It returns what was wrong.
func (w *weather) seesTurns(t *testing.T, tabs []*browsertest.Page, rounds int) (faults []error) {
	t.Helper()
	fresh(t, tabs[0])
	before := w.asked()
	for _, tab := range tabs {
		tab.Eval(t, renewals+".splice(0)", nil)
	}
	type renewal struct {
		Token string
		At    int64
	}
	all := make([][]renewal, len(tabs))
	for i, tab := range tabs {
		tab.WaitFor(t, fmt.Sprintf(renewals+".length >= %d", rounds), time.Duration(rounds+1)*2*life)
		tab.Eval(t, renewals, &all[i])
	}
	for round := range rounds {
		one := []renewal{all[0][round], all[1][round], all[2][round]}
		slices.SortFunc(one, func(a, b renewal) int { return cmp.Compare(a.At, b.At) })
		late := one[2].At - one[0].At
		if late > 2000 || one[0].Token != one[2].Token || one[0].Token != one[1].Token {
			faults = append(faults, fmt.Errorf(
				"round %d: the same token for all: %t; the last had it %d ms after the first", round,
				one[0].Token == one[2].Token, late))
		}
	}
	end := time.UnixMilli(all[0][rounds-1].At)
	if got := w.askedUntil(end) - before; got != rounds {
		faults = append(faults, fmt.Errorf("%d requests in %d rounds of three tabs", got, rounds))
	}
	for i, tab := range tabs {
		if got := without(heard(t, tab), "renewed:due"); len(got) > 0 {
			faults = append(faults, fmt.Errorf("tab %d also heard %v", i, got))
			tab.Eval(t, `heard.length = 0, 1`, nil)
		}
	}
	return faults
}

// The bar.
func TestThreeTabsTwentyRounds(t *testing.T) {
	t.Parallel()
	renewInTurn(t, browsertest.Chromium(t), 20)
}

// A tab that is frozen while it renews does not hold up the others for long, and finds the
// new token when it comes back.
func TestFrozenInItsTurn(t *testing.T) {
	t.Parallel()
	w := outside(t, startDemo(t))
	b := browsertest.ChromiumAsShipped(t)
	tabs := openTabs(t, b, w.URL, 2)
	keep, asked, open := gate(t)
	w.turns(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			keep(rw, r)
		}
	})
	last := token(t, tabs[0])
	waitFor(t, asked) // one of them has its turn
	var frozen, other *browsertest.Page
	for i, tab := range tabs {
		var holds bool
		if tab.Eval(t, `performance.getEntriesByType("resource").length,
			captureKeepalive.status().phase === "renewing" &&
			captureKeepalive.diagnostics().some(d => d.effects?.includes("ask:due"))`, &holds); holds && frozen == nil {
			frozen, other = tab, tabs[1-i]
		}
	}
	if frozen == nil {
		t.Fatal("no tab renews")
	}
	frozen.Freeze(t)
	open()
	other.WaitFor(t, fmt.Sprintf(`localStorage.janrainCaptureToken !== %q &&
		captureKeepalive.status().phase === "active"`, last), soon)
	w.turns(nil)
	frozen.Unfreeze(t)
	frozen.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)
	for _, tab := range tabs {
		if got := without(heard(t, tab), "renewed:"); len(got) > 0 {
			t.Errorf("heard %v", got)
		}
	}
	noLocks(t, other)
}

// A tab that hangs in its turn holds the others up for some seconds, no more.
func TestHungInItsTurn(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := browsertest.Chromium(t)
	p := visit(t, b, d.URL)
	signIn(t, p)
	hung := b.Open(t, d.URL+"/favicon.svg")
	hung.Eval(t, `new Promise(held => navigator.locks.request("captureKeepalive",
		() => (held(), new Promise(() => {}))))`, nil)
	p.WaitFor(t, `heard.includes("renewed:due")`, 2*life)
	p.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)
	hung.Close()
	noLocks(t, p)
	noErrors(t, p)
}

// Without Web Locks, as in old browsers, a lease in storage does it: a round of
// renewal of three tabs is one request, though the server takes 800 ms. On a busy
// machine a tab sees the lease of another too late: such rounds are tried again.
// Without a lease none has fewer than three requests.
func TestTabsWithoutLocks(t *testing.T) {
	t.Parallel()
	w := outside(t, startDemo(t))
	w.turns(slow(800 * time.Millisecond))
	tabs := openTabs(t, browsertest.Chromium(t), w.URL, 3)
	for _, tab := range tabs {
		tab.Eval(t, `Object.defineProperty(navigator, "locks", {value: undefined}), 1`, nil)
	}
	clocktest.OneOf(t, 4, func() error { return errors.Join(w.seesTurns(t, tabs, 3)...) })
}

// A tab that hangs while it has the lock does not hold up a user who waits in
// another for more than a second.
func TestUserWaitsBehindAHungTab(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	b := browsertest.Chromium(t)
	p := visit(t, b, d.URL)
	signIn(t, p)
	hung := b.Open(t, d.URL+"/favicon.svg")
	hung.Eval(t, `new Promise(held => navigator.locks.request("captureKeepalive",
		() => (held(), new Promise(() => {}))))`, nil)
	const at = `captureKeepalive.diagnostics().findLast(each => each.event === %q)?.at`
	clocktest.OneOf(t, 8, func() error {
		p.Eval(t, `window.before = captureKeepalive.diagnostics().at(-1).at, 1`, nil)
		expire(t, p)
		p.Click(t, "#capture_editProfile_submit")
		p.WaitFor(t, fmt.Sprintf(at+" > before", "save_answered"), soon)
		var took float64
		p.Eval(t, fmt.Sprintf(at+" - "+at, "answered", "dead_token"), &took)
		if took <= 0 || took > 1000 {
			wait(3 * time.Second) // a user who waits makes one call in two seconds
			return fmt.Errorf("the user waited %.0f ms for a token, want a second at most", took)
		}
		return nil
	})
	hung.Close()
	noLocks(t, p)
}

// A sign-out in one tab reaches all of them within a second.
func TestSignOutReachesAllTabs(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	tabs := openTabs(t, browsertest.Chromium(t), d.URL, 3)
	for _, tab := range tabs {
		tab.Eval(t, `captureKeepalive.on("signedout", e => window.signedOutAt = e.at), 1`, nil)
	}
	tabs[0].Eval(t, `document.querySelector("#btn-signout").addEventListener("click",
		() => window.clickedAt = Date.now(), true), 1`, nil)
	again := false
	clocktest.OneOf(t, 8, func() (late error) {
		if again {
			signIn(t, tabs[0])
			for _, tab := range tabs {
				tab.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)
				tab.Eval(t, `heard.length = 0, 1`, nil)
			}
		}
		again = true
		tabs[0].Click(t, "#btn-signout")
		var clicked int64
		tabs[0].Eval(t, `clickedAt`, &clicked)
		for i, tab := range tabs {
			tab.WaitFor(t, `heard.some(e => e.startsWith("signedout:"))`, soon)
			var at int64
			if tab.Eval(t, `signedOutAt`, &at); at-clicked > 1000 {
				late = fmt.Errorf("tab %d heard of it after %d ms", i, at-clicked)
			}
		}
		return late
	})
}

// A final no of the server ends the session in every tab, once, and for one
// reason.
func TestEndInAllTabs(t *testing.T) {
	t.Parallel()
	store := t.TempDir() + "/sessions.db"
	d := startDemo(t, "--store", store)
	tabs := openTabs(t, browsertest.Chromium(t), d.URL, 3)
	d.forget(t, store)
	for i, tab := range tabs {
		tab.WaitFor(t, `heard.some(e => e.startsWith("expired:"))`, 4*life)
		tab.WaitFor(t, `!!document.querySelector("#capture_signIn_email")`, soon)
		got := without(without(heard(t, tab), "renewerror:offline"), "renewed:") // a life may have ended before
		if !slices.Equal(got, []string{"expired:session_ended"}) {
			t.Errorf("tab %d heard %v", i, got)
		}
	}
}

// A page with handlers that log out when a token dies keeps its session, and
// no other tab takes that for a sign-out.
func TestOwnLogoutInOneTab(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	tabs := openTabs(t, browsertest.Chromium(t), d.URL+`/?options={"guard":false}`, 2)
	tabs[0].Eval(t, `janrain.settings.capture.standIn = {onDeadToken: "event"},
		janrain.events.onCaptureExpiredToken.addHandler(() => janrain.capture.ui.endCaptureSession()), 1`, nil)
	last := token(t, tabs[0])
	expire(t, tabs[0])
	tabs[0].Eval(t, `document.querySelector("#capture_editProfile_aboutMe").form.requestSubmit(), 1`, nil) // no gesture
	for _, tab := range tabs {
		tab.WaitFor(t, fmt.Sprintf(`localStorage.janrainCaptureToken && localStorage.janrainCaptureToken !== %q &&
			captureKeepalive.status().phase === "active"`, last), 2*life)
	}
	for i, tab := range tabs {
		// The site has shown another screen: the form is left unfinished there.
		got := without(without(heard(t, tab), "renewed:"), "unfinished:left")
		if len(got) > 0 {
			t.Errorf("tab %d heard %v", i, got)
		}
	}
	if got := sessionStatus(t, tabs[0]); got != 200 {
		t.Errorf("GET session is %d, want 200", got)
	}
}

// Another user signs in, in another tab: this one says so, once, and sends
// nothing of the first user's as the second.
func TestAnotherUser(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	w := outside(t, d)
	tabs := openTabs(t, browsertest.Chromium(t), w.URL, 2)
	ada, other := tabs[0], tabs[1]
	ada.Type(t, "#capture_editProfile_aboutMe", "Ada's own words")
	expire(t, ada)
	keep, asked, open := gate(t)
	w.turns(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			keep(rw, r)
		}
	})
	ada.Click(t, "#capture_editProfile_submit")
	waitFor(t, asked) // what Ada sent has failed, and waits for a token

	saved := d.saved(t)
	signInAs(t, other, "grace@example.com")
	ada.WaitFor(t, `heard.includes("identitychanged:other_user")`, soon)
	open()
	var uuids []string
	for _, tab := range tabs {
		var uuid string
		tab.Eval(t, `fetch("/keepalive/session",
			{headers: {"X-Keepalive": "1"}}).then(r => r.json()).then(s => s.uuid)`, &uuid)
		uuids = append(uuids, uuid)
	}
	if uuids[0] != uuids[1] {
		t.Errorf("the tabs have sessions of %v", uuids)
	}
	if got := d.saved(t) - saved; got != 0 {
		t.Errorf("saved %d times", got)
	}
	ends := without(heard(t, ada), "renew")
	want := []string{"unfinished:new_token", "identitychanged:other_user", "signedin:signed_in"}
	if !slices.Equal(ends, want) {
		t.Errorf("the first user's tab heard %v, want %v", ends, want)
	}
}
