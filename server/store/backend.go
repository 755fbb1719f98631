package store

import (
	"context"
	"crypto/sha256"
	"time"
)

// Key names a row.
type Key [sha256.Size]byte

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

// Backend is the contract of a database, proved by storetest.Run. All methods
// are safe for concurrent use, write durably before they return, and honour
// the context: one that is done already means its error and no change. A
// Backend neither keeps nor shares the slices it is given or returns. An error
// that is none of this package's means that the database failed and says
// nothing about the row.
type Backend interface {
	// Insert adds a row; ErrExists if the key is taken, even by an expired row
	// that is still there.
	Insert(ctx context.Context, row Row) error
	// Lookup returns the row, whether or not it has expired (a backend that
	// expires rows by itself returns ErrNotFound instead); ErrNotFound if
	// absent; ErrTampered if what is there cannot be a row.
	Lookup(ctx context.Context, key Key) (Row, error)
	// Replace writes row over the one with the same key and Version-1. It is
	// ErrConflict if another version is there, or another Owner's row: a session
	// never changes hands. It is ErrNotFound if no row is there: a deleted row
	// is never revived. It is ErrTampered if what is there cannot be a row.
	Replace(ctx context.Context, row Row) error
	// Remove deletes the row and reports whether there was one, expired or not.
	Remove(ctx context.Context, key Key) (bool, error)
	// RemoveOwner deletes all rows of an owner and returns how many. A row whose
	// Owner is its Key need not be in an index for that.
	RemoveOwner(ctx context.Context, owner Owner) (int, error)
	// Sweep deletes the rows whose Expires is at or before now and returns how
	// many, also when it fails half-way. A backend that expires rows by itself
	// returns 0.
	Sweep(ctx context.Context, now time.Time) (int, error)
	// Ping reports whether the backend can read and write now.
	Ping(ctx context.Context) error
	// Close releases the backend; later calls fail, a second Close does nothing.
	Close() error
}
