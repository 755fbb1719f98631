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

// measure asks the database for the time, if several servers can share it. The
// half of the time that the question takes is the error.
func (d *databaseTime) measure(ctx context.Context, log *slog.Logger) {
	if d.backend.Locks() == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	asked := time.Now()
	moment, err := d.backend.Now(ctx)
	if err != nil {
		return // the offset of the last time is good enough
	}
	middle := asked.Add(time.Since(asked) / 2)
	offset := time.UnixMicro(int64(moment)).Sub(middle)
	before := time.Duration(d.offset.Swap(int64(offset)))
	if offset.Abs() >= largeOffset && (offset-before).Abs() >= largeOffset {
		log.Warn("This machine's clock and that of the store differ. "+
			"Sessions end by the store's clock. Set both by NTP.",
			"store_ahead_by", offset.Round(time.Second))
	}
}
