package journeys

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
)

// Storage that throws is not a sign-out, and a full one costs few calls: at
// most three in ten minutes, with a user who saves and a laptop that wakes.
func TestStorageFails(t *testing.T) {
	t.Parallel()
	w := outside(t, startDemo(t, "--life", "50m"))
	p := visitWithClock(t, browsertest.Chromium(t), w.URL)
	signIn(t, p)
	const throws = `() => { throw new DOMException("no", "QuotaExceededError") }`
	for _, method := range []string{"getItem", "removeItem"} {
		p.Eval(t, fmt.Sprintf(`window.real = Storage.prototype.%[1]s, Storage.prototype.%[1]s = %[2]s,
			dispatchEvent(new Event("online")), dispatchEvent(new StorageEvent("storage", { key: null })), 1`, method,
			throws), nil)
		wait(1500 * time.Millisecond) // longer than a token may be gone without being a sign-out
		p.Eval(t, fmt.Sprintf(`Storage.prototype.%s = real, dispatchEvent(new Event("online")), 1`, method), nil)
		p.WaitFor(t, `captureKeepalive.token().then(() => captureKeepalive.status().phase === "active")`, soon)
	}
	if got := heard(t, p); len(got) > 0 {
		t.Errorf("heard %v", got)
	}
	before := w.asked()
	p.Eval(t, `Storage.prototype.setItem = `+throws+`, 1`, nil)
	expire(t, p)
	p.Type(t, "#capture_editProfile_city", "London")
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `heard.some((e) => e.startsWith("renewed:"))`, soon)
	for minute := range 10 {
		p.SetClock(t, time.Duration(minute+1)*time.Minute)
		p.Eval(t, `dispatchEvent(new Event("online")), 1`, nil)
		p.WaitFor(t, `captureKeepalive.token().then(() => true)`, soon)
	}
	if got := w.asked() - before; got > 3 {
		t.Errorf("%d calls in ten minutes", got)
	}
	if got := heard(t, p); slices.ContainsFunc(got, func(e string) bool { return strings.HasPrefix(e, "signedout") }) {
		t.Errorf("heard %v", got)
	}
}
