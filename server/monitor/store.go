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
func (w watchedBackend) Insert(ctx context.Context, row store.Row, begun store.Moment) (err error) {
	defer w.monitor.stored(storeInsert, time.Now(), &err)
	return w.next.Insert(ctx, row, begun)
}

// Lookup implements store.Backend.
func (w watchedBackend) Lookup(ctx context.Context, key store.Key) (_ store.Row, err error) {
	defer w.monitor.stored(storeLookup, time.Now(), &err)
	return w.next.Lookup(ctx, key)
}

// Replace implements store.Backend.
func (w watchedBackend) Replace(ctx context.Context, row store.Row) (err error) {
	defer w.monitor.stored(storeReplace, time.Now(), &err)
	return w.next.Replace(ctx, row)
}

// Remove implements store.Backend.
func (w watchedBackend) Remove(ctx context.Context, key store.Key) (_ bool, err error) {
	defer w.monitor.stored(storeRemove, time.Now(), &err)
	return w.next.Remove(ctx, key)
}

// RemoveOwner implements store.Backend.
func (w watchedBackend) RemoveOwner(ctx context.Context, owner store.Owner) (_ int, err error) {
	defer w.monitor.stored(storeRemoveOwner, time.Now(), &err)
	return w.next.RemoveOwner(ctx, owner)
}

// Owned implements store.Backend.
func (w watchedBackend) Owned(ctx context.Context, owner store.Owner) (_ []store.Row, err error) {
	defer w.monitor.stored(storeOwned, time.Now(), &err)
	return w.next.Owned(ctx, owner)
}

// Walk implements store.Backend.
func (w watchedBackend) Walk(ctx context.Context, visit func(store.Row) error) (err error) {
	defer w.monitor.stored(storeWalk, time.Now(), &err)
	return w.next.Walk(ctx, visit)
}

// Sweep implements store.Backend.
func (w watchedBackend) Sweep(
	ctx context.Context, before time.Time, limit int,
) (swept []store.Row, err error) {
	defer w.monitor.stored(storeSweep, time.Now(), &err)
	swept, err = w.next.Sweep(ctx, before, limit)
	w.monitor.swept.Add(len(swept))
	return swept, err
}

// Now implements store.Backend.
func (w watchedBackend) Now(ctx context.Context) (_ store.Moment, err error) {
	defer w.monitor.stored(storeNow, time.Now(), &err)
	return w.next.Now(ctx)
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
) (err error) {
	defer w.monitor.stored(storeLock, time.Now(), &err)
	return w.next.Lock(ctx, key, holder, lease)
}

// Unlock implements store.Locks.
func (w watchedLocks) Unlock(ctx context.Context, key store.Key, holder store.Holder) (err error) {
	defer w.monitor.stored(storeUnlock, time.Now(), &err)
	return w.next.Unlock(ctx, key, holder)
}

// Ping implements store.Backend.
func (w watchedBackend) Ping(ctx context.Context) (err error) {
	defer w.monitor.stored(storePing, time.Now(), &err)
	return w.next.Ping(ctx)
}

// Close implements store.Backend.
func (w watchedBackend) Close() error { return w.next.Close() }

// stored counts as errors only those of the database: the others are answers
// about a row, and a caller who gave up is neither.
func (m *Monitor) stored(operation string, began time.Time, err *error) {
	m.storeTime.Observe(time.Since(began), operation)
	if *err != nil && !store.IsVerdict(*err) && !errors.Is(*err, context.Canceled) {
		m.storeErrors.Inc(operation)
	}
}
