package browsertest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// listener is a tab with a console that can be read.
type listener interface {
	// listen gives add everything on the console, in order, until the channel
	// is closed, after the tab is.
	listen(add func(message)) (stopped <-chan struct{})
}

// message is something on a page's console.
type message struct {
	kind string // log, info, debug, warning, error or exception
	text string
	url  string // of the script, if the browser tells
	line int64  // in the script, from 1
	at   time.Time
}

const (
	kindError     = "error"
	kindException = "exception"
)

func (m message) String() string {
	line := m.kind + ": " + m.text
	if m.url != "" {
		line += fmt.Sprintf(" (%s:%d)", m.url, m.line)
	}
	return line
}

// console collects what a page says. Browsers tell what is on the console of a
// page that comes back from the back/forward cache anew, with the times of the
// first telling.
type console struct {
	mu     sync.Mutex
	lines  []string
	told   map[telling]bool
	latest time.Time
	seen   map[string]chan struct{} // closed when the mark comes by
}

// telling is what tells a message from another one with the same words.
type telling struct {
	line string
	at   int64 // Unix time in nanoseconds
}

func newConsole() *console {
	return &console{told: make(map[telling]bool), seen: make(map[string]chan struct{})}
}

func (c *console) add(m message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	telling := telling{m.String(), m.at.UnixNano()}
	if c.told[telling] && m.at.Before(c.latest) {
		return
	}
	c.told[telling] = true
	if m.at.After(c.latest) {
		c.latest = m.at
	}
	if seen, ok := c.seen[m.text]; ok {
		close(seen)
		delete(c.seen, m.text)
		return
	}
	c.lines = append(c.lines, telling.line)
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
// navigations: what was logged, uncaught exceptions, and what the browser
// itself reports, such as, in Chromium, a file that is not there. A line is
// "type: text (url:line)", where type is log, info, debug, warning, error or
// exception. The driver of WebKit cannot read it.
func (p *Page) Console(t testing.TB) []string {
	t.Helper()
	able[listener](t, p, "reading the console")
	// Messages arrive on another channel than answers. The driver sends one of
	// its own last: when it arrives, all before it have.
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
		if strings.HasPrefix(line, kindError+":") || strings.HasPrefix(line, kindException+":") {
			errs = append(errs, line)
		}
	}
	return errs
}
