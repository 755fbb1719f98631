package bolt

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// readerCount is how many goroutines read, and so how many a disk that
	// stands still can pin.
	readerCount = 8
	// maxWaiting bounds the reads, and the writes, that wait for their turn.
	maxWaiting = 8192
)

// readers run read transactions for those who wait.
type readers struct {
	jobs chan func()
	stop chan struct{}
	quit func()
	done sync.WaitGroup
}

func newReaders() *readers {
	r := &readers{jobs: make(chan func(), maxWaiting), stop: make(chan struct{})}
	r.quit = sync.OnceFunc(func() { close(r.stop) })
	for range readerCount {
		r.done.Go(r.run)
	}
	return r
}

func (r *readers) run() {
	// A page that the disk cannot give is a fault of memory, as the file is
	// mapped: a panic that catchDamage turns into an error, not the end.
	debug.SetPanicOnFault(true)
	for {
		select {
		case job := <-r.jobs:
			job()
		case <-r.stop:
			return
		}
	}
}

// finish returns when no read is under way. Later ones fail.
func (r *readers) finish() {
	r.quit()
	r.done.Wait()
}

// answer is what a call ends with.
type answer[T any] struct {
	value T
	err   error
}

// read runs fn in a transaction of its own, and returns what it returns, or when
// ctx is done. fn may run after that: it must not touch what the caller has.
func read[T any](ctx context.Context, b *Backend, fn func(tables) (T, error)) (value T, err error) {
	if err := ctx.Err(); err != nil {
		return value, err
	}
	done := make(chan answer[T], 1)
	job := func() {
		var a answer[T]
		if a.err = ctx.Err(); a.err == nil {
			a.value, a.err = view(b.db, fn)
		}
		done <- a
	}
	select {
	case <-b.reads.stop:
		return value, errClosed
	default:
	}
	select {
	case b.reads.jobs <- job:
	default:
		return value, store.ErrBusy
	}
	// Most reads take microseconds: let one happen before a timer is set for it.
	runtime.Gosched()
	select {
	case a := <-done:
		return a.value, a.err
	default:
	}
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		return value, ctx.Err()
	case <-b.reads.stop:
		return value, errClosed
	}
}

func view[T any](db *bbolt.DB, fn func(tables) (T, error)) (value T, err error) {
	defer catchDamage(&err)
	err = db.View(func(tx *bbolt.Tx) (err error) {
		value, err = fn(tables{tx})
		return err
	})
	if err != nil {
		var zero T
		return zero, fmt.Errorf("bolt: %w", err)
	}
	return value, nil
}

// catchDamage turns a panic into ErrDamaged. bbolt asserts what it reads and
// panics on a page that is not what it should be; one bad page is no reason to
// take the server away from all users.
func catchDamage(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", ErrDamaged, p)
	}
}
