package redis

import (
	"cmp"
	"context"
	"slices"

	goredis "github.com/redis/go-redis/v9"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// RemoveOwner implements store.Backend.
func (b *Backend) RemoveOwner(ctx context.Context, owner store.Owner) (int, error) {
	now, err := b.Now(ctx)
	if err != nil {
		return 0, err
	}
	members, complete, err := b.revoke(ctx, owner, now)
	if err == nil && !complete {
		members, err = b.find(ctx, owner, members)
	}
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

// revoke marks an owner, and returns the rows that the index has at that moment,
// and whether those are all that are there.
func (b *Backend) revoke(
	ctx context.Context, owner store.Owner, now store.Moment,
) (keys []store.Key, complete bool, err error) {
	index := ownerKeys(owner)
	members, err := b.ask(
		ctx, revokeScript, index, moment(now), store.RevokedFor.Milliseconds(),
	)
	if err != nil {
		return nil, false, err
	}
	if members == foreign {
		b.replaced.Store(&index[0])
		return nil, false, nil
	}
	list, ok := members.([]any)
	if !ok {
		return nil, false, unexpected(members)
	}
	complete = true
	for _, member := range list {
		text, _ := member.(string)
		if len(text) == len(store.Key{}) {
			keys = append(keys, store.Key([]byte(text)))
		}
		complete = complete && text != incomplete
	}
	return keys, complete, nil
}

// find adds to keys those of an owner's rows that the index does not know. It
// reads all rows of all users.
func (b *Backend) find(
	ctx context.Context, owner store.Owner, keys []store.Key,
) ([]store.Key, error) {
	err := b.Walk(ctx, func(row store.Row) error {
		if row.Owner == owner && !slices.Contains(keys, row.Key) {
			keys = append(keys, row.Key)
		}
		return nil
	})
	return keys, err
}

// removeOwned deletes those of the rows that are the owner's.
func (b *Backend) removeOwned(
	ctx context.Context, owner store.Owner, keys []store.Key,
) (removed int, err error) {
	err = bounded(ctx, func(ctx context.Context) error {
		pipeline := b.client.Pipeline()
		var answers []*goredis.Cmd
		for _, key := range keys {
			// In full: a pipeline has no second try for a script that the server
			// does not know.
			answers = append(answers, pipeline.Eval(ctx, removeOwnedScript,
				[]string{rowKey(key)}, owner[:], tombstoneTime.Milliseconds()))
		}
		_, err := pipeline.Exec(ctx)
		for _, answer := range answers {
			n, errAnswer := answer.Int()
			removed += n
			err = cmp.Or(err, errAnswer)
		}
		return err
	})
	return removed, err
}

// Owned implements store.Backend.
func (b *Backend) Owned(ctx context.Context, owner store.Owner) ([]store.Row, error) {
	names, err := b.indexed(ctx, owner)
	if err != nil {
		return nil, err
	}
	var owned []store.Row
	for names := range slices.Chunk(names, batch) {
		rows, err := readRows(ctx, b.client, names)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if row.Owner == owner {
				owned = append(owned, row)
			}
		}
	}
	return owned, nil
}

// indexed returns the names of the rows that the index has for owner.
func (b *Backend) indexed(ctx context.Context, owner store.Owner) (names []string, err error) {
	var members []string
	err = bounded(ctx, func(ctx context.Context) error {
		return repeat(ctx, func(ctx context.Context) (err error) {
			members, err = b.client.ZRange(ctx, ownerKeys(owner)[0], 0, -1).Result()
			return err
		})
	})
	for _, member := range members {
		if len(member) == len(store.Key{}) {
			names = append(names, rowKey(store.Key([]byte(member))))
		}
	}
	return names, err
}
