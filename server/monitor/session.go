package monitor

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// sessionMetrics say what becomes of sessions.
type sessionMetrics struct {
	tokens, renewals, opened, ended counter
	limited, replayed               counter
	living                          *prometheus.GaugeVec // by key; absent before the first census
}

// The limits there are.
const (
	limitLogin           = "login"
	limitForced          = "forced"
	limitUpstreamRenewal = "upstream_renewal"
	limitUpstreamLogin   = "upstream_login"
)

func (m *Monitor) newSessionMetrics() sessionMetrics {
	reasons := label{"reason", append(words(api.Reasons()), other)}
	outcomes := label{"outcome", append(words(session.Outcomes()), other)}
	return sessionMetrics{
		tokens: m.counter("keepalive_token_requests_total",
			"Answers to pages and proxies that asked for a token.", reasons, outcomes),
		renewals: m.counter("keepalive_renewals_total",
			"Renewals, each counted once however many requests waited for it.", reasons, outcomes),
		opened: m.counter("keepalive_sessions_opened_total",
			"Sessions opened by a login.",
			label{"mode", []string{string(store.ModeToken), string(store.ModeCode)}}),
		ended: m.counter("keepalive_sessions_ended_total",
			"Sessions that ended.", label{"why", append(words(session.Whys()), other)}),
		limited: m.counter("keepalive_limited_total",
			"Times that a limit refused or delayed something.",
			label{"limit", []string{
				limitLogin, limitForced, limitUpstreamRenewal, limitUpstreamLogin,
			}}),
		replayed: m.counter("keepalive_tokens_replayed_total",
			"Logins refused because their token belongs to a session, or was reported before a "+
				"revocation."),
		living: m.gauges("keepalive_sessions",
			"Living sessions in the store, by the key that they are sealed under.", "key"),
	}
}

// SessionExpired counts a session that a limit of time has ended.
func (m *Monitor) SessionExpired(limit store.Limit) { m.ended.Inc(string(limit)) }

// Census tells how many sessions live, by key. keys are the ids of the ring;
// sessions under another key count together, because a database could name any.
func (m *Monitor) Census(byKey map[string]int, keys []string) {
	counts := map[string]int{other: 0}
	for _, key := range keys {
		counts[key] = 0
	}
	for key, sessions := range byKey {
		if !slices.Contains(keys, key) {
			key = other
		}
		counts[key] += sessions
	}
	m.living.Reset() // a key that left the ring leaves no series
	for key, sessions := range counts {
		m.living.WithLabelValues(key).Set(float64(sessions))
	}
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
func (m *Monitor) SessionsEnded(why session.Why, sessions int) {
	m.ended.Add(sessions, string(why))
}

// CallLimited implements session.Observer.
func (m *Monitor) CallLimited(kind session.Calls) {
	if kind == session.CallsLogin {
		m.limited.Inc(limitUpstreamLogin)
		return
	}
	m.limited.Inc(limitUpstreamRenewal)
}
