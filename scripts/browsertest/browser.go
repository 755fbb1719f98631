// Package browsertest lets tests drive pages in a real Chromium. Every call
// waits until what it asked for has happened and fails the test otherwise;
// none of them sleeps.
//
//	browser := browsertest.Chromium(t)
//	page := browser.Open(t, "http://localhost:8080/")
//	page.Click(t, "#sign-in")
//	page.WaitFor(t, `document.querySelector("#name").textContent === "Ada"`, 5*time.Second)
package browsertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/browsers"
	"github.com/capture-keepalive/capture-keepalive/scripts/internal/need"
)

// actionTimeout bounds everything that has no bound of its own. It is long,
// because it only ends tests that have failed already.
const actionTimeout = 30 * time.Second

// Browser is a running Chromium with a fresh profile: its pages share storage
// and cookies with each other and with nothing else.
type Browser struct{ ctx context.Context }

// Chromium starts a browser, which ends with the test.
func Chromium(t testing.TB) *Browser {
	t.Helper()
	paths, err := need.Chromium.Find()
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(paths[0]),
		chromedp.WindowSize(1280, 900),
	)
	for _, flag := range browsers.ChromiumFlags {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		end()
		endAllocator()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	return &Browser{ctx: ctx}
}

// Open opens a new tab, in a window of its own so that the page is visible, and
// waits until url has loaded. When the test fails, the page's console is logged.
func (b *Browser) Open(t testing.TB, url string) *Page {
	t.Helper()
	ctx, end := chromedp.NewContext(b.ctx)
	p := &Page{ctx: ctx, end: sync.OnceFunc(end), console: newConsole()}
	// Console reads from the moment the tab is there, before anything loads.
	messages := chromedp.Console(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for message, err := range messages {
			if err != nil {
				return // the tab is closed
			}
			p.console.add(message)
		}
	}()
	t.Cleanup(func() {
		p.end()
		<-done
		if t.Failed() {
			t.Logf("the console of %s:\n%s", url, strings.Join(p.console.all(), "\n"))
		}
	})
	p.Navigate(t, url)
	return p
}

// Page is a tab. Its methods are for one goroutine at a time; two pages can be
// driven side by side.
type Page struct {
	ctx     context.Context
	end     func()
	console *console
	marks   int
}

// do runs one action and fails the test if it did not happen.
func (p *Page) do(t testing.TB, what string, action chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, actionTimeout)
	defer cancel()
	if err := chromedp.Do(ctx, action); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// Close closes the tab. Later calls on the page fail.
func (p *Page) Close() { p.end() }

// ErrTimeout is within the error of a condition that did not come true.
var ErrTimeout = errors.New("not true in time")

// timeoutError says what the page last said about the condition.
type timeoutError struct {
	condition string
	timeout   time.Duration
	last      string
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("%s was not true within %s; at last it %s", e.condition, e.timeout, e.last)
}

func (e *timeoutError) Unwrap() error { return ErrTimeout }
