package limit

import (
	"context"
	"sync"
	"time"
)

// LazyTimeout is Timeout for work that is mostly done before anything waits for
// the end of the context: there is no timer before Done is called, and most
// answers need none. Time that has passed by then may have been a pause: it
// leaves one step.
func LazyTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithTimeout(parent, d)
	}
	ctx := &lazyContext{Context: parent, limit: d, end: time.Now().Add(d)}
	return ctx, ctx.cancel
}

type lazyContext struct {
	context.Context // the parent
	limit           time.Duration
	end             time.Time // if there is no pause

	mu        sync.Mutex // guards all below
	cancelled bool
	real      context.Context // nil until it is needed
	stop      context.CancelFunc
}

// started returns the context that has the timer. The caller has the lock.
func (c *lazyContext) started() context.Context {
	switch {
	case c.real != nil:
	case c.cancelled:
		c.real, c.stop = context.WithCancel(c.Context)
		c.stop()
	default:
		left := time.Until(c.end)
		if left <= 0 {
			left = min(c.limit, timeoutStep)
		}
		c.real, c.stop = Timeout(c.Context, left)
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

// AfterFunc is how package context has a child end with c, without a goroutine
// that waits for it.
func (c *lazyContext) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return context.AfterFunc(c.started(), f)
}

// Deadline implements context.Context.
func (c *lazyContext) Deadline() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real == nil && !c.cancelled && time.Now().Before(c.end) {
		if earlier, ok := c.Context.Deadline(); ok && earlier.Before(c.end) {
			return earlier, true
		}
		return c.end, true
	}
	return c.started().Deadline()
}

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
		return c.Context.Err()
	}
	return c.started().Err()
}
