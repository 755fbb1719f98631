package app

import (
	"context"
	"slices"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/clock"
	"github.com/capture-keepalive/capture-keepalive/server/monitor"
)

// censusShare is how much longer than a census the pause after it is: a census
// reads the whole store, which must not be its main occupation.
const censusShare = 50

// census returns the work that counts the living sessions for the metrics.
func (a *App) census(ctx context.Context, watch *monitor.Monitor) func() {
	lost := 0 // sessions that the log has spoken of
	return func() {
		began := time.Now()
		lost = max(lost, a.count(ctx, watch, lost))
		_ = clock.Sleep(ctx, censusShare*time.Since(began)-interval) // its end ends the work, too
	}
}

// count returns how many sessions no key of the ring opens, and says so where
// there are more than told.
func (a *App) count(ctx context.Context, watch *monitor.Monitor, told int) (lost int) {
	byKey, err := a.store.Count(ctx)
	switch {
	case ctx.Err() != nil:
		return 0
	case err != nil:
		a.log.Warn("the living sessions could not be counted for the metrics", "error", err)
		return 0
	}
	keys := a.secrets.keys.IDs()
	watch.Census(byKey, keys)
	for key, sessions := range byKey {
		if !slices.Contains(keys, key) {
			lost += sessions
		}
	}
	if lost > told {
		a.log.Error("Sessions are sealed under a key that KEEPALIVE_KEYS lacks, so their users are "+
			"signed out. Put that key back behind the first one, unless it was stolen.",
			"sessions", lost)
	}
	return lost
}
