package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// Remember keeps a text under a name for ttl, in the place of whatever was kept
// under it. Only a hash of the name is kept, and the text is sealed; the end of
// a user's sessions is not the end of it.
func (s *Store) Remember(ctx context.Context, name, text string, ttl time.Duration) error {
	key := noteKey(name)
	row := Row{Key: key, Owner: Owner(key), Version: 1, Expires: milli(s.now().Add(ttl))}
	for {
		var err error
		if row.Value, err = s.ring.Seal([]byte(text), binding(row)); err == nil {
			err = s.writeOver(ctx, &row)
		}
		if !errors.Is(err, errAgain) {
			return failed("remember", err)
		}
	}
}

// Recall returns the text kept under a name: ErrNotFound if there is none, or
// its time is over, and ErrTampered if there is one that was not written for
// this name under a key of the ring.
func (s *Store) Recall(ctx context.Context, name string) (string, error) {
	key := noteKey(name)
	row, err := s.lookup(ctx, key)
	if err != nil {
		return "", failed("recall", err)
	}
	if !s.now().Round(0).Before(row.Expires) {
		return "", fmt.Errorf("store: recall: %w: its time is over", ErrNotFound)
	}
	row.Key = key // as in Get
	plain, _, err := s.ring.Open(row.Value, binding(row))
	if err != nil {
		return "", fmt.Errorf("store: recall: %w: %w", ErrTampered, err)
	}
	return string(plain), nil
}

// MarkOnce marks a name for ttl: ErrExists if it is marked already. Of all callers
// that share the database one succeeds. Only a hash of the name is kept. No clock
// decides: a mark holds for as long as it is there, which is ttl and the grace of
// every row.
func (s *Store) MarkOnce(ctx context.Context, name string, ttl time.Duration) error {
	key := Key(sha256.Sum256([]byte("keepalive mark " + name)))
	row := Row{Key: key, Owner: Owner(key), Version: 1, Expires: milli(s.now().Add(ttl))}
	var err error
	if row.Value, err = s.ring.Seal(nil, binding(row)); err == nil {
		err = s.insert(ctx, row, 0)
	}
	return failed("mark", err)
}

// errAgain: the row in the way is not what it was.
var errAgain = errors.New("store: the row in the way has changed")

func noteKey(name string) Key { return Key(sha256.Sum256([]byte("keepalive note " + name))) }

// writeOver inserts row, or replaces the one that is there. It is errAgain when
// the row has to be sealed again for another version first.
func (s *Store) writeOver(ctx context.Context, row *Row) error {
	var err error
	if row.Version == 1 {
		err = s.insert(ctx, *row, 0)
	} else {
		err = s.replace(ctx, *row)
	}
	switch {
	case errors.Is(err, ErrExists), errors.Is(err, ErrConflict):
	case errors.Is(err, ErrNotFound):
		row.Version = 1
		return errAgain
	default:
		return err
	}
	old, err := s.lookup(ctx, row.Key)
	switch {
	case errors.Is(err, ErrNotFound):
		row.Version = 1
	case errors.Is(err, ErrTampered), err == nil && (old.Owner != row.Owner || old.Version+1 <= 1):
		// No row of ours, which have their key for an owner and count from 1, so
		// nothing is lost with it. Nothing could replace it either.
		if _, err := s.remove(ctx, row.Key); err != nil {
			return err
		}
		row.Version = 1
	case err != nil:
		return err
	default:
		row.Version = old.Version + 1
	}
	return errAgain
}
