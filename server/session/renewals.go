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

func (k renewalKey) text() string { return string(k.session[:]) + string(k.token[:]) }

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
}

// notify answers those who wait. Only the first answer counts.
func (r *renewal) notify(grant Grant, err error) {
	r.notified.Do(func() {
		r.grant, r.err = grant, err
		close(r.told)
	})
}
