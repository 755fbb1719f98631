package app

import (
	"context"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/monitor"
)

const (
	// censusInterval is how often the living sessions are counted.
	censusInterval = time.Minute
	// censusShare is how much longer than a census the pause after it is: a
	// census reads the whole store, which must not be its main occupation.
	censusShare = 50
)

// countOften counts the living sessions for the metrics until ctx is done.
func (a *App) countOften(ctx context.Context, watch *monitor.Monitor) {
	for {
		began := time.Now()
		guarded(a.log, "census", func() { a.count(ctx, watch) })
		pause := time.NewTimer(max(censusInterval, censusShare*time.Since(began)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

func (a *App) count(ctx context.Context, watch *monitor.Monitor) {
	census, err := a.store.Count(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		a.log.Warn("the living sessions could not be counted for the metrics", "error", err)
	default:
		watch.Census(census, a.secrets.keys.IDs())
	}
}
