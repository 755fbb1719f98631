// Package redis is the store backend for several servers: Redis 6.2 or newer,
// or Valkey, as one server, behind sentinels, or as a cluster.
//
// A session is one hash under one key, and every change of it is one script, so
// that versions are compared where the row is. Redis drops rows by itself.
//
// An owner's sessions are found through an index under a key of its own, in a
// cluster on another node than the rows, so that no transaction spans both.
// What holds instead:
//
//   - The index names a row before the row is there, and as long as it is. A
//     server that is killed between the two writes leaves an entry without a
//     row, which means nothing; never a row without an entry.
//
//   - RemoveOwner marks the owner as revoked and reads the index in one step,
//     then deletes each row, or leaves a tombstone where there is none yet:
//
//     // Insert: index.  RemoveOwner: mark, read index.  Insert: row.
//     // The row finds its tombstone: see TestRevocationBeatsALoginUnderWay.
//
//   - An Insert that comes to the index later finds the mark.
package redis

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// indexGrace is how much longer the index knows a row than the row can be
	// there: the nodes of a cluster have a clock each.
	indexGrace = store.Grace + time.Hour
	// tombstoneTime is longer than any Insert is under way, in a process that was
	// paused, too.
	tombstoneTime = time.Hour
	// clockTime is how long the last moment is kept: longer than any mark.
	clockTime = 24 * time.Hour
	// incompleteTime is longer than any session: what an index lacks is over then.
	incompleteTime = 400 * 24 * time.Hour

	// batch bounds the commands of one round trip.
	batch = 500
)

// Backend implements store.Backend. A command that is under way when the context
// is canceled ends with Redis's answer, or after Timeout.
type Backend struct {
	client goredis.UniversalClient
	closed atomic.Bool
	// replaced is the last key under which was no value of ours; nil: none.
	replaced atomic.Pointer[string]
	// lastNow is when Now was asked last; nil: never. emptied is when it found that
	// Redis had forgotten what it held; nil: never.
	lastNow, emptied atomic.Pointer[time.Time]
	// secretive: Redis does not let its settings be asked for.
	secretive atomic.Bool
}

var _ store.Backend = (*Backend)(nil)

// Open connects to the Redis that a URL names; Validate has the forms. It takes
// a row through its whole life once, so that a missing permission or a read-only
// server shows now, and not at the first sign-out. Errors hold neither the URL
// nor a password.
func Open(ctx context.Context, text secret.String) (*Backend, error) {
	t, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	client, err := connect(t)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	b := &Backend{client: client}
	if err := b.rehearse(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// rehearse does all that will be done, on a row that belongs to no user.
func (b *Backend) rehearse(ctx context.Context) error {
	begun, err := b.Now(ctx)
	if err != nil {
		return err
	}
	var holder store.Holder
	row := store.Row{Version: 1, Expires: time.Now().Add(Timeout)}
	rand.Read(row.Key[:])
	rand.Read(row.Owner[:])
	next := row
	next.Version++
	for _, step := range [...]func() error{
		func() error { _, err := b.Time(ctx); return err },
		func() error { return b.Insert(ctx, row, begun) },
		func() error { _, err := b.Lookup(ctx, row.Key); return err },
		func() error { return b.Replace(ctx, next) },
		func() error { return b.Lock(ctx, row.Key, holder, Timeout) },
		func() error { return b.Unlock(ctx, row.Key, holder) },
		func() error { _, err := page(ctx, b.client, rowPrefix+"*", 0, noNames); return err },
		func() error { _, err := b.Owned(ctx, row.Owner); return err },
		func() error { _, err := b.Remove(ctx, row.Key); return err },
		func() error { _, err := b.RemoveOwner(ctx, row.Owner); return err },
		// The row is gone by now, so that this leaves a tombstone.
		func() error { _, err := b.removeOwned(ctx, row.Owner, []store.Key{row.Key}); return err },
		// No login has this owner, so that its keys may go before their time.
		func() error { return b.forget(ctx, append(ownerKeys(row.Owner), rowKey(row.Key))) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func noNames(context.Context, goredis.UniversalClient, []string) error { return nil }

func (b *Backend) forget(ctx context.Context, keys []string) error {
	for _, key := range keys {
		if err := b.client.Del(ctx, key).Err(); err != nil {
			return failure(ctx, err)
		}
	}
	return nil
}

// The keys. What is in braces chooses the node of a cluster (Redis cluster
// specification, hash tags).

const (
	rowPrefix     = "keepalive:{"
	ownerPrefix   = "keepalive:owner:"
	revokedPrefix = "keepalive:revoked:"
	lockPrefix    = "keepalive:lock:"
	clockKey      = "keepalive:clock"
	probeKey      = "keepalive:probe"
)

func rowKey(key store.Key) string {
	return rowPrefix + base64.RawURLEncoding.EncodeToString(key[:]) + "}"
}

// ownerKeys are the index of an owner's rows, and the mark of a revocation.
func ownerKeys(owner store.Owner) []string {
	tag := "{" + base64.RawURLEncoding.EncodeToString(owner[:]) + "}"
	return []string{ownerPrefix + tag, revokedPrefix + tag}
}

func lockKey(key store.Key) string {
	return lockPrefix + "{" + base64.RawURLEncoding.EncodeToString(key[:]) + "}"
}

// Insert implements store.Backend.
func (b *Backend) Insert(ctx context.Context, row store.Row, begun store.Moment) error {
	indexed, answer, err := b.write(ctx, insertScript, row, moment(begun))
	switch {
	case indexed == revoked:
		return store.ErrRevoked
	case answer == taken:
		return store.ErrExists
	case answer == revoked:
		return store.ErrRevoked
	}
	return err
}

// Lookup implements store.Backend.
func (b *Backend) Lookup(ctx context.Context, key store.Key) (store.Row, error) {
	within, cancel := limit.Timeout(ctx, Timeout)
	defer cancel()
	var fields map[string]string
	err := repeat(within, func(ctx context.Context) (err error) {
		fields, err = b.client.HGetAll(ctx, rowKey(key)).Result()
		return err
	})
	return rowOf(ctx, key, fields, err)
}

// wrongType reports whether another kind of value is under the key.
func wrongType(err error) bool { return goredis.HasErrorPrefix(err, "WRONGTYPE") }

// rowOf is the row of an answer to HGETALL.
func rowOf(
	ctx context.Context, key store.Key, fields map[string]string, err error,
) (store.Row, error) {
	switch {
	case wrongType(err):
		return store.Row{}, fmt.Errorf("%w: it is no hash", store.ErrTampered)
	case err != nil:
		return store.Row{}, failure(ctx, err)
	case len(fields) == 0, fields["tombstone"] != "":
		return store.Row{}, store.ErrNotFound
	}
	return decode(key, fields)
}

// decode reads the fields of a row.
func decode(key store.Key, fields map[string]string) (store.Row, error) {
	value, found := fields["value"]
	version, errVersion := strconv.ParseUint(fields["version"], 10, 64)
	expires, errExpires := strconv.ParseInt(fields["expires"], 10, 64)
	row := store.Row{
		Key:     key,
		Version: version,
		Expires: time.UnixMilli(expires).UTC(),
		Value:   []byte(value),
	}
	if !found || errVersion != nil || errExpires != nil || len(fields["owner"]) != len(row.Owner) {
		return store.Row{}, fmt.Errorf(
			"%w: its fields are none that were written here", store.ErrTampered,
		)
	}
	copy(row.Owner[:], fields["owner"])
	return row, nil
}

// Replace implements store.Backend.
func (b *Backend) Replace(ctx context.Context, row store.Row) error {
	indexed, answer, err := b.write(ctx, replaceScript, row, "",
		strconv.FormatUint(row.Version-1, 10))
	if indexed == added && (answer == done || answer == differs) {
		// The row was there and its entry was not: the index was deleted, and the
		// owner's other rows are missing as well. See TestIndexForgotten.
		_, err = b.index(ctx, ownerKeys(row.Owner), incomplete,
			time.Now().Add(incompleteTime), "")
	}
	switch answer {
	case absent:
		return store.ErrNotFound
	case broken:
		return fmt.Errorf("%w: what is there is no row", store.ErrTampered)
	case differs:
		return cmp.Or(err, store.ErrConflict)
	}
	return err
}

// write makes the index know the row, unless the login began before a
// revocation, and then runs a script that writes the row. If the script refuses,
// the entry stays: it names a row that is another owner's or not there, and both
// mean nothing to RemoveOwner. It returns what both scripts answered.
func (b *Backend) write(
	ctx context.Context, s script, row store.Row, begun string, more ...any,
) (indexed, answer string, err error) {
	if !row.Unowned() {
		indexed, err = b.index(ctx, ownerKeys(row.Owner), string(row.Key[:]),
			row.Expires.Add(indexGrace), begun)
		if err != nil || indexed == revoked {
			return indexed, "", err
		}
	}
	answer, err = b.run(ctx, s, []string{rowKey(row.Key)}, append([]any{
		strconv.FormatUint(row.Version, 10), row.Owner[:], millis(row.Expires), row.Value,
		millis(row.Expires.Add(store.Grace)),
	}, more...)...)
	return indexed, answer, err
}

func (b *Backend) index(
	ctx context.Context, keys []string, entry string, until time.Time, begun string,
) (answer string, err error) {
	return b.run(ctx, indexScript, keys, entry, millis(until), begun,
		millis(time.Now().Add(incompleteTime)))
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

func moment(m store.Moment) string { return strconv.FormatInt(int64(m), 10) }

// Remove implements store.Backend. It takes the entry out of the index only
// after a row that was there, so that the Insert of that row is over.
func (b *Backend) Remove(ctx context.Context, key store.Key) (bool, error) {
	owner, err := b.run(ctx, removeScript, []string{rowKey(key)})
	if err != nil || owner == absent {
		return false, err
	}
	if len(owner) == len(store.Owner{}) && owner != string(key[:]) {
		err = bounded(ctx, func(ctx context.Context) error {
			return b.client.ZRem(ctx, ownerKeys(store.Owner([]byte(owner)))[0], key[:]).Err()
		})
	}
	if wrongType(err) {
		err = nil // there is no index that has the entry
	}
	return true, err
}

// Sweep implements store.Backend: Redis drops rows by itself.
func (b *Backend) Sweep(ctx context.Context, _ time.Time, _ int) ([]store.Row, error) {
	if err := ctx.Err(); err != nil || !b.closed.Load() {
		return nil, err
	}
	return nil, failure(ctx, goredis.ErrClosed)
}

// Ping implements store.Backend. It makes an index entry that has expired,
// which leaves nothing behind and fails wherever a session could not be written:
// on a replica, without memory, on a disk that is full. In a cluster it says
// this of one node, and, as long as cluster-require-full-coverage is on, that
// the others are there.
func (b *Backend) Ping(ctx context.Context) error {
	_, err := b.index(ctx, []string{probeKey, probeKey}, "probe", time.Unix(0, 0), "")
	return err
}

// Close implements store.Backend.
func (b *Backend) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	if err := b.client.Close(); err != nil {
		return fmt.Errorf("redis: close: %w", err)
	}
	return nil
}
