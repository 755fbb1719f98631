package limit_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/limit"
)

func TestTimeoutExpiresLikeAnyOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, d := range []time.Duration{0, time.Millisecond, 10 * time.Second} {
			began := time.Now()
			ctx, cancel := limit.Timeout(t.Context(), d)
			child, cancelChild := context.WithCancel(ctx)
			<-child.Done()
			if took := time.Since(began); took != d {
				t.Errorf("Timeout(%v) ended after %v", d, took)
			}
			for _, err := range []error{ctx.Err(), child.Err()} {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Timeout(%v): Err() = %v, want DeadlineExceeded", d, err)
				}
			}
			cancelChild()
			cancel()
		}
	})
}

func TestTimeoutEndsWithItsParentAndItsCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, leave := context.WithCancel(t.Context())
		ctx, cancel := limit.Timeout(parent, time.Hour)
		defer cancel()
		leave()
		<-ctx.Done()
		if err := ctx.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("Err() = %v after the parent's end", err)
		}
		late, cancelLate := limit.Timeout(parent, time.Hour)
		defer cancelLate()
		if err := late.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("Err() = %v below a context that is done, want its error at once", err)
		}
		other, stop := limit.Timeout(t.Context(), time.Hour)
		stop()
		<-other.Done()
		if err := other.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("Err() = %v after cancel", err)
		}
	})
}
