package session

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// clockSlack is how far the clocks of two replicas may differ. A token that was
// issued further in the future shows that the clock was set back.
const clockSlack = time.Minute

// due reports whether a token is so near its end that it is time for another,
// or was issued in the future, so that the clock says nothing about its end.
func due(record store.Record, now time.Time) bool {
	margin := api.Margin(record.AccessExpires.Sub(record.AccessIssued))
	return !now.Before(record.AccessExpires.Add(-margin)) ||
		record.AccessIssued.Sub(now) > clockSlack
}

// renewalKey names a renewal: the session and the token that is replaced. A
// caller with an older token starts another renewal, which finds the new token
// in the store and ends without a call.
type renewalKey struct {
	session store.Key
	token   [sha256.Size]byte
}

// replaced reports that the record has another token already.
func (k renewalKey) replaced(record store.Record) bool {
	return record.AccessToken.Hash() != k.token
}

// renewal is one renewal, and the answer for all callers that wait for it.
type renewal struct {
	key    renewalKey
	id     store.ID
	reason api.Reason
	forced bool // a page refused a token that is not due

	notified sync.Once
	told     chan struct{} // closed when there is an answer
	grant    Grant
	err      error

	later *renewal // the answer for those who come after an early one; nil: none
}

// notify answers those who wait. Only the first answer counts.
func (r *renewal) notify(grant Grant, err error) {
	r.notified.Do(func() {
		r.grant, r.err = grant, err
		close(r.told)
	})
}

// renewals are those under way. The zero value is ready.
type renewals struct {
	mu      sync.Mutex
	running map[renewalKey]*renewal // guarded by mu
}

// add returns the renewal of the same key that is under way, or adds r.
func (r *renewals) add(mine *renewal) (one *renewal, added bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if one, found := r.running[mine.key]; found {
		return one, false
	}
	if r.running == nil {
		r.running = make(map[renewalKey]*renewal)
	}
	r.running[mine.key] = mine
	return mine, true
}

// follow puts another answer in the place of one that is given early, so that
// later callers wait for the end of the same renewal.
func (r *renewals) follow(mine *renewal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	mine.later = &renewal{key: mine.key, told: make(chan struct{})}
	r.running[mine.key] = mine.later
}

func (r *renewals) remove(mine *renewal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running[mine.key] == mine {
		delete(r.running, mine.key)
	}
}
