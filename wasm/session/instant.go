package session

import "time"

// Instant is a moment on the page's two clocks. The wall clock can be set back
// or forward by its owner; the monotonic one stops while a laptop sleeps. So a
// moment has come when either says so, and as much time has passed as the clock
// says that is ahead: a wake counts, and a clock set back does not.
//
// It is not a time.Time because the module pays 16 KB (brotli) for that type's
// formatting as soon as one is in an interface.
type Instant struct {
	wall int64 // unix milliseconds
	mono time.Duration
}

// At is a moment on both clocks; mono counts from any fixed start and must not
// be 0.
func At(unixMilli int64, mono time.Duration) Instant { return Instant{unixMilli, mono} }

// AtWall is a moment known by the wall clock alone: read from storage, say.
func AtWall(unixMilli int64) Instant { return Instant{wall: unixMilli} }

// UnixMilli is the moment on the wall clock.
func (i Instant) UnixMilli() int64 { return i.wall }

// Wall drops the monotonic reading.
func (i Instant) Wall() Instant { return Instant{wall: i.wall} }

// IsZero reports whether there is no moment.
func (i Instant) IsZero() bool { return i == Instant{} }

// Add moves the moment on both clocks.
func (i Instant) Add(d time.Duration) Instant {
	i.wall += d.Milliseconds()
	if i.mono != 0 {
		i.mono += d
	}
	return i
}

// Sub is the time from j to i, for planning: on the monotonic clock where both
// have one.
func (i Instant) Sub(j Instant) time.Duration {
	if i.mono != 0 && j.mono != 0 {
		return i.mono - j.mono
	}
	return time.Duration(i.wall-j.wall) * time.Millisecond
}

// Until is how much time is left from now to i, by the clock that is ahead.
func (i Instant) Until(now Instant) time.Duration {
	wall := time.Duration(i.wall-now.wall) * time.Millisecond
	return min(wall, i.Sub(now))
}

// Since is how much time has passed from j to i, by the clock that is ahead.
func (i Instant) Since(j Instant) time.Duration {
	wall := time.Duration(i.wall-j.wall) * time.Millisecond
	return max(wall, i.Sub(j))
}

// onBothClocks ties a moment read from storage to the monotonic clock of now,
// so that a wall clock set back later does not put it off.
func (i Instant) onBothClocks(at Instant) Instant {
	if at.IsZero() {
		return at
	}
	return i.Add(at.Sub(i))
}

// After reports whether i is later than j.
func (i Instant) After(j Instant) bool { return i.Sub(j) > 0 }

// Before reports whether i is earlier than j.
func (i Instant) Before(j Instant) bool { return i.Sub(j) < 0 }

// Reached reports whether the moment has come, by either clock.
func (i Instant) Reached(now Instant) bool {
	return !now.Before(i) || now.wall >= i.wall
}
