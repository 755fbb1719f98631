package app

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

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
