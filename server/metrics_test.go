package server

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
	"github.com/capture-keepalive/capture-keepalive/server/config/configtest"
)

// scrape asks a real process for its metrics.
func scrape(t *testing.T, p *process) string {
	t.Helper()
	response, err := http.Get(p.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK ||
		!strings.HasPrefix(response.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("/metrics: %d %s %v", response.StatusCode, response.Header.Get("Content-Type"), err)
	}
	return string(text)
}

// What the process measures is what docs/operations.md documents, and it names
// no user.
func TestMetrics(t *testing.T) {
	service, url := upstream(t)
	uuid, token := service.SignIn("ada@example.com", "Ada")
	server := start(t, serving(url, filepath.Join(t.TempDir(), "keepalive.db")))
	browser := newPage(t, server.public)
	browser.login(t, token)
	var renewed, problem api.TokenAnswer
	if status, err := browser.post(t.Context(), api.PathToken,
		api.TokenRequest{Reason: api.ReasonInvalid, Have: token}, &renewed); err != nil || status != http.StatusOK {
		t.Fatalf("renewing: %d %v", status, err)
	}
	bogus := "unknowntoken" + strings.Repeat("x", 8)
	if status, err := newPage(t, server.public).post(t.Context(), api.PathSession,
		api.OpenRequest{AccessToken: bogus}, &problem); err != nil || status != http.StatusForbidden {
		t.Fatalf("a login with an unknown token: %d %v", status, err)
	}

	text := scrape(t, server)
	deadline := time.Now().Add(patience)
	for ; !strings.Contains(text, "\nkeepalive_sessions{"); text = scrape(t, server) {
		if time.Now().After(deadline) {
			t.Fatal("the living sessions are not counted")
		}
	}
	for _, line := range []string{
		`keepalive_sessions{key="other"} 0`,
		`keepalive_sessions_opened_total{mode="token"} 1`,
		`keepalive_renewals_total{outcome="renewed",reason="invalid"} 1`,
		`keepalive_token_requests_total{outcome="renewed",reason="invalid"} 1`,
		`keepalive_http_requests_total{code="ok",route="session"} 1`,
		`keepalive_http_requests_total{code="grant_refused",route="session"} 1`,
		`keepalive_upstream_requests_total{call="issue",outcome="ok"} 1`,
		`keepalive_upstream_requests_total{call="identify",outcome="grant_gone"} 1`,
		`keepalive_store_duration_seconds_count{operation="replace"} 1`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	for name, secret := range map[string]string{
		"the uuid": uuid, "the token": token, "the new token": renewed.AccessToken, "an unknown token": bogus,
		"the issuer's secret": configtest.IssuerSecret, "a key": configtest.Keys, "the name": "Ada",
		"the origin": testOrigin,
	} {
		if strings.Contains(text, secret) {
			t.Errorf("the metrics hold %s", name)
		}
	}

	// The names of our own; those of the standard collectors are documented
	// where they come from.
	var measured []string
	for _, match := range regexp.MustCompile(`(?m)^# TYPE (keepalive_\w+) `).FindAllStringSubmatch(text, -1) {
		measured = append(measured, match[1])
	}
	for _, name := range []string{"process_start_time_seconds", "process_open_fds",
		"process_max_fds", "process_resident_memory_bytes", "go_goroutines", "go_gc_duration_seconds_count"} {
		if !strings.Contains(text, "\n"+name+" ") {
			t.Errorf("the standard collectors do not say %s", name)
		}
	}
	page, err := os.ReadFile(filepath.Join("..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, match := range regexp.MustCompile("(?m)^\\| `(\\w+)[{`]").FindAllStringSubmatch(string(page), -1) {
		if strings.HasPrefix(match[1], "keepalive_") {
			documented = append(documented, match[1])
		}
	}
	slices.Sort(measured)
	slices.Sort(documented)
	if !slices.Equal(measured, documented) || len(measured) == 0 {
		t.Errorf("measured:\n%s\ndocumented in docs/operations.md:\n%s",
			strings.Join(measured, "\n"), strings.Join(documented, "\n"))
	}
}

// The breaker of the sessions is the one that is measured.
func TestMetricOfTheCircuitBreaker(t *testing.T) {
	server := start(t, serving("http://127.0.0.1:1", filepath.Join(t.TempDir(), "keepalive.db"), "RATE_LOGIN=off"))
	// It opens for a few seconds only, which a pause of the machine may take.
	clocktest.OneOf(t, 5, func() error {
		for range 10 {
			var problem api.TokenAnswer
			status, err := newPage(t, server.public).post(t.Context(), api.PathSession,
				api.OpenRequest{AccessToken: "unknowntoken01"}, &problem)
			if err != nil || status != http.StatusServiceUnavailable {
				t.Fatalf("a login without a Capture: %d %v", status, err)
			}
		}
		if text := scrape(t, server); !strings.Contains(text, "\nkeepalive_upstream_breaker_open 1\n") {
			return fmt.Errorf("Capture has failed ten times in a row:\n%s", text)
		}
		return nil
	})
}
