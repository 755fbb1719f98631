package session_test

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

func TestTokenFingerprint(t *testing.T) {
	for _, value := range []string{"a", "sentineltoken001", "z0z0z0z0z0z0z0z0z", "\x00\xff"} {
		h := fnv.New64a()
		h.Write([]byte(value))
		if got, want := tok(value).Fingerprint(), fmt.Sprintf("%016x", h.Sum64()); got != want {
			t.Errorf("Fingerprint of %q = %s; want %s", value, got, want)
		}
	}
	if got := tok("").Fingerprint(); got != "" {
		t.Errorf("Fingerprint of no token = %q; want none", got)
	}
}

func TestTokenPrintsWhetherItIsThere(t *testing.T) {
	for value, want := range map[string]string{"": "[none]", "sentineltoken001": "[redacted]"} {
		if got := fmt.Sprint(tok(value)); got != want {
			t.Errorf("%q prints as %s; want %s", value, got, want)
		}
		if got, err := json.Marshal(tok(value)); err != nil || string(got) != `"`+want+`"` {
			t.Errorf("%q encodes as %s, %v; want %q", value, got, err, want)
		}
		if got := tok(value).Reveal(); got != value {
			t.Errorf("%q reveals %q", value, got)
		}
	}
}

func TestMarkOf(t *testing.T) {
	mark := session.Mark{Fingerprint: tok("alice-1").Fingerprint(), Written: session.AtWall(1)}
	for _, tc := range []struct {
		name          string
		mark          session.Mark
		token         string
		of, signedOut bool
	}{
		{"its token", mark, "alice-1", true, false},
		{"another", mark, "alice-2", false, false},
		{"no token", mark, "", false, false},
		{"no mark, no token", session.Mark{}, "", false, false},
		{"a sign-out under way", session.Mark{Ending: true, Written: session.AtWall(1)}, "", false, true},
		{"a sign-out", session.Mark{Written: session.AtWall(1)}, "alice-1", false, true},
	} {
		if of, out := tc.mark.Of(tok(tc.token)), tc.mark.SignedOut(); of != tc.of || out != tc.signedOut {
			t.Errorf("%s: Of = %v, SignedOut = %v; want %v, %v", tc.name, of, out, tc.of, tc.signedOut)
		}
	}
}

func TestInstant(t *testing.T) {
	const wall = 1_800_000_000_000
	at := session.At(wall, time.Hour)
	for _, tc := range []struct {
		name    string
		at, now session.Instant
		reached bool
		until   time.Duration
	}{
		{"a moment ago", at, session.At(wall+1, time.Hour+time.Millisecond), true, -time.Millisecond},
		{"this moment", at, at, true, 0},
		{"in a moment", at, session.At(wall-1, time.Hour-time.Millisecond), false, time.Millisecond},
		{"the laptop slept: the wall clock knows", at, session.At(wall, time.Minute), true, 59 * time.Minute},
		{"the clock was set back: the monotonic one knows", at, session.At(wall-3_600_000, time.Hour), true, 0},
		{"from storage, in a second", session.AtWall(wall + 1000), at, false, time.Second},
		{"from storage, past", session.AtWall(wall), at, true, 0},
	} {
		if got := tc.at.Reached(tc.now); got != tc.reached {
			t.Errorf("%s: Reached = %v; want %v", tc.name, got, tc.reached)
		}
		if got := tc.at.Sub(tc.now); got != tc.until {
			t.Errorf("%s: Sub = %v; want %v", tc.name, got, tc.until)
		}
		if got := tc.at.Until(tc.now); got > tc.until || (got <= 0) != tc.reached {
			t.Errorf("%s: Until = %v; want at most %v, and 0 or less if it has come", tc.name, got, tc.until)
		}
		if tc.at.After(tc.now) != (tc.until > 0) || tc.at.Before(tc.now) != (tc.until < 0) {
			t.Errorf("%s: After or Before is wrong", tc.name)
		}
	}
	later := at.Add(90 * time.Second)
	if later.UnixMilli() != wall+90_000 || later.Sub(at) != 90*time.Second ||
		later.Wall() != session.AtWall(wall+90_000) {
		t.Errorf("Add moves to %+v", later)
	}
	if later := at.Wall().Add(time.Second); later != session.AtWall(wall+1000) {
		t.Errorf("Add gave a wall moment a monotonic reading: %+v", later)
	}
	if at.IsZero() || !(session.Instant{}).IsZero() {
		t.Error("IsZero is wrong")
	}
}

func TestAlive(t *testing.T) {
	now := session.At(1_800_000_000_000, time.Hour)
	p := newPage(t)
	p.now = now
	p.active("alice-1")
	good := p.state
	p.pass(life)
	expired := p.state
	p.now = now.Add(time.Minute)
	p.on(session.DeadToken{Why: session.WhyExpired}, "ask:expired(alice-1)")
	refused := p.state
	p.on(session.Started{Seed: 1}) // no call: the mark is of its token
	p.store.Mark.Written = p.now.Wall().Add(time.Hour)
	p.on(session.Started{Seed: 1}, "ask:start(alice-1)")
	unknown := p.state
	for _, tc := range []struct {
		name  string
		state session.State
		at    session.Instant
		want  bool
	}{
		{"good", good, p.now, true},
		{"refused", refused, p.now, false},
		{"expired", expired, now.Add(life + time.Minute), false},
		{"its end is unknown", unknown, p.now, false},
		{"none", session.State{}, p.now, false},
	} {
		if got := tc.state.Alive(tc.at); got != tc.want {
			t.Errorf("%s: Alive = %v; want %v", tc.name, got, tc.want)
		}
	}
}
