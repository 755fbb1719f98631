package app

import (
	"context"
	"log/slog"

	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// openBackend opens the store and logs what puts its sessions at risk.
func openBackend(ctx context.Context, settings *config.Config, log *slog.Logger) (store.Backend, error) {
	backend, err := settings.Driver.Open(ctx, settings.Store)
	if err != nil {
		return nil, err
	}
	var advice []string
	if settings.Driver.Advise != nil {
		advice = settings.Driver.Advise(settings.Store)
	}
	if adviser, ok := backend.(store.Adviser); ok {
		advice = append(advice, adviser.Advice(ctx)...)
	}
	for _, one := range advice {
		log.Warn("the store can lose sessions or show secrets", "advice", one)
	}
	return backend, nil
}
