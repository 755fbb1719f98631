package browsertest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
)

// patience bounds what needs no waiting.
const patience = 30 * time.Second

// ticks counts the timers of 50 ms that run within a while.
func ticks(t *testing.T, page *Page, while time.Duration) int {
	t.Helper()
	var n int
	page.Eval(t, fmt.Sprintf(`new Promise((done) => {
		let n = 0;
		const until = performance.now() + %d;
		const tick = () => performance.now() < until ? (n++, setTimeout(tick, 50)) : done(n);
		setTimeout(tick, 50);
	})`, while.Milliseconds()), &n)
	return n
}

// hideAndShow returns how many timers of 50 ms a hidden page and a visible one
// run in three seconds.
func hideAndShow(t *testing.T, browser *Browser, url string) (hidden, visible int) {
	t.Helper()
	const while = 3 * time.Second
	page, other := browser.Open(t, url), browser.Open(t, url)
	page.Eval(t, `window.states = [], addEventListener("visibilitychange",
		() => states.push(document.visibilityState))`, nil)
	page.Hide(t)
	other.WaitFor(t, `document.visibilityState === "visible"`, patience)
	hidden = ticks(t, page, while)
	page.Show(t)
	page.WaitFor(t, `states.join() === "hidden,visible"`, patience)
	return hidden, ticks(t, page, while)
}

// fullSpeed is what a page runs at least, on a busy machine.
const fullSpeed = 20

func testHide(t *testing.T, browser *Browser, url string) {
	clocktest.OneOf(t, 6, func() error {
		if hidden, visible := hideAndShow(t, browser, url); hidden < fullSpeed || visible < fullSpeed {
			return fmt.Errorf("%d timers ran on the hidden page and %d on the visible one", hidden, visible)
		}
		return nil
	})
}

func TestAsShipped(t *testing.T) {
	url := site(t)
	browser := ChromiumAsShipped(t)

	t.Run("throttled", func(t *testing.T) {
		clocktest.OneOf(t, 6, func() error {
			if hidden, visible := hideAndShow(t, browser, url); hidden < 1 || hidden > 6 || visible < fullSpeed {
				return fmt.Errorf("%d timers ran on the hidden page, want one a second, and %d on the visible one",
					hidden, visible)
			}
			return nil
		})
	})

	t.Run("back/forward cache", func(t *testing.T) {
		page := browser.Open(t, url)
		page.Eval(t, `window.mark = true`, nil)
		page.Navigate(t, url+"/two")
		page.Back(t)
		page.WaitFor(t, `window.mark && window.restored === true`, patience)
	})

	t.Run("frozen", func(t *testing.T) {
		page := browser.Open(t, url)
		page.Eval(t, `window.life = [], window.ran = 0,
			["freeze", "resume"].forEach((name) => document.addEventListener(name, () => life.push(name))),
			setInterval(() => ran++, 20), 1`, nil)
		page.WaitFor(t, `ran > 0`, patience)
		page.Freeze(t)
		var before, after int
		page.Eval(t, `ran`, &before)
		if err := waitFor(page.tab, `false`, 500*time.Millisecond); !errors.Is(err, ErrTimeout) {
			t.Errorf("waiting for a frozen page: %v", err)
		}
		if page.Eval(t, `ran`, &after); after != before {
			t.Errorf("%d timers ran on the frozen page", after-before)
		}
		page.Unfreeze(t)
		page.WaitFor(t, fmt.Sprintf(`life.join() === "freeze,resume" && ran > %d`, after), patience)
	})
}

func testClock(t *testing.T, browser *Browser, url string) {
	page := browser.Open(t, url)
	late := func(tb testing.TB) { page.SetClock(tb, time.Hour) }
	if said := refusal(t, late); !strings.Contains(said, "open about:blank") {
		t.Errorf("on a page that was there the test says %q", said)
	}
	page = browser.Open(t, "about:blank")
	page.SetClock(t, 0)
	page.Navigate(t, url)
	for _, offset := range []time.Duration{time.Hour, -90 * time.Minute, 0} {
		page.SetClock(t, offset)
		for _, document := range []string{"this document", "the next one"} {
			var date struct {
				Now, Made, Written int64
				Fixed, Is, Kept    bool
			}
			page.Eval(t, `({now: Date.now(), made: new Date().getTime(), written: Date.parse(Date()),
				fixed: new Date(5).getTime() === 5 && Date.UTC(1970, 0, 1, 0, 0, 1) === 1000,
				is: new Date() instanceof Date && new Date().constructor === Date &&
					new (class extends Date {})() instanceof Date,
				kept: performance.now() < 600e3})`, &date)
			want := time.Now().Add(offset)
			for name, got := range map[string]int64{"Date.now()": date.Now, "new Date()": date.Made,
				"Date()": date.Written} {
				if off := want.Sub(time.UnixMilli(got)).Abs(); off > 10*time.Second {
					t.Errorf("with %s, in %s, %s is off by %s", offset, document, name, off)
				}
			}
			if !date.Fixed || !date.Is || !date.Kept {
				t.Errorf("with %s, in %s, Date is not itself: %+v", offset, document, date)
			}
			page.Reload(t)
		}
	}
}
