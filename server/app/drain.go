package app

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

const (
	// DrainTimeout bounds how long work in flight may delay the end: a refresh
	// that is cut off can cost its session. Supervisors kill after 30 s.
	DrainTimeout = 25 * time.Second
	// lastTimeout of it is kept for what /auth began meanwhile, and closeTimeout
	// of that for closing the store.
	lastTimeout  = 5 * time.Second
	closeTimeout = time.Second
)

// drain lets the fronts finish what is in flight and take no new work. The
// backs serve until that is done, so that /readyz can be asked all the while.
func (a *App) drain(ctx context.Context, fronts, backs []*http.Server) {
	a.api.Drain()
	last, cancelLast := context.WithTimeout(ctx, DrainTimeout-closeTimeout)
	defer cancelLast()
	drain, cancel := context.WithTimeout(last, DrainTimeout-lastTimeout)
	defer cancel()
	// A slow download must not use up the time that renewals need.
	requests, cancelRequests := context.WithTimeout(drain, DrainTimeout/2)
	defer cancelRequests()
	a.shut(requests, fronts)
	drained := a.sessions.Drain(drain)
	a.shut(drain, backs)
	// What /auth began in the meantime has to be stored as well.
	if errors.Join(drained, a.sessions.Drain(last)) != nil {
		a.log.Error("a renewal did not finish in time: its token is lost, and with a refresh token the session too")
	}
}

// shut lets requests finish, and cuts off those that do not.
func (a *App) shut(ctx context.Context, servers []*http.Server) {
	var group sync.WaitGroup
	for _, server := range servers {
		group.Go(func() {
			if server.Shutdown(ctx) != nil {
				a.log.Warn("requests in flight did not finish in time and were cut off")
				_ = server.Close() // nothing is left to be told
			}
		})
	}
	group.Wait()
}
