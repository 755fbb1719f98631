package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
)

func profile(path string, change ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:9090"+path, nil)
	for _, f := range change {
		f(r)
	}
	return r
}

func TestPprof(t *testing.T) {
	paths := []string{"/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/heap",
		"/debug/pprof/profile?seconds=1", "/debug/pprof/symbol"}
	t.Run("off by default", func(t *testing.T) {
		for _, path := range append(paths, "/debug/pprof/cmdline") {
			wantProblem(t, newSite(t).ask(profile(path)), api.NotFound)
		}
	})
	on := newSite(t, func(c *httpapi.Config) { c.Pprof = true })
	t.Run("on", func(t *testing.T) {
		for _, path := range paths {
			if response := on.ask(profile(path)); response.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", path, response.Status)
			}
		}
		if response := on.ask(profile("/debug/pprof/",
			header("Sec-Fetch-Site", "none"))); response.StatusCode != http.StatusOK {
			t.Errorf("a typed address: %s", response.Status)
		}
	})
	t.Run("not for pages", func(t *testing.T) {
		for _, site := range []string{"cross-site", "same-site", "same-origin"} {
			wantProblem(t, on.ask(profile("/debug/pprof/heap", header("Sec-Fetch-Site", site))), api.OriginRefused)
		}
		wantProblem(t, on.ask(profile("/debug/pprof/heap", header("Origin", origin))), api.OriginRefused)
	})
	t.Run("never on the public listener", func(t *testing.T) {
		for _, base := range []string{"", "/keepalive"} {
			r := request("GET", "", "")
			r.URL.Path = base + "/debug/pprof/heap"
			wantProblem(t, on.do(r), api.NotFound)
		}
	})
	if strings.Contains(on.log.String(), "seconds=1") {
		t.Error("the query is in the log")
	}
}
