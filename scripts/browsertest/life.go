package browsertest

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// freezer is a tab with a page that can be frozen.
type freezer interface {
	freeze(ctx context.Context, frozen bool) error
}

// Freeze freezes the page, as a browser does with pages in the background: it
// hears "freeze", and its timers and answers wait. Conditions of
// [Page.WaitFor] are no longer answered. Only Chromium's driver can do it.
func (p *Page) Freeze(t testing.TB) {
	t.Helper()
	tab := able[freezer](t, p, "freezing")
	p.do(t, "freezing", func(ctx context.Context) error { return tab.freeze(ctx, true) })
}

// Unfreeze lets a frozen page go on: it hears "resume".
func (p *Page) Unfreeze(t testing.TB) {
	t.Helper()
	tab := able[freezer](t, p, "unfreezing")
	p.do(t, "unfreezing", func(ctx context.Context) error { return tab.freeze(ctx, false) })
}

// hider is a tab with a window that can be put away.
type hider interface {
	hide(ctx context.Context, hidden bool) error
}

// Hide puts the page's window away and waits until the page is hidden. In a
// browser of [ChromiumAsShipped] its timers run once a second from then on.
// Only Chromium's driver can do it.
func (p *Page) Hide(t testing.TB) {
	t.Helper()
	p.hide(t, "hiding", true, "hidden")
}

// Show brings a hidden page back and waits until it is visible.
func (p *Page) Show(t testing.TB) {
	t.Helper()
	p.hide(t, "showing", false, "visible")
}

func (p *Page) hide(t testing.TB, what string, hidden bool, state string) {
	t.Helper()
	tab := able[hider](t, p, what)
	p.do(t, what, func(ctx context.Context) error { return tab.hide(ctx, hidden) })
	p.WaitFor(t, fmt.Sprintf("document.visibilityState === %q", state), actionTimeout)
}

// SetClock makes the page's Date run ahead of this machine's by offset, or
// behind it, in this document and in all that follow in this tab. The clock of
// performance.now, timers and cookies are not touched, and neither are workers.
// The first time is on about:blank: scripts that have run may have kept the
// real Date, and would not see it. The driver of WebKit cannot do it.
func (p *Page) SetClock(t testing.TB, offset time.Duration) {
	t.Helper()
	p.runFirst(t, fmt.Sprintf("setting the clock by %s", offset), clock(offset))
	var seen bool
	if p.Eval(t, clock(offset), &seen); !seen {
		t.Fatal("setting the clock: this document has a Date of its own; " +
			"open about:blank, call SetClock, and then Navigate")
	}
}

// RunFirst runs a script in all documents to come in this tab, before scripts of
// their own. The driver of WebKit cannot do it.
func (p *Page) RunFirst(t testing.TB, script string) {
	t.Helper()
	p.runFirst(t, "running a script first", script)
}

func (p *Page) runFirst(t testing.TB, what, script string) {
	t.Helper()
	tab := able[interface {
		runFirst(ctx context.Context, script string) error
	}](t, p, what)
	p.do(t, what, func(ctx context.Context) error { return tab.runFirst(ctx, script) })
}

// clock is an expression that sets the clock of the document it runs in, and is
// true if its scripts see that. The last one has its way.
func clock(offset time.Duration) string {
	return fmt.Sprintf(`((offset) => {
  const place = Symbol.for("browsertest.clock");
  const clock = globalThis[place];
  if (clock) {
    clock.offset = offset;
    return true;
  }
  const shifted = globalThis[place] = {offset};
  const {now} = Date;
  Date.now = () => now() + shifted.offset;
  globalThis.Date = Date.prototype.constructor = new Proxy(Date, {
    apply: (Date) => new Date(Date.now()).toString(),
    construct: (Date, args, as) => Reflect.construct(Date, args.length ? args : [Date.now()], as),
  });
  return document.readyState === "loading" || location.href === "about:blank";
})(%d)`, offset.Milliseconds())
}
