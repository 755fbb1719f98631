package redis

import (
	"context"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis/redistest"
)

// A look that was cut short does not pass for one that found nothing.
func TestALookThatWasCutShortSaysSo(t *testing.T) {
	b, err := Open(t.Context(), secret.New(redistest.Start(t).URL()))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if advice := b.findForeign(t.Context()); len(advice) != 0 {
		t.Errorf("nothing is there, and it says %q", advice)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if advice := b.findForeign(over); len(advice) != 1 || !strings.Contains(advice[0], "not the rest") {
		t.Errorf("it says %q", advice)
	}
}
