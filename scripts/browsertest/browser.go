// Package browsertest lets tests drive pages in real browsers: Chromium, Firefox
// and WebKitGTK. Every call waits until what it asked for has happened and fails
// the test otherwise; none of them sleeps. A call that a browser's driver has no
// way to carry out fails the test and says so.
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
)

// actionTimeout bounds everything that has no bound of its own. It is long,
// because it only ends tests that have failed already.
const actionTimeout = time.Minute

// Browser is a running browser with a fresh profile: its pages share storage
// and cookies with each other and with nothing else.
type Browser struct {
	// Name is chromium, firefox or webkit.
	Name   string
	driver driver
}

var kinds = []struct {
	name  string
	start func(testing.TB) *Browser
}{
	{"chromium", Chromium},
	{"firefox", Firefox},
	{"webkit", WebKit},
}

// Each runs a parallel subtest for each kind of browser, named as
// [Browser.Name] has it. The browser is started when its turn has come.
func Each(t *testing.T, test func(t *testing.T, b *Browser)) {
	t.Helper()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			test(t, kind.start(t))
		})
	}
}

// Open opens a new tab, in a window of its own so that the page is visible, and
// waits until url has loaded. When the test fails, the page's console is logged.
func (b *Browser) Open(t testing.TB, url string) *Page {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), actionTimeout)
	defer cancel()
	opened, err := b.driver.open(ctx)
	if err != nil {
		t.Fatalf("opening a tab in %s: %v", b.Name, err)
	}
	p := &Page{browser: b.Name, tab: opened, end: sync.OnceFunc(opened.close)}
	t.Cleanup(p.end)
	// The console is read from the moment the tab is there, before anything
	// loads.
	if hears, ok := opened.(listener); ok {
		p.console = newConsole()
		stopped := hears.listen(p.console.add)
		t.Cleanup(func() {
			p.end()
			<-stopped
			if t.Failed() {
				t.Logf("the console of %s:\n%s", url, strings.Join(p.console.all(), "\n"))
			}
		})
	}
	p.Navigate(t, url)
	return p
}

// Page is a tab. Its methods are for one goroutine at a time; two pages can be
// driven side by side.
type Page struct {
	browser string
	tab     tab
	end     func()
	console *console // nil if the driver cannot read it
	marks   int
	places  int
}

// do runs one action and fails the test if it did not happen.
func (p *Page) do(t testing.TB, what string, action func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.tab.context(), actionTimeout)
	defer cancel()
	if err := action(ctx); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// able returns the tab as one that has an ability which not all have, and
// fails the test if this one has it not.
func able[A any](t testing.TB, p *Page, what string) A {
	t.Helper()
	ability, ok := p.tab.(A)
	if !ok {
		t.Fatalf("%s: the driver of %s cannot do it", what, p.browser)
	}
	return ability
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
