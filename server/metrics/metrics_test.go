package metrics_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/metrics"
)

func text(t *testing.T, set *metrics.Set) string {
	t.Helper()
	var b strings.Builder
	n, err := set.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("WriteTo: %d, %v, and there are %d bytes", n, err, b.Len())
	}
	return b.String()
}

func TestFormat(t *testing.T) {
	var set metrics.Set
	plain := set.Counter("plain_total", "Without labels.")
	asked := set.Counter("asked_total", "With two.",
		metrics.Label{Name: "who", Values: []string{"ada", "other"}},
		metrics.Label{Name: "how", Values: []string{`a "b" \`, "c"}})
	took := set.Histogram("took_seconds", "Durations.", []time.Duration{10 * time.Millisecond, time.Second},
		metrics.Label{Name: "op", Values: []string{"read", "write"}})
	set.Gauge("there", "A gauge.", func() (float64, bool) { return 1.5e9, true })
	set.Gauge("absent", "One that cannot be read.", func() (float64, bool) { return 3, false })
	set.Info("build_info", "About the build.", metrics.Label{Name: "version", Values: []string{"v1"}})

	plain.Inc()
	plain.Add(2)
	plain.Add(-5)
	asked.Inc("ada", "c")
	asked.Inc("eve", `a "b" \`) // not declared
	asked.Inc("ada")            // missing
	took.Observe(10*time.Millisecond, "read")
	took.Observe(11*time.Millisecond, "read")
	took.Observe(time.Minute, "read")
	took.Observe(-time.Second, "write")

	const want = `# HELP plain_total Without labels.
# TYPE plain_total counter
plain_total 3
# HELP asked_total With two.
# TYPE asked_total counter
asked_total{who="ada",how="a \"b\" \\"} 0
asked_total{who="ada",how="c"} 2
asked_total{who="other",how="a \"b\" \\"} 1
asked_total{who="other",how="c"} 0
# HELP took_seconds Durations.
# TYPE took_seconds histogram
took_seconds_bucket{op="read",le="0.01"} 1
took_seconds_bucket{op="read",le="1"} 2
took_seconds_bucket{op="read",le="+Inf"} 3
took_seconds_sum{op="read"} 60.021
took_seconds_count{op="read"} 3
took_seconds_bucket{op="write",le="0.01"} 1
took_seconds_bucket{op="write",le="1"} 1
took_seconds_bucket{op="write",le="+Inf"} 1
took_seconds_sum{op="write"} 0
took_seconds_count{op="write"} 1
# HELP there A gauge.
# TYPE there gauge
there 1.5e+09
# HELP absent One that cannot be read.
# TYPE absent gauge
# HELP build_info About the build.
# TYPE build_info gauge
build_info{version="v1"} 1
`
	if got := text(t, &set); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNothingIsLostInParallel(t *testing.T) {
	var set metrics.Set
	counter := set.Counter("asked_total", "Asked.", metrics.Label{Name: "who", Values: []string{"ada", "other"}})
	histogram := set.Histogram("took_seconds", "Took.", []time.Duration{time.Second})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 1000 {
				counter.Inc("ada")
				histogram.Observe(time.Millisecond)
			}
		})
	}
	group.Wait()
	got := text(t, &set)
	for _, line := range []string{`asked_total{who="ada"} 8000`, "took_seconds_count 8000", "took_seconds_sum 8"} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %q in\n%s", line, got)
		}
	}
}

func TestWriteFails(t *testing.T) {
	var set metrics.Set
	set.Counter("asked_total", "Asked.")
	gone := errors.New("gone")
	if _, err := set.WriteTo(failing{gone}); !errors.Is(err, gone) {
		t.Errorf("got %v, want the writer's error", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// The path of every request must not feed the garbage collector.
func TestCountingAllocatesNothing(t *testing.T) {
	var set metrics.Set
	counter := set.Counter("asked_total", "Asked.", metrics.Label{Name: "who", Values: []string{"ada", "other"}})
	histogram := set.Histogram("took_seconds", "Took.", []time.Duration{time.Second}, metrics.Label{Name: "who", Values: []string{"ada", "other"}})
	if n := testing.AllocsPerRun(100, func() {
		counter.Inc("ada")
		histogram.Observe(time.Millisecond, "other")
	}); n != 0 {
		t.Errorf("%v allocations each time", n)
	}
}
