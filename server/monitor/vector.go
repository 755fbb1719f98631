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

// maxLabels is the most that one metric has.
const maxLabels = 2

// seriesOf finds the series with these values. One that is not on its label's
// list counts as the last of that list.
func seriesOf[S any](all map[[maxLabels]string]S, with labels, values []string) S {
	var given [maxLabels]string
	copy(given[:], values)
	if series, ok := all[given]; ok {
		return series
	}
	return all[with.bounded(values)]
}

// bounded returns values with every one that is not on its label's list
// replaced by the last of that list.
func (l labels) bounded(values []string) (known [maxLabels]string) {
	for i, each := range l {
		known[i] = each.values[len(each.values)-1]
		if i < len(values) && slices.Contains(each.values, values[i]) {
			known[i] = values[i]
		}
	}
	return known
}

// each calls do with every combination of values: a series that has not moved
// yet is there with a 0, as alerts on a rate need it.
func (l labels) each(do func(values ...string)) {
	combinations := [][]string{{}}
	for _, next := range l {
		var longer [][]string
		for _, before := range combinations {
			for _, value := range next.values {
				longer = append(longer, append(slices.Clip(before), value))
			}
		}
		combinations = longer
	}
	for _, values := range combinations {
		do(values...)
	}
}

// counter is a counter with bounded labels.
type counter struct {
	labels labels
	series map[[maxLabels]string]prometheus.Counter
}

func (m *Monitor) counter(name, help string, with ...label) counter {
	c := counter{with, make(map[[maxLabels]string]prometheus.Counter)}
	options := prometheus.CounterOpts{Name: name, Help: help}
	vector := prometheus.NewCounterVec(options, c.labels.names())
	c.labels.each(func(values ...string) {
		c.series[c.labels.bounded(values)] = vector.WithLabelValues(values...)
	})
	m.registry.MustRegister(vector)
	return c
}

// Inc adds one to the series with these values, which are in the order of the
// labels.
func (c counter) Inc(values ...string) { c.Add(1, values...) }

// Add adds n; a negative n adds nothing.
func (c counter) Add(n int, values ...string) {
	seriesOf(c.series, c.labels, values).Add(float64(max(n, 0)))
}

// histogram counts durations, with bounded labels.
type histogram struct {
	labels labels
	series map[[maxLabels]string]prometheus.Observer
}

func (m *Monitor) histogram(name, help string, bounds []time.Duration, with ...label) histogram {
	buckets := make([]float64, len(bounds))
	for i, bound := range bounds {
		buckets[i] = bound.Seconds()
	}
	h := histogram{with, make(map[[maxLabels]string]prometheus.Observer)}
	options := prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}
	vector := prometheus.NewHistogramVec(options, h.labels.names())
	h.labels.each(func(values ...string) {
		h.series[h.labels.bounded(values)] = vector.WithLabelValues(values...)
	})
	m.registry.MustRegister(vector)
	return h
}

// Observe counts one duration in the series with these values.
func (h histogram) Observe(d time.Duration, values ...string) {
	seriesOf(h.series, h.labels, values).Observe(max(d, 0).Seconds())
}

// gauges adds values that are set from time to time, under labels that are not
// known from the start.
func (m *Monitor) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	vector := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(vector)
	return vector
}
