package app

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// askTimeout bounds one question for the time.
	askTimeout = 2 * time.Second
	// largeOffset is from where on a machine's clock is worth a warning.
	largeOffset = 5 * time.Second
)

// databaseTime is the clock of a database that several servers share. Sessions
// end by the clock, and the clocks of two machines differ.
type databaseTime struct {
	backend store.Backend
	offset  atomic.Int64 // nanoseconds from this machine's clock
}

func (d *databaseTime) now() time.Time {
	return time.Now().Add(time.Duration(d.offset.Load()))
}

// measure asks the database for the time, if it has a clock that several servers
// share. The half of the time that the question takes is the error.
//
// A Moment is not asked for: it never goes back, so that a clock which was ahead
// for a moment would end sessions long after it was set right.
func (d *databaseTime) measure(ctx context.Context, log *slog.Logger) {
	keeper, ok := d.backend.(store.Timekeeper)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	asked := time.Now()
	moment, err := keeper.Time(ctx)
	if err != nil {
		return // the offset of the last time is good enough
	}
	middle := asked.Add(time.Since(asked) / 2)
	offset := moment.Sub(middle)
	before := time.Duration(d.offset.Swap(int64(offset)))
	if offset.Abs() >= largeOffset && (offset-before).Abs() >= largeOffset {
		log.Warn("This machine's clock and that of the store differ. "+
			"Sessions end by the store's clock. Set both by NTP.",
			"store_ahead_by", offset.Round(time.Second))
	}
}
