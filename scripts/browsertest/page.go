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

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Eval evaluates a JavaScript expression, waits for it if it is a promise, and
// decodes its value, as JSON, into out, unless that is nil. It works under any
// Content-Security-Policy.
func (p *Page) Eval(t testing.TB, js string, out any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, actionTimeout)
	defer cancel()
	value, err := evaluate(ctx, js)
	if err != nil {
		t.Fatalf("%s: %v", js, err)
	}
	if out == nil {
		return
	}
	if len(value) == 0 {
		t.Fatalf("%s is undefined", js)
	}
	if err := json.Unmarshal(value, out); err != nil {
		t.Fatalf("%s is %s: %v", js, value, err)
	}
}

// evaluate returns the JSON of a value, nothing for undefined.
func evaluate(ctx context.Context, js string) ([]byte, error) {
	return chromedp.Run(ctx, chromedp.Evaluate[[]byte](js, chromedp.EvalAwaitPromise, chromedp.EvalAsValue))
}

// WaitFor waits until a JavaScript expression, or the promise that it is, is
// true. An expression that throws is not true yet. It outlives navigations: the
// next page is asked in the place of this one.
func (p *Page) WaitFor(t testing.TB, js string, timeout time.Duration) {
	t.Helper()
	if err := p.waitFor(js, timeout); err != nil {
		t.Fatal(err)
	}
}

// protocolError is the one code that Chromium has for "this document is gone",
// and, sadly, for much else.
const protocolError = -32000

func (p *Page) waitFor(js string, timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	// The page itself keeps to the time. This one is for a page that is frozen.
	ctx, cancel := context.WithDeadline(p.ctx, deadline.Add(2*time.Second))
	defer cancel()
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		value, err := evaluate(ctx, poll(js, time.Until(deadline)))
		var gone *cdproto.Error
		switch {
		case err == nil:
			var last string
			if err := json.Unmarshal(value, &last); err != nil {
				return fmt.Errorf("%s: %w", js, err)
			}
			if last == "" {
				return nil
			}
			return &timeoutError{js, timeout, last}
		case errors.As(err, &gone) && gone.Code == protocolError && time.Now().Before(deadline):
			// Another document is coming: ask that one.
			select {
			case <-retry.C:
			case <-ctx.Done():
			}
		case ctx.Err() != nil && p.ctx.Err() == nil:
			return &timeoutError{js, timeout, "did not answer"}
		default:
			return fmt.Errorf("%s: %w", js, err)
		}
	}
}

// poll is an expression whose value is "" once js is true, or, when the time is
// over, what js was instead. A timer looks, since a page in the background gets
// no animation frames.
func poll(js string, timeout time.Duration) string {
	return fmt.Sprintf(`(async () => {
  const until = performance.now() + %d;
  for (;;) {
    let last;
    try {
      const value = await (%s);
      if (value) return "";
      last = "was " + String(value);
    } catch (error) {
      last = "threw " + String(error);
    }
    if (performance.now() >= until) return last;
    await new Promise((done) => setTimeout(done, 20));
  }
})()`, timeout.Milliseconds(), js)
}

// Navigate goes to a URL and waits until it has loaded.
func (p *Page) Navigate(t testing.TB, url string) {
	t.Helper()
	p.do(t, "opening "+url, chromedp.Navigate(url))
}

// Reload loads the page anew and waits until it has loaded.
func (p *Page) Reload(t testing.TB) {
	t.Helper()
	p.do(t, "reloading", chromedp.Reload())
}

// Back goes back in the history and waits until the page is there, from the
// back/forward cache or loaded again.
func (p *Page) Back(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, actionTimeout)
	defer cancel()
	history, err := chromedp.Run(ctx, chromedp.NavigationEntries())
	if err != nil {
		t.Fatalf("going back: %v", err)
	}
	if history.CurrentIndex == 0 {
		t.Fatal("going back: this is the first page")
	}
	// A page from the cache fires no load event, which chromedp's own way
	// back waits for.
	before := history.Entries[history.CurrentIndex-1]
	if _, err := chromedp.Call(ctx, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: before.ID}); err != nil {
		t.Fatalf("going back: %v", err)
	}
	p.WaitFor(t, fmt.Sprintf("location.href === %q && document.readyState === 'complete'", before.URL), actionTimeout)
}

// Click clicks the middle of the element that a CSS selector finds, once it is
// visible, as a person does: the page sees user activation.
func (p *Page) Click(t testing.TB, selector string) {
	t.Helper()
	p.do(t, "clicking "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// Type types text into the element that a CSS selector finds, once it is
// visible, key by key.
func (p *Page) Type(t testing.TB, selector, text string) {
	t.Helper()
	p.do(t, "typing into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible))
}

// Offline cuts the page off the network, or connects it again; navigator.onLine
// and its events follow.
func (p *Page) Offline(t testing.TB, offline bool) {
	t.Helper()
	what := fmt.Sprintf("setting offline to %t", offline)
	p.do(t, what, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
			MatchedNetworkConditions: []*network.Conditions{{Offline: offline, DownloadThroughput: -1, UploadThroughput: -1}},
		})
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, target, network.OverrideNetworkState, network.OverrideNetworkStateParams{
			Offline: offline, DownloadThroughput: -1, UploadThroughput: -1,
		})
		return err
	}))
}

// Block makes the requests fail whose URL matches one of the patterns, in the
// syntax of the URLPattern API, such as "*://*:*/*.wasm". Without patterns,
// nothing is blocked any more. To block what a page loads at once, open
// about:blank first.
func (p *Page) Block(t testing.TB, patterns ...string) {
	t.Helper()
	blocked := make([]*network.BlockPattern, 0, len(patterns))
	for _, pattern := range patterns {
		blocked = append(blocked, &network.BlockPattern{URLPattern: pattern, Block: true})
	}
	p.do(t, "blocking", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: blocked})
		return err
	}))
}

// Look sets the size of the page, in CSS pixels, and its colour scheme, "light"
// or "dark".
func (p *Page) Look(t testing.TB, width, height int64, scheme string) {
	t.Helper()
	p.do(t, "setting the size", chromedp.EmulateViewport(width, height))
	p.do(t, "setting the colour scheme", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

// Screenshot writes a PNG of what is visible to path, whose directory it makes.
func (p *Page) Screenshot(t testing.TB, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, actionTimeout)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatalf("taking a screenshot: %v", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, png, 0o644); err != nil {
		t.Fatal(err)
	}
}
