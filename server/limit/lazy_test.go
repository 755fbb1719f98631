package limit_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/limit"
)

type keyType struct{}

// Whatever is asked first, a lazy context says what the one of package context
// says, and not later than a step after it if the time ran out unwatched.
func TestLazyTimeoutIsLikeWithTimeout(t *testing.T) {
	type make = func(context.Context, time.Duration) (context.Context, context.CancelFunc)
	ends := map[string]func(cancel, leave func()){
		"nothing":                func(_, _ func()) {},
		"the timeout":            func(_, _ func()) { time.Sleep(time.Second) },
		"just before":            func(_, _ func()) { time.Sleep(time.Second - 1) },
		"cancel":                 func(cancel, _ func()) { cancel() },
		"the parent":             func(_, leave func()) { leave() },
		"the parent, then later": func(_, leave func()) { leave(); time.Sleep(time.Second) },
		"cancel, then later":     func(cancel, _ func()) { cancel(); time.Sleep(time.Second) },
		"the parent's deadline":  func(_, _ func()) { time.Sleep(time.Hour) },
	}
	for name, end := range ends {
		for _, waited := range []string{"before", "after"} {
			for _, d := range []time.Duration{-1, 0, time.Second, 2 * time.Hour} {
				t.Run(name+", waited for "+waited+", "+d.String(), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						ask := func(with make) (err, child, again error, ended bool, left time.Duration) {
							parent, leave := context.WithTimeout(
								context.WithValue(t.Context(), keyType{}, "value"), time.Hour)
							defer leave()
							ctx, cancel := with(parent, d)
							defer cancel()
							if waited == "before" {
								ctx.Done()
							}
							deadline, _ := ctx.Deadline()
							left = time.Until(deadline)
							end(cancel, leave)
							if waited == "after" && !time.Now().Before(deadline) {
								ctx.Done()
								time.Sleep(250 * time.Millisecond)
							}
							synctest.Wait()
							err = ctx.Err()
							below, cancelChild := context.WithCancel(ctx)
							defer cancelChild()
							synctest.Wait()
							child, again = below.Err(), ctx.Err()
							select {
							case <-ctx.Done():
								ended = true
							default:
							}
							if ctx.Value(keyType{}) != "value" {
								t.Error("the parent's value is not there")
							}
							return err, child, again, ended, left
						}
						err, child, again, ended, left := ask(limit.LazyTimeout)
						wantErr, wantChild, wantAgain, wantEnded, wantLeft := ask(context.WithTimeout)
						if !errors.Is(err, wantErr) || !errors.Is(child, wantChild) ||
							!errors.Is(again, wantAgain) || ended != wantEnded || left != wantLeft {
							t.Errorf("got %v, %v, %v, %v, %v, want %v, %v, %v, %v, %v",
								err, child, again, ended, left,
								wantErr, wantChild, wantAgain, wantEnded, wantLeft)
						}
					})
				})
			}
		}
	}
}

// Those who wait hear of the end, and what is derived needs no goroutine.
func TestLazyTimeoutWakesThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := runtime.NumGoroutine()
		ctx, cancel := limit.LazyTimeout(t.Context(), time.Second)
		child, cancelChild := context.WithTimeout(ctx, time.Minute)
		defer cancelChild()
		// One of an earlier test may have ended just now: fewer are no fault.
		if more := runtime.NumGoroutine() - before; more > 0 {
			t.Errorf("%d goroutines more", more)
		}
		began := time.Now()
		<-child.Done()
		if took := time.Since(began); took != time.Second {
			t.Errorf("the child ended after %v", took)
		}
		other, stop := limit.LazyTimeout(t.Context(), time.Hour)
		woken := make(chan error)
		go func() {
			<-other.Done()
			woken <- other.Err()
		}()
		synctest.Wait()
		stop()
		if err := <-woken; !errors.Is(err, context.Canceled) {
			t.Errorf("Err() = %v after cancel", err)
		}
		cancel()
		stop()
	})
}
