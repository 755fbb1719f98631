package monitor

import (
	"context"
	"errors"
	"strconv"
	"time"

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

func callOutcomes() []string {
	all := []string{codeOK}
	for _, kind := range capture.Kinds() {
		all = append(all, kind.String())
	}
	return append(all, other)
}

// Capture returns next, watched.
func (m *Monitor) Capture(next session.Capture) session.Capture { return watchedCapture{m, next} }

type watchedCapture struct {
	monitor *Monitor
	next    session.Capture
}

// Identify implements session.Capture.
func (w watchedCapture) Identify(ctx context.Context, token secret.String) (string, error) {
	began := time.Now()
	uuid, err := w.next.Identify(ctx, token)
	w.monitor.called(callIdentify, began, err)
	return uuid, err
}

// Issue implements session.Capture.
func (w watchedCapture) Issue(ctx context.Context, uuid string) (capture.Token, error) {
	began := time.Now()
	token, err := w.next.Issue(ctx, uuid)
	w.monitor.called(callIssue, began, err)
	return token, err
}

// Exchange implements session.Capture.
func (w watchedCapture) Exchange(ctx context.Context, code secret.String, redirectURI string) (capture.Tokens, error) {
	began := time.Now()
	tokens, err := w.next.Exchange(ctx, code, redirectURI)
	w.monitor.called(callExchange, began, err)
	return tokens, err
}

// Refresh implements session.Capture.
func (w watchedCapture) Refresh(ctx context.Context, token secret.String) (capture.Tokens, error) {
	began := time.Now()
	tokens, err := w.next.Refresh(ctx, token)
	w.monitor.called(callRefresh, began, err)
	return tokens, err
}

func (m *Monitor) called(call string, began time.Time, err error) {
	m.callTime.Observe(time.Since(began), call)
	if err == nil {
		m.calls.Inc(call, codeOK)
		return
	}
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

// Breaker has a metric say whether Capture is left alone; without it the metric
// is 0. It must not be called while the metrics are written.
func (m *Monitor) Breaker(open func() bool) { m.open = open }

func (m *Monitor) leftAlone() (float64, bool) {
	if m.open != nil && m.open() {
		return 1, true
	}
	return 0, true
}

// Ceiling returns next, watched.
func (m *Monitor) Ceiling(next session.Ceiling) session.Ceiling { return watchedCeiling{m, next} }

type watchedCeiling struct {
	monitor *Monitor
	next    session.Ceiling
}

// Take implements session.Ceiling.
func (w watchedCeiling) Take() (wait time.Duration, ok bool) {
	wait, ok = w.next.Take()
	if !ok {
		w.monitor.limited.Inc(limitUpstreamRenewal)
	}
	return wait, ok
}

// TakeSpare implements session.Ceiling.
func (w watchedCeiling) TakeSpare() (wait time.Duration, ok bool) {
	wait, ok = w.next.TakeSpare()
	if !ok {
		w.monitor.limited.Inc(limitUpstreamLogin)
	}
	return wait, ok
}
