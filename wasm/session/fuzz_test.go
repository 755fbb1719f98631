//go:build !js

package session_test

import (
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// FuzzNext feeds one page whatever can happen in whatever order, with storage,
// answers and clocks that need not make sense together. What must hold all the
// same, in every step:
//
//   - Next is pure: the same input gives the same result, and no slice of the
//     old state is written to; and it never panics.
//   - After the end nothing is adopted, marked or asked until there is a next
//     session.
//   - A grant is not adopted if its uuid differs from a known one.
//   - Calls keep the pace.
//   - A form is sent again at most once, and only in a session proven to be the
//     person's who sent it.
//   - Every form has exactly one outcome, and a form that is held is told of.
//   - Of the three final notices one is told, once per session.
//   - Every promise is settled once, every held handler let go once; a page
//     that is stopped owes nothing.
//   - A page that waits for something wakes, and not at a past moment.
//
// The rest is in laws_test.go.
func FuzzNext(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00\x00\x00\x00 started, and then whatever these letters mean"))
	for _, event := range []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11} {
		script := []byte{0, 0, 0}
		for i := range byte(24) {
			script = append(script, event, i*7, i*13, i, 8, i*31, i*5, i*3, 7, 1, i, 2)
		}
		f.Add(script)
	}
	f.Fuzz(playWild)
}

// playWild plays a script to its end.
func playWild(t *testing.T, script []byte) {
	w := &wild{script: script, now: session.At(1_800_000_000_000, time.Hour)}
	policy := session.Policy{
		Margin:      w.pick(0, 0, 20*time.Second, 90*24*time.Hour),
		IdleWarning: w.pick(0, 2*time.Minute),
		Resubmit:    w.below(4) != 0,
		OnDemand:    w.below(3) == 2,
	}
	w.resubmit = policy.Resubmit
	var s session.State
	var r record
	var story []string
	handle := func(ev session.Event) {
		after, effects, err := r.step(s, ev, w.snapshot(), w.now, policy)
		story = append(story, tell(s.Phase(), ev, effects, after.Phase()))
		if err != nil {
			t.Fatalf("a law is broken: %v\n%s", err, strings.Join(story, "\n"))
		}
		s = after
		for _, effect := range effects {
			if ask, ok := effect.(session.Ask); ok {
				w.calls = append(w.calls, ask.Call)
			}
		}
	}
	handle(session.Started{Seed: uint64(w.below(256))})
	for range 300 {
		if len(w.script) == 0 {
			break
		}
		w.passTime(s.WakeAt)
		handle(w.event())
	}
	handle(session.Stopped{})
}

// wild reads what happens from bytes.
type wild struct {
	script  []byte
	now     session.Instant
	calls   []session.Call
	holds   uint64
	wanteds uint64
	forms   uint64
	// resubmit is the policy's.
	resubmit bool
}

// below reads a number from 0 to n-1; 0 when the script is over.
func (w *wild) below(n int) int {
	if len(w.script) == 0 {
		return 0
	}
	b := int(w.script[0])
	w.script = w.script[1:]
	return b % n
}

func (w *wild) pick(of ...time.Duration) time.Duration { return of[w.below(len(of))] }

func (w *wild) token() session.Token {
	return tok([]string{"", "alice-1", "alice-2", "bob-1"}[w.below(4)])
}

// passTime lets time pass on both clocks, on the wall clock alone, which may
// be set back, or until the page wants to wake.
func (w *wild) passTime(wakeAt session.Instant) {
	switch w.below(4) {
	case 0:
	case 1:
		w.now = w.now.Add(w.pick(time.Millisecond, time.Second, 3*time.Second, floor,
			11*time.Second, time.Minute, time.Hour, 31*24*time.Hour))
	case 2:
		if !wakeAt.IsZero() {
			w.now = w.now.Add(max(0, wakeAt.Sub(w.now)))
		}
	case 3:
		step := w.pick(time.Second, time.Minute, time.Hour, -time.Second, -time.Minute, -time.Hour,
			24*time.Hour, -24*time.Hour)
		mono := w.now.Sub(session.At(0, 1)) + 1
		w.now = session.At(w.now.UnixMilli()+step.Milliseconds(), mono)
	}
}

func (w *wild) moment() session.Instant {
	away := w.pick(0, time.Second, time.Minute, time.Hour, -time.Second, -time.Minute, -time.Hour, 400*24*time.Hour)
	if away == 0 {
		return session.Instant{}
	}
	return w.now.Wall().Add(away)
}

func (w *wild) snapshot() session.Snapshot {
	if w.below(8) == 7 {
		return session.Snapshot{}
	}
	snap := session.Snapshot{Readable: true, Token: w.token(), Expires: w.moment()}
	switch w.below(8) {
	case 0: // none
	case 1:
		snap.Mark = session.Mark{Written: w.now.Wall(), Ending: true}
	case 2:
		snap.Mark = session.Mark{Written: w.now.Wall()}
	case 3:
		snap.Mark = w.mark(w.token())
	case 4:
		snap.Mark = session.Mark{Written: w.now.Wall(), Why: session.WhyIdleLimit}
	default:
		snap.Mark = w.mark(snap.Token)
	}
	switch w.below(8) {
	case 0:
		snap.Offline = true
	case 1:
		snap.Mark.NotBefore = w.moment()
	case 2:
		snap.Mark.Failures, snap.Mark.FailedAt = w.below(12), w.moment()
	}
	return snap
}

func (w *wild) mark(token session.Token) session.Mark {
	if token.Empty() {
		return session.Mark{}
	}
	return session.Mark{
		Fingerprint: token.Fingerprint(), Who: tok(uuidOf(token.Reveal())).Fingerprint(),
		Written: w.moment(), Expires: w.moment(), Idle: w.moment(), Absolute: w.moment(),
		Life: w.pick(0, 20*time.Second, time.Hour, 30*24*time.Hour),
	}
}

func (w *wild) answer() session.Answer {
	switch w.below(8) {
	case 0:
		return session.Answer{Why: session.WhyOffline}
	case 1:
		return session.Answer{Why: session.WhyRateLimited,
			RetryAfter: w.pick(time.Second, time.Minute, 400*24*time.Hour)}
	case 2:
		return noSession
	case 3:
		return noCookie
	case 4:
		return notVouched
	}
	token := w.token()
	if token.Empty() {
		return session.Answer{OK: true, Grant: session.Grant{Token: tok("alice-3"), UUID: uuidOf("alice")}}
	}
	return session.Answer{OK: true, Grant: session.Grant{
		Token: token, UUID: uuidOf(token.Reveal()),
		ExpiresIn:     w.pick(0, 5*time.Second, 20*time.Second, time.Hour, 30*24*time.Hour),
		IdleExpiresIn: w.pick(0, time.Second, 30*time.Minute), AbsoluteExpiresIn: w.pick(0, time.Second, 12*time.Hour),
	}}
}

func (w *wild) event() session.Event {
	screen := []string{"editProfile", "other", ""}[w.below(3)]
	form := []string{"", "first", "second"}[w.below(3)]
	switch w.below(22) {
	case 1:
		token := w.token()
		return session.TokenSeen{Token: token, UUID: uuidOf(token.Reveal()), Login: w.below(2) == 0}
	case 2:
		return session.NoTokenSeen{}
	case 3:
		why := []session.Why{session.WhyExpired, session.WhyInvalid, session.WhySaveFailed}[w.below(3)]
		return session.DeadToken{
			Why: why, Screen: screen, Blank: w.below(4) == 0, Handlers: w.handlers(),
		}
	case 4:
		cause := []session.SignOutCause{session.CausePerson, session.CauseReaction, session.CauseOwn}[w.below(3)]
		return session.SignedOutSeen{Cause: cause, Told: w.below(4) == 0}
	case 5:
		return session.StorageChanged{}
	case 6:
		return session.Woke{}
	case 7, 8:
		ev := session.Answered{Answer: w.answer()}
		if n := len(w.calls); n != 0 {
			ev.Call = w.calls[n-1-min(n-1, w.pickLate())]
		}
		return ev
	case 9:
		if w.wanteds < 63 {
			w.wanteds++
			return session.Wanted{ID: w.wanteds, Fresh: w.below(2) == 0}
		}
		return session.EndAsked{}
	case 10:
		return session.UserActive{}
	case 11:
		return session.StayAsked{}
	case 12:
		return session.CodeSeen{
			Code: tok([]string{"", "code-1", "code-2"}[w.below(3)]), RedirectURI: "https://example.test/",
			Posted: w.below(3) == 0,
		}
	case 13:
		return session.ScreenWanted{Screen: screen}
	case 14:
		return session.ScreenShown{Screen: screen}
	case 15:
		return session.Left{}
	case 16, 17:
		if w.forms == 63 {
			return session.EndAsked{}
		}
		w.forms++
		return session.Submitted{
			ID: w.forms, Screen: screen, Form: form, Token: w.token(), At: w.now, Held: w.resubmit && w.below(3) == 0,
		}
	case 18:
		ev := session.LockAcquired{}
		if n := len(w.calls); n != 0 {
			ev.Seq = w.calls[n-1-min(n-1, w.pickLate())].Seq
		}
		return ev
	case 19:
		return session.Repeated{ID: 1 + uint64(w.below(int(w.forms)+1)), Result: session.RepeatResult(w.below(9))}
	case 20:
		switch w.below(4) {
		case 0:
			return session.SaveAnswered{Screen: screen, Refused: w.below(2) == 0}
		case 1:
			return session.Edited{Screen: screen, Form: form}
		case 2:
			return session.HandedOff{Answer: w.answer()}
		}
		return session.ScreenDenied{Screen: screen, Handlers: w.handlers()}
	case 21:
		if w.wanteds < 63 && w.below(8) == 0 {
			w.wanteds++
			return session.EndAsked{ID: w.wanteds}
		}
	}
	return session.Ticked{}
}

func (w *wild) handlers() uint64 {
	if w.holds == 63 || w.below(2) == 0 {
		return 0
	}
	w.holds++
	return w.holds
}

// pickLate says how many calls ago the one was made that is answered now: most
// often the last.
func (w *wild) pickLate() int { return []int{0, 0, 0, 0, 0, 1, 2, 5}[w.below(8)] }
