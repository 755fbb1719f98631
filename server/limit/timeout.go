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

// runningContext ends as inner does. It hides inner from package context, which
// would else attach a child to it: the child's error would be that of a cancel.
type runningContext struct {
	context.Context // the parent
	inner           context.Context
	end             context.CancelCauseFunc // of inner

	mu     sync.Mutex // guards all below
	left   time.Duration
	step   time.Duration // from the last tick to the next one
	ticked time.Time     // the last tick
	timer  *time.Timer
}

func newRunning(parent context.Context, d time.Duration) *runningContext {
	c := &runningContext{Context: parent, left: d, step: min(d, timeoutStep), ticked: time.Now()}
	c.inner, c.end = context.WithCancelCause(parent)
	c.mu.Lock() // the timer may call back at once
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(c.step, c.tick)
	return c
}

func (c *runningContext) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = 0 // a tick that is under way is the last
	c.timer.Stop()
	c.end(nil)
}

// tick counts one step, however long ago it began.
func (c *runningContext) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left -= c.step
	if c.left <= 0 || c.inner.Err() != nil {
		c.end(context.DeadlineExceeded)
		return
	}
	c.step, c.ticked = min(c.left, timeoutStep), time.Now()
	c.timer.Reset(c.step)
}

// AfterFunc is how package context has a child end with c, without a goroutine
// that waits for it.
func (c *runningContext) AfterFunc(f func()) (stop func() bool) {
	return context.AfterFunc(c.inner, f)
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
func (c *runningContext) Done() <-chan struct{} { return c.inner.Done() }

// Err implements context.Context.
func (c *runningContext) Err() error {
	if context.Cause(c.inner) == context.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return c.inner.Err()
}
