package app

import (
	"context"
	"log/slog"

	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/bolt"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis"
)

func openBackend(ctx context.Context, settings *config.Config, log *slog.Logger) (store.Backend, error) {
	switch {
	case settings.Backend.Redis:
		return OpenRedis(ctx, settings.Store, func(advice string) {
			log.Warn("the store can lose sessions", "advice", advice)
		})
	case settings.Backend.Path == "":
		return memory.New(), nil
	}
	return bolt.Open(settings.Backend.Path)
}

// OpenRedis opens a Redis and tells what its settings put at risk.
func OpenRedis(ctx context.Context, url secret.String, tell func(advice string)) (store.Backend, error) {
	backend, err := redis.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	for _, advice := range backend.Advice(ctx) {
		tell(advice)
	}
	return backend, nil
}
