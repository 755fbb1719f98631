package deploy

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/monitor"
)

var (
	metricName = regexp.MustCompile(`\b(?:keepalive|process|go)_[a-z_]+\b`)
	// selector is a metric with what stands between its braces.
	selector = regexp.MustCompile(`\b((?:keepalive|process|go)_[a-z_]+)\{([^}]*)\}`)
	matcher  = regexp.MustCompile(`([a-z_]+)(?:=~|!=|=)"([^"]*)"`)
)

// vocabulary is what the server measures: the value of each label of each
// metric. Prometheus itself adds instance and job.
func vocabulary(t *testing.T) map[string]map[string][]string {
	t.Helper()
	answer := httptest.NewRecorder()
	watch := monitor.New("test")
	watch.Census(nil, []string{"k1"})
	watch.Log(func() int64 { return 0 })
	watch.Breaker(func() bool { return false })
	watch.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	known := make(map[string]map[string][]string)
	for line := range strings.Lines(answer.Body.String()) {
		name, _, _ := strings.Cut(line, " ")
		name, _, _ = strings.Cut(name, "{")
		if name == "#" {
			continue
		}
		if known[name] == nil {
			known[name] = make(map[string][]string)
		}
		for _, pair := range matcher.FindAllStringSubmatch(line, -1) {
			known[name][pair[1]] = append(known[name][pair[1]], pair[2])
		}
	}
	if len(known) == 0 {
		t.Fatal("the server measures nothing")
	}
	return known
}

// checkExpression holds the names, labels and values of an expression of
// PromQL against what there is: a misspelt alert never fires.
func checkExpression(known map[string]map[string][]string, expression string) (wrong []string) {
	names := metricName.FindAllString(expression, -1)
	if len(names) == 0 && !strings.Contains(expression, "up{") {
		wrong = append(wrong, "it names no metric")
	}
	for _, name := range names {
		if known[name] == nil {
			wrong = append(wrong, "there is no metric "+name)
		}
	}
	for _, selected := range selector.FindAllStringSubmatch(expression, -1) {
		for _, pair := range matcher.FindAllStringSubmatch(selected[2], -1) {
			if pair[1] == "instance" || pair[1] == "job" {
				continue
			}
			for value := range strings.SplitSeq(pair[2], "|") {
				if !slices.Contains(known[selected[1]][pair[1]], value) {
					wrong = append(wrong, selected[1]+" has no "+pair[1]+" "+value)
				}
			}
		}
	}
	return wrong
}

func TestExpressionsAreChecked(t *testing.T) {
	known := vocabulary(t)
	for expression, want := range map[string]int{
		`rate(keepalive_limited_total{limit="login"}[5m])`:          0,
		`rate(keepalive_limited_total{limit=~"login|typo"}[5m])`:    1,
		`rate(keepalive_limited_total{typo="login"}[5m])`:           1,
		`rate(keepalive_limits_total{instance="a"}[5m])`:            1,
		`rate(keepalive_upstream_duration_seconds_bucket[5m])`:      0,
		`process_open_fds{job="keepalive"} > keepalive_store_swept`: 1,
		`1`: 1,
	} {
		if wrong := checkExpression(known, expression); len(wrong) != want {
			t.Errorf("%s: %q, want %d", expression, wrong, want)
		}
	}
}

func TestAlerts(t *testing.T) {
	rules, err := os.ReadFile("alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	known := vocabulary(t)
	var alerts []string
	blocks := strings.Split(string(rules), "- alert: ")
	for _, block := range blocks[1:] {
		name, rest, _ := strings.Cut(block, "\n")
		alerts = append(alerts, name)
		_, rest, _ = strings.Cut(rest, "expr:")
		expression, _, found := strings.Cut(rest, "labels:")
		if !found {
			t.Errorf("%s has no labels after its expression", name)
		}
		// Under another name of the job it would never fire.
		if strings.Contains(expression, "job=") && !strings.Contains(blocks[0], name) {
			t.Errorf("%s has the name of the job, and the head of the file does not say so", name)
		}
		// Nor would it, where no server is found any more.
		if strings.Contains(expression, "up{") && !strings.Contains(expression, "absent(up{") {
			t.Errorf("%s: no series of up is no alert", name)
		}
		for _, wrong := range checkExpression(known, expression) {
			t.Errorf("%s: %s", name, wrong)
		}
	}

	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	alert := regexp.MustCompile("(?m)^\\| `(Keepalive[A-Za-z]+)` \\|")
	for _, match := range alert.FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, match[1])
	}
	slices.Sort(alerts)
	slices.Sort(documented)
	if !slices.Equal(alerts, documented) || len(alerts) == 0 {
		t.Errorf("alerts %q, documented in docs/operations.md %q", alerts, documented)
	}
}

// What the values of a label mean is told below the table of metrics. The names
// of routes, operations, reasons, codes and Capture's numbers speak, or have a
// table elsewhere.
func TestLabelValuesAreExplained(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := vocabulary(t)
	for metric, name := range map[string]string{
		"keepalive_renewals_total":                  "outcome",
		"keepalive_upstream_requests_total":         "outcome",
		"keepalive_upstream_duration_seconds_count": "call",
		"keepalive_sessions_opened_total":           "mode",
		"keepalive_sessions_ended_total":            "why",
		"keepalive_limited_total":                   "limit",
		"keepalive_page_forms_total":                "outcome",
	} {
		if len(known[metric][name]) == 0 {
			t.Errorf("%s has no label %s", metric, name)
		}
		for _, value := range known[metric][name] {
			if !api.Code(value).Known() && !strings.Contains(string(page), "`"+value+"`") {
				t.Errorf("docs/operations.md does not say what %s is, of %s", value, metric)
			}
		}
	}
}

func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Title  string
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	known := vocabulary(t)
	ids := make(map[int]bool)
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] || len(panel.Targets) == 0 {
			t.Errorf("panel %q has no query, or the id of another one", panel.Title)
		}
		ids[panel.ID] = true
		for _, target := range panel.Targets {
			for _, wrong := range checkExpression(known, target.Expr) {
				t.Errorf("panel %q: %s", panel.Title, wrong)
			}
		}
	}
	if len(ids) == 0 || dashboard.Title == "" {
		t.Error("the dashboard is empty")
	}
}
