// Package metrics counts and measures, and writes what it has in the text
// format of Prometheus (version 0.0.4).
//
// Every value that a label can have is declared with the metric, and a value
// that was not declared counts as the last one of its label. So the number of
// series is fixed from the start, nothing that came over the network can
// become a label, and a series that has not moved yet is there with a 0, as
// alerts on a rate need it.
//
// The usual client library would add 2.3 MB to a server of 13.
package metrics

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// ContentType is the media type of what [Set.WriteTo] writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Label is a label's name and all the values it can have, at least one.
type Label struct {
	Name   string
	Values []string
}

// Set is a list of metrics. Add all of them first; from then on it is safe for
// concurrent use. The zero value is an empty Set.
type Set struct {
	families []family
}

// family is one metric with all its series.
type family struct {
	name, help, kind string
	write            func(w *bufio.Writer, name string)
}

// WriteTo writes all metrics in the order in which they were added.
func (s *Set) WriteTo(to io.Writer) (int64, error) {
	counted := &countingWriter{to: to}
	w := bufio.NewWriter(counted)
	for _, f := range s.families {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, f.kind)
		f.write(w, f.name)
	}
	err := w.Flush()
	return counted.n, err
}

type countingWriter struct {
	to io.Writer
	n  int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	return n, err
}

// Counter adds a counter to the set. By the convention its name ends in
// _total.
func (s *Set) Counter(name, help string, labels ...Label) *Counter {
	c := &Counter{series: newSeries(labels)}
	c.values = make([]atomic.Uint64, len(c.names))
	s.families = append(s.families, family{name, help, "counter", c.write})
	return c
}

// Counter only ever goes up.
type Counter struct {
	series
	values []atomic.Uint64
}

// Inc adds one to the series with these label values, which are in the order
// in which the labels were declared.
func (c *Counter) Inc(values ...string) { c.Add(1, values...) }

// Add adds n, of which a negative one adds nothing.
func (c *Counter) Add(n int, values ...string) {
	if n > 0 {
		c.values[c.index(values)].Add(uint64(n))
	}
}

func (c *Counter) write(w *bufio.Writer, name string) {
	for i := range c.values {
		fmt.Fprintf(w, "%s%s %d\n", name, braced(c.names[i]), c.values[i].Load())
	}
}

// Gauge adds a value that is asked for when it is written; while ok is false
// there is no such value.
func (s *Set) Gauge(name, help string, read func() (value float64, ok bool)) {
	s.families = append(s.families, family{name, help, "gauge", func(w *bufio.Writer, name string) {
		if value, ok := read(); ok {
			fmt.Fprintf(w, "%s %s\n", name, number(value))
		}
	}})
}

// Info adds a metric that is always 1, and says what it has to say in its
// labels, each of which has its one value.
func (s *Set) Info(name, help string, labels ...Label) {
	names := newSeries(labels).names
	s.families = append(s.families, family{name, help, "gauge", func(w *bufio.Writer, name string) {
		fmt.Fprintf(w, "%s%s 1\n", name, braced(names[0]))
	}})
}

// Histogram adds a histogram of durations to the set. By the convention its
// name ends in _seconds. The bounds of its buckets ascend.
func (s *Set) Histogram(name, help string, bounds []time.Duration, labels ...Label) *Histogram {
	h := &Histogram{series: newSeries(labels), bounds: bounds}
	h.counts = make([]atomic.Uint64, len(h.names)*(len(bounds)+1))
	h.sums = make([]atomic.Int64, len(h.names))
	s.families = append(s.families, family{name, help, "histogram", h.write})
	return h
}

// Histogram counts durations by how long they are.
type Histogram struct {
	series
	bounds []time.Duration
	counts []atomic.Uint64 // for each series, one for each bound and one above
	sums   []atomic.Int64  // nanoseconds
}

// Observe counts one duration in the series with these label values.
func (h *Histogram) Observe(d time.Duration, values ...string) {
	d = max(d, 0)
	i := h.index(values)
	// A bound belongs to its own bucket.
	bucket, _ := slices.BinarySearch(h.bounds, d)
	h.counts[i*(len(h.bounds)+1)+bucket].Add(1)
	h.sums[i].Add(int64(d))
}

func (h *Histogram) write(w *bufio.Writer, name string) {
	width := len(h.bounds) + 1
	for i, labels := range h.names {
		before := labels
		if before != "" {
			before += ","
		}
		// The count is made of the buckets, so that it agrees with them
		// although others count meanwhile.
		var total uint64
		for bucket := range width {
			total += h.counts[i*width+bucket].Load()
			bound := math.Inf(1)
			if bucket < len(h.bounds) {
				bound = h.bounds[bucket].Seconds()
			}
			fmt.Fprintf(w, "%s_bucket{%sle=\"%s\"} %d\n", name, before, number(bound), total)
		}
		sum := time.Duration(h.sums[i].Load()).Seconds()
		fmt.Fprintf(w, "%s_sum%s %s\n%s_count%s %d\n", name, braced(labels), number(sum), name, braced(labels), total)
	}
}

// series are the combinations of the values of some labels.
type series struct {
	labels []map[string]int // each value's place
	names  []string         // as they stand between the braces
}

func newSeries(labels []Label) series {
	s := series{names: []string{""}}
	for i, label := range labels {
		places := make(map[string]int, len(label.Values))
		var names []string
		for _, before := range s.names {
			if i > 0 {
				before += ","
			}
			for _, value := range label.Values {
				names = append(names, before+label.Name+`="`+escape.Replace(value)+`"`)
			}
		}
		for place, value := range label.Values {
			places[value] = place
		}
		s.labels, s.names = append(s.labels, places), names
	}
	return s
}

// index finds the series of these values. Those that are missing, and those
// that nobody declared, are the last ones of their labels.
func (s *series) index(values []string) int {
	at := 0
	for i, places := range s.labels {
		place := len(places) - 1
		if i < len(values) {
			if found, ok := places[values[i]]; ok {
				place = found
			}
		}
		at = at*len(places) + place
	}
	return at
}

var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func braced(labels string) string {
	if labels == "" {
		return ""
	}
	return "{" + labels + "}"
}

func number(value float64) string {
	if math.IsInf(value, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(value, 'g', -1, 64)
}
