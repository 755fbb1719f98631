//go:build js && wasm

package browser

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

const (
	lockName = "captureKeepalive"
	// turnLimit is how long a tab waits for another that hangs, or was frozen
	// in its turn. It is long enough for a renewal, and short enough to leave
	// time for one before the page's own handlers hear of a dead token.
	turnLimit = 5 * time.Second
	// storageLag is how long what one process wrote to localStorage may take to
	// be seen in another, after a lock has changed hands.
	storageLag = 200 * time.Millisecond
	// atOnce is how soon a lock is had that nobody held.
	atOnce = 10 * time.Millisecond
	// jitter spreads tabs that cannot wait for each other.
	jitter = 500 * time.Millisecond
)

// turns implements session.Turns with the Web Locks API; where that is missing
// (plain http, old Safari) tabs are spread instead, so that most find what the
// first has written.
type turns struct {
	taken uint64
	// passes end this tab's turn, and its waiting for others.
	passes map[uint64]func()
}

var _ session.Turns = (*turns)(nil)

func newTurns() *turns { return &turns{passes: map[uint64]func(){}} }

// leave ends this tab's turn, and its waiting for one. It does not block.
func (t *turns) leave() {
	for _, pass := range t.passes {
		pass()
	}
}

// Take implements session.Turns.
func (t *turns) Take() func() {
	locks := path("navigator", "locks")
	controller, err := path("AbortController").New()
	if err != nil || !callable(locks, "request") {
		time.Sleep(time.Duration(rand.Int64N(int64(jitter))))
		return func() {}
	}
	// turn is closed when there is nothing to wait for any more, over when the
	// browser will not call us any more.
	turn, over := make(chan struct{}), make(chan struct{})
	proceed, finish := sync.OnceFunc(func() { close(turn) }), sync.OnceFunc(func() { close(over) })
	end := func() { _, _ = invoke(controller, "abort") }
	pass := func() {
		proceed()
		end()
	}
	limit := time.AfterFunc(turnLimit, pass)
	begun := time.Now()
	granted, release, err := Handle("turn", func([]safejs.Value) any {
		limit.Stop()
		// The lock is held until what is returned here is settled.
		var settle safejs.Value
		executor, done, _ := Handle("turn", func(args []safejs.Value) any { settle = argument(args, 0); return nil })
		held, _ := path("Promise").New(executor)
		done()
		end = func() { _, _ = reflect("apply", settle, nil, []any{}) }
		proceed()
		return held
	})
	if err != nil {
		return pass
	}
	t.taken++
	id := t.taken
	t.passes[id] = pass
	request, err := invoke(locks, "request", lockName, map[string]any{"signal": get(controller, "signal")}, granted)
	go func() {
		if err == nil {
			_, _ = await(request)
		}
		release()
		proceed()
		finish()
	}()
	<-turn
	if time.Since(begun) > atOnce {
		time.Sleep(storageLag)
	}
	return func() {
		delete(t.passes, id)
		pass()
		// Or the browser would call a program that has ended by then. One that
		// does not answer is not waited for.
		time.AfterFunc(turnLimit, finish)
		<-over
	}
}
