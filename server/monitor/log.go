package monitor

import "github.com/prometheus/client_golang/prometheus"

// Log counts the lines of the log that were lost since the start; see
// app.LogWriter.
func (m *Monitor) Log(dropped func() int64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "keepalive_log_lines_dropped_total",
		Help: "Lines of the log that were lost because its reader was gone or too slow.",
	}, func() float64 { return float64(dropped()) }))
}
