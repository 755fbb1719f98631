package store

import (
	"sync"
	"time"
)

// Moments makes Moments for a backend that only one process can have open. The
// zero value is ready, and safe for concurrent use.
type Moments struct {
	mu   sync.Mutex
	last Moment // guarded by mu
}

// Next returns a Moment after all before, also where the clock was set back.
func (m *Moments) Next() Moment {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = max(m.last+1, Moment(time.Now().UnixMicro()))
	return m.last
}

// After makes all Moments from now on greater than one that an earlier process
// made.
func (m *Moments) After(earlier Moment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = max(m.last, earlier)
}
