// Package clocktest measures time in tests, without the time in which the
// machine stands still.
package clocktest

import (
	"context"
	"sync"
	"testing"
	"time"
)

const (
	// grain is how often the time is noted.
	grain = 50 * time.Millisecond
	// most is what one note counts at most: a longer one was a pause.
	most = 5 * grain
)

// Stopwatch measures the time in which this process runs, to about grain. An
// upper bound that is measured with it holds on a machine that is stopped for
// seconds, and fails for a fault that takes seconds. It is not for bubbles of
// testing/synctest, in which no time is lost.
type Stopwatch struct{ began time.Duration }

// Start starts a stopwatch.
func Start() Stopwatch { return Stopwatch{running.elapsed()} }

// Took is the running time since Start.
func (s Stopwatch) Took() time.Duration { return running.elapsed() - s.began }

var running meter

// meter adds up the time in which the process runs.
type meter struct {
	once  sync.Once
	mu    sync.Mutex
	total time.Duration // guarded by mu
	noted time.Time     // guarded by mu
}

func (m *meter) elapsed() time.Duration {
	m.once.Do(func() {
		m.note(time.Now())
		go m.run(context.Background())
	})
	return m.note(time.Now())
}

// run notes the time until ctx is done.
func (m *meter) run(ctx context.Context) {
	ticks := time.NewTicker(grain)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			m.note(time.Now())
		case <-ctx.Done():
			return
		}
	}
}

// note adds the time since the last note.
func (m *meter) note(now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.noted.IsZero() {
		m.total += min(now.Sub(m.noted), most)
	}
	m.noted = now
	return m.total
}

// OneOf wants one of so many attempts to end without an error, and reports the
// last one. It is for what a pause at the wrong moment spoils, also that of
// another process: a fault spoils every attempt.
func OneOf(t testing.TB, attempts int, attempt func() error) {
	t.Helper()
	var err error
	for range attempts {
		if err = attempt(); err == nil {
			return
		}
	}
	t.Errorf("each of %d times, at last: %v", attempts, err)
}
