package app

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// advising is a store with risks that change.
type advising struct {
	store.Backend
	advice []string
}

func (a *advising) Advice(context.Context) []string { return a.advice }

// A risk that arises while the server runs is in the log, once, and however many
// there are they do not fill it.
func TestRisksOfTheStoreAreToldOnce(t *testing.T) {
	var log bytes.Buffer
	backend := new(advising)
	risks := &storeRisks{backend: backend, log: slog.New(slog.NewTextHandler(&log, nil)), told: map[string]bool{}}
	for _, advice := range [][]string{nil, {"one"}, {"one", "two"}, {}, {"one"}} {
		backend.advice = advice
		risks.look(t.Context())
	}
	for _, word := range []string{"advice=one", "advice=two"} {
		if n := strings.Count(log.String(), word); n != 1 {
			t.Errorf("%s stands there %d times:\n%s", word, n, log.String())
		}
	}
	for n := range 10 * maxStoreRisks {
		backend.advice = []string{fmt.Sprintf("risk %d", n)}
		risks.look(t.Context())
	}
	if n := strings.Count(log.String(), "\n"); n > maxStoreRisks {
		t.Errorf("the log has %d lines", n)
	}
}
