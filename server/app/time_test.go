package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
)

// ahead is a database on a machine with a clock ahead of this one's.
type ahead struct {
	store.Backend
	by  time.Duration
	err error
}

func (a *ahead) Time(context.Context) (time.Time, error) { return time.Now().Add(a.by), a.err }

func TestSharedDatabasesTellTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, nil))
		shared := &ahead{Backend: memory.New(), by: time.Hour}
		clock := &databaseTime{backend: shared}
		clock.measure(t.Context(), log)
		if off := time.Until(clock.now()); off != time.Hour {
			t.Errorf("the clock is %v ahead, want 1h", off)
		}
		shared.err = errors.New("no answer")
		clock.measure(t.Context(), log)
		if off := time.Until(clock.now()); off != time.Hour {
			t.Errorf("without an answer the clock is %v ahead, want 1h still", off)
		}
		shared.err, shared.by = nil, time.Hour+time.Second
		clock.measure(t.Context(), log)
		if n := strings.Count(out.String(), "differ"); n != 1 {
			t.Errorf("%d warnings, want 1:\n%s", n, out.String())
		}
	})
}

func TestADatabaseOfOneServerIsNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := &databaseTime{backend: memory.New()}
		clock.measure(t.Context(), slog.New(slog.DiscardHandler))
		if off := time.Until(clock.now()); off != 0 {
			t.Errorf("the clock is %v ahead", off)
		}
	})
}
