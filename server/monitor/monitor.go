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
	"strings"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/metrics"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// other is where a value counts that is on no list.
const other = "other"

// Monitor holds all metrics of one server. It is a session.Observer and an
// httpapi.Observer, and safe for concurrent use.
type Monitor struct {
	set metrics.Set

	tokens, renewals, opened, ended *metrics.Counter
	limited, replayed               *metrics.Counter
	requests                        *metrics.Counter
	requestTime                     *metrics.Histogram
	calls, callErrors               *metrics.Counter
	callTime                        *metrics.Histogram
	open                            func() bool // the breaker
	storeErrors, swept              *metrics.Counter
	storeTime                       *metrics.Histogram
}

// The three kinds of work differ by orders of magnitude: a request that needs
// no call, a call over the internet, and a store on this machine.
var (
	requestBounds = []time.Duration{
		time.Millisecond, 5 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond,
		500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	}
	callBounds = []time.Duration{
		25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
		500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	}
	storeBounds = []time.Duration{
		100 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 5 * time.Millisecond,
		10 * time.Millisecond, 50 * time.Millisecond, 250 * time.Millisecond, time.Second, 5 * time.Second,
	}
)

// New returns the Monitor of a server of this version.
func New(version string) *Monitor {
	m := new(Monitor)
	set := &m.set
	one := func(name string, values ...string) metrics.Label { return metrics.Label{Name: name, Values: values} }
	reasons := one("reason", append(words(api.Reasons()), other)...)
	outcomes := one("outcome", append(words(session.Outcomes()), other)...)

	set.Info("keepalive_build_info", "The version of the server and of Go it was built with.",
		one("version", version), one("goversion", runtime.Version()))

	m.tokens = set.Counter("keepalive_token_requests_total", "Answers to pages and proxies that asked for a token.", reasons, outcomes)
	m.renewals = set.Counter("keepalive_renewals_total", "Renewals, each counted once however many waited for it.", reasons, outcomes)
	m.opened = set.Counter("keepalive_sessions_opened_total", "Sessions opened by a login.",
		one("mode", string(store.ModeToken), string(store.ModeCode)))
	m.ended = set.Counter("keepalive_sessions_ended_total", "Sessions ended before their limits.",
		one("why", append(words(session.Whys()), other)...))
	m.limited = set.Counter("keepalive_limited_total", "Times that a limit held something back.",
		one("limit", limitLogin, limitForced, limitUpstreamRenewal, limitUpstreamLogin))
	m.replayed = set.Counter("keepalive_tokens_replayed_total", "Logins refused because their token is one of a session, or from before a revocation.")

	routes := one("route", append(routeNames(), other)...)
	m.requests = set.Counter("keepalive_http_requests_total", "HTTP requests by the code of the answer.",
		routes, one("code", append(words(api.Codes()), codeOK, other)...))
	m.requestTime = set.Histogram("keepalive_http_request_duration_seconds", "How long HTTP requests took.", requestBounds, routes)

	calls := one("call", callNames...)
	m.calls = set.Counter("keepalive_upstream_requests_total", "Calls to Capture by what came of them.", calls, one("outcome", callOutcomes()...))
	m.callErrors = set.Counter("keepalive_upstream_errors_total", "Failed calls to Capture by Capture's number.", calls, one("number", callNumbers...))
	m.callTime = set.Histogram("keepalive_upstream_duration_seconds", "How long calls to Capture took.", callBounds, calls)
	set.Gauge("keepalive_upstream_left_alone", "1 while Capture is left alone because it failed many times in a row, else 0.", m.leftAlone)

	operations := one("operation", storeOperations...)
	m.storeErrors = set.Counter("keepalive_store_errors_total", "Operations in which the session store failed.", operations)
	m.storeTime = set.Histogram("keepalive_store_duration_seconds", "How long operations of the session store took.", storeBounds, operations)
	m.swept = set.Counter("keepalive_store_swept_total", "Expired sessions, spent codes and old notes thrown out of the store.")

	addProcess(set)
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

// ServeHTTP writes all metrics.
func (m *Monitor) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", metrics.ContentType)
	_, _ = m.set.WriteTo(w) // a write that fails means that the client has gone
}

// TokenAsked implements session.Observer.
func (m *Monitor) TokenAsked(reason api.Reason, outcome session.Outcome) {
	m.tokens.Inc(string(reason), string(outcome))
}

// RenewalEnded implements session.Observer.
func (m *Monitor) RenewalEnded(reason api.Reason, outcome session.Outcome) {
	m.renewals.Inc(string(reason), string(outcome))
	// Of all that can end a renewal, only the session's own limit says this.
	if outcome == session.Outcome(api.RateLimited) {
		m.limited.Inc(limitForced)
	}
}

// SessionOpened implements session.Observer.
func (m *Monitor) SessionOpened(mode store.Mode) { m.opened.Inc(string(mode)) }

// TokenReplayed implements session.Observer.
func (m *Monitor) TokenReplayed() { m.replayed.Inc() }

// SessionsEnded implements session.Observer.
func (m *Monitor) SessionsEnded(why session.Why, sessions int) { m.ended.Add(sessions, string(why)) }

// The limits there are.
const (
	limitLogin           = "login"
	limitForced          = "forced"
	limitUpstreamRenewal = "upstream_renewal"
	limitUpstreamLogin   = "upstream_login" // or a renewal forced beyond its session's rate
)

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
	{"healthz", "/healthz"},
	{"readyz", "/readyz"},
	{"metrics", "/metrics"},
}

func routeNames() []string {
	var names []string
	for _, route := range routes {
		names = append(names, route.name)
	}
	return names
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
