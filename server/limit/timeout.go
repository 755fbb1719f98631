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
	ctx, cancel := LazyTimeout(parent, d)
	ctx.Done() // it counts from now on
	return ctx, cancel
}

// LazyTimeout is Timeout for work that is mostly done before anything waits for
// the end of the context: there is no timer before Done is called, and most
// answers need none. Time that has passed by then may have been a pause: it
// leaves one step.
func LazyTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithTimeout(parent, d)
	}
	c := &runningContext{Context: parent, limit: d, end: time.Now().Add(d)}
	return c, c.cancel
}

// runningContext ends as inner does. It hides inner from package context, which
// would else attach a child to it: the child's error would be that of a cancel.
type runningContext struct {
	context.Context // the parent
	limit           time.Duration
	end             time.Time // if there is no pause

	mu        sync.Mutex // guards all below
	cancelled bool
	inner     context.Context         // nil until it is needed
	finish    context.CancelCauseFunc // of inner
	left      time.Duration
	step      time.Duration // from the last tick to the next one
	ticked    time.Time     // the last tick
	timer     *time.Timer
}

// started returns the context that has the timer. The caller has the lock.
func (c *runningContext) started() context.Context {
	if c.inner != nil {
		return c.inner
	}
	c.inner, c.finish = context.WithCancelCause(c.Context)
	if c.cancelled {
		c.finish(nil)
		return c.inner
	}
	if c.left = time.Until(c.end); c.left <= 0 {
		c.left = min(c.limit, timeoutStep)
	}
	c.step, c.ticked = min(c.left, timeoutStep), time.Now()
	c.timer = time.AfterFunc(c.step, c.tick)
	return c.inner
}

// tick counts one step, however long ago it began.
func (c *runningContext) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left -= c.step
	if c.left <= 0 || c.inner.Err() != nil {
		c.finish(context.DeadlineExceeded)
		return
	}
	c.step, c.ticked = min(c.left, timeoutStep), time.Now()
	c.timer.Reset(c.step)
}

func (c *runningContext) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancelled, c.left = true, 0 // a tick that is under way is the last
	if c.timer != nil {
		c.timer.Stop()
		c.finish(nil)
	}
}

// unwatched reports that nothing has waited yet and the time is not over. The
// caller has the lock.
func (c *runningContext) unwatched() bool {
	return c.inner == nil && !c.cancelled && time.Now().Before(c.end)
}

// AfterFunc is how package context has a child end with c, without a goroutine
// that waits for it.
func (c *runningContext) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return context.AfterFunc(c.started(), f)
}

// Deadline implements context.Context.
func (c *runningContext) Deadline() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.end
	if !c.unwatched() {
		c.started()
		now := time.Now()
		own = now.Add(c.left - min(now.Sub(c.ticked), c.step))
	}
	if earlier, ok := c.Context.Deadline(); ok && earlier.Before(own) {
		return earlier, true
	}
	return own, true
}

// Done implements context.Context.
func (c *runningContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.started().Done()
}

// Err implements context.Context.
func (c *runningContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unwatched() {
		return c.Context.Err()
	}
	inner := c.started()
	if context.Cause(inner) == context.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return inner.Err()
}
