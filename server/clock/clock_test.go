package clock

import (
	"testing"
	"time"
)

// machine is a computer with a clock that can be set.
type machine struct {
	boot time.Duration
	wall time.Time
}

func (m *machine) pass(d time.Duration) {
	m.boot += d
	m.wall = m.wall.Add(d)
}

func newMachine() (*machine, *Clock) {
	m := &machine{wall: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	return m, newClock(func() time.Time { return m.wall }, func() time.Duration { return m.boot })
}

func TestNow(t *testing.T) {
	for _, tc := range []struct {
		name string
		step time.Duration
		// The clock is read after each of ten minutes; off is how far it is then
		// from the time that has passed.
		off time.Duration
	}{
		{"no step", 0, 0},
		{"a second ahead", time.Second, time.Second},
		{"an hour ahead", time.Hour, time.Minute},
		{"an hour back", -time.Hour, -time.Minute},
		{"a day back", -24 * time.Hour, -time.Minute},
		{"a day ahead: the machine stood still", 24 * time.Hour, 24 * time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, c := newMachine()
			want := m.wall
			if tc.step > 0 && !countsSleep {
				tc.off = tc.step
			}
			m.wall = m.wall.Add(tc.step)
			for range 10 {
				m.pass(time.Minute)
				c.Now()
			}
			if got := c.Now().Sub(want) - 10*time.Minute; got != tc.off {
				t.Errorf("ten minutes after the step the clock is off by %v, want %v", got, tc.off)
			}
		})
	}
}

func TestAStepForAMomentIsForgotten(t *testing.T) {
	m, c := newMachine()
	began := m.wall
	m.wall = m.wall.Add(-time.Hour)
	m.pass(time.Second)
	c.Now()
	m.wall = m.wall.Add(time.Hour)
	m.pass(time.Minute)
	if got := c.Now().Sub(began); got != time.Minute+time.Second {
		t.Errorf("%v have passed, want 1m1s", got)
	}
}

func TestNowNeverGoesBack(t *testing.T) {
	m, c := newMachine()
	last := c.Now()
	for _, step := range []time.Duration{-time.Hour, -24 * time.Hour, time.Minute, 0} {
		m.wall = m.wall.Add(step)
		for range 100 {
			m.pass(time.Millisecond)
			if now := c.Now(); now.Before(last) {
				t.Fatalf("%v after %v", now, last)
			} else {
				last = now
			}
		}
	}
}

func TestTheSystemsClockIsFollowed(t *testing.T) {
	c := Following(time.Now)
	before := time.Now()
	got := c.Now()
	if got.Before(before.Add(-time.Second)) || got.After(time.Now().Add(time.Second)) {
		t.Errorf("the clock says %v after %v", got, before)
	}
}
