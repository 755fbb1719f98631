// Package store keeps server-side sessions. It has two halves:
//
//   - [Store] is what the rest of the server uses. It hashes ids, encrypts
//     records under a key ring, checks expiry and compares versions, once, for
//     every backend.
//   - [Backend] is what a database has to offer: opaque rows with a version.
//     The packages below this one implement it, and the one suite in storetest
//     says what that means.
//
// Not found, expired, tampered and system failure are four different answers:
// [ErrNotFound], [ErrExpired], [ErrTampered], and any other error. Only the
// first three say something about a session; a caller must never treat a
// failing database as a signed-out user.
//
// What a row is sealed to: its key, owner, version and expiry. Whoever can
// write to the database can delete sessions, and can put back an older state
// of a whole row; they cannot read one, make one, change one, or pass one
// user's off as another's.
package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotFound: there is no such record, or no longer.
	ErrNotFound = errors.New("store: no such record")
	// ErrExpired: the record's idle or absolute limit has passed.
	ErrExpired = errors.New("store: record has expired")
	// ErrTampered: a row is there that was not written for this id under a
	// key of the ring: flipped, swapped, or sealed with a key since removed.
	ErrTampered = errors.New("store: record does not authenticate")
	// ErrConflict: the record has changed since it was read.
	ErrConflict = errors.New("store: record has changed")
	// ErrExists: a record with this id is already there.
	ErrExists = errors.New("store: record exists")
)

// Keys seal and open what a Backend keeps. Their errors are those of package
// keyring.
type Keys interface {
	Seal(plaintext, aad []byte) ([]byte, error)
	Open(sealed, aad []byte) (plain []byte, current bool, err error)
}

// Store keeps records in a Backend. All methods are safe for concurrent use.
type Store struct {
	backend Backend
	ring    Keys
	now     func() time.Time
}

// New returns a Store that owns backend: Close closes it. Expiry is judged by
// now; nil means time.Now.
func New(backend Backend, ring Keys, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{backend: backend, ring: ring, now: now}
}

// Create writes a new record at version 1, whatever r.Version says. It is
// ErrExists if the id is taken and ErrExpired, with nothing written, if r has
// expired already.
func (s *Store) Create(ctx context.Context, id ID, r Record) error {
	r.Version = 1
	row, err := s.seal(id.Key(), r)
	if err != nil {
		return fmt.Errorf("store: create: %w", err)
	}
	if err := s.backend.Insert(ctx, row); err != nil {
		return fmt.Errorf("store: create: %w", err)
	}
	return nil
}

// Get returns the record of id, or ErrNotFound, ErrExpired or ErrTampered.
// From the very instant of Record.Expires on the record has expired.
func (s *Store) Get(ctx context.Context, id ID) (Record, error) {
	key := id.Key()
	row, err := s.backend.Lookup(ctx, key)
	if err != nil {
		return Record{}, fmt.Errorf("store: get: %w", err)
	}
	// The key asked for, not the one the backend gave: a row moved to another
	// place must not open there.
	row.Key = key
	plain, _, err := s.ring.Open(row.Value, binding(row))
	if err != nil {
		return Record{}, fmt.Errorf("store: get: %w: %w", ErrTampered, err)
	}
	r, err := decode(plain)
	if err != nil {
		return Record{}, fmt.Errorf("store: get: %w", err)
	}
	r.Version = row.Version
	if s.expired(r) {
		return Record{}, fmt.Errorf("store: get: %w", ErrExpired)
	}
	return r, nil
}

// Update writes r over the record it was read from and returns it as written,
// with its new version. r.Version is the version that was read: ErrConflict if
// the record has changed since, ErrNotFound if it has been deleted. It is
// ErrExpired, with nothing written, if r has expired. The sealing key is the
// ring's first, so an update moves a record to a new key.
func (s *Store) Update(ctx context.Context, id ID, r Record) (Record, error) {
	r.Version++
	r = r.normal()
	row, err := s.seal(id.Key(), r)
	if err != nil {
		return Record{}, fmt.Errorf("store: update: %w", err)
	}
	if err := s.backend.Replace(ctx, row); err != nil {
		return Record{}, fmt.Errorf("store: update: %w", err)
	}
	return r, nil
}

// Delete removes the record of id and reports whether there was one, expired or
// not.
func (s *Store) Delete(ctx context.Context, id ID) (bool, error) {
	removed, err := s.backend.Remove(ctx, id.Key())
	if err != nil {
		return false, fmt.Errorf("store: delete: %w", err)
	}
	return removed, nil
}

// DeleteByUUID removes every record of a user and returns how many there were.
func (s *Store) DeleteByUUID(ctx context.Context, uuid string) (int, error) {
	n, err := s.backend.RemoveOwner(ctx, OwnerOf(uuid))
	if err != nil {
		return n, fmt.Errorf("store: delete by uuid: %w", err)
	}
	return n, nil
}

// Sweep removes expired records and returns how many it removed, also when it
// fails half-way. A backend that expires rows by itself returns 0.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	n, err := s.backend.Sweep(ctx, s.now())
	if err != nil {
		return n, fmt.Errorf("store: sweep: %w", err)
	}
	return n, nil
}

// Ping reports whether the store can read and write now.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.backend.Ping(ctx); err != nil {
		return fmt.Errorf("store: ping: %w", err)
	}
	return nil
}

// Close closes the backend.
func (s *Store) Close() error {
	if err := s.backend.Close(); err != nil {
		return fmt.Errorf("store: close: %w", err)
	}
	return nil
}

// seal makes the row of r. A record that nobody could use is refused here and
// not found out about when it is read.
func (s *Store) seal(key Key, r Record) (Row, error) {
	if err := r.check(); err != nil {
		return Row{}, err
	}
	if s.expired(r) {
		return Row{}, ErrExpired
	}
	row := Row{Key: key, Owner: OwnerOf(r.UUID), Version: r.Version, Expires: milli(r.Expires())}
	var err error
	row.Value, err = s.ring.Seal(encode(r), binding(row))
	return row, err
}

// expired compares wall clocks. Both sides drop their monotonic reading, which
// stands still while the machine sleeps.
func (s *Store) expired(r Record) bool {
	return !s.now().Round(0).Before(milli(r.Expires()))
}

const bindingPrefix = "keepalive row 1\x00"

// binding is what a sealed value is authenticated with. Every field has a
// fixed length, so no two rows have the same binding.
func binding(row Row) []byte {
	b := make([]byte, 0, len(bindingPrefix)+len(row.Key)+len(row.Owner)+8+8)
	b = append(b, bindingPrefix...)
	b = append(b, row.Key[:]...)
	b = append(b, row.Owner[:]...)
	b = binary.BigEndian.AppendUint64(b, row.Version)
	return binary.BigEndian.AppendUint64(b, uint64(row.Expires.UnixMilli()))
}
