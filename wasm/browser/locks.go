//go:build js && wasm

package browser

import (
	"sync"
	"time"

	"github.com/hack-pad/safejs"
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
	taken map[*lock]bool
}

func newLocks(life *lifetime) *locks { return &locks{life: life, taken: map[*lock]bool{}} }

// lock is one request for the lock. Its aborter withdraws the request, or
// gives back what was granted, also when the module has crashed.
type lock struct {
	aborter
	// granted says whether the lock is had; false also when it never will be.
	granted chan bool
	// over is closed when the browser will not call us any more.
	over   chan struct{}
	finish func() // closes over
}

// leave gives back what this tab has and withdraws what it waits for: a page
// that is put aside must not hold up the others. It does not block.
func (l *locks) leave() {
	for taken := range l.taken {
		taken.now()
	}
}

// Acquire implements session.CallLock.
func (l *locks) Acquire(overtake <-chan struct{}, lost func()) func() {
	api := path("navigator", "locks")
	if !callable(api, "request") {
		return l.without.acquire(overtake)
	}
	begun := time.Now()
	taken := l.request(api, nil, lost)
	if !taken.had(overtake) && !taken.left() {
		taken.now()
		stolen := l.request(api, map[string]any{"steal": true}, lost)
		stolen.had(after(answerLimit))
		return func() { l.giveBack(taken, stolen) }
	}
	if time.Since(begun) > atOnce {
		time.Sleep(storageLag)
	}
	return func() { l.giveBack(taken) }
}

// after is closed when a time has passed.
func after(wait time.Duration) <-chan struct{} {
	passed := make(chan struct{})
	time.AfterFunc(wait, func() { close(passed) })
	return passed
}

// request asks for the lock; without options it can be withdrawn. lost is
// called if another tab steals it.
func (l *locks) request(api safejs.Value, options map[string]any, lost func()) *lock {
	k := &lock{granted: make(chan bool, 2), over: make(chan struct{})}
	k.finish = sync.OnceFunc(func() { close(k.over) })
	failed := func() *lock {
		k.granted <- false
		k.finish()
		return k
	}
	var err error
	if k.aborter, err = newAbort(l.life.signal); err != nil {
		return failed()
	}
	if options == nil {
		options = map[string]any{"signal": k.signal}
	}
	held, err := until(k.signal)
	if err != nil {
		return failed()
	}
	// The lock is held until what is returned here is settled.
	has := false
	handler, release, err := Handle("lock", func([]safejs.Value) any {
		has = true
		k.granted <- true
		return held
	})
	if err != nil {
		return failed()
	}
	l.taken[k] = true
	promise, err := invoke(api, "request", lockName, options, handler)
	go func() {
		if err == nil {
			_, err = await(promise)
		}
		release()
		if has && err != nil {
			lost() // or it would have been kept until we gave it back
		}
		delete(l.taken, k)
		select {
		case k.granted <- false:
		default:
		}
		k.finish()
	}()
	return k
}

// had waits for the lock until overtake is closed, and reports whether the
// lock is had.
func (k *lock) had(overtake <-chan struct{}) bool {
	select {
	case granted := <-k.granted:
		return granted
	case <-overtake:
		return false
	}
}

// left reports whether the page has been left, or the module has crashed.
func (k *lock) left() bool { return isTrue(get(k.signal, "aborted")) }

// giveBack waits until the browser is done with the locks, or it would call a
// program that has ended by then; but not for a browser that does not answer.
func (l *locks) giveBack(taken ...*lock) {
	for _, k := range taken {
		k.now()
		timer := time.AfterFunc(answerLimit, k.finish)
		<-k.over
		timer.Stop()
	}
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
	once := map[string]any{"once": true}
	_, err = nativeCall(signal, "EventTarget", "addEventListener", "abort", settle, once)
	return promise, err
}
