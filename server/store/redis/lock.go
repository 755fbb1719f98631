package redis

import (
	"context"
	"strconv"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// Now implements store.Backend, by the clock of one node, which never goes back.
func (b *Backend) Now(ctx context.Context) (store.Moment, error) {
	within, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	answer, err := b.run(within, nowScript, []string{clockKey}, clockTime.Milliseconds())
	if err != nil {
		return 0, failure(ctx, err)
	}
	now, err := strconv.ParseInt(answer, 10, 64)
	if err != nil {
		return 0, failure(ctx, unexpected(answer))
	}
	return store.Moment(now), nil
}

// Locks implements store.Backend.
func (b *Backend) Locks() store.Locks { return b }

// Lock implements store.Locks.
func (b *Backend) Lock(
	ctx context.Context, key store.Key, holder store.Holder, lease time.Duration,
) error {
	within, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	answer, err := b.run(
		within, lockScript, []string{lockKey(key)}, holder[:], lease.Milliseconds(),
	)
	switch {
	case err != nil:
		return failure(ctx, err)
	case answer == taken:
		return store.ErrLocked
	}
	return nil
}

// Unlock implements store.Locks.
func (b *Backend) Unlock(ctx context.Context, key store.Key, holder store.Holder) error {
	within, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	_, err := b.run(within, unlockScript, []string{lockKey(key)}, holder[:])
	return failure(ctx, err)
}
