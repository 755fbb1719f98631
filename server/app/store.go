package app

import (
	"context"
	"log/slog"

	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// maxStoreRisks bounds what storeRisks remembers: a program that writes under
// our keys can make a new sentence with each of them.
const maxStoreRisks = 100

// storeRisks logs what puts the sessions of the store at risk, each risk once.
type storeRisks struct {
	backend store.Backend
	log     *slog.Logger
	told    map[string]bool
}

// openBackend opens the store and logs what its location puts at risk.
func openBackend(
	ctx context.Context, settings *config.Config, log *slog.Logger,
) (store.Backend, *storeRisks, error) {
	backend, err := settings.Driver.Open(ctx, settings.Store)
	if err != nil {
		return nil, nil, explained(ctx, settings, err)
	}
	risks := &storeRisks{backend: backend, log: log, told: map[string]bool{}}
	if settings.Driver.Advise != nil {
		risks.tell(settings.Driver.Advise(settings.Store))
	}
	risks.look(ctx)
	return backend, risks, nil
}

// explained is the error of opening in the words of check, which has remedies,
// if check finds the same.
func explained(ctx context.Context, settings *config.Config, err error) error {
	if settings.Driver.Diagnose == nil || ctx.Err() != nil {
		return err
	}
	if _, found := settings.Driver.Diagnose(ctx, settings.Store); found != nil {
		return found
	}
	return err
}

// look asks the database for its risks: settings change while a server runs, and
// so does what others do with the database.
func (r *storeRisks) look(ctx context.Context) {
	if adviser, ok := r.backend.(store.Adviser); ok {
		r.tell(adviser.Advice(ctx))
	}
}

func (r *storeRisks) tell(advice []string) {
	for _, one := range advice {
		if !r.told[one] && len(r.told) < maxStoreRisks {
			r.told[one] = true
			r.log.Warn("the store can lose sessions or show secrets", "advice", one)
		}
	}
}
