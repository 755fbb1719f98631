package api_test

import (
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// The table is the public contract: a code that changes its status breaks
// every page that is out there.
func TestStatuses(t *testing.T) {
	want := map[api.Code]int{
		api.SessionMissing: 401, api.SessionEnded: 401,
		api.IdentityMismatch: 403, api.GrantRefused: 403, api.OriginRefused: 403,
		api.BadRequest: 400, api.NotFound: 404, api.MethodNotAllowed: 405, api.CodeUsed: 409,
		api.TooLarge: 413, api.UnsupportedMedia: 415, api.RateLimited: 429,
		api.UpstreamRefused: 502, api.UpstreamUnavailable: 503, api.StoreUnavailable: 503, api.Internal: 500,
	}
	// These end a session, or spend a credential. No other may: a page gives its
	// user's session up on them.
	final := map[api.Code]bool{
		api.SessionMissing: true, api.SessionEnded: true, api.IdentityMismatch: true, api.GrantRefused: true,
		api.CodeUsed: true,
	}
	if got := len(api.Codes()); got != len(want) {
		t.Errorf("%d codes, want %d", got, len(want))
	}
	for _, code := range api.Codes() {
		if code.Status() != want[code] || !code.Known() || code.Title() == "" {
			t.Errorf("%s: status %d, known %t, title %q; want status %d", code, code.Status(),
				code.Known(), code.Title(), want[code])
		}
		if code.Final() != final[code] {
			t.Errorf("%s: final %t, want %t", code, code.Final(), final[code])
		}
	}
	if other := api.Code("other"); other.Known() || other.Final() || other.Status() != 500 {
		t.Errorf("an unknown code: known %t, final %t, status %d", other.Known(), other.Final(), other.Status())
	}
}
