package redis

import (
	"context"
	"strconv"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// Now implements store.Backend, by the clock of one node, which never goes back.
func (b *Backend) Now(ctx context.Context) (store.Moment, error) {
	now, err := b.micros(ctx, nowScript, clockTime.Milliseconds())
	return store.Moment(now), err
}

// Time implements store.Timekeeper, by the clock of the same node.
func (b *Backend) Time(ctx context.Context) (time.Time, error) {
	now, err := b.micros(ctx, timeScript)
	return time.UnixMicro(now), err
}

func (b *Backend) micros(ctx context.Context, s script, args ...any) (int64, error) {
	answer, err := b.run(ctx, s, []string{clockKey}, args...)
	if err != nil {
		return 0, err
	}
	now, err := strconv.ParseInt(answer, 10, 64)
	if err != nil {
		return 0, unexpected(answer)
	}
	return now, nil
}

// Locks implements store.Backend.
func (b *Backend) Locks() store.Locks { return b }

// Lock implements store.Locks.
func (b *Backend) Lock(
	ctx context.Context, key store.Key, holder store.Holder, lease time.Duration,
) error {
	answer, err := b.run(ctx, lockScript, []string{lockKey(key)}, holder[:], lease.Milliseconds())
	if answer == taken {
		return store.ErrLocked
	}
	return err
}

// Unlock implements store.Locks.
func (b *Backend) Unlock(ctx context.Context, key store.Key, holder store.Holder) error {
	_, err := b.run(ctx, unlockScript, []string{lockKey(key)}, holder[:])
	return err
}
