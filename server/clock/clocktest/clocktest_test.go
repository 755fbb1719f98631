package clocktest

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestPausesAreNotCounted(t *testing.T) {
	var m meter
	now := time.Now()
	m.note(now)
	for _, step := range []time.Duration{grain, grain, 3 * time.Second, grain, most} {
		now = now.Add(step)
		m.note(now)
	}
	if got, want := m.total, 3*grain+2*most; got != want {
		t.Errorf("a pause of 3 s: %v, want %v", got, want)
	}
}

// What takes its time is not taken for a pause, though nothing asks meanwhile.
func TestWorkIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m meter
		m.note(time.Now())
		go m.run(t.Context())
		time.Sleep(10 * most)
		if got := m.note(time.Now()); got != 10*most {
			t.Errorf("%v of %v were counted", got, 10*most)
		}
	})
}
