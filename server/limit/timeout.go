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
func Timeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx := &runningContext{Context: parent, done: make(chan struct{}), left: d}
	ctx.mu.Lock() // the parent may be done already
	defer ctx.mu.Unlock()
	stop := context.AfterFunc(parent, func() { ctx.end(parent.Err()) })
	ctx.step = min(d, timeoutStep)
	ctx.timer = time.AfterFunc(ctx.step, ctx.tick)
	return ctx, func() {
		stop()
		ctx.end(context.Canceled)
	}
}

// runningContext has a Done of its own, so that what is derived from it sees
// its error and not its parent's.
type runningContext struct {
	context.Context
	done chan struct{}

	mu    sync.Mutex // guards all below
	err   error
	left  time.Duration
	step  time.Duration // until the next tick
	timer *time.Timer
}

// tick counts one step, however long ago it began.
func (c *runningContext) tick() {
	c.mu.Lock()
	c.left -= c.step
	if c.left > 0 && c.err == nil {
		c.step = min(c.left, timeoutStep)
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
	if c.err == nil {
		c.err = err
		c.timer.Stop()
		close(c.done)
	}
}

// Done implements context.Context.
func (c *runningContext) Done() <-chan struct{} { return c.done }

// Err implements context.Context.
func (c *runningContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
