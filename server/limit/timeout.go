package limit

import (
	"context"
	"sync"
	"time"
)

// timeoutStep is the grain in which Timeout counts, and what a pause of the
// process costs at most.
const timeoutStep = 250 * time.Millisecond

// Timeout is context.WithTimeout for work that must survive a pause of the
// process (SIGSTOP, a frozen container, a moving virtual machine): it counts the
// time in which the process runs. After a pause the answer that waits in the
// connection's buffer can still be read; context.WithTimeout would have expired
// while nothing ran.
//
// Its Deadline is when it expires if the process runs on from now: each pause
// moves it, unlike that of other contexts.
func Timeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx := newRunning(parent, d)
	return ctx, ctx.cancel
}

// runningContext has a Done of its own, so that what is derived from it sees
// its error and not its parent's.
type runningContext struct {
	context.Context
	done   chan struct{}
	leave  func() bool // stops listening to the parent
	mu     sync.Mutex  // guards all below
	err    error
	left   time.Duration
	step   time.Duration // from the last tick to the next one
	ticked time.Time     // the last tick
	timer  *time.Timer
	heard  int            // number of the last listener
	listen map[int]func() // called, each in a goroutine, at the end
}

func newRunning(parent context.Context, d time.Duration) *runningContext {
	c := &runningContext{
		Context: parent, done: make(chan struct{}), left: d, step: min(d, timeoutStep), ticked: time.Now(),
	}
	if c.err = parent.Err(); c.err != nil {
		c.leave = func() bool { return false }
		close(c.done)
		return c
	}
	c.mu.Lock() // both may call back at once
	defer c.mu.Unlock()
	c.leave = context.AfterFunc(parent, func() { c.end(parent.Err()) })
	c.timer = time.AfterFunc(c.step, c.tick)
	return c
}

func (c *runningContext) cancel() {
	c.leave()
	c.end(context.Canceled)
}

// tick counts one step, however long ago it began.
func (c *runningContext) tick() {
	c.mu.Lock()
	c.left -= c.step
	if c.left > 0 && c.err == nil {
		c.step, c.ticked = min(c.left, timeoutStep), time.Now()
		c.timer.Reset(c.step)
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	c.end(context.DeadlineExceeded)
}

func (c *runningContext) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	c.timer.Stop()
	close(c.done)
	for _, f := range c.listen {
		go f()
	}
	c.listen = nil
}

// AfterFunc is how package context has a child end with c, without a goroutine
// that waits for it.
func (c *runningContext) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f()
		return func() bool { return false }
	}
	if c.listen == nil {
		c.listen = map[int]func(){}
	}
	c.heard++
	n := c.heard
	c.listen[n] = f
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, waits := c.listen[n]
		delete(c.listen, n)
		return waits
	}
}

// Deadline implements context.Context.
func (c *runningContext) Deadline() (time.Time, bool) {
	c.mu.Lock()
	now := time.Now()
	own := now.Add(c.left - min(now.Sub(c.ticked), c.step))
	c.mu.Unlock()
	if earlier, ok := c.Context.Deadline(); ok && earlier.Before(own) {
		return earlier, true
	}
	return own, true
}

// Done implements context.Context.
func (c *runningContext) Done() <-chan struct{} { return c.done }

// Err implements context.Context.
func (c *runningContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
