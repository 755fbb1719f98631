// Package clock is a wall clock without steps.
//
// Sessions end by the wall clock: a server can be restarted, and another one can
// go on. But that clock can be set: a time server corrects it, an operator errs,
// a machine boots with a wrong one. Then every session would end at once, or none
// for an hour. A Clock goes on by the time that has really passed, and moves to
// where the system's clock stands in small steps.
package clock

import (
	"sync"
	"time"
)

const (
	// slew is the part of the time passed by which a Clock moves towards the
	// system's clock: an hour takes ten.
	slew = 10
	// maxStep is the largest step of the system's clock that is not followed at
	// once. After a larger one, ahead, it is more likely that the machine stood
	// still for so long, and that sessions have ended indeed.
	maxStep = 2 * time.Hour
)

// Clock is a wall clock without steps. It is safe for concurrent use.
type Clock struct {
	wall    func() time.Time
	elapsed func() time.Duration

	mu   sync.Mutex // guards all below
	at   time.Duration
	time time.Time
}

// Following returns a Clock that begins with the time of another one: the
// system's, or that of a database, which the servers that share it follow so
// that no two of them differ about the end of a session. On Linux it counts the
// time in which the machine sleeps. Elsewhere a step ahead may be such a sleep,
// and is followed at once.
func Following(wall func() time.Time) *Clock { return newClock(wall, sinceBoot) }

func newClock(wall func() time.Time, elapsed func() time.Duration) *Clock {
	return &Clock{wall: wall, elapsed: elapsed, at: elapsed(), time: wall().Round(0)}
}

// Now is the time, without a monotonic reading.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, wall := c.elapsed(), c.wall().Round(0)
	passed := max(at-c.at, 0)
	c.at, c.time = at, c.time.Add(passed)
	off := wall.Sub(c.time)
	if off > maxStep || off > 0 && !countsSleep {
		c.time = wall
		return c.time
	}
	c.time = c.time.Add(min(max(off, -passed/slew), passed/slew))
	return c.time
}
