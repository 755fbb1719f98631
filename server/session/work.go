package session

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/limit"
)

// backgroundTimeout bounds what no answer depends on.
const backgroundTimeout = 5 * time.Second

// work is what goes on in goroutines of the service's own. The zero value is
// ready. Work may begin at any time, also while drain waits or after it: what
// follows a spent code or refresh token must never be turned away.
type work struct {
	mu       sync.Mutex
	running  int
	draining bool
	idle     chan struct{} // closed when running is 0; nil: no drain waits
}

func (w *work) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running++
}

func (w *work) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	if w.running == 0 && w.idle != nil {
		close(w.idle)
		w.idle = nil
	}
}

// closing reports whether drain was called: nothing new should be spent.
func (w *work) closing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.draining
}

// drain waits for a moment in which nothing goes on.
func (w *work) drain(ctx context.Context) error {
	w.mu.Lock()
	w.draining = true
	if w.running == 0 {
		w.mu.Unlock()
		return nil
	}
	if w.idle == nil {
		w.idle = make(chan struct{})
	}
	idle := w.idle
	w.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start runs do in a goroutine that Drain waits for. A panic ends neither the
// process nor the wait of a caller: it becomes the error that finish gets.
func (s *Service) start(ctx context.Context, do func() error, finish func(error)) {
	s.work.begin()
	go func() {
		defer s.work.done()
		err := s.catch(ctx, do)
		_ = s.catch(ctx, func() error { // it calls the Observer, and so code of others
			finish(err)
			return nil
		})
	}()
}

// catch runs do and turns a panic into an error. The log gets the type of the
// panic's value, which may itself be a secret.
func (s *Service) catch(ctx context.Context, do func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			s.config.Log.ErrorContext(ctx,
				"An exchange or a renewal panicked. The process goes on; please report the stack.",
				"kind", fmt.Sprintf("%T", cause), "stack", string(debug.Stack()))
			err = internal()
		}
	}()
	return do()
}

// background does what the answer does not depend on, on a context of its own.
// A caller waits for it as long as a healthy store takes, and no longer.
func (s *Service) background(ctx context.Context, do func(context.Context)) {
	ctx = context.WithoutCancel(ctx)
	over := make(chan struct{})
	s.start(ctx, func() error {
		limited, cancel := limit.Timeout(ctx, backgroundTimeout)
		defer cancel()
		do(limited)
		return nil
	}, func(error) { close(over) })
	patience, cancel := context.WithTimeout(ctx, pollInterval)
	defer cancel()
	_ = waitFor(patience, over) // it goes on all the same
}

// waitFor waits for a channel to be closed, or for ctx.
func waitFor(ctx context.Context, closed <-chan struct{}) error {
	select {
	case <-closed:
		return nil
	default:
	}
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
