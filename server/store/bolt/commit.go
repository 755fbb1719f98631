package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// maxShared is how many writes share a transaction at most.
	maxShared = 1000
	// maxCooldown bounds how long writes are refused after a commit that failed.
	maxCooldown = 5 * time.Second
)

// committer makes writes that come at once share a transaction, and with it the
// wait for the disk. bbolt's own Batch does as much, but it commits in a goroutine
// of bbolt's, where its panic on a damaged page cannot be caught, and its callers
// wait for the disk however long that takes.
type committer struct {
	begin func() (*bbolt.Tx, error)

	mu      sync.Mutex
	waiting []*job        // guarded by mu
	busy    bool          // guarded by mu: run is at work
	over    bool          // guarded by mu: no more writes are taken
	idle    chan struct{} // guarded by mu; closed when over and not busy

	// A disk that failed is not asked again at once: after a failure bbolt reads
	// the whole file, to learn which pages are free.
	failure error     // guarded by mu
	until   time.Time // guarded by mu
}

func newCommitter(db *bbolt.DB) *committer {
	begin := func() (*bbolt.Tx, error) { return db.Begin(true) }
	return &committer{begin: begin, idle: make(chan struct{})}
}

// job is what one writer does in a transaction. It can be done again, after one
// that was rolled back.
type job struct {
	do   func(*bbolt.Tx) error
	done chan error // has room for the answer
}

// commit returns when do is on the disk, or has failed and left nothing, or ctx
// is done. In the last case do may still run.
func (c *committer) commit(ctx context.Context, do func(*bbolt.Tx) error) error {
	mine := &job{do: do, done: make(chan error, 1)}
	if err := c.enqueue(mine); err != nil {
		return err
	}
	select {
	case err := <-mine.done:
		return err
	case <-ctx.Done():
		c.withdraw(mine)
		return ctx.Err()
	}
}

func (c *committer) enqueue(mine *job) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over:
		return errClosed
	case len(c.waiting) >= maxWaiting:
		return store.ErrBusy
	case time.Now().Before(c.until):
		return c.failure
	}
	c.waiting = append(c.waiting, mine)
	if !c.busy {
		c.busy = true
		go c.run()
	}
	return nil
}

// withdraw takes a job out of the queue, if it has not begun: a disk that stands
// still must not make the queue as long as all who have asked.
func (c *committer) withdraw(mine *job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, each := range c.waiting {
		if each == mine {
			c.waiting = append(c.waiting[:i:i], c.waiting[i+1:]...)
			return
		}
	}
}

// run commits until the queue is empty. What comes during one transaction is in
// the next, so that the disk sets the pace.
func (c *committer) run() {
	debug.SetPanicOnFault(true) // as readers.run does
	for batch := c.next(); batch != nil; batch = c.next() {
		began := time.Now()
		if err := c.together(batch); err != nil {
			c.cool(err, time.Since(began))
		}
	}
}

// next takes the next batch off the queue, or says that there is none.
func (c *committer) next() []*job {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.waiting), maxShared)
	if n == 0 {
		c.busy, c.waiting = false, nil
		if c.over {
			close(c.idle)
		}
		return nil
	}
	batch := c.waiting[:n:n]
	c.waiting = append([]*job(nil), c.waiting[n:]...)
	return batch
}

// cool refuses writes for as long as the failure took, so that at most half of
// the time goes into failing.
func (c *committer) cool(failure error, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure, c.until = failure, time.Now().Add(min(took, maxCooldown))
}

// together commits all writes, or finds those that cannot be: one that fails, or
// meets a damaged page, must not take the others with it. A panic of the commit
// itself does not say which write it met, so halves are tried. The error is that of the
// disk, whatever is written.
func (c *committer) together(batch []*job) error {
	spoilt, err := c.update(batch)
	if spoilt && len(batch) > 1 {
		half := len(batch) / 2
		return errors.Join(c.together(batch[:half]), c.together(batch[half:]))
	}
	for _, each := range batch {
		each.done <- err
	}
	if spoilt {
		return nil
	}
	return err
}

// update is one transaction. spoilt means that it failed because of what is in
// it, and not, as on a full disk, whatever is in it.
//
// bbolt's own Update would answer a panic by reading the whole file, in a
// goroutine of its own that a damaged page ends together with the process.
// Rollback does not: it loses the use of a few pages until the next start.
func (c *committer) update(batch []*job) (spoilt bool, err error) {
	tx, err := c.begin()
	if err != nil {
		return false, err
	}
	defer func() {
		if p := recover(); p != nil {
			spoilt, err = true, fmt.Errorf("%w: %v", ErrDamaged, p)
			defer catchDamage(&err)
			_ = tx.Rollback() // the panic is the error
		}
	}()
	for _, each := range batch {
		if err := each.do(tx); err != nil {
			return true, errors.Join(err, tx.Rollback())
		}
	}
	return false, tx.Commit()
}

// closed is an error if no more writes are taken.
func (c *committer) closed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return errClosed
	}
	return nil
}

// finish takes no more writes, and returns when those in the queue are done.
func (c *committer) finish() {
	c.mu.Lock()
	c.over = true
	if !c.busy {
		close(c.idle)
	}
	c.mu.Unlock()
	<-c.idle
}

// abandon answers those who still wait in the queue.
func (c *committer) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, each := range c.waiting {
		each.done <- errClosed
	}
	c.waiting = nil
}

// write runs fn in a transaction that it may share with other writers, and
// returns when that is on the disk, or when ctx is done. fn may run more than
// once, and after write has returned: it must not touch what the caller has.
// After a failure nothing of it is written, nor after a verdict, before which fn
// must not write.
//
// The context is looked at again when the transaction begins; from then on the
// write happens, even if its caller has left.
func write[T any](
	ctx context.Context, b *Backend, fn func(tables) (value T, verdict, failure error),
) (value T, err error) {
	if err := ctx.Err(); err != nil {
		return value, err
	}
	result := new(answer[T]) // the committer's, until commit says that it is done
	failure := b.commits.commit(ctx, func(tx *bbolt.Tx) (failure error) {
		if result.err = ctx.Err(); result.err != nil {
			return nil
		}
		result.value, result.err, failure = fn(tables{tx})
		return failure
	})
	switch {
	case failure != nil:
		return value, fmt.Errorf("bolt: %w", failure)
	case result.err != nil:
		return value, result.err
	}
	return result.value, nil
}
