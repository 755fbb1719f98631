package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

func wantNote(t *testing.T, st *store.Store, name, want string) {
	t.Helper()
	if got, err := st.Recall(t.Context(), name); got != want || err != nil {
		t.Errorf("Recall(%s) = %q, %v, want %q", name, got, err, want)
	}
}

func wantNoNote(t *testing.T, st *store.Store, name string) {
	t.Helper()
	if got, err := st.Recall(t.Context(), name); got != "" || !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Recall(%s) = %q, %v, want ErrNotFound", name, got, err)
	}
}

func mustRemember(t *testing.T, st *store.Store, name, text string, ttl time.Duration) {
	t.Helper()
	if err := st.Remember(t.Context(), name, text, ttl); err != nil {
		t.Fatalf("Remember(%s) = %v", name, err)
	}
}

func (s suite) remember(t *testing.T) {
	st, b, clock := s.store(t)
	wantNoNote(t, st, "a name")
	mustRemember(t, st, "a name", "first", time.Hour)
	mustRemember(t, st, "another name", "", time.Hour)
	wantNote(t, st, "a name", "first")
	wantNote(t, st, "another name", "")
	for _, text := range []string{"second", "\xff\x00", ""} {
		mustRemember(t, st, "a name", text, time.Hour)
		wantNote(t, st, "a name", text)
	}
	// Marks have names of their own, and a user's sessions are not their notes.
	if err := st.MarkOnce(t.Context(), "a name", time.Hour); err != nil {
		t.Errorf("MarkOnce(a name of a note) = %v", err)
	}
	if n, err := st.DeleteByUUID(t.Context(), "a name"); n != 0 || err != nil {
		t.Errorf("DeleteByUUID() = %d, %v, want 0", n, err)
	}
	wantNote(t, st, "a name", "")

	// There is a note, but it does not authenticate under this ring.
	other := store.New(b, ring(t, "k2"), clock.Now)
	if _, err := other.Recall(t.Context(), "a name"); !errors.Is(err, store.ErrTampered) {
		t.Errorf("Recall(sealed under another key) = %v, want ErrTampered", err)
	}
	mustRemember(t, other, "a name", "theirs", time.Hour)
	wantNote(t, other, "a name", "theirs")
}

// A note ends at its time by the clock of the Store, whether or not the backend
// has noticed, and lasts longer if it is written again.
func (s suite) rememberEnds(t *testing.T) {
	st, _, clock := s.store(t)
	mustRemember(t, st, "once", "text", time.Hour)
	mustRemember(t, st, "twice", "text", time.Hour)
	clock.Set(s.base.Add(30 * time.Minute))
	mustRemember(t, st, "twice", "text", time.Hour)
	clock.Set(s.base.Add(time.Hour - time.Millisecond))
	wantNote(t, st, "once", "text")
	clock.Set(s.base.Add(time.Hour))
	wantNoNote(t, st, "once")
	wantNote(t, st, "twice", "text")
	mustRemember(t, st, "once", "again", time.Hour)
	wantNote(t, st, "once", "again")
	clock.Set(s.base.Add(90 * time.Minute))
	wantNoNote(t, st, "twice")
	if s.selfExpiring {
		return
	}
	clock.Set(s.base.Add(90*time.Minute + store.Grace))
	if n, err := st.Sweep(t.Context(), noSession(t)); n != 1 || err != nil {
		t.Errorf("Sweep() = %d, %v, want the note that has ended", n, err)
	}
	mustRemember(t, st, "twice", "after the sweep", time.Hour)
	wantNote(t, st, "twice", "after the sweep")
}

// Of many at once each is written, and one of them is what remains.
func (s suite) rememberAtOnce(t *testing.T) {
	st, _, _ := s.store(t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if err := st.Remember(t.Context(), "a name", fmt.Sprint("text ", i), time.Hour); err != nil {
				t.Errorf("Remember() = %v", err)
			}
		})
	}
	group.Wait()
	var n int
	text, err := st.Recall(t.Context(), "a name")
	if _, scan := fmt.Sscanf(text, "text %d", &n); err != nil || scan != nil || n < 0 || n > 7 {
		t.Errorf("Recall() = %q, %v, want one of the texts", text, err)
	}
}

// What is in a note's place and is no note, because an attacker wrote to the
// database, makes way for one.
func (s suite) rememberOverAnything(t *testing.T) {
	st, b, _ := s.store(t)
	key := store.Key(sha256.Sum256([]byte("keepalive note a name")))
	for name, row := range map[string]store.Row{
		"another owner's":      {Owner: store.Owner{1}, Version: 3},
		"before the first":     {Owner: store.Owner(key), Version: 0},
		"after the last":       {Owner: store.Owner(key), Version: math.MaxUint64},
		"another owner's last": {Owner: store.Owner{1}, Version: math.MaxUint64},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := b.Remove(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			row.Key, row.Expires, row.Value = key, s.base.Add(time.Hour), []byte("no note")
			mustInsert(t, b, row)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			for _, text := range []string{"first", "second", "third"} {
				if err := st.Remember(ctx, "a name", text, time.Hour); err != nil {
					t.Fatalf("Remember() = %v", err)
				}
				wantNote(t, st, "a name", text)
			}
		})
	}
}
