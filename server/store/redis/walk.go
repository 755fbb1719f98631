package redis

import (
	"context"
	"encoding/base64"
	"strings"
	"sync"

	goredis "github.com/redis/go-redis/v9"

	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

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

func (b *Backend) walk(
	ctx context.Context, node goredis.UniversalClient, visit func(store.Row) error,
) error {
	for cursor := uint64(0); ; {
		next, err := b.scan(ctx, node, cursor, visit)
		if err != nil || next == 0 {
			return err
		}
		cursor = next
	}
}

// scan visits some rows of one node, and returns where to go on; 0 at the end.
func (b *Backend) scan(
	ctx context.Context, node goredis.UniversalClient, cursor uint64, visit func(store.Row) error,
) (uint64, error) {
	within, cancel := limit.Timeout(ctx, Timeout)
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
	raw, err := base64.RawURLEncoding.DecodeString(
		strings.TrimSuffix(strings.TrimPrefix(name, rowPrefix), "}"),
	)
	if err != nil || len(raw) != len(store.Key{}) {
		return store.Key{}
	}
	return store.Key(raw)
}
