package browsertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Eval evaluates a JavaScript expression, waits for it if it is a promise, and
// decodes its value, as JSON, into out, unless that is nil. It works under any
// Content-Security-Policy.
func (p *Page) Eval(t testing.TB, js string, out any) {
	t.Helper()
	p.do(t, js, func(ctx context.Context) error {
		value, err := p.tab.evaluate(ctx, js)
		switch {
		case err != nil || out == nil:
			return err
		case len(value) == 0:
			return errors.New("it is undefined")
		}
		if err := json.Unmarshal(value, out); err != nil {
			return fmt.Errorf("it is %s: %w", value, err)
		}
		return nil
	})
}

// WaitFor waits until a JavaScript expression, or the promise that it is, is
// true. An expression that throws is not true yet. It outlives navigations: the
// next page is asked in the place of this one.
func (p *Page) WaitFor(t testing.TB, js string, timeout time.Duration) {
	t.Helper()
	if err := waitFor(p.tab, js, timeout); err != nil {
		t.Fatal(err)
	}
}

// Navigate goes to a URL and waits until it has loaded.
func (p *Page) Navigate(t testing.TB, url string) {
	t.Helper()
	p.do(t, "opening "+url, func(ctx context.Context) error { return p.tab.navigate(ctx, url) })
}

// Reload loads the page anew and waits until it has loaded.
func (p *Page) Reload(t testing.TB) {
	t.Helper()
	p.do(t, "reloading", p.tab.reload)
}

// errFirstPage: there is nothing to go back to.
var errFirstPage = errors.New("this is the first page")

// Back goes back in the history and waits until the page is there, from the
// back/forward cache or loaded again.
func (p *Page) Back(t testing.TB) {
	t.Helper()
	// The page that is left is known by a number of its own, or by its URL if
	// the one before is the same document.
	p.places++
	const mark = `globalThis[Symbol.for("browsertest.place")]`
	var here string
	p.Eval(t, fmt.Sprintf("(%s = %d, location.href)", mark, p.places), &here)
	p.do(t, "going back", p.tab.back)
	p.WaitFor(t, fmt.Sprintf("(%s !== %d || location.href !== %s) && document.readyState === 'complete'", mark,
		p.places, quote(here)), actionTimeout)
}

// Click clicks the middle of the element that a CSS selector finds, once it is
// visible, as a person does: the page sees user activation.
func (p *Page) Click(t testing.TB, selector string) {
	t.Helper()
	p.do(t, "clicking "+selector, func(ctx context.Context) error { return p.tab.click(ctx, selector) })
}

// Type types text into the element that a CSS selector finds, once it is
// visible, key by key. A line feed is the Enter key.
func (p *Page) Type(t testing.TB, selector, text string) {
	t.Helper()
	p.do(t, "typing into "+selector, func(ctx context.Context) error { return p.tab.write(ctx, selector, text) })
}

// Move moves the pointer to a point of the page, in CSS pixels, as a person
// does. Only Chromium's driver can do it.
func (p *Page) Move(t testing.TB, x, y float64) {
	t.Helper()
	const what = "moving the pointer"
	pointer := able[interface {
		move(ctx context.Context, x, y float64) error
	}](t, p, what)
	p.do(t, what, func(ctx context.Context) error { return pointer.move(ctx, x, y) })
}

// Offline cuts the page off the network, or connects it again; navigator.onLine
// and its events follow. The driver of WebKit cannot do it.
func (p *Page) Offline(t testing.TB, offline bool) {
	t.Helper()
	what := fmt.Sprintf("setting offline to %t", offline)
	network := able[interface {
		setOffline(context.Context, bool) error
	}](t, p, what)
	p.do(t, what, func(ctx context.Context) error { return network.setOffline(ctx, offline) })
}

// Block fails the requests with a URL that matches one of the patterns, in the
// syntax of the URLPattern API, such as "*://*:*/*.wasm". Without patterns,
// nothing is blocked any more. To block what a page loads at once, open
// about:blank first. Only Chromium's driver can do it.
func (p *Page) Block(t testing.TB, patterns ...string) {
	t.Helper()
	network := able[interface {
		block(context.Context, []string) error
	}](t, p, "blocking")
	p.do(t, "blocking", func(ctx context.Context) error { return network.block(ctx, patterns) })
}

// Look sets the size of the page, in CSS pixels, and its colour scheme, "light"
// or "dark". Only Chromium's driver can do it.
func (p *Page) Look(t testing.TB, width, height int64, scheme string) {
	t.Helper()
	const what = "setting the size and the colour scheme"
	looks := able[interface {
		look(ctx context.Context, width, height int64, scheme string) error
	}](t, p, what)
	p.do(t, what, func(ctx context.Context) error { return looks.look(ctx, width, height, scheme) })
}

// Screenshot writes a PNG of what is visible to path. It makes the directory.
func (p *Page) Screenshot(t testing.TB, path string) {
	t.Helper()
	p.do(t, "taking a screenshot", func(ctx context.Context) error {
		png, err := p.tab.screenshot(ctx)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, png, 0o644)
	})
}
