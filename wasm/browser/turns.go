//go:build js && wasm

package browser

import (
	"math/rand/v2"
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
	// leave ends this tab's turn, or its waiting for one. It does not block.
	leave func()
}

var _ session.Turns = (*turns)(nil)

func newTurns() *turns { return &turns{leave: func() {}} }

// Take implements session.Turns.
func (t *turns) Take() func() {
	locks := path("navigator", "locks")
	controller, err := path("AbortController").New()
	if err != nil || !callable(locks, "request") {
		time.Sleep(time.Duration(rand.Int64N(int64(jitter))))
		return func() {}
	}
	leave := func() { _, _ = invoke(controller, "abort") }
	pass := func() { leave() }
	t.leave = pass
	limit := time.AfterFunc(turnLimit, pass)
	begun := time.Now()
	turn, over := make(chan struct{}, 2), make(chan struct{})
	granted, release, err := Handle("turn", func([]safejs.Value) any {
		limit.Stop()
		// The lock is held until what is returned here is settled.
		var settle safejs.Value
		executor, done, _ := Handle("turn", func(args []safejs.Value) any { settle = argument(args, 0); return nil })
		held, _ := path("Promise").New(executor)
		done()
		leave = func() { _, _ = reflect("apply", settle, nil, []any{}) }
		turn <- struct{}{}
		return held
	})
	if err != nil {
		return pass
	}
	request, err := invoke(locks, "request", lockName, map[string]any{"signal": get(controller, "signal")}, granted)
	go func() {
		if err == nil {
			_, _ = await(request)
		}
		release()
		close(over)
		turn <- struct{}{}
	}()
	<-turn
	if time.Since(begun) > atOnce {
		time.Sleep(storageLag)
	}
	return func() {
		pass()
		<-over // or the browser would tell a program that has ended by then
	}
}
