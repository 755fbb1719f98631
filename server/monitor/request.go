package monitor

import (
	"net/http"
	"strings"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
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

// routes are the ends of the routes' patterns, from the most special one on;
// what stands before a page's route is the operator's choice.
var routes = []struct{ name, end string }{
	{"token", api.PathToken},
	{"activity", api.PathActivity},
	{"session", api.PathSession},
	{"auth", api.PathAuth},
	{"revoke", api.PathRevoke},
	{"sessions", api.PathSessions},
	{"healthz", "/healthz"},
	{"readyz", "/readyz"},
	{"metrics", "/metrics"},
}

func (m *Monitor) newRequestMetrics() requestMetrics {
	var names []string
	for _, route := range routes {
		names = append(names, route.name)
	}
	byRoute := label{"route", append(names, other)}
	return requestMetrics{
		requests: m.counter("keepalive_http_requests_total",
			"HTTP requests by the code of the answer.",
			byRoute, label{"code", append(words(api.Codes()), codeOK, other)}),
		requestTime: m.histogram("keepalive_http_request_duration_seconds",
			"How long HTTP requests took.", requestBounds, byRoute),
	}
}

// Request implements httpapi.Observer. The files of the page are among the
// others: they need neither the store nor Capture.
func (m *Monitor) Request(pattern, method string, code api.Code, took time.Duration) {
	name := other
	for _, route := range routes {
		if strings.HasSuffix(pattern, route.end) {
			name = route.name
			break
		}
	}
	word := codeOK
	if code != "" {
		word = string(code)
	}
	m.requests.Inc(name, word)
	m.requestTime.Observe(took, name)
	// Nothing else refuses a login for coming too often.
	if name == "session" && method == http.MethodPost && code == api.RateLimited {
		m.limited.Inc(limitLogin)
	}
}
