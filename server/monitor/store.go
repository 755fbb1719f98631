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
	storeOwned       = "owned"
	storeWalk        = "walk"
	storeSweep       = "sweep"
	storeNow         = "now"
	storeLock        = "lock"
	storeUnlock      = "unlock"
	storePing        = "ping"
)

var storeOperations = []string{
	storeInsert, storeLookup, storeReplace, storeRemove, storeRemoveOwner,
	storeOwned, storeWalk, storeSweep,
	storeNow, storeLock, storeUnlock, storePing,
}

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
func (w watchedBackend) Insert(ctx context.Context, row store.Row, begun store.Moment) error {
	began := time.Now()
	err := w.next.Insert(ctx, row, begun)
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

// Owned implements store.Backend.
func (w watchedBackend) Owned(ctx context.Context, owner store.Owner) ([]store.Row, error) {
	began := time.Now()
	rows, err := w.next.Owned(ctx, owner)
	w.monitor.stored(storeOwned, began, err)
	return rows, err
}

// Walk implements store.Backend.
func (w watchedBackend) Walk(ctx context.Context, visit func(store.Row) error) error {
	began := time.Now()
	err := w.next.Walk(ctx, visit)
	w.monitor.stored(storeWalk, began, err)
	return err
}

// Sweep implements store.Backend.
func (w watchedBackend) Sweep(
	ctx context.Context, before time.Time, limit int,
) ([]store.Row, error) {
	began := time.Now()
	swept, err := w.next.Sweep(ctx, before, limit)
	w.monitor.stored(storeSweep, began, err)
	w.monitor.swept.Add(len(swept))
	return swept, err
}

// Now implements store.Backend.
func (w watchedBackend) Now(ctx context.Context) (store.Moment, error) {
	began := time.Now()
	now, err := w.next.Now(ctx)
	w.monitor.stored(storeNow, began, err)
	return now, err
}

// Locks implements store.Backend.
func (w watchedBackend) Locks() store.Locks {
	locks := w.next.Locks()
	if locks == nil {
		return nil
	}
	return watchedLocks{w.monitor, locks}
}

type watchedLocks struct {
	monitor *Monitor
	next    store.Locks
}

// Lock implements store.Locks.
func (w watchedLocks) Lock(
	ctx context.Context, key store.Key, holder store.Holder, lease time.Duration,
) error {
	began := time.Now()
	err := w.next.Lock(ctx, key, holder, lease)
	w.monitor.stored(storeLock, began, err)
	return err
}

// Unlock implements store.Locks.
func (w watchedLocks) Unlock(ctx context.Context, key store.Key, holder store.Holder) error {
	began := time.Now()
	err := w.next.Unlock(ctx, key, holder)
	w.monitor.stored(storeUnlock, began, err)
	return err
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
	if err != nil && !store.IsVerdict(err) && !errors.Is(err, context.Canceled) {
		m.storeErrors.Inc(operation)
	}
}
