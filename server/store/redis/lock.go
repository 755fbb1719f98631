package redis

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// Now implements store.Backend, by the clock of one node, which never goes back.
func (b *Backend) Now(ctx context.Context) (store.Moment, error) {
	answer, err := b.run(ctx, nowScript, []string{clockKey}, clockTime.Milliseconds())
	if err != nil {
		return 0, err
	}
	text, first := strings.CutPrefix(answer, "first ")
	b.noticeLoss(first)
	now, err := micros(text)
	return store.Moment(now), err
}

// noticeLoss notices a Redis that has forgotten the last moment before its time,
// and so the sessions as well.
func (b *Backend) noticeLoss(first bool) {
	now := time.Now()
	before := b.lastNow.Swap(&now)
	if first && before != nil && now.Sub(*before) < clockTime/2 {
		b.emptied.Store(&now)
	}
}

// Time implements store.Timekeeper, by the clock of the same node.
func (b *Backend) Time(ctx context.Context) (time.Time, error) {
	answer, err := b.run(ctx, timeScript, []string{clockKey})
	if err != nil {
		return time.Time{}, err
	}
	now, err := micros(answer)
	return time.UnixMicro(now), err
}

func micros(answer string) (int64, error) {
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
