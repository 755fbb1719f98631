// Package redis is the store backend for several servers: Redis 6.2 or newer,
// or Valkey, as one server, behind sentinels, or as a cluster.
//
// A session is one hash under one key, and every change of it is one script, so
// that versions are compared where the row is. Redis drops rows by itself.
//
// An owner's sessions are found through an index under a key of its own, in a
// cluster on another node than the rows, so that no transaction spans both.
// What holds instead: the index names a row before the row is there, and from
// then on until the row's time is over. Every write of a row first writes the
// index, and nothing ever takes an entry out before its time. A server that is
// killed between the two leaves an entry without a row, which means nothing;
// never a row without an entry. A row that is its own owner, as those of claims
// and notes are, needs none.
package redis

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// grace is how long Redis keeps a row that has expired. The store judges
	// expiry by the servers' clock; that of Redis only saves room, and a clock
	// that is a little fast must sign nobody out.
	grace = time.Minute
	// indexGrace is how much longer the index knows a row than the row can be
	// there: the nodes of a cluster have a clock each.
	indexGrace = time.Hour

	// removeBatch bounds the commands of one round trip of RemoveOwner.
	removeBatch = 500
)

// Backend implements store.Backend. A call that is under way when its context
// is canceled ends with Redis's answer, or after Timeout.
type Backend struct {
	client goredis.UniversalClient
	closed atomic.Bool
}

var _ store.Backend = (*Backend)(nil)

// Open connects to the Redis that a URL names; Validate has the forms. It takes
// a row through its whole life once, so that a missing permission or a read-only
// server shows now, and not at the first sign-out. Errors hold neither the URL
// nor a password.
func Open(ctx context.Context, text secret.String) (*Backend, error) {
	t, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("redis: the URL: %w", err)
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

// rehearse does all that will be done, on a row that nobody asks for.
func (b *Backend) rehearse(ctx context.Context) error {
	row := store.Row{Version: 1, Expires: time.Now().Add(Timeout)}
	rand.Read(row.Key[:])
	rand.Read(row.Owner[:])
	if err := b.Insert(ctx, row); err != nil {
		return err
	}
	if _, err := b.Lookup(ctx, row.Key); err != nil {
		return err
	}
	row.Version++
	if err := b.Replace(ctx, row); err != nil {
		return err
	}
	if _, err := b.RemoveOwner(ctx, row.Owner); err != nil {
		return err
	}
	// Nobody else can know this owner, so its index may go before its time.
	return failure(ctx, b.client.Del(ctx, indexKey(row.Owner)).Err())
}

// The keys. What is in braces chooses the node of a cluster (Redis cluster
// specification, hash tags).

func rowKey(key store.Key) string {
	return "keepalive:{" + base64.RawURLEncoding.EncodeToString(key[:]) + "}"
}

func indexKey(owner store.Owner) string {
	return "keepalive:owner:{" + base64.RawURLEncoding.EncodeToString(owner[:]) + "}"
}

const probeKey = "keepalive:probe"

// enter begins a call: within is what its round trips are bound by.
func (b *Backend) enter(ctx context.Context) (within context.Context, cancel context.CancelFunc, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if b.closed.Load() {
		return nil, nil, failure(ctx, goredis.ErrClosed)
	}
	within, cancel = context.WithTimeout(ctx, Timeout)
	return within, cancel, nil
}

// Insert implements store.Backend.
func (b *Backend) Insert(ctx context.Context, row store.Row) error {
	answer, err := b.write(ctx, insertScript, row)
	switch {
	case err != nil:
		return err
	case answer == taken:
		return store.ErrExists
	}
	return nil
}

// Lookup implements store.Backend.
func (b *Backend) Lookup(ctx context.Context, key store.Key) (store.Row, error) {
	within, cancel, err := b.enter(ctx)
	if err != nil {
		return store.Row{}, err
	}
	defer cancel()
	fields, err := b.client.HGetAll(within, rowKey(key)).Result()
	switch {
	case goredis.HasErrorPrefix(err, "WRONGTYPE"):
		return store.Row{}, fmt.Errorf("%w: it is no hash", store.ErrTampered)
	case err != nil:
		return store.Row{}, failure(ctx, err)
	case len(fields) == 0:
		return store.Row{}, store.ErrNotFound
	}
	return decode(key, fields)
}

// decode reads the fields of a row.
func decode(key store.Key, fields map[string]string) (store.Row, error) {
	value, found := fields["value"]
	version, errVersion := strconv.ParseUint(fields["version"], 10, 64)
	expires, errExpires := strconv.ParseInt(fields["expires"], 10, 64)
	row := store.Row{Key: key, Version: version, Expires: time.UnixMilli(expires).UTC(), Value: []byte(value)}
	if !found || errVersion != nil || errExpires != nil || len(fields["owner"]) != len(row.Owner) {
		return store.Row{}, fmt.Errorf("%w: its fields are none that were written here", store.ErrTampered)
	}
	copy(row.Owner[:], fields["owner"])
	return row, nil
}

// Replace implements store.Backend.
func (b *Backend) Replace(ctx context.Context, row store.Row) error {
	answer, err := b.write(ctx, replaceScript, row, strconv.FormatUint(row.Version-1, 10))
	switch {
	case err != nil:
		return err
	case answer == absent:
		return store.ErrNotFound
	case answer == broken:
		return fmt.Errorf("%w: what is there is no row", store.ErrTampered)
	case answer == differs:
		return store.ErrConflict
	}
	return nil
}

// write makes the index know the row, and then runs a script that writes it.
// If the script refuses, the entry stays: it names a row that is another
// owner's or not there, and both mean nothing to RemoveOwner.
func (b *Backend) write(ctx context.Context, s script, row store.Row, more ...any) (answer string, err error) {
	within, cancel, err := b.enter(ctx)
	if err != nil {
		return "", err
	}
	defer cancel()
	if row.Owner != store.Owner(row.Key) {
		if _, err := b.run(within, indexScript, indexKey(row.Owner), row.Key[:], millis(row.Expires.Add(indexGrace))); err != nil {
			return "", failure(ctx, err)
		}
	}
	answer, err = b.run(within, s, rowKey(row.Key), append([]any{
		strconv.FormatUint(row.Version, 10), row.Owner[:], millis(row.Expires), row.Value, millis(row.Expires.Add(grace)),
	}, more...)...)
	return answer, failure(ctx, err)
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// Remove implements store.Backend. The index keeps its entry until the row's
// time is over: taking it out could undo an Insert that is between its two
// writes.
func (b *Backend) Remove(ctx context.Context, key store.Key) (bool, error) {
	within, cancel, err := b.enter(ctx)
	if err != nil {
		return false, err
	}
	defer cancel()
	removed, err := b.client.Del(within, rowKey(key)).Result()
	return removed > 0, failure(ctx, err)
}

// RemoveOwner implements store.Backend. When it returns without an error, every
// row of the owner that was there when it was called is gone, and so is every
// row written before its last look, which found nothing to delete. An Insert
// that is under way all the while comes after it, as if its user had signed in
// a moment later; the index has that row, for the next call. With an error,
// some rows may be left: call it again.
func (b *Backend) RemoveOwner(ctx context.Context, owner store.Owner) (int, error) {
	removed := 0
	for {
		n, err := b.removeIndexed(ctx, owner)
		removed += n
		if err != nil || n == 0 {
			return removed, err
		}
	}
}

// removeIndexed deletes the rows that the index names now, and the one that
// needs no index, and returns how many there were.
func (b *Backend) removeIndexed(ctx context.Context, owner store.Owner) (int, error) {
	members, err := b.indexed(ctx, owner)
	if err != nil {
		return 0, err
	}
	members = append(members, string(owner[:]))
	removed := 0
	for len(members) > 0 {
		batch := members[:min(len(members), removeBatch)]
		members = members[len(batch):]
		n, err := b.removeOwned(ctx, owner, batch)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

func (b *Backend) indexed(ctx context.Context, owner store.Owner) ([]string, error) {
	within, cancel, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	members, err := b.client.ZRange(within, indexKey(owner), 0, -1).Result()
	return members, failure(ctx, err)
}

// removeOwned deletes those of the rows that are the owner's.
func (b *Backend) removeOwned(ctx context.Context, owner store.Owner, members []string) (int, error) {
	within, cancel, err := b.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer cancel()
	pipeline := b.client.Pipeline()
	var answers []*goredis.Cmd
	for _, member := range members {
		if len(member) == len(store.Key{}) {
			// In full: a pipeline has no second try for a script that the server
			// does not know.
			answers = append(answers, pipeline.Eval(within, removeOwnedScript, []string{rowKey(store.Key([]byte(member)))}, owner[:]))
		}
	}
	if len(answers) == 0 {
		return 0, nil
	}
	_, err = pipeline.Exec(within)
	removed := 0
	for _, answer := range answers {
		n, errAnswer := answer.Int()
		removed += n
		if err == nil {
			err = errAnswer
		}
	}
	return removed, failure(ctx, err)
}

// Sweep implements store.Backend: Redis drops rows by itself.
func (b *Backend) Sweep(ctx context.Context, _ time.Time) (int, error) {
	_, cancel, err := b.enter(ctx)
	if err != nil {
		return 0, err
	}
	cancel()
	return 0, nil
}

// Ping implements store.Backend. It makes an index entry whose time is over,
// which leaves nothing behind and fails wherever a session could not be written:
// on a replica, without memory, on a disk that is full. In a cluster it says
// this of one node, and, as long as cluster-require-full-coverage is on, that
// the others are there.
func (b *Backend) Ping(ctx context.Context) error {
	within, cancel, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	_, err = b.run(within, indexScript, probeKey, "probe", "0")
	return failure(ctx, err)
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
