package limit

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// The process stands still for an hour: one step of the timeout is used up, and
// its Deadline moves.
func TestAPauseCostsOneStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		given, cancel := Timeout(t.Context(), time.Second)
		defer cancel()
		ctx := given.(*runningContext)
		ctx.mu.Lock()
		ctx.ticked = ctx.ticked.Add(-time.Hour)
		ctx.mu.Unlock()
		if at, ok := ctx.Deadline(); !ok || time.Until(at) != time.Second-timeoutStep {
			t.Errorf("Deadline() is in %v, want in %v", time.Until(at), time.Second-timeoutStep)
		}
		ctx.tick()
		if err := ctx.Err(); err != nil {
			t.Errorf("Err() = %v after the pause", err)
		}
		time.Sleep(time.Second - timeoutStep)
		synctest.Wait()
		if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Err() = %v after the rest of the time, want DeadlineExceeded", err)
		}
	})
}

// Time that passes before anything waits may be a pause as well.
func TestAPauseBeforeAnythingWaitsLeavesOneStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := LazyTimeout(t.Context(), time.Second)
		defer cancel()
		time.Sleep(time.Hour)
		if at, ok := ctx.Deadline(); ctx.Err() != nil || !ok || time.Until(at) != timeoutStep {
			t.Errorf("Err() = %v, Deadline() is in %v, want one step", ctx.Err(), time.Until(at))
		}
		time.Sleep(timeoutStep)
		synctest.Wait()
		if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Err() = %v after the step, want DeadlineExceeded", err)
		}
	})
}
