package monitor

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// label is a label's name and all the values it can have. A value that is not
// on the list counts as the last one. So the number of series is fixed from the
// start, and no word from the network can become a label.
type label struct {
	name   string
	values []string
}

// labels are those of one metric.
type labels []label

func (l labels) names() []string {
	names := make([]string, len(l))
	for i, each := range l {
		names[i] = each.name
	}
	return names
}

// bounded returns values with every one that is not on its label's list
// replaced by the last of that list.
func (l labels) bounded(values []string) []string {
	known := make([]string, len(l))
	for i, each := range l {
		known[i] = each.values[len(each.values)-1]
		if slices.Contains(each.values, values[i]) {
			known[i] = values[i]
		}
	}
	return known
}

// each calls do with every combination of values that begins with first: a
// series that has not moved yet is there with a 0, as alerts on a rate need it.
func (l labels) each(do func(values ...string), first ...string) {
	if len(first) == len(l) {
		do(first...)
		return
	}
	for _, value := range l[len(first)].values {
		l.each(do, append(slices.Clip(first), value)...)
	}
}

// counter is a counter with bounded labels.
type counter struct {
	labels labels
	vector *prometheus.CounterVec
}

func (m *Monitor) counter(name, help string, with ...label) counter {
	options := prometheus.CounterOpts{Name: name, Help: help}
	c := counter{with, prometheus.NewCounterVec(options, labels(with).names())}
	c.labels.each(func(values ...string) { c.vector.WithLabelValues(values...) })
	m.registry.MustRegister(c.vector)
	return c
}

// Inc adds one to the series with these values, which are in the order of the
// labels.
func (c counter) Inc(values ...string) { c.Add(1, values...) }

// Add adds n; a negative n adds nothing.
func (c counter) Add(n int, values ...string) {
	c.vector.WithLabelValues(c.labels.bounded(values)...).Add(float64(max(n, 0)))
}

// histogram counts durations, with bounded labels.
type histogram struct {
	labels labels
	vector *prometheus.HistogramVec
}

func (m *Monitor) histogram(name, help string, bounds []time.Duration, with ...label) histogram {
	buckets := make([]float64, len(bounds))
	for i, bound := range bounds {
		buckets[i] = bound.Seconds()
	}
	options := prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}
	h := histogram{with, prometheus.NewHistogramVec(options, labels(with).names())}
	h.labels.each(func(values ...string) { h.vector.WithLabelValues(values...) })
	m.registry.MustRegister(h.vector)
	return h
}

// Observe counts one duration in the series with these values.
func (h histogram) Observe(d time.Duration, values ...string) {
	h.vector.WithLabelValues(h.labels.bounded(values)...).Observe(max(d, 0).Seconds())
}

// gauges adds values that are set from time to time, under labels that are not
// known from the start.
func (m *Monitor) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	vector := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(vector)
	return vector
}
