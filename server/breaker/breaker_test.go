package breaker_test

import (
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/breaker"
)

const rest = 5 * time.Second

// line is a Breaker that opens after three failures, and a clock.
type line struct {
	*breaker.Breaker
	clock time.Time
}

func newLine() *line {
	l := &line{clock: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	l.Breaker = breaker.New(3, rest, func() time.Time { return l.clock })
	return l
}

// call makes one call that must be let through, and reports whether it opened
// the breaker.
func (l *line) call(t *testing.T, outcome breaker.Outcome) (opened bool) {
	t.Helper()
	leave, _, ok := l.Enter()
	if !ok {
		t.Fatal("refused")
	}
	return leave(outcome)
}

// refused wants a refusal that says to wait so long, of an open breaker.
func (l *line) refused(t *testing.T, want time.Duration) {
	t.Helper()
	if !l.Open() {
		t.Error("it refuses and is not open")
	}
	if _, wait, ok := l.Enter(); ok || wait != want {
		t.Fatalf("Enter() = %v, %v; want a refusal for %v", wait, ok, want)
	}
}

func (l *line) open(t *testing.T) {
	t.Helper()
	for i := range 3 {
		if l.Open() {
			t.Fatalf("open after %d failures", i)
		}
		if opened := l.call(t, breaker.Failed); opened != (i == 2) {
			t.Fatalf("failure %d opened it: %v", i+1, opened)
		}
	}
}

func TestOpensAfterFailuresInARow(t *testing.T) {
	l := newLine()
	for _, outcome := range []breaker.Outcome{
		breaker.Failed, breaker.Failed, breaker.Alive, // in a row they must be
		breaker.Failed, breaker.Untold, breaker.Failed, breaker.Alive, // what is untold counts neither way
		breaker.Untold, breaker.Untold, breaker.Untold, breaker.Untold,
	} {
		if l.call(t, outcome) {
			t.Fatal("it opened early")
		}
	}
	l.open(t)
	l.refused(t, rest)
	l.clock = l.clock.Add(rest - time.Millisecond)
	l.refused(t, time.Millisecond)
}

func TestOneCallFindsOut(t *testing.T) {
	for name, tc := range map[string]struct {
		outcome breaker.Outcome
		opened  bool
		then    func(t *testing.T, l *line)
	}{
		"it is back": {breaker.Alive, false, func(t *testing.T, l *line) {
			for range 10 {
				l.call(t, breaker.Alive)
			}
			l.open(t) // by as many failures as at first
		}},
		"it is not": {breaker.Failed, true, func(t *testing.T, l *line) {
			l.refused(t, rest)
			l.clock = l.clock.Add(rest)
			l.call(t, breaker.Alive)
			l.call(t, breaker.Alive)
		}},
		"nobody waited": {breaker.Untold, false, func(t *testing.T, l *line) {
			l.call(t, breaker.Alive) // the next one may find out
			l.call(t, breaker.Alive)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine()
			l.open(t)
			l.clock = l.clock.Add(rest)
			leave, _, ok := l.Enter()
			if !ok {
				t.Fatal("nobody may find out")
			}
			l.refused(t, rest) // one call, no more
			if opened := leave(tc.outcome); opened != tc.opened {
				t.Errorf("opened: %v, want %v", opened, tc.opened)
			}
			tc.then(t, l)
		})
	}
}

// Calls that were under way when it opened neither make the rest longer nor
// take the place of the one that finds out.
func TestLateOutcomes(t *testing.T) {
	l := newLine()
	late, _, _ := l.Enter()
	saved, _, _ := l.Enter()
	l.open(t)
	l.clock = l.clock.Add(2 * time.Second)
	if late(breaker.Failed) {
		t.Error("a late failure opened it again")
	}
	l.refused(t, 3*time.Second)
	if saved(breaker.Alive) {
		t.Error("a late success opened it")
	}
	if l.Open() {
		t.Error("it is open though the service was there")
	}
	l.call(t, breaker.Alive)
}

func TestZeroValueNeverOpens(t *testing.T) {
	var zero breaker.Breaker
	for range 100 {
		leave, _, ok := zero.Enter()
		if !ok || leave(breaker.Failed) || zero.Open() {
			t.Fatal("the zero Breaker opened")
		}
	}
}
