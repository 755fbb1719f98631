package server

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture/capturetest"
)

// A firewall forgets the connections to Capture over night. In the morning
// fourteen renewals meet them at once, and all are served.
func TestConnectionsForgottenOverNight(t *testing.T) {
	const many = 14
	service, upstreamURL := upstream(t)
	at, err := url.Parse(upstreamURL)
	if err != nil {
		t.Fatal(err)
	}
	for name, fate := range map[string]capturetest.Fate{"reset": capturetest.Reset, "swallow": capturetest.Swallow} {
		t.Run(name, func(t *testing.T) {
			wall := capturetest.NewFirewall(t, at.Host)
			server := start(t, serving("http://"+wall.Address, filepath.Join(t.TempDir(), "keepalive.db"),
				"RATE_LOGIN=off", "RATE_FORCED=off", "UPSTREAM_TIMEOUT=3s"))
			pages, tokens := make([]*page, many), make([]string, many)
			for i := range many {
				_, tokens[i] = service.SignIn(fmt.Sprintf("%s%d@example.com", name, i), "")
				pages[i] = newPage(t, server.public)
			}
			renewAll := func() {
				t.Helper()
				var group sync.WaitGroup
				for i := range many {
					group.Go(func() {
						var answer api.TokenAnswer
						status, err := pages[i].post(t.Context(), api.PathToken,
							api.TokenRequest{Reason: api.ReasonInvalid, Have: tokens[i]}, &answer)
						if err != nil || status != http.StatusOK {
							t.Errorf("renewal %d: %d %v", i, status, err)
						}
						tokens[i] = answer.AccessToken
					})
				}
				group.Wait()
			}
			for i := range many {
				pages[i].login(t, tokens[i])
			}
			renewAll()
			wall.Forget(fate)
			renewAll()
			if text := scrape(t, server); !strings.Contains(text, "\nkeepalive_upstream_breaker_open 0\n") ||
				!strings.Contains(text,
					"\nkeepalive_upstream_requests_total{call=\"issue\",outcome=\"temporary\"} 0\n") {
				t.Error("the lost connections count as failures of Capture")
			}
		})
	}
}
