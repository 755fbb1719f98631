//go:build js && wasm

package browser

import (
	"slices"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

const (
	lockName = "captureKeepalive"
	// storageLag is how long what one process wrote to localStorage may take to
	// be seen in another, after a lock has changed hands.
	storageLag = 200 * time.Millisecond
	// atOnce is how soon a lock is had that no other tab held.
	atOnce = 10 * time.Millisecond
	// answerLimit bounds the wait for a browser that does not answer.
	answerLimit = 100 * time.Millisecond
)

// locks puts the calls of a browser's tabs in order with the Web Locks API. A
// tab that waits too long steals the lock: the one that had it hangs, was
// frozen, or meets a slow server. The lock only saves calls. Two calls at once
// are safe, because the server compares versions.
type locks struct {
	life *lifetime
	// without is used where the API is missing.
	without lease
	// taken are the locks that this tab has or waits for.
	taken []*lock
}

func newLocks(life *lifetime) *locks { return &locks{life: life} }

// lock is one request for the lock. Its aborter withdraws the request, or
// gives back what was granted, also when the module has crashed.
type lock struct {
	aborter
	// granted says, once, whether the lock is had.
	granted chan bool
	// over is closed when the browser will not call us any more.
	over session.Latch
}

// leave gives back what this tab has and withdraws what it waits for: a page
// that is put aside must not hold up the others. It does not block.
func (l *locks) leave() {
	for _, taken := range l.taken {
		taken.now()
	}
}

// Acquire implements session.CallLock.
func (l *locks) Acquire(overtake *session.Latch, lost func()) func() {
	api := path("navigator", "locks")
	if !callable(api, "request") {
		return l.without.acquire(overtake)
	}
	begun := time.Now()
	taken := l.request(api, nil, lost)
	switch had := taken.had(overtake); {
	case had && time.Since(begun) > atOnce:
		pause(storageLag, overtake)
	case !had && !taken.left():
		taken.now()
		stolen := l.request(api, object("steal", true), lost)
		stolen.had(after(answerLimit))
		return func() { taken.giveBack(); stolen.giveBack() }
	}
	return taken.giveBack
}

// pause waits, but not in a call that is overtaken: its page may be about to be
// gone, and a sign-out must be on its way by then.
func pause(wait time.Duration, overtake *session.Latch) {
	over := after(wait)
	overtake.OnClose(over.Close)
	over.Wait()
}

// after closes when a time has passed.
func after(wait time.Duration) *session.Latch {
	passed := new(session.Latch)
	time.AfterFunc(wait, passed.Close)
	return passed
}

// request asks for the lock; without options it can be withdrawn. lost is
// called if another tab steals it.
func (l *locks) request(api safejs.Value, options any, lost func()) *lock {
	k := &lock{granted: make(chan bool, 1)}
	var err error
	if k.aborter, err = newAbort(l.life.signal); err == nil {
		if options == nil {
			options = object("signal", k.signal)
		}
		err = l.ask(k, api, options, lost)
	}
	if err != nil {
		k.tell(false)
		k.over.Close()
	}
	return k
}

func (l *locks) ask(k *lock, api safejs.Value, options any, lost func()) error {
	// The lock is held until what is returned here is settled.
	held, err := until(k.signal)
	if err != nil {
		return err
	}
	has := false
	handler, release, err := Handle("lock", func([]safejs.Value) any {
		has = true
		k.tell(true)
		return held
	})
	if err != nil {
		return err
	}
	l.taken = append(l.taken, k)
	promise, err := invoke(api, "request", lockName, options, handler)
	go func() {
		if err == nil {
			_, err = await(promise)
		}
		release()
		if has && err != nil {
			lost() // or it would have been kept until we gave it back
		}
		l.taken = slices.DeleteFunc(l.taken, func(o *lock) bool { return o == k })
		k.tell(false)
		k.over.Close()
	}()
	return nil
}

// tell says whether the lock is had, if that has not been said.
func (k *lock) tell(granted bool) {
	select {
	case k.granted <- granted:
	default:
	}
}

// had waits for the lock until overtake is closed, and reports whether the
// lock is had.
func (k *lock) had(overtake *session.Latch) bool {
	overtake.OnClose(func() { k.tell(false) })
	return <-k.granted
}

// left reports whether the page has been left, or the module has crashed.
func (k *lock) left() bool { return isTrue(get(k.signal, "aborted")) }

// giveBack waits until the browser is done with the lock, or it would call a
// program that has ended by then; but not for a browser that does not answer.
func (k *lock) giveBack() {
	k.now()
	timer := time.AfterFunc(answerLimit, k.over.Close)
	k.over.Wait()
	timer.Stop()
}

// until is a promise that is settled when a signal is aborted, by the browser
// alone.
func until(signal safejs.Value) (safejs.Value, error) {
	var settle safejs.Value
	executor, release, err := Handle("promise", func(args []safejs.Value) any {
		settle = argument(args, 0)
		return nil
	})
	if err != nil {
		return safejs.Undefined(), err
	}
	defer release()
	promise, err := path("Promise").New(executor)
	if err != nil {
		return safejs.Undefined(), err
	}
	return promise, addListener(signal, "abort", settle, object("once", true))
}
