package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Key names a row.
type Key [sha256.Size]byte

// Tag names the row in logs: 8 hex digits of a hash, which open nothing.
func (k Key) Tag() string { return hex.EncodeToString(k[:4]) }

// Owner is the hash of the uuid that a row belongs to.
type Owner [sha256.Size]byte

// OwnerOf hashes a uuid, so that no list of users can be read from a backend.
func OwnerOf(uuid string) Owner { return Owner(sha256.Sum256([]byte("keepalive owner " + uuid))) }

// Row is what a Backend keeps.
type Row struct {
	Key     Key
	Owner   Owner
	Version uint64
	Expires time.Time // for sweeping; to the millisecond, the rest may be lost
	Value   []byte    // sealed
}

// Unowned reports that the row belongs to no user: its Owner is its Key. Such
// rows are in no index, and RemoveOwner, Owned and Walk need not find them.
func (r Row) Unowned() bool { return r.Owner == Owner(r.Key) }

// Moment orders logins and revocations. Moments of one database only grow,
// whichever process asks and however clocks are set. Otherwise they are
// microseconds since 1970.
type Moment int64

const (
	// Grace is how long a row is kept after it has expired. A clock that is an
	// hour wrong for a while then destroys nothing.
	Grace = 90 * time.Minute
	// RevokedFor is the least time for which RemoveOwner refuses logins that
	// began before it: longer than any login takes or any access token lives.
	RevokedFor = 3 * time.Hour
)

// Backend is the contract of a database, proved by storetest.Run. All methods
// are safe for concurrent use, write durably before they return, and end when
// the context does, even where the database stands still; what was asked for
// may then have been done or not. A context that is done already means its
// error and no change. A Backend neither keeps nor shares the slices it is
// given or returns. An error that is none of this package's verdicts means that
// the database failed, and says nothing about the row.
type Backend interface {
	// Insert adds a row. ErrExists: the key is taken, even by an expired row.
	// ErrRevoked: RemoveOwner was called for the row's owner at begun or later.
	// Whichever of Insert and RemoveOwner comes first, the row of a login that
	// began before the revocation is not there when both have returned. The
	// caller uses a key once, unless the row is unowned. A row that is there to
	// the letter may be the same Insert, repeated: that may succeed.
	Insert(ctx context.Context, row Row, begun Moment) error
	// Lookup returns the row, whether or not it has expired. ErrNotFound: it is
	// absent, or dropped by a backend that expires rows by itself, which is not
	// before Grace is over. ErrTampered: what is there cannot be a row.
	Lookup(ctx context.Context, key Key) (Row, error)
	// Replace writes row over the one with the same key and Version-1.
	// ErrConflict: another version is there, or another Owner's row; a session
	// never changes hands. ErrNotFound: no row is there; a deleted row is never
	// revived. ErrTampered: what is there cannot be a row. A row that is there
	// to the letter may be the same Replace, repeated: that may succeed.
	Replace(ctx context.Context, row Row) error
	// Remove deletes the row and reports whether there was one, expired or not.
	Remove(ctx context.Context, key Key) (bool, error)
	// RemoveOwner deletes all rows of an owner and returns how many. From then
	// on, for RevokedFor, it makes Insert refuse logins that began before. With
	// an error some rows may be left: call it again.
	RemoveOwner(ctx context.Context, owner Owner) (int, error)
	// Owned returns the rows of an owner, expired or not, in any order. What
	// cannot be a row is left out.
	Owned(ctx context.Context, owner Owner) ([]Row, error)
	// Walk calls visit with every row that has an owner, in any order, one call
	// at a time. It holds up no writer. Rows that are written meanwhile may be
	// missed, or visited twice. An error of visit ends it, and is returned.
	Walk(ctx context.Context, visit func(Row) error) error
	// Sweep deletes at most limit rows whose Expires is at or before a time, and
	// returns them; fewer than limit mean that none is left. A backend that
	// expires rows by itself returns none.
	Sweep(ctx context.Context, before time.Time, limit int) ([]Row, error)
	// Now returns a Moment after all that were returned before, and before all
	// that come later.
	Now(ctx context.Context) (Moment, error)
	// Locks keeps locks for all processes that share the database. It is nil
	// where only one process can have it open: locks in memory will do.
	Locks() Locks
	// Ping reports whether the backend can do now what a login needs: it writes.
	Ping(ctx context.Context) error
	// Close releases the backend within a few seconds, even if the database
	// stands still; later calls fail, a second Close does nothing.
	Close() error
}

// Holder is who holds a lock: random, new for each lock taken.
type Holder [16]byte

// Locks keeps locks with a lease time, measured by the database's clock alone.
type Locks interface {
	// Lock gives the lock to holder for lease from now, whether it was free or
	// holder's already. ErrLocked: another holder has it.
	Lock(ctx context.Context, key Key, holder Holder, lease time.Duration) error
	// Unlock frees the lock if holder has it, and does nothing otherwise.
	Unlock(ctx context.Context, key Key, holder Holder) error
}
