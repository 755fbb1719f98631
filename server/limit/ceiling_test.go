package limit_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/limit"
)

// taken is how many of n calls are let through.
func taken(n int, take func() (time.Duration, bool)) (passed int) {
	for range n {
		if _, ok := take(); ok {
			passed++
		}
	}
	return passed
}

func TestEachPriorityLeavesRoomForTheOnesAbove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ceiling := limit.NewCeiling(limit.Rate{Events: 12, Per: time.Second})
		if got := taken(20, ceiling.TakeLogin); got != 6 {
			t.Errorf("%d logins from a full bucket of 12, want 6", got)
		}
		if got := taken(20, ceiling.TakeLow); got != 2 {
			t.Errorf("%d calls of low priority after the logins, want 2", got)
		}
		if got := taken(20, ceiling.TakeHigh); got != 4 {
			t.Errorf("%d calls of high priority after all others, want 4", got)
		}
		for name, tc := range map[string]struct {
			take func() (time.Duration, bool)
			want time.Duration
		}{
			"high": {ceiling.TakeHigh, time.Second / 12}, "low": {ceiling.TakeLow, 5 * time.Second / 12},
			"login": {ceiling.TakeLogin, 7 * time.Second / 12},
		} {
			if wait, ok := tc.take(); ok || (wait-tc.want).Abs() > time.Microsecond {
				t.Errorf("%s from an empty bucket: wait %v, %v; want %v", name, wait, ok, tc.want)
			}
		}
		single := limit.NewCeiling(limit.Rate{Events: 1, Per: time.Second})
		if _, ok := single.TakeLogin(); !ok {
			t.Error("a ceiling of one call lets no login through")
		}
	})
}

// However many logins there are, forced renewals pass, and however many of
// both, renewals that are due; alone, logins have the whole rate.
func TestAFloodStopsNothingAboveIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ceiling := limit.NewCeiling(limit.Rate{Events: 100, Per: time.Second})
		logins, forced, due := 0, 0, 0
		for range 100 { // ten seconds
			logins += taken(100, ceiling.TakeLogin)
			forced += taken(2, ceiling.TakeLow)
			due += taken(2, ceiling.TakeHigh)
			<-time.After(100 * time.Millisecond)
		}
		if forced != 200 || due != 200 || logins < 600 {
			t.Errorf("%d of 200 forced renewals, %d of 200 due ones, %d logins", forced, due, logins)
		}
		logins = 0
		for range 100 {
			logins += taken(100, ceiling.TakeLogin)
			<-time.After(100 * time.Millisecond)
		}
		if logins < 950 {
			t.Errorf("%d logins in 10 s without renewals, want the whole rate", logins)
		}
	})
}

func TestAChargedCallIsPaidByLaterOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ceiling := limit.NewCeiling(limit.Rate{Events: 2, Per: time.Second})
		for range 4 {
			ceiling.Charge() // never refused
		}
		if wait, ok := ceiling.TakeHigh(); ok || wait != 1500*time.Millisecond {
			t.Errorf("TakeHigh() = %v, %v; want 1.5s, false", wait, ok)
		}
		<-time.After(1500 * time.Millisecond)
		if _, ok := ceiling.TakeHigh(); !ok {
			t.Error("TakeHigh() was refused after the wait it named")
		}
	})
}

func TestNoCeilingRefusesNothing(t *testing.T) {
	ceiling := limit.NewCeiling(limit.Rate{})
	for name, take := range map[string]func() (time.Duration, bool){
		"high": ceiling.TakeHigh, "low": ceiling.TakeLow, "login": ceiling.TakeLogin,
	} {
		ceiling.Charge()
		if got := taken(1000, take); got != 1000 {
			t.Errorf("%s: %d of 1000 calls", name, got)
		}
	}
}
