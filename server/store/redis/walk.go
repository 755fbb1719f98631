package redis

import (
	"context"
	"encoding/base64"
	"strings"
	"sync"

	goredis "github.com/redis/go-redis/v9"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// Walk implements store.Backend.
func (b *Backend) Walk(ctx context.Context, visit func(store.Row) error) error {
	var mu sync.Mutex // the nodes of a cluster are asked at once
	return b.eachPage(ctx, rowPrefix+"*",
		func(ctx context.Context, node goredis.UniversalClient, names []string) error {
			rows, err := readRows(ctx, node, names)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, row := range rows {
				if row.Unowned() {
					continue
				}
				if err := visit(row); err != nil {
					return err
				}
			}
			return nil
		})
}

// readRows reads the rows under some names in one round trip. What is not there,
// or cannot be a row, is left out.
func readRows(
	ctx context.Context, node goredis.UniversalClient, names []string,
) (rows []store.Row, err error) {
	answers := make([]*goredis.MapStringStringCmd, len(names))
	err = bounded(ctx, func(ctx context.Context) error {
		return repeat(ctx, func(ctx context.Context) error {
			pipeline := node.Pipeline()
			for i, name := range names {
				answers[i] = pipeline.HGetAll(ctx, name)
			}
			_, err := pipeline.Exec(ctx)
			if lost(err) || timedOut(err) {
				return err
			}
			return nil // any other error is that of one answer, which has it as well
		})
	})
	if err != nil {
		return nil, err
	}
	for i, answer := range answers {
		fields, err := answer.Result()
		row, err := rowOf(ctx, keyOf(names[i]), fields, err)
		switch {
		case err == nil:
			rows = append(rows, row)
		case !store.IsVerdict(err):
			return nil, err
		}
	}
	return rows, nil
}

// pageFunc is what is done with the names of some keys.
type pageFunc func(ctx context.Context, node goredis.UniversalClient, names []string) error

// eachPage calls do with the names of all keys of a pattern, a few at a time, and
// for several nodes of a cluster at once. An error of do ends it.
func (b *Backend) eachPage(ctx context.Context, pattern string, do pageFunc) error {
	return b.eachNode(ctx, func(ctx context.Context, node goredis.UniversalClient) error {
		for cursor := uint64(0); ; {
			next, err := page(ctx, node, pattern, cursor, do)
			if err != nil || next == 0 {
				return err
			}
			cursor = next
		}
	})
}

// page calls do with the next names, and returns where to go on; 0 at the end.
func page(
	ctx context.Context, node goredis.UniversalClient, pattern string, cursor uint64, do pageFunc,
) (next uint64, err error) {
	var names []string
	err = bounded(ctx, func(ctx context.Context) (err error) {
		names, next, err = node.Scan(ctx, cursor, pattern, batch).Result()
		return err
	})
	if err != nil {
		return 0, err
	}
	return next, do(ctx, node, names)
}

// eachNode calls do for each node that has keys of its own, at once.
func (b *Backend) eachNode(
	ctx context.Context, do func(context.Context, goredis.UniversalClient) error,
) error {
	nodes, cluster := b.client.(*goredis.ClusterClient)
	if !cluster {
		return do(ctx, b.client)
	}
	return nodes.ForEachMaster(ctx, func(ctx context.Context, node *goredis.Client) error {
		return do(ctx, node)
	})
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
