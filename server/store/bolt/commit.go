package bolt

import (
	"errors"
	"sync"

	"go.etcd.io/bbolt"
)

// maxShared is how many writes share a transaction at most.
const maxShared = 1000

// committer makes writes that come at once share a transaction, and with it the
// wait for the disk. bbolt's own Batch does as much, but commits in a goroutine
// of bbolt's, where nobody can catch its panic on a damaged page.
type committer struct {
	db *bbolt.DB

	mu      sync.Mutex
	waiting []write // guarded by mu
	busy    bool    // guarded by mu: a goroutine sees to those who wait
}

// write is what one writer does in a transaction. It can be done again, after
// one that was rolled back.
type write struct {
	do   func(*bbolt.Tx) error
	done chan error // has room for the answer
}

// commit returns when do is on the disk, or has failed and left nothing.
func (c *committer) commit(do func(*bbolt.Tx) error) error {
	mine := write{do: do, done: make(chan error, 1)}
	c.mu.Lock()
	c.waiting = append(c.waiting, mine)
	idle := !c.busy
	c.busy = true
	c.mu.Unlock()
	if idle {
		go c.run()
	}
	return <-mine.done
}

// run commits until nobody waits. Whoever comes during one transaction is in the
// next, so that the disk sets the pace.
func (c *committer) run() {
	for {
		c.mu.Lock()
		n := min(len(c.waiting), maxShared)
		batch := c.waiting[:n]
		c.waiting = c.waiting[n:]
		if len(c.waiting) == 0 {
			c.waiting = nil // the next ones must not be appended to a batch
		}
		c.busy = n > 0
		c.mu.Unlock()
		if n == 0 {
			return
		}
		c.together(batch)
	}
}

// together commits all writes, or finds those that cannot be: one that fails, or
// meets a damaged page, must not take the others with it. A panic of the commit
// itself does not say whose it is, so halves are tried.
func (c *committer) together(batch []write) {
	spoilt, err := c.update(batch)
	if spoilt && len(batch) > 1 {
		half := len(batch) / 2
		c.together(batch[:half])
		c.together(batch[half:])
		return
	}
	for _, each := range batch {
		each.done <- err
	}
}

// update is one transaction. spoilt means that it failed because of what is in
// it, and not, as on a full disk, whatever is in it.
func (c *committer) update(batch []write) (spoilt bool, err error) {
	defer func() { spoilt = spoilt || errors.Is(err, ErrDamaged) }()
	defer catchDamage(&err)
	err = c.db.Update(func(tx *bbolt.Tx) error {
		for _, each := range batch {
			if err := each.do(tx); err != nil {
				spoilt = true
				return err
			}
		}
		return nil
	})
	return spoilt, err
}
