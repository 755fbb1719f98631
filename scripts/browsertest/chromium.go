package browsertest

import (
	"context"
	"errors"
	"testing"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/browsers"
	"github.com/capture-keepalive/capture-keepalive/scripts/internal/need"
)

// Chromium starts Chromium, which ends with the test. As drivers have it, pages
// in the background run at full speed.
func Chromium(t testing.TB) *Browser {
	t.Helper()
	return startChromium(t)
}

// ChromiumAsShipped starts Chromium as its users have it: the timers of a
// hidden page are throttled, and its process yields to others.
func ChromiumAsShipped(t testing.TB) *Browser {
	t.Helper()
	return startChromium(t,
		chromedp.Flag("disable-background-timer-throttling", false),
		chromedp.Flag("disable-backgrounding-occluded-windows", false),
		chromedp.Flag("disable-renderer-backgrounding", false),
	)
}

func startChromium(t testing.TB, more ...chromedp.ExecAllocatorOption) *Browser {
	t.Helper()
	paths := need.Chromium.Require(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(paths[0]),
		chromedp.WindowSize(1280, 900),
	)
	for _, flag := range browsers.ChromiumFlags {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), append(options, more...)...)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		end()
		endAllocator()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	return &Browser{Name: "chromium", driver: chromium{ctx}}
}

// chromium is driven by the Chrome DevTools Protocol.
type chromium struct{ ctx context.Context }

func (c chromium) open(context.Context) (tab, error) {
	ctx, end := chromedp.NewContext(c.ctx)
	return &chromiumTab{ctx: ctx, end: end}, nil
}

type chromiumTab struct {
	ctx context.Context
	end context.CancelFunc
}

func (c *chromiumTab) context() context.Context { return c.ctx }
func (c *chromiumTab) close()                   { c.end() }

func (c *chromiumTab) listen(add func(message)) (stopped <-chan struct{}) {
	messages := chromedp.Console(c.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m, err := range messages {
			if err != nil {
				return // the tab is closed
			}
			line := m.Line
			if m.URL != "" {
				line++
			}
			add(message{kind: string(m.Type), text: m.Text, url: m.URL, line: line, at: m.Time})
		}
	}()
	return done
}

// protocolError is the one code that Chromium has for "this document is gone",
// and, sadly, for much else.
const protocolError = -32000

func (c *chromiumTab) evaluate(ctx context.Context, js string) ([]byte, error) {
	value, err := chromedp.Run(ctx, chromedp.Evaluate[[]byte](js, chromedp.EvalAwaitPromise, chromedp.EvalAsValue))
	var refused *cdproto.Error
	if errors.As(err, &refused) && refused.Code == protocolError {
		return nil, &goneError{err}
	}
	return value, err
}

func (c *chromiumTab) navigate(ctx context.Context, url string) error {
	return chromedp.Do(ctx, chromedp.Navigate(url))
}

func (c *chromiumTab) reload(ctx context.Context) error { return chromedp.Do(ctx, chromedp.Reload()) }

func (c *chromiumTab) back(ctx context.Context) error {
	history, err := chromedp.Run(ctx, chromedp.NavigationEntries())
	if err != nil {
		return err
	}
	if history.CurrentIndex == 0 {
		return errFirstPage
	}
	// A page from the cache fires no load event, which chromedp's own way
	// back waits for.
	before := history.Entries[history.CurrentIndex-1]
	_, err = chromedp.Call(ctx, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: before.ID})
	return err
}

func (c *chromiumTab) click(ctx context.Context, selector string) error {
	return chromedp.Do(ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

func (c *chromiumTab) write(ctx context.Context, selector, text string) error {
	return chromedp.Do(ctx, chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible))
}

func (c *chromiumTab) press(ctx context.Context, keys chord) error {
	key := keys.key
	if named, ok := namedKeys[key]; ok {
		key = named.chromium
	}
	var modifiers []kb.Modifier
	for _, name := range keys.modifiers {
		modifiers = append(modifiers, modifierKeys[name].chromium)
	}
	return chromedp.Do(ctx, chromedp.KeyEvent(key, chromedp.KeyModifiers(modifiers...)))
}

func (c *chromiumTab) move(ctx context.Context, x, y float64) error {
	_, err := chromedp.Call(ctx, input.DispatchMouseEvent, input.DispatchMouseEventParams{
		Type: input.DispatchMouseEventTypeMouseMoved, X: x, Y: y,
	})
	return err
}

func (c *chromiumTab) screenshot(ctx context.Context) ([]byte, error) {
	return chromedp.Run(ctx, chromedp.CaptureScreenshot())
}

func (c *chromiumTab) setOffline(ctx context.Context, offline bool) error {
	_, err := chromedp.Call(ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{Offline: offline, DownloadThroughput: -1,
			UploadThroughput: -1}},
	})
	if err != nil {
		return err
	}
	_, err = chromedp.Call(ctx, network.OverrideNetworkState, network.OverrideNetworkStateParams{
		Offline: offline, DownloadThroughput: -1, UploadThroughput: -1,
	})
	return err
}

func (c *chromiumTab) block(ctx context.Context, patterns []string) error {
	blocked := make([]*network.BlockPattern, 0, len(patterns))
	for _, pattern := range patterns {
		blocked = append(blocked, &network.BlockPattern{URLPattern: pattern, Block: true})
	}
	_, err := chromedp.Call(ctx, network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: blocked})
	return err
}

func (c *chromiumTab) look(ctx context.Context, width, height int64, scheme string) error {
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		return err
	}
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	return err
}

func (c *chromiumTab) runFirst(ctx context.Context, script string) error {
	_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument,
		page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	return err
}

func (c *chromiumTab) freeze(ctx context.Context, frozen bool) error {
	state := page.SetWebLifecycleStateStateActive
	if frozen {
		state = page.SetWebLifecycleStateStateFrozen
	}
	_, err := chromedp.Call(ctx, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state})
	return err
}

func (c *chromiumTab) hide(ctx context.Context, hidden bool) error {
	window, err := chromedp.Call(ctx, browser.GetWindowForTarget, browser.GetWindowForTargetParams{})
	if err != nil {
		return err
	}
	state := browser.WindowStateNormal
	if hidden {
		state = browser.WindowStateMinimized
	}
	_, err = chromedp.Call(ctx, browser.SetWindowBounds, browser.SetWindowBoundsParams{
		WindowID: window.WindowID,
		Bounds:   &browser.Bounds{WindowState: state},
	})
	return err
}
