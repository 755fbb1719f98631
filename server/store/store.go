// Package store keeps server-side sessions. It has two halves:
//
//   - [Store] is what the rest of the server uses. It hashes ids, encrypts
//     records under a key ring, checks expiry and compares versions, once, for
//     every backend.
//   - [Backend] is what a database has to offer: opaque rows with a version.
//     The packages below this one implement it, and the one suite in storetest
//     says what that means. Each exports a [Driver]; the package drivers lists
//     them.
//
// Verdicts and failures are different things. A verdict ([IsVerdict]) says
// something about a session; any other error means that the database failed,
// and a caller must never treat that as a signed-out user.
//
// What a row is sealed to: its key, owner, version and expiry. An attacker who
// can write to the database can delete sessions, and can put back an older state
// of a whole row, but cannot read one, make one, change one, or pass one user's
// off as another's.
package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/limit"
)

// The verdicts.
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
	// ErrExists: a record with this id, or a mark with this name, is there.
	ErrExists = errors.New("store: record exists")
	// ErrRevoked: the user's sessions were revoked after the login began.
	ErrRevoked = errors.New("store: the user's sessions were revoked after this login began")
	// ErrLocked: another holder has the lock.
	ErrLocked = errors.New("store: another holder has the lock")
)

// The failures that every backend can have.
var (
	// ErrTimeout: the database did not answer within [Timeout]. What was asked
	// for may or may not have been done.
	ErrTimeout = errors.New("store: the database did not answer in time")
	// ErrBusy: so many calls wait for the database that this one was refused at
	// once, and nothing was done. It is temporary.
	ErrBusy = errors.New("store: too many calls wait for the database; try again in a moment")
)

// IsVerdict reports whether an error says something about a record, a mark or a
// lock. Any other error means that the database failed.
func IsVerdict(err error) bool {
	for _, verdict := range [...]error{
		ErrNotFound, ErrExpired, ErrTampered, ErrConflict, ErrExists, ErrRevoked, ErrLocked,
	} {
		if errors.Is(err, verdict) {
			return true
		}
	}
	return false
}

const (
	// Timeout bounds each call for one record, so that a visitor is answered
	// within two seconds whatever the database does.
	Timeout = time.Second
	// batchTimeout bounds each call for many rows.
	batchTimeout = 10 * time.Second
)

// The operations of a Backend and of its Locks, as a Watch hears of them.
const (
	opInsert      = "insert"
	opLookup      = "lookup"
	opReplace     = "replace"
	opRemove      = "remove"
	opRemoveOwner = "remove_owner"
	opOwned       = "owned"
	opWalk        = "walk"
	opSweep       = "sweep"
	opNow         = "now"
	opLock        = "lock"
	opUnlock      = "unlock"
	opPing        = "ping"
)

// Operations returns all that a Watch can hear of.
func Operations() []string {
	return []string{
		opInsert, opLookup, opReplace, opRemove, opRemoveOwner, opOwned, opWalk, opSweep,
		opNow, opLock, opUnlock, opPing,
	}
}

// Keys seal and open what a Backend keeps. Their errors are those of package
// keyring.
type Keys interface {
	Seal(plaintext, aad []byte) ([]byte, error)
	Open(sealed, aad []byte) (plain []byte, current bool, err error)
}

// Store keeps records in a Backend. All methods are safe for concurrent use,
// and end when their context does, or with ErrTimeout.
type Store struct {
	backend Backend
	ring    Keys
	now     func() time.Time
	locks   localLocks
	watch   Watch
}

// Watch hears of each call of the backend: which one of Operations it was, how
// long it took, and its error.
type Watch func(operation string, took time.Duration, err error)

// New returns a Store that owns backend: Close closes it. Expiry is judged by
// now; nil means time.Now.
func New(backend Backend, ring Keys, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{backend: backend, ring: ring, now: now, watch: func(string, time.Duration, error) {}}
}

// Watch has watch hear of all calls. It comes before them.
func (s *Store) Watch(watch Watch) { s.watch = watch }

// Now returns the moment at which a login begins, for Create.
func (s *Store) Now(ctx context.Context) (now Moment, err error) {
	err = s.within(ctx, opNow, Timeout, func(ctx context.Context) error {
		now, err = s.backend.Now(ctx)
		return err
	})
	return now, failed("now", err)
}

// Create writes a new record at version 1, whatever r.Version says. begun is
// what Now returned when the login began: ErrRevoked if DeleteByUUID was called
// for the user since. ErrExists: the id is taken. ErrExpired, with nothing
// written: r has expired already.
func (s *Store) Create(ctx context.Context, id ID, r Record, begun Moment) error {
	r.Version = 1
	row, err := s.seal(id.Key(), r)
	if err == nil {
		err = s.insert(ctx, row, begun)
	}
	return failed("create", err)
}

// Get returns the record of id, or ErrNotFound, ErrTampered, or ErrExpired, which
// is an *Expiry then. From the very instant of Record.Expires on the record has expired.
func (s *Store) Get(ctx context.Context, id ID) (Record, error) {
	key := id.Key()
	row, err := s.lookup(ctx, key)
	if err != nil {
		return Record{}, failed("get", err)
	}
	// The key asked for, not the one the backend gave: a row moved to another
	// place must not open there.
	row.Key = key
	r, err := s.open(row)
	if err != nil {
		return Record{}, failed("get", err)
	}
	if s.expired(r) {
		return Record{}, failed("get", &Expiry{Ended: endOf(row.Key, r), UUID: r.UUID})
	}
	return r, nil
}

// Update writes r over the record it was read from and returns it as written,
// with its new version. r.Version is the version that was read. ErrConflict: the
// record has changed since. ErrNotFound: it has been deleted. ErrExpired, with
// nothing written: r has expired. The sealing key is the ring's first, so an
// update moves a record to a new key.
func (s *Store) Update(ctx context.Context, id ID, r Record) (Record, error) {
	r.Version++
	r = r.normal()
	r.OldKey = false
	row, err := s.seal(id.Key(), r)
	if err == nil {
		err = s.replace(ctx, row)
	}
	if err != nil {
		return Record{}, failed("update", err)
	}
	return r, nil
}

// Delete removes the record of id and reports whether there was one, expired or
// not.
func (s *Store) Delete(ctx context.Context, id ID) (removed bool, err error) {
	removed, err = s.remove(ctx, id.Key())
	return removed, failed("delete", err)
}

// Ping reports whether the store can do now what a login needs.
func (s *Store) Ping(ctx context.Context) error {
	return failed("ping", s.within(ctx, opPing, Timeout, s.backend.Ping))
}

// Close closes the backend.
func (s *Store) Close() error { return failed("close", s.backend.Close()) }

// failed says in an error which operation failed; nil stays nil.
func failed(operation string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("store: %s: %w", operation, err)
}

// within gives a call of the backend a limit of ours. That one is not passed on
// as the caller's: their time is not over.
func (s *Store) within(
	ctx context.Context, operation string, timeout time.Duration, call func(context.Context) error,
) error {
	limited, cancel := limit.LazyTimeout(ctx, timeout)
	defer cancel()
	// Requests that came together get as far before one of them goes on: their
	// answers are then written one after the other, for which fewer threads wake.
	runtime.Gosched()
	began := time.Now()
	err := call(limited)
	s.watch(operation, time.Since(began), err)
	if err != nil && !IsVerdict(err) && limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf(
			"%w (within %s: %v)", ErrTimeout, timeout, err,
		) //nolint:errorlint // not the caller's deadline
	}
	return err
}

func (s *Store) insert(ctx context.Context, row Row, begun Moment) error {
	return s.within(ctx, opInsert, Timeout, func(ctx context.Context) error {
		return s.backend.Insert(ctx, row, begun)
	})
}

func (s *Store) replace(ctx context.Context, row Row) error {
	return s.within(ctx, opReplace, Timeout, func(ctx context.Context) error {
		return s.backend.Replace(ctx, row)
	})
}

func (s *Store) lookup(ctx context.Context, key Key) (row Row, err error) {
	err = s.within(ctx, opLookup, Timeout, func(ctx context.Context) error {
		row, err = s.backend.Lookup(ctx, key)
		return err
	})
	return row, err
}

func (s *Store) remove(ctx context.Context, key Key) (removed bool, err error) {
	err = s.within(ctx, opRemove, Timeout, func(ctx context.Context) error {
		removed, err = s.backend.Remove(ctx, key)
		return err
	})
	return removed && err == nil, err
}

// seal makes the row of r. A record that could not be used is refused here, and
// not when it is read.
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

// open reads the record of a row.
func (s *Store) open(row Row) (Record, error) {
	plain, current, err := s.ring.Open(row.Value, binding(row))
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrTampered, err)
	}
	r, err := decode(plain)
	if err != nil {
		return Record{}, err
	}
	r.Version, r.OldKey = row.Version, !current
	return r, nil
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
