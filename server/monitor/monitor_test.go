package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
	"github.com/capture-keepalive/capture-keepalive/server/monitor"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

func scrape(t *testing.T, m *monitor.Monitor) string {
	t.Helper()
	answer := httptest.NewRecorder()
	m.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK ||
		!strings.HasPrefix(answer.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%d %s", answer.Code, answer.Header().Get("Content-Type"))
	}
	return answer.Body.String()
}

func wantLines(t *testing.T, m *monitor.Monitor, lines ...string) {
	t.Helper()
	text := scrape(t, m)
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			t.Errorf("no line %s; there is\n%s", line, moved(text, name))
		}
	}
}

// moved are the lines of a metric that are not 0.
func moved(text, name string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, name) && !strings.HasSuffix(line, " 0\n") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// series counts the lines that are no comments.
func series(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			n++
		}
	}
	return n
}

func TestObserver(t *testing.T) {
	m := monitor.New("v1.2.3")
	m.TokenAsked(api.ReasonStart, session.OutcomeFresh)
	m.RenewalEnded(api.ReasonDue, session.OutcomeRenewed)
	m.RenewalEnded(api.ReasonInvalid, session.Outcome(api.RateLimited))
	m.SessionOpened(store.ModeCode)
	m.SessionsEnded(session.WhyAccountGone, 3)
	m.TokenReplayed()
	m.Request("/keepalive/session", http.MethodPost, "", 3*time.Millisecond)
	m.Request("/keepalive/session", http.MethodPost, api.RateLimited, time.Millisecond)
	m.Request("/keepalive/session/token", http.MethodPost, api.RateLimited, time.Millisecond)
	m.Request("/auth", http.MethodGet, api.SessionMissing, time.Millisecond)
	m.Request("-", "-", api.NotFound, time.Millisecond)
	m.Request("/auth", http.MethodGet, httpapi.CodeDisconnected, time.Millisecond)
	m.PageCounts(api.PageCounts{Finished: 1, Held: 2, Sent: 3, Kept: 4, SignInsAvoided: 5})
	wantLines(t, m,
		`keepalive_page_forms_total{outcome="finished"} 1`,
		`keepalive_page_forms_total{outcome="held"} 2`,
		`keepalive_page_forms_total{outcome="sent"} 3`,
		`keepalive_page_forms_total{outcome="kept"} 4`,
		`keepalive_page_signins_avoided_total 5`,
		`keepalive_token_requests_total{outcome="fresh",reason="start"} 1`,
		`keepalive_renewals_total{outcome="renewed",reason="due"} 1`,
		`keepalive_renewals_total{outcome="rate_limited",reason="invalid"} 1`,
		`keepalive_limited_total{limit="forced"} 1`,
		`keepalive_limited_total{limit="login"} 1`,
		`keepalive_sessions_opened_total{mode="code"} 1`,
		`keepalive_sessions_ended_total{why="account_gone"} 3`,
		`keepalive_tokens_replayed_total 1`,
		`keepalive_http_requests_total{code="ok",route="session"} 1`,
		`keepalive_http_requests_total{code="rate_limited",route="token"} 1`,
		`keepalive_http_requests_total{code="session_missing",route="auth"} 1`,
		`keepalive_http_requests_total{code="not_found",route="other"} 1`,
		`keepalive_http_requests_total{code="disconnected",route="auth"} 1`,
		`keepalive_http_request_duration_seconds_bucket{route="session",le="0.001"} 1`,
		`keepalive_http_request_duration_seconds_bucket{route="session",le="0.005"} 2`,
	)
	if !strings.Contains(scrape(t, m), `version="v1.2.3"`) {
		t.Error("the build is not named")
	}
}

// A client that chooses words must not choose labels.
func TestLabelsAreBounded(t *testing.T) {
	m := monitor.New("v1")
	before := scrape(t, m)
	const word = "6b1d9c2e-0f0a-4c57-9f63-1d5a0d2b7a11"
	m.TokenAsked(word, word)
	m.RenewalEnded(word, word)
	m.SessionsEnded(word, 1)
	m.Request("/"+word, word, word, time.Second)
	m.CaptureCalled("issue", time.Second, &capture.Error{Kind: 77, Number: 4711})
	after := scrape(t, m)
	if strings.Contains(after, word) || strings.Contains(after, "4711") {
		t.Error("a word from outside has become a label")
	}
	if series(after) != series(before) || series(after) == 0 {
		t.Errorf("%d series, there were %d", series(after), series(before))
	}
	wantLines(t, m,
		`keepalive_token_requests_total{outcome="other",reason="other"} 1`,
		`keepalive_http_requests_total{code="other",route="other"} 1`,
		`keepalive_upstream_requests_total{call="issue",outcome="other"} 1`,
		`keepalive_upstream_errors_total{call="issue",number="other"} 1`,
	)
}

func TestCapture(t *testing.T) {
	for _, call := range capture.Calls() {
		m := monitor.New("v1")
		refused := &capture.Error{Kind: capture.OperatorFault, Number: 402}
		// Visitors who disconnect: nothing that should wake an operator.
		gone := &capture.Error{Cause: context.Canceled, Lost: true}
		for _, failure := range []error{nil, refused, fmt.Errorf("wrapped: %w", refused),
			&capture.Error{}, errors.New("anything"), gone, fmt.Errorf("wrapped: %w", gone)} {
			m.CaptureCalled(call, time.Second, failure)
		}
		wantLines(t, m,
			`keepalive_upstream_requests_total{call="`+call+`",outcome="ok"} 1`,
			`keepalive_upstream_requests_total{call="`+call+`",outcome="operator_fault"} 2`,
			`keepalive_upstream_requests_total{call="`+call+`",outcome="temporary"} 2`,
			`keepalive_upstream_requests_total{call="`+call+`",outcome="canceled"} 2`,
			`keepalive_upstream_errors_total{call="`+call+`",number="402"} 2`,
			`keepalive_upstream_errors_total{call="`+call+`",number="none"} 2`,
			`keepalive_upstream_duration_seconds_count{call="`+call+`"} 5`,
		)
	}
}

func TestCeiling(t *testing.T) {
	m := monitor.New("v1")
	m.CallLimited(session.CallsLogin)
	for range 2 {
		m.CallLimited(session.CallsRenewal)
	}
	wantLines(t, m, `keepalive_limited_total{limit="upstream_renewal"} 2`,
		`keepalive_limited_total{limit="upstream_login"} 1`)
}

func TestCensus(t *testing.T) {
	m := monitor.New("v1")
	if text := scrape(t, m); strings.Contains(text, "\nkeepalive_sessions{") {
		t.Error("sessions are counted before the first census")
	}
	m.Census(map[string]int{"k1": 3, "k2": 7, "planted": 2}, []string{"k2", "k1"})
	wantLines(t, m, `keepalive_sessions{key="k1"} 3`, `keepalive_sessions{key="k2"} 7`,
		`keepalive_sessions{key="other"} 2`)
	m.Census(map[string]int{"k2": 7}, []string{"k2"})
	wantLines(t, m, `keepalive_sessions{key="k2"} 7`, `keepalive_sessions{key="other"} 0`)
	if text := scrape(t, m); strings.Contains(text, `key="k1"`) || strings.Contains(text, "planted") {
		t.Error("a key that left the ring, or that the database made up, is a label")
	}
}

func TestExpiredSessionsAreCounted(t *testing.T) {
	m := monitor.New("v1")
	wantLines(t, m, `keepalive_sessions_ended_total{why="idle"} 0`, `keepalive_sessions_ended_total{why="absolute"} 0`)
	m.SessionExpired(store.LimitIdle)
	m.SessionExpired(store.LimitAbsolute)
	wantLines(t, m, `keepalive_sessions_ended_total{why="idle"} 1`, `keepalive_sessions_ended_total{why="absolute"} 1`)
}

func TestBreaker(t *testing.T) {
	m := monitor.New("v1")
	open := false
	m.Breaker(func() bool { return open })
	wantLines(t, m, `keepalive_upstream_breaker_open 0`)
	open = true
	wantLines(t, m, `keepalive_upstream_breaker_open 1`)
}

func TestStoreSwept(t *testing.T) {
	m := monitor.New("v1")
	m.StoreSwept(3)
	m.StoreSwept(0)
	wantLines(t, m, `keepalive_store_swept_total 3`)
}

func TestStoreErrors(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, 0}, {store.ErrNotFound, 0}, {fmt.Errorf("wrapped: %w", store.ErrTampered), 0}, {context.Canceled, 0},
		{context.DeadlineExceeded, 1}, {errors.New("disk full"), 1},
	} {
		t.Run(fmt.Sprint(tc.err), func(t *testing.T) {
			m := monitor.New("v1")
			m.StoreCalled("lookup", time.Second, tc.err)
			wantLines(t, m,
				fmt.Sprintf(`keepalive_store_errors_total{operation="lookup"} %d`, tc.want),
				`keepalive_store_duration_seconds_count{operation="lookup"} 1`)
		})
	}
}
