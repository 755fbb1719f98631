package monitor

import (
	"cmp"
	"net/http"
	"path"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
)

// requestMetrics say what the listeners answered.
type requestMetrics struct {
	requests    counter
	requestTime histogram
}

// requestBounds fit requests that need no call as well as those that wait for
// Capture.
var requestBounds = []time.Duration{
	time.Millisecond, 5 * time.Millisecond, 25 * time.Millisecond,
	100 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// codeOK is the code of an answer that is no problem.
const codeOK = "ok"

// routes are the last parts of the routes' patterns; what stands before them is
// the operator's choice. The files of the page are among the others: they need
// neither the store nor Capture.
var routes = []string{
	"token", "activity", "session", "auth", "revoke", "sessions", "healthz", "readyz", "metrics",
	other,
}

func (m *Monitor) newRequestMetrics() requestMetrics {
	byRoute := label{"route", routes}
	return requestMetrics{
		requests: m.counter("keepalive_http_requests_total",
			"HTTP requests by the code of the answer.",
			byRoute, label{"code", append(words(api.Codes()), codeOK, string(httpapi.CodeDisconnected), other)}),
		requestTime: m.histogram("keepalive_http_request_duration_seconds",
			"How long HTTP requests took.", requestBounds, byRoute),
	}
}

// Request implements httpapi.Observer.
func (m *Monitor) Request(pattern, method string, code api.Code, took time.Duration) {
	route := path.Base(pattern)
	m.requests.Inc(route, cmp.Or(string(code), codeOK))
	m.requestTime.Observe(took, route)
	// Nothing else refuses a login for coming too often.
	if route == "session" && method == http.MethodPost && code == api.RateLimited {
		m.limited.Inc(limitLogin)
	}
}
