package monitor

import (
	"context"
	"errors"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// The operations of a store's Backend.
const (
	storeInsert      = "insert"
	storeLookup      = "lookup"
	storeReplace     = "replace"
	storeRemove      = "remove"
	storeRemoveOwner = "remove_owner"
	storeSweep       = "sweep"
	storePing        = "ping"
)

var storeOperations = []string{storeInsert, storeLookup, storeReplace, storeRemove, storeRemoveOwner, storeSweep, storePing}

// storeMetrics say how the session store works.
type storeMetrics struct {
	storeErrors, swept counter
	storeTime          histogram
}

var storeBounds = []time.Duration{
	100 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 50 * time.Millisecond, 250 * time.Millisecond, time.Second, 5 * time.Second,
}

func (m *Monitor) newStoreMetrics() storeMetrics {
	operations := label{"operation", storeOperations}
	return storeMetrics{
		storeErrors: m.counter("keepalive_store_errors_total",
			"Operations in which the session store failed.", operations),
		storeTime: m.histogram("keepalive_store_duration_seconds",
			"How long operations of the session store took.", storeBounds, operations),
		swept: m.counter("keepalive_store_swept_total",
			"Expired sessions, spent codes and old notes removed from the store."),
	}
}

// Backend returns next, watched. Closing it closes next.
func (m *Monitor) Backend(next store.Backend) store.Backend { return watchedBackend{m, next} }

type watchedBackend struct {
	monitor *Monitor
	next    store.Backend
}

// Insert implements store.Backend.
func (w watchedBackend) Insert(ctx context.Context, row store.Row) error {
	began := time.Now()
	err := w.next.Insert(ctx, row)
	w.monitor.stored(storeInsert, began, err)
	return err
}

// Lookup implements store.Backend.
func (w watchedBackend) Lookup(ctx context.Context, key store.Key) (store.Row, error) {
	began := time.Now()
	row, err := w.next.Lookup(ctx, key)
	w.monitor.stored(storeLookup, began, err)
	return row, err
}

// Replace implements store.Backend.
func (w watchedBackend) Replace(ctx context.Context, row store.Row) error {
	began := time.Now()
	err := w.next.Replace(ctx, row)
	w.monitor.stored(storeReplace, began, err)
	return err
}

// Remove implements store.Backend.
func (w watchedBackend) Remove(ctx context.Context, key store.Key) (bool, error) {
	began := time.Now()
	removed, err := w.next.Remove(ctx, key)
	w.monitor.stored(storeRemove, began, err)
	return removed, err
}

// RemoveOwner implements store.Backend.
func (w watchedBackend) RemoveOwner(ctx context.Context, owner store.Owner) (int, error) {
	began := time.Now()
	removed, err := w.next.RemoveOwner(ctx, owner)
	w.monitor.stored(storeRemoveOwner, began, err)
	return removed, err
}

// Sweep implements store.Backend.
func (w watchedBackend) Sweep(ctx context.Context, now time.Time) (int, error) {
	began := time.Now()
	swept, err := w.next.Sweep(ctx, now)
	w.monitor.stored(storeSweep, began, err)
	w.monitor.swept.Add(swept)
	return swept, err
}

// Ping implements store.Backend.
func (w watchedBackend) Ping(ctx context.Context) error {
	began := time.Now()
	err := w.next.Ping(ctx)
	w.monitor.stored(storePing, began, err)
	return err
}

// Close implements store.Backend.
func (w watchedBackend) Close() error { return w.next.Close() }

// stored counts as errors only those of the database: the others are answers
// about a row, and a caller who gave up is neither.
func (m *Monitor) stored(operation string, began time.Time, err error) {
	m.storeTime.Observe(time.Since(began), operation)
	if err == nil {
		return
	}
	for _, answer := range []error{store.ErrNotFound, store.ErrExpired, store.ErrTampered, store.ErrConflict, store.ErrExists, context.Canceled} {
		if errors.Is(err, answer) {
			return
		}
	}
	m.storeErrors.Inc(operation)
}
