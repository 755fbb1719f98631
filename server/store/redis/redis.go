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
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

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

	// batch bounds the commands of one round trip.
	batch = 500
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

// rehearse does all that will be done, on a row that belongs to no user.
func (b *Backend) rehearse(ctx context.Context) error {
	row := store.Row{Version: 1, Expires: time.Now().Add(Timeout)}
	rand.Read(row.Key[:])
	rand.Read(row.Owner[:])
	begun, err := b.Now(ctx)
	if err != nil {
		return err
	}
	if err := b.Insert(ctx, row, begun); err != nil {
		return err
	}
	if _, err := b.Lookup(ctx, row.Key); err != nil {
		return err
	}
	row.Version++
	if err := b.Replace(ctx, row); err != nil {
		return err
	}
	if err := b.rehearseLock(ctx, row.Key); err != nil {
		return err
	}
	if _, err := b.scan(ctx, b.client, 0, func(store.Row) error { return nil }); err != nil {
		return err
	}
	if _, err := b.Owned(ctx, row.Owner); err != nil {
		return err
	}
	if _, err := b.Remove(ctx, row.Key); err != nil {
		return err
	}
	if _, err := b.RemoveOwner(ctx, row.Owner); err != nil {
		return err
	}
	// The row is gone by now, so that this leaves a tombstone.
	if _, err := b.removeOwned(ctx, row.Owner, []store.Key{row.Key}); err != nil {
		return err
	}
	// No login has this owner, so that its keys may go before their time.
	for _, key := range append(ownerKeys(row.Owner), rowKey(row.Key)) {
		if err := b.client.Del(ctx, key).Err(); err != nil {
			return failure(ctx, err)
		}
	}
	return nil
}

func (b *Backend) rehearseLock(ctx context.Context, key store.Key) error {
	var holder store.Holder
	if err := b.Lock(ctx, key, holder, Timeout); err != nil {
		return err
	}
	return b.Unlock(ctx, key, holder)
}

// The keys. What is in braces chooses the node of a cluster (Redis cluster
// specification, hash tags).

const (
	rowPrefix = "keepalive:{"
	clockKey  = "keepalive:clock"
	probeKey  = "keepalive:probe"
)

func rowKey(key store.Key) string {
	return rowPrefix + base64.RawURLEncoding.EncodeToString(key[:]) + "}"
}

// ownerKeys are the index of an owner's rows, and the mark of a revocation.
func ownerKeys(owner store.Owner) []string {
	tag := "{" + base64.RawURLEncoding.EncodeToString(owner[:]) + "}"
	return []string{"keepalive:owner:" + tag, "keepalive:revoked:" + tag}
}

func lockKey(key store.Key) string {
	return "keepalive:lock:{" + base64.RawURLEncoding.EncodeToString(key[:]) + "}"
}

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
func (b *Backend) Insert(ctx context.Context, row store.Row, begun store.Moment) error {
	answer, err := b.write(ctx, insertScript, row, moment(begun))
	switch {
	case err != nil:
		return err
	case answer == taken:
		return store.ErrExists
	case answer == revoked:
		return store.ErrRevoked
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
	var fields map[string]string
	err = repeat(within, func(ctx context.Context) (err error) {
		fields, err = b.client.HGetAll(ctx, rowKey(key)).Result()
		return err
	})
	return rowOf(ctx, key, fields, err)
}

// rowOf is the row of an answer to HGETALL.
func rowOf(ctx context.Context, key store.Key, fields map[string]string, err error) (store.Row, error) {
	switch {
	case goredis.HasErrorPrefix(err, "WRONGTYPE"):
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
	row := store.Row{Key: key, Version: version, Expires: time.UnixMilli(expires).UTC(), Value: []byte(value)}
	if !found || errVersion != nil || errExpires != nil || len(fields["owner"]) != len(row.Owner) {
		return store.Row{}, fmt.Errorf("%w: its fields are none that were written here", store.ErrTampered)
	}
	copy(row.Owner[:], fields["owner"])
	return row, nil
}

// Replace implements store.Backend.
func (b *Backend) Replace(ctx context.Context, row store.Row) error {
	answer, err := b.write(ctx, replaceScript, row, "", strconv.FormatUint(row.Version-1, 10))
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

// write makes the index know the row, unless the login began before a
// revocation, and then runs a script that writes the row. If the script refuses,
// the entry stays: it names a row that is another owner's or not there, and both
// mean nothing to RemoveOwner.
func (b *Backend) write(ctx context.Context, s script, row store.Row, begun string, more ...any) (answer string, err error) {
	within, cancel, err := b.enter(ctx)
	if err != nil {
		return "", err
	}
	defer cancel()
	if !row.Unowned() {
		answer, err := b.run(within, indexScript, ownerKeys(row.Owner), row.Key[:], millis(row.Expires.Add(indexGrace)), begun)
		if err != nil || answer == revoked {
			return answer, failure(ctx, err)
		}
	}
	answer, err = b.run(within, s, []string{rowKey(row.Key)}, append([]any{
		strconv.FormatUint(row.Version, 10), row.Owner[:], millis(row.Expires), row.Value, millis(row.Expires.Add(store.Grace)),
	}, more...)...)
	return answer, failure(ctx, err)
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

func moment(m store.Moment) string { return strconv.FormatInt(int64(m), 10) }

// Remove implements store.Backend. It takes the entry out of the index only
// after a row that was there, so that the Insert of that row is over.
func (b *Backend) Remove(ctx context.Context, key store.Key) (bool, error) {
	within, cancel, err := b.enter(ctx)
	if err != nil {
		return false, err
	}
	defer cancel()
	owner, err := b.run(within, removeScript, []string{rowKey(key)})
	if err != nil || owner == absent {
		return false, failure(ctx, err)
	}
	if len(owner) == len(store.Owner{}) && owner != string(key[:]) {
		err = b.client.ZRem(within, ownerKeys(store.Owner([]byte(owner)))[0], key[:]).Err()
	}
	return true, failure(ctx, err)
}

// RemoveOwner implements store.Backend.
func (b *Backend) RemoveOwner(ctx context.Context, owner store.Owner) (int, error) {
	now, err := b.Now(ctx)
	if err != nil {
		return 0, err
	}
	members, err := b.revoke(ctx, owner, now)
	if err != nil {
		return 0, err
	}
	removed := 0
	for members := range slices.Chunk(members, batch) {
		n, err := b.removeOwned(ctx, owner, members)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// revoke marks an owner, and returns the rows that the index has at that moment.
func (b *Backend) revoke(ctx context.Context, owner store.Owner, now store.Moment) ([]store.Key, error) {
	within, cancel, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	members, err := b.ask(within, revokeScript, ownerKeys(owner), moment(now), store.RevokedFor.Milliseconds())
	if err != nil {
		return nil, failure(ctx, err)
	}
	list, ok := members.([]any)
	if !ok {
		return nil, failure(ctx, unexpected(members))
	}
	var keys []store.Key
	for _, member := range list {
		if text, ok := member.(string); ok && len(text) == len(store.Key{}) {
			keys = append(keys, store.Key([]byte(text)))
		}
	}
	return keys, nil
}

// removeOwned deletes those of the rows that are the owner's.
func (b *Backend) removeOwned(ctx context.Context, owner store.Owner, keys []store.Key) (int, error) {
	within, cancel, err := b.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer cancel()
	pipeline := b.client.Pipeline()
	var answers []*goredis.Cmd
	for _, key := range keys {
		// In full: a pipeline has no second try for a script that the server
		// does not know.
		answers = append(answers, pipeline.Eval(within, removeOwnedScript, []string{rowKey(key)}, owner[:], tombstoneTime.Milliseconds()))
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

// Owned implements store.Backend.
func (b *Backend) Owned(ctx context.Context, owner store.Owner) ([]store.Row, error) {
	members, err := b.indexed(ctx, owner)
	if err != nil {
		return nil, err
	}
	var rows []store.Row
	for members := range slices.Chunk(members, batch) {
		some, err := b.ownedAmong(ctx, owner, members)
		if err != nil {
			return nil, err
		}
		rows = append(rows, some...)
	}
	return rows, nil
}

func (b *Backend) indexed(ctx context.Context, owner store.Owner) ([]string, error) {
	within, cancel, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	var members []string
	err = repeat(within, func(ctx context.Context) (err error) {
		members, err = b.client.ZRange(ctx, ownerKeys(owner)[0], 0, -1).Result()
		return err
	})
	return members, failure(ctx, err)
}

func (b *Backend) ownedAmong(ctx context.Context, owner store.Owner, members []string) ([]store.Row, error) {
	within, cancel, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	answers := map[store.Key]*goredis.MapStringStringCmd{}
	err = repeat(within, func(ctx context.Context) error {
		pipeline := b.client.Pipeline()
		for _, member := range members {
			if len(member) == len(store.Key{}) {
				key := store.Key([]byte(member))
				answers[key] = pipeline.HGetAll(ctx, rowKey(key))
			}
		}
		_, err := pipeline.Exec(ctx)
		return err
	})
	if lost(err) || timedOut(err) {
		return nil, failure(ctx, err)
	}
	// Any other error is that of one answer, which has it as well.
	var rows []store.Row
	for key, answer := range answers {
		fields, err := answer.Result()
		row, err := rowOf(ctx, key, fields, err)
		switch {
		case err == nil && row.Owner == owner:
			rows = append(rows, row)
		case err != nil && !store.IsVerdict(err):
			return nil, err
		}
	}
	return rows, nil
}

// Walk implements store.Backend.
func (b *Backend) Walk(ctx context.Context, visit func(store.Row) error) error {
	nodes, cluster := b.client.(*goredis.ClusterClient)
	if !cluster {
		return b.walk(ctx, b.client, visit)
	}
	var mu sync.Mutex // the nodes are asked at once
	return nodes.ForEachMaster(ctx, func(ctx context.Context, node *goredis.Client) error {
		return b.walk(ctx, node, func(row store.Row) error {
			mu.Lock()
			defer mu.Unlock()
			return visit(row)
		})
	})
}

func (b *Backend) walk(ctx context.Context, node goredis.UniversalClient, visit func(store.Row) error) error {
	for cursor := uint64(0); ; {
		next, err := b.scan(ctx, node, cursor, visit)
		if err != nil || next == 0 {
			return err
		}
		cursor = next
	}
}

// scan visits some rows of one node, and returns where to go on; 0 at the end.
func (b *Backend) scan(ctx context.Context, node goredis.UniversalClient, cursor uint64, visit func(store.Row) error) (uint64, error) {
	within, cancel, err := b.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer cancel()
	names, next, err := node.Scan(within, cursor, rowPrefix+"*", batch).Result()
	if err != nil {
		return 0, failure(ctx, err)
	}
	pipeline := node.Pipeline()
	answers := make([]*goredis.MapStringStringCmd, len(names))
	for i, name := range names {
		answers[i] = pipeline.HGetAll(within, name)
	}
	_, _ = pipeline.Exec(within) // each answer has its own error
	for i, answer := range answers {
		fields, err := answer.Result()
		row, err := rowOf(ctx, keyOf(names[i]), fields, err)
		switch {
		case err != nil && !store.IsVerdict(err):
			return 0, err
		case err != nil || row.Unowned():
			continue
		}
		if err := visit(row); err != nil {
			return 0, err
		}
	}
	return next, nil
}

// keyOf is the inverse of rowKey; zero for a name that is none.
func keyOf(name string) store.Key {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimSuffix(strings.TrimPrefix(name, rowPrefix), "}"))
	if err != nil || len(raw) != len(store.Key{}) {
		return store.Key{}
	}
	return store.Key(raw)
}

// Sweep implements store.Backend: Redis drops rows by itself.
func (b *Backend) Sweep(ctx context.Context, _ time.Time, _ int) ([]store.Row, error) {
	_, cancel, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	cancel()
	return nil, nil
}

// Now implements store.Backend, by the clock of one node, which never goes back.
func (b *Backend) Now(ctx context.Context) (store.Moment, error) {
	within, cancel, err := b.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer cancel()
	answer, err := b.run(within, nowScript, []string{clockKey}, clockTime.Milliseconds())
	if err != nil {
		return 0, failure(ctx, err)
	}
	now, err := strconv.ParseInt(answer, 10, 64)
	if err != nil {
		return 0, failure(ctx, unexpected(answer))
	}
	return store.Moment(now), nil
}

// Locks implements store.Backend.
func (b *Backend) Locks() store.Locks { return b }

// Lock implements store.Locks.
func (b *Backend) Lock(ctx context.Context, key store.Key, holder store.Holder, lease time.Duration) error {
	within, cancel, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	answer, err := b.run(within, lockScript, []string{lockKey(key)}, holder[:], lease.Milliseconds())
	switch {
	case err != nil:
		return failure(ctx, err)
	case answer == taken:
		return store.ErrLocked
	}
	return nil
}

// Unlock implements store.Locks.
func (b *Backend) Unlock(ctx context.Context, key store.Key, holder store.Holder) error {
	within, cancel, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	_, err = b.run(within, unlockScript, []string{lockKey(key)}, holder[:])
	return failure(ctx, err)
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
	_, err = b.run(within, indexScript, []string{probeKey, probeKey}, "probe", "0", "")
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
