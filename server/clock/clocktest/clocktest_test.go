package clocktest

import (
	"testing"
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

// What takes its time is not taken for a pause.
func TestWorkIsCounted(t *testing.T) {
	watch := Start()
	time.Sleep(10 * grain)
	if took := watch.Took(); took < most {
		t.Errorf("%v of %v were counted", took, 10*grain)
	}
}
