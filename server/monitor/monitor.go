// Package monitor is what an operator can see of the server at /metrics: the
// names of the metrics, and the small adapters that feed them. docs/operations.md
// explains each.
//
// No label carries anything about a user: every value is from a list in here,
// or in the package it is about.
package monitor

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// other is where a value counts that is on no list.
const other = "other"

// scrapeTimeout bounds one answer to Prometheus.
const scrapeTimeout = 5 * time.Second

// Monitor holds all metrics of one server and answers /metrics. It is a
// session.Observer and an httpapi.Observer, and safe for concurrent use.
type Monitor struct {
	http.Handler
	registry *prometheus.Registry

	sessionMetrics
	pageMetrics
	requestMetrics
	captureMetrics
	storeMetrics
}

// New returns the Monitor of a server of this version.
func New(version string) *Monitor {
	m := &Monitor{registry: prometheus.NewRegistry()}
	m.Handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: scrapeTimeout})
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "keepalive_build_info",
			Help:        "The version of the server and of Go it was built with.",
			ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
		}, func() float64 { return 1 }),
	)
	m.sessionMetrics = m.newSessionMetrics()
	m.pageMetrics = m.newPageMetrics()
	m.requestMetrics = m.newRequestMetrics()
	m.captureMetrics = m.newCaptureMetrics()
	m.storeMetrics = m.newStoreMetrics()
	return m
}

// words are the values of a closed list as labels have them.
func words[W ~string](list []W) []string {
	values := make([]string, len(list))
	for i, word := range list {
		values[i] = string(word)
	}
	return values
}
