package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	goredis "github.com/redis/go-redis/v9"
)

// kinds are the types of the values under our keys, by how the keys begin.
var kinds = map[string]string{
	rowPrefix:     "hash",
	ownerPrefix:   "zset",
	revokedPrefix: "string",
	lockPrefix:    "string",
	clockKey:      "string",
	probeKey:      "zset",
}

// foreignAdvice is about a key under which another program has written.
func foreignAdvice(key string) string {
	return "Another program writes to this Redis: under " + key + " was something that this " +
		"server does not write. It counts as absent, and is replaced when the key is needed. Give " +
		"each program a database of its own, or users that cannot write to each other's keys."
}

// isForeign reports whether a value of a type is none of ours. What has gone is
// of the type none.
func isForeign(name, kind string) bool {
	for prefix, ours := range kinds {
		if strings.HasPrefix(name, prefix) {
			return kind != ours && kind != "none"
		}
	}
	return false // we have no such key, and so look at none
}

var errFound = errors.New("one is enough")

// findForeign looks at the types of what is under our keys, for as long as
// Timeout. It says what it found, or that it did not get to the end.
func (b *Backend) findForeign(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var mu sync.Mutex // the nodes of a cluster are asked at once
	looked, found := 0, ""
	err := b.eachPage(ctx, "keepalive:*",
		func(ctx context.Context, node goredis.UniversalClient, names []string) error {
			pipeline := node.Pipeline()
			answers := make([]*goredis.StatusCmd, len(names))
			for i, name := range names {
				answers[i] = pipeline.Type(ctx, name)
			}
			if _, err := pipeline.Exec(ctx); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			looked += len(names)
			for i, name := range names {
				if isForeign(name, answers[i].Val()) {
					found = name
					return errFound
				}
			}
			return nil
		})
	switch {
	case found != "":
		return []string{foreignAdvice(found)}
	case err != nil:
		return []string{fmt.Sprintf("%d keys of this server were looked at for what another program "+
			"may have written there, and not the rest (%s).", looked, err)}
	}
	return nil
}
