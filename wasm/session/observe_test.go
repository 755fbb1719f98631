package session

import (
	"testing"
	"time"
)

// classify is the one place that says what a look at storage means.
func TestClassify(t *testing.T) {
	now := At(1_800_000_000_000, time.Hour)
	who := func(user string) string { return NewToken("uuid-of-" + user).Fingerprint() }
	token := func(value string) Token { return NewToken(value) }
	mark := func(value, user string) Mark {
		return Mark{Fingerprint: token(value).Fingerprint(), Who: who(user), Written: now.Wall()}
	}
	holds := func(value string, m Mark) Snapshot {
		return Snapshot{Readable: true, Token: token(value), Mark: m}
	}
	alices := session{who: who("alice"), token: token("a1")}
	expects := expectation{lastMarkAt: now.Wall()}
	opening := exchange{retry: Call{Kind: CallOpen, Token: token("a1")}}
	for _, tc := range []struct {
		name string
		e    expectation
		s    session
		x    exchange
		snap Snapshot
		want finding
	}{
		{"storage is denied", expects, alices, exchange{}, Snapshot{}, unreadable},
		{"the token is there", expects, alices, exchange{}, holds("a1", mark("a1", "alice")), same},
		{"no user, and no token", expectation{}, session{}, exchange{}, holds("", Mark{}), same},
		{"another tab has renewed", expects, alices, exchange{}, holds("a2", mark("a2", "alice")), newerOfOurs},
		{"another tab has signed in", expectation{}, session{}, exchange{},
			holds("a1", mark("a1", "alice")), newerOfOurs},
		{"another tab has reported the token that this one would report", expects, session{token: token("a1")}, opening,
			holds("a1", mark("a1", "alice")), newerOfOurs},
		{"another user's token", expects, alices, exchange{}, holds("b1", mark("b1", "bob")), otherUser},
		{"the token turned out to be another user's", expects,
			session{token: token("b1"), was: who("alice")}, exchange{},
			holds("b1", mark("b1", "bob")), otherUser},
		{"no token, and the mark is another user's", expects, alices, exchange{},
			holds("", mark("b1", "bob")), otherUser},
		{"a token without a mark", expects, alices, exchange{}, holds("x1", mark("a1", "alice")), foreign},
		{"a token after a sign-out", expectation{}, session{over: true}, exchange{},
			holds("x1", Mark{Written: now.Wall()}), foreign},
		{"the token that this page's session ended with", expectation{endedToken: token("a1"), lastMarkAt: now.Wall()},
			session{over: true}, exchange{}, holds("a1", mark("a1", "alice")), same},
		{"the same, renewed since", expectation{endedToken: token("a1")}, session{over: true}, exchange{},
			holds("a1", mark("a1", "alice")), newerOfOurs},
		{"the UI has not written what it was given",
			expectation{replacedToken: token("a0"), givenAt: now}, alices, exchange{},
			holds("a0", mark("a1", "alice")), notWritten},
		{"the UI cannot write it",
			expectation{replacedToken: token("a0"), givenAt: now.Add(-time.Hour)}, alices, exchange{},
			holds("a0", mark("a0", "alice")), notWritten},
		{"no token for a moment after it was given", expectation{givenAt: now}, alices, exchange{},
			holds("", mark("a1", "alice")), notWritten},
		{"none is expected", expectation{noToken: true, lastMarkAt: now.Wall()}, alices, exchange{},
			holds("", mark("a1", "alice")), goneAsExpected},
		{"it comes and goes", expectation{onDemand: true, lastMarkAt: now.Wall()}, alices,
			exchange{}, holds("", mark("a1", "alice")), goneAsExpected},
		{"the UI cleared what it thinks expired",
			expectation{uiExpires: now.Add(-time.Second), lastMarkAt: now.Wall()}, alices, exchange{},
			holds("", mark("a1", "alice")), goneAsExpected},
		{"another tab says that it goes on", expectation{lastMarkAt: now.Wall().Add(-time.Minute)}, alices, exchange{},
			holds("", mark("a1", "alice")), goneAsExpected},
		{"gone a moment ago", expects, alices, exchange{}, holds("", mark("a1", "alice")), goneForNow},
		{"gone for longer", expectation{lastMarkAt: now.Wall(), missingAt: now.Add(-missingGrace)}, alices, exchange{},
			holds("", mark("a1", "alice")), goneUnexplained},
		{"gone with its mark", expects, alices, exchange{}, holds("", Mark{}), goneUnexplained},
		{"signed out elsewhere", expects, alices, exchange{},
			holds("", Mark{Written: now.Wall(), Ending: true}), overElsewhere},
		{"over before this page began", expectation{earlierEnd: now.Wall()}, session{},
			exchange{call: Call{Kind: CallToken}},
			holds("", Mark{Written: now.Wall()}), goneAsExpected},
		{"a next session with its token not in storage", expectation{}, session{over: true},
			exchange{}, holds("", mark("b1", "bob")), newSession},
		{"after the end, nothing new", expects, session{over: true}, exchange{}, holds("", mark("a1", "alice")), same},
	} {
		if got := classify(&tc.e, &tc.s, &tc.x, &tc.snap, now); got != tc.want {
			t.Errorf("%s: %d; want %d", tc.name, got, tc.want)
		}
	}
}
