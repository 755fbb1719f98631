package browsertest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// console collects what a page says.
type console struct {
	mu    sync.Mutex
	lines []string
	seen  map[string]chan struct{} // closed when the mark comes by
}

func newConsole() *console { return &console{seen: make(map[string]chan struct{})} }

func (c *console) add(m chromedp.ConsoleMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if seen, ok := c.seen[m.Text]; ok {
		close(seen)
		delete(c.seen, m.Text)
		return
	}
	line := m.String()
	if m.URL != "" {
		line += fmt.Sprintf(" (%s:%d)", m.URL, m.Line+1)
	}
	c.lines = append(c.lines, line)
}

func (c *console) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lines)
}

// expect returns a channel that is closed when a message with this text comes.
func (c *console) expect(text string) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := make(chan struct{})
	c.seen[text] = seen
	return seen
}

// Console returns everything on the page's console up to now, over all
// navigations: what was logged, exceptions nobody caught, and what the browser
// itself reports, such as a file that is not there. A line is "type: text
// (url:line)", where type is log, info, debug, warning, error or exception.
func (p *Page) Console(t testing.TB) []string {
	t.Helper()
	// Messages take their own way here. One of ours, sent last, tells that all
	// before it have arrived.
	p.marks++
	mark := fmt.Sprintf("browsertest mark %d", p.marks)
	seen := p.console.expect(mark)
	p.Eval(t, fmt.Sprintf("console.debug(%q)", mark), nil)
	timeout := time.NewTimer(actionTimeout)
	defer timeout.Stop()
	select {
	case <-seen:
	case <-timeout.C:
		t.Fatal("the page's console does not answer")
	}
	return p.console.all()
}

// Errors returns the lines of [Page.Console] that are errors or exceptions: on
// a page that works there is none.
func (p *Page) Errors(t testing.TB) []string {
	t.Helper()
	var errs []string
	for _, line := range p.Console(t) {
		if strings.HasPrefix(line, string(chromedp.ConsoleError)+":") || strings.HasPrefix(line, string(chromedp.ConsoleException)+":") {
			errs = append(errs, line)
		}
	}
	return errs
}
