package monitor

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
)

// The calls of the Capture API.
const (
	callIdentify = "identify"
	callIssue    = "issue"
	callExchange = "exchange"
	callRefresh  = "refresh"
)

var (
	callNames = []string{callIdentify, callIssue, callExchange, callRefresh}

	// callNumbers are the numbers of contract section 4, none for an answer
	// without a number or no answer, and one for all the rest.
	callNumbers = append(numbers(), "none", other)
)

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
	calls := label{"call", callNames}
	return captureMetrics{
		calls: m.counter("keepalive_upstream_requests_total",
			"Calls to Capture by their outcome.", calls, label{"outcome", callOutcomes()}),
		callErrors: m.counter("keepalive_upstream_errors_total",
			"Failed calls to Capture by Capture's number.", calls, label{"number", callNumbers}),
		callTime: m.histogram("keepalive_upstream_duration_seconds",
			"How long calls to Capture took.", callBounds, calls),
	}
}

// Capture returns a session.Capture that makes each call with what next returns,
// watched.
func (m *Monitor) Capture(next func() session.Capture) session.Capture {
	return watchedCapture{m, next}
}

type watchedCapture struct {
	monitor *Monitor
	next    func() session.Capture
}

// Identify implements session.Capture.
func (w watchedCapture) Identify(ctx context.Context, token secret.String) (_ string, err error) {
	defer w.monitor.called(callIdentify, time.Now(), &err)
	return w.next().Identify(ctx, token)
}

// Issue implements session.Capture.
func (w watchedCapture) Issue(ctx context.Context, uuid string) (_ capture.Tokens, err error) {
	defer w.monitor.called(callIssue, time.Now(), &err)
	return w.next().Issue(ctx, uuid)
}

// Exchange implements session.Capture.
func (w watchedCapture) Exchange(
	ctx context.Context, code secret.String, redirectURI string,
) (_ capture.Tokens, err error) {
	defer w.monitor.called(callExchange, time.Now(), &err)
	return w.next().Exchange(ctx, code, redirectURI)
}

// Refresh implements session.Capture.
func (w watchedCapture) Refresh(ctx context.Context, token secret.String) (_ capture.Tokens, err error) {
	defer w.monitor.called(callRefresh, time.Now(), &err)
	return w.next().Refresh(ctx, token)
}

func (m *Monitor) called(call string, began time.Time, failure *error) {
	switch err := *failure; {
	case err == nil:
		m.calls.Inc(call, codeOK)
	case errors.Is(err, context.Canceled):
		m.calls.Inc(call, outcomeCanceled)
		return // how long the caller was willing to wait is no duration of a call
	default:
		m.callFailed(call, err)
	}
	m.callTime.Observe(time.Since(began), call)
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
