package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
	"github.com/capture-keepalive/capture-keepalive/server/session"
)

// codes is an Observer that remembers the codes.
type codes []api.Code

func (c *codes) Request(_, _ string, code api.Code, _ time.Duration) { *c = append(*c, code) }
func (*codes) PageCounts(api.PageCounts)                             {}

// A visitor who hangs up is no failure of the store or of Capture, in the log or
// in the metrics. What has failed by itself still is one.
func TestAVisitorWhoHangsUpIsNoFailure(t *testing.T) {
	canceled := fmt.Errorf("store: lookup: %w", context.Canceled)
	for _, tc := range []struct {
		name  string
		gone  bool
		cause error
		code  api.Code
	}{
		{"the visitor has gone", true, canceled, httpapi.CodeDisconnected},
		{"the store has failed, too", true, errors.New("disk full"), api.StoreUnavailable},
		{"the visitor waits", false, canceled, api.StoreUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var heard codes
			s := newSite(t, func(c *httpapi.Config) { c.Observer = &heard })
			s.sessions.err = &session.Error{Code: api.StoreUnavailable, Detail: "a test", Cause: tc.cause}
			ctx, hangUp := context.WithCancel(t.Context())
			defer hangUp()
			if tc.gone {
				hangUp()
			}
			login := request("POST", "/session", `{"accessToken":"`+goodToken+`"}`)
			s.Public().ServeHTTP(httptest.NewRecorder(), login.WithContext(ctx))
			if len(heard) != 1 || heard[0] != tc.code {
				t.Errorf("heard %q, want %q", heard, tc.code)
			}
			warned := strings.Contains(s.log.String(), `"level":"WARN"`)
			if want := tc.code == api.StoreUnavailable; warned != want {
				t.Errorf("a warning: %t, want %t: %s", warned, want, s.log)
			}
		})
	}
}
