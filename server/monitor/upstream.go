package monitor

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
)

// callNumbers are the numbers of contract section 4, none for an answer without
// a number or no answer, and one for all the rest.
var callNumbers = append(numbers(), "none", other)

func numbers() []string {
	var all []string
	for _, number := range capture.Numbers() {
		all = append(all, strconv.Itoa(number))
	}
	return all
}

// outcomeCanceled is of a call that its caller gave up, mostly because a
// visitor disconnected. It says nothing about Capture.
const outcomeCanceled = "canceled"

func callOutcomes() []string {
	all := []string{codeOK, outcomeCanceled}
	for _, kind := range capture.Kinds() {
		all = append(all, kind.String())
	}
	return append(all, other)
}

// captureMetrics say how calls to Capture went.
type captureMetrics struct {
	calls, callErrors counter
	callTime          histogram
}

var callBounds = []time.Duration{
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

func (m *Monitor) newCaptureMetrics() captureMetrics {
	calls := label{"call", capture.Calls()}
	return captureMetrics{
		calls: m.counter("keepalive_upstream_requests_total",
			"Calls to Capture by their outcome.", calls, label{"outcome", callOutcomes()}),
		callErrors: m.counter("keepalive_upstream_errors_total",
			"Failed calls to Capture by Capture's number.", calls, label{"number", callNumbers}),
		callTime: m.histogram("keepalive_upstream_duration_seconds",
			"How long calls to Capture took.", callBounds, calls),
	}
}

// CaptureCalled is a capture.Config's Watch.
func (m *Monitor) CaptureCalled(call string, took time.Duration, err error) {
	switch {
	case err == nil:
		m.calls.Inc(call, codeOK)
	case errors.Is(err, context.Canceled):
		m.calls.Inc(call, outcomeCanceled)
		return // how long the caller was willing to wait is no duration of a call
	default:
		m.callFailed(call, err)
	}
	m.callTime.Observe(took, call)
}

func (m *Monitor) callFailed(call string, err error) {
	outcome, number := capture.Temporary.String(), "none"
	var failure *capture.Error
	if errors.As(err, &failure) {
		outcome = failure.Kind.String()
		if failure.Number != 0 {
			number = strconv.Itoa(failure.Number)
		}
	}
	m.calls.Inc(call, outcome)
	m.callErrors.Inc(call, number)
}

// Breaker has a metric say whether the circuit breaker is open.
func (m *Monitor) Breaker(open func() bool) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "keepalive_upstream_breaker_open",
		Help: "1 while the circuit breaker is open because calls to Capture failed many times in a " +
			"row, else 0.",
	}, func() float64 {
		if open() {
			return 1
		}
		return 0
	}))
}
