package app

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/clock"
)

// interval is the pause between two rounds of work in the background.
const interval = time.Minute

// often does work at once and then after each interval, until ctx is done.
func often(ctx context.Context, log *slog.Logger, name string, work func()) {
	for {
		guarded(log, name, work)
		if clock.Sleep(ctx, interval) != nil {
			return
		}
	}
}

// guarded runs work, and keeps a panic of it from ending the process: the work
// of one moment fails, and is logged, and all requests live on. What the panic
// says is left out, since it can hold a secret.
func guarded(log *slog.Logger, name string, work func()) {
	defer func() {
		if cause := recover(); cause != nil {
			log.Error("work in the background panicked; please report it",
				"work", name, "kind", fmt.Sprintf("%T", cause), "stack", string(debug.Stack()))
		}
	}()
	work()
}
