package limit

import (
	"context"
	"sync"
	"time"
)

// LazyTimeout is context.WithTimeout for work that is mostly done before
// anything waits for the end of the context: there is no timer before Done is
// called, and most answers need none.
func LazyTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithTimeout(parent, d)
	}
	end := time.Now().Add(d)
	if earlier, ok := parent.Deadline(); ok && earlier.Before(end) {
		end = earlier
	}
	ctx := &lazyContext{parent: parent, end: end}
	return ctx, ctx.cancel
}

type lazyContext struct {
	parent context.Context
	end    time.Time

	mu        sync.Mutex // guards all below
	cancelled bool
	real      context.Context // nil until Done is called
	stop      context.CancelFunc
}

// started returns the context that has the timer. The caller has the lock.
func (c *lazyContext) started() context.Context {
	switch {
	case c.real != nil:
	case c.cancelled:
		c.real, c.stop = context.WithCancel(c.parent)
		c.stop()
	default:
		c.real, c.stop = context.WithDeadline(c.parent, c.end)
	}
	return c.real
}

func (c *lazyContext) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancelled = true
	if c.stop != nil {
		c.stop()
	}
}

// Deadline implements context.Context.
func (c *lazyContext) Deadline() (time.Time, bool) { return c.end, true }

// Done implements context.Context.
func (c *lazyContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.started().Done()
}

// Err implements context.Context.
func (c *lazyContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real == nil && !c.cancelled && time.Now().Before(c.end) {
		return c.parent.Err()
	}
	return c.started().Err()
}

// Value implements context.Context. It is that of the context with the timer,
// in which package context finds how to have a child end with it.
func (c *lazyContext) Value(key any) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real == nil {
		return c.parent.Value(key)
	}
	return c.real.Value(key)
}
