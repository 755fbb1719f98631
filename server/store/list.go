package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/keyring"
)

// Listed is a session in a list: all that an operator may see of it.
type Listed struct {
	Key             Key // for Delete by a list; its Tag is for the log
	Mode            Mode
	Opened          time.Time
	Seen            time.Time // the last activity
	Renewed         time.Time // the last renewal of the access token
	IdleExpires     time.Time
	AbsoluteExpires time.Time
	KeyID           string // the key of the ring that it is sealed under
}

// Sessions returns the living sessions of a user, oldest first. Records that
// cannot be opened are left out: no cookie opens them either.
func (s *Store) Sessions(ctx context.Context, uuid string) ([]Listed, error) {
	living, _, err := s.owned(ctx, uuid, batchTimeout)
	if err != nil {
		return nil, failed("sessions", err)
	}
	slices.SortFunc(living, func(a, b Listed) int {
		return cmp.Or(a.Opened.Compare(b.Opened), slices.Compare(a.Key[:], b.Key[:]))
	})
	return living, nil
}

// owned returns the living sessions of a user, and how many rows are none any
// more: expired, and kept for Grace, or nothing opens them.
func (s *Store) owned(
	ctx context.Context, uuid string, timeout time.Duration,
) (living []Listed, over int, err error) {
	var rows []Row
	err = s.within(ctx, opOwned, timeout, func(ctx context.Context) (err error) {
		rows, err = s.backend.Owned(ctx, OwnerOf(uuid))
		return err
	})
	for _, row := range rows {
		r, err := s.open(row)
		if err != nil || s.expired(r) {
			over++
			continue
		}
		id, _ := keyring.SealedUnder(row.Value)
		living = append(living, Listed{
			Key: row.Key, Mode: r.Mode, Opened: r.Created, Seen: r.Seen, Renewed: r.AccessIssued,
			IdleExpires: r.IdleExpires, AbsoluteExpires: r.AbsoluteExpires, KeyID: id,
		})
	}
	return living, over, err
}

// DeleteByUUID removes every record of a user and returns how many living
// sessions there were. From then on, for RevokedFor, Create refuses the user's
// logins that began before.
func (s *Store) DeleteByUUID(ctx context.Context, uuid string) (n int, err error) {
	// An error counts for nothing: the rows may be removed all the same.
	_, over, _ := s.owned(ctx, uuid, Timeout)
	err = s.within(ctx, opRemoveOwner, batchTimeout, func(ctx context.Context) error {
		n, err = s.backend.RemoveOwner(ctx, OwnerOf(uuid))
		return err
	})
	return max(n-over, 0), failed("delete by uuid", err)
}

// EndOldest ends the oldest living sessions of a user until at most keep are
// left, and returns those that it ended. The session with the id stays, as the
// one that has just been opened.
func (s *Store) EndOldest(
	ctx context.Context, uuid string, keep int, id ID,
) (ended []Listed, err error) {
	listed, err := s.Sessions(ctx, uuid)
	if err != nil {
		return nil, err
	}
	excess := len(listed) - max(keep, 1)
	for _, each := range listed {
		if len(ended) >= excess {
			break
		}
		if each.Key == id.Key() {
			continue
		}
		removed, err := s.remove(ctx, each.Key)
		if err != nil {
			return ended, failed("end oldest", err)
		}
		if removed {
			ended = append(ended, each)
		} else {
			excess-- // it has ended by itself meanwhile
		}
	}
	return ended, nil
}

// Count returns how many sessions live, by the key of the ring that they are
// sealed under. An operator drops an old key when its number is 0. It reads them
// all, a few at a time, so that it belongs into the background.
func (s *Store) Count(ctx context.Context) (byKey map[string]int, err error) {
	byKey = map[string]int{}
	began := time.Now()
	err = s.backend.Walk(ctx, func(row Row) error {
		if s.now().Round(0).Before(row.Expires) {
			id, _ := keyring.SealedUnder(row.Value)
			byKey[id]++
		}
		return nil
	})
	s.watch(opWalk, time.Since(began), err)
	return byKey, failed("count", err)
}

// Limit is a limit of time that ended a session.
type Limit string

// The limits.
const (
	LimitIdle     Limit = "idle"
	LimitAbsolute Limit = "absolute"
)

// Ended is a session that a limit of time has ended.
type Ended struct {
	Key   Key
	Limit Limit
	At    time.Time
}

// Expiry is an ErrExpired that says which limit of which session has passed. Its
// text says neither.
type Expiry struct {
	Ended
	UUID string
}

// Error implements error.
func (*Expiry) Error() string { return ErrExpired.Error() }

// Unwrap makes errors.Is(err, ErrExpired) work.
func (*Expiry) Unwrap() error { return ErrExpired }

// sweepBatch is how many rows one call of the backend deletes: few, so that
// those who wait behind it hardly notice.
const sweepBatch = 100

// Sweep deletes the rows that have been over for longer than Grace, and returns
// how many, also when it fails half-way. It calls ended for each session among
// them. A backend that expires rows by itself leaves nothing to sweep.
func (s *Store) Sweep(ctx context.Context, ended func(Ended)) (swept int, err error) {
	for {
		var rows []Row
		err := s.within(ctx, opSweep, batchTimeout, func(ctx context.Context) (err error) {
			rows, err = s.backend.Sweep(ctx, s.now().Round(0).Add(-Grace), sweepBatch)
			return err
		})
		swept += len(rows)
		for _, row := range rows {
			if r, err := s.open(row); err == nil && !row.Unowned() {
				ended(endOf(row.Key, r))
			}
		}
		if err != nil || len(rows) < sweepBatch {
			return swept, failed("sweep", err)
		}
	}
}

func endOf(key Key, r Record) Ended {
	if r.IdleExpires.Before(r.AbsoluteExpires) {
		return Ended{Key: key, Limit: LimitIdle, At: r.IdleExpires}
	}
	return Ended{Key: key, Limit: LimitAbsolute, At: r.AbsoluteExpires}
}
