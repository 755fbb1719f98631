package redis_test

import (
	"context"
	"errors"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis"
)

// answered calls again for as long as Redis does not answer in time. A Redis that
// a busy machine lets wait for a second is no fault of the store, and what is
// called can be done twice.
func answered(call func() error) error {
	for began := time.Now(); ; {
		err := call()
		if !errors.Is(err, redis.ErrTimeout) || time.Since(began) > patience {
			return err
		}
	}
}

// patient is a backend for tests of what it does, not of how soon.
type patient struct{ store.Backend }

func (p patient) Insert(ctx context.Context, row store.Row, begun store.Moment) error {
	return answered(func() error { return p.Backend.Insert(ctx, row, begun) })
}

func (p patient) Lookup(ctx context.Context, key store.Key) (row store.Row, err error) {
	err = answered(func() (err error) {
		row, err = p.Backend.Lookup(ctx, key)
		return err
	})
	return row, err
}

func (p patient) Replace(ctx context.Context, row store.Row) error {
	return answered(func() error { return p.Backend.Replace(ctx, row) })
}

func (p patient) Owned(ctx context.Context, owner store.Owner) (rows []store.Row, err error) {
	err = answered(func() (err error) {
		rows, err = p.Backend.Owned(ctx, owner)
		return err
	})
	return rows, err
}

func (p patient) Now(ctx context.Context) (moment store.Moment, err error) {
	err = answered(func() (err error) {
		moment, err = p.Backend.Now(ctx)
		return err
	})
	return moment, err
}

func (p patient) Ping(ctx context.Context) error {
	return answered(func() error { return p.Backend.Ping(ctx) })
}
