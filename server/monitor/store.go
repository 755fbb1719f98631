package monitor

import (
	"context"
	"errors"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// storeMetrics say how the session store works.
type storeMetrics struct {
	storeErrors, swept counter
	storeTime          histogram
}

var storeBounds = []time.Duration{
	100 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 50 * time.Millisecond, 250 * time.Millisecond,
	time.Second, 5 * time.Second,
}

func (m *Monitor) newStoreMetrics() storeMetrics {
	operations := label{"operation", store.Operations()}
	return storeMetrics{
		storeErrors: m.counter("keepalive_store_errors_total",
			"Operations in which the session store failed.", operations),
		storeTime: m.histogram("keepalive_store_duration_seconds",
			"How long operations of the session store took.", storeBounds, operations),
		swept: m.counter("keepalive_store_swept_total",
			"Expired sessions, spent codes and old notes removed from the store."),
	}
}

// StoreCalled is a store.Watch. It counts as errors only those of the database:
// the others are answers about a row, and a caller who gave up is neither.
func (m *Monitor) StoreCalled(operation string, took time.Duration, err error) {
	m.storeTime.Observe(took, operation)
	if err != nil && !store.IsVerdict(err) && !errors.Is(err, context.Canceled) {
		m.storeErrors.Inc(operation)
	}
}

// StoreSwept counts rows that were over and are removed.
func (m *Monitor) StoreSwept(rows int) { m.swept.Add(rows) }
