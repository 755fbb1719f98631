package session

import (
	"sync"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// evidencePeriod is how long verdicts are counted together.
	evidencePeriod = 5 * time.Minute
	// Capture's word that users or grants are gone is believed for so few users
	// in two periods, or for so small a share of the users it was asked about.
	believedUsers = 3
	believedShare = 5 // one in five
	// countedUsers bounds the memory.
	countedUsers = 1 << 12
)

// evidence weighs Capture's word that a user or a grant is gone. That word ends
// sessions for good, and a wrong setting or a Capture in trouble can say it of
// every user. Of single users it is believed; in bulk it is not. The zero value
// is ready.
type evidence struct {
	mu    sync.Mutex // guards all below
	began time.Time  // of the present period
	known [2]int     // answers about users that Capture knew, in this period and the one before
	gone  [2]map[store.Owner]bool
}

// rotate begins a new period when it is time. The caller has the lock.
func (e *evidence) rotate() {
	now := time.Now() // monotonic
	past := now.Sub(e.began)
	if past < evidencePeriod {
		return
	}
	e.known[1], e.gone[1] = e.known[0], e.gone[0]
	if past >= 2*evidencePeriod {
		e.known[1], e.gone[1] = 0, nil
	}
	e.began, e.known[0], e.gone[0] = now, 0, make(map[store.Owner]bool)
}

// seen counts a user that Capture knew.
func (e *evidence) seen() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rotate()
	e.known[0]++
}

// believe counts a user that Capture says is gone, and reports whether to
// believe it.
func (e *evidence) believe(user store.Owner) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rotate()
	if len(e.gone[0]) == countedUsers {
		return false
	}
	e.gone[0][user] = true
	gone := len(e.gone[0])
	for user := range e.gone[1] {
		if !e.gone[0][user] {
			gone++
		}
	}
	return gone <= believedUsers || gone*believedShare <= gone+e.known[0]+e.known[1]
}
