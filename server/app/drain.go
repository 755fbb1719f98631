package app

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/config"
)

// The end of the process, from the signal on:
//
//	at once             /readyz answers 503; all listeners go on, and answers
//	                    close their connections
//	SHUTDOWN_DELAY      the fronts close; requests and renewals in flight finish
//	+ workTimeout       what has not finished is cut off
//	+ config.DrainTimeout  the store is closed and the process ends
const (
	workTimeout = config.DrainTimeout - time.Second
	// lastTimeout is for what /auth began while the fronts drained. The rest is
	// for closing the store.
	lastTimeout = config.DrainTimeout - closeTimeout
	// closeTimeout bounds the closing of a store that stands still. All that was
	// answered is in it already.
	closeTimeout = 500 * time.Millisecond
)

// linger keeps serving for the time that balancers need to see /readyz.
func (a *App) linger(delay time.Duration) {
	a.api.Drain()
	if delay <= 0 {
		return
	}
	a.log.Info("stopping: /readyz answers 503, and requests are "+
		"still served", "delay", delay.String())
	time.Sleep(delay)
}

// drain lets the fronts finish what is in flight and take no new work. The
// backs serve until that is done, so that /readyz can be asked all the while.
func (a *App) drain(ctx context.Context, fronts, backs []*http.Server) {
	a.log.Info("draining: no new work, requests in flight finish")
	work, cancelWork := context.WithTimeout(ctx, workTimeout)
	defer cancelWork()
	last, cancelLast := context.WithTimeout(ctx, lastTimeout)
	defer cancelLast()
	a.shut(work, fronts)
	drained := a.sessions.Drain(work)
	a.shut(last, backs)
	// What /auth began in the meantime has to be stored as well.
	if errors.Join(drained, a.sessions.Drain(last)) != nil {
		a.log.Error("a renewal did not finish in time: its token is lost, and with a refresh " +
			"token the session too")
	}
}

// shut lets requests finish, and cuts off those that do not.
func (a *App) shut(ctx context.Context, servers []*http.Server) {
	var group sync.WaitGroup
	for _, server := range servers {
		group.Go(func() {
			if server.Shutdown(ctx) != nil {
				a.log.Warn("requests in flight did not finish in time and were cut off")
				_ = server.Close() // there is nothing to add to the warning
			}
		})
	}
	group.Wait()
}

// Close ends what runs in the background and closes the store. It waits for a
// store that stands still no longer than closeTimeout.
func (a *App) Close() error {
	a.stopSweep()
	closed := make(chan error, 1)
	go guarded(a.log, "closing the store", func() {
		a.swept.Wait()
		closed <- a.store.Close()
	})
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case err := <-closed:
		return err
	case <-timer.C:
		a.log.Error("the store could not be closed in time; what was answered is in it")
		return nil
	}
}
