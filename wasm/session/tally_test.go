package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// form is a form that was sent with alice's first token.
func form(id uint64) session.Submitted {
	return session.Submitted{ID: id, Screen: "editProfile", Token: tok("alice-1")}
}

var saveFailed = session.DeadToken{Why: session.WhySaveFailed, Screen: "editProfile"}

// What the page did for its user is told with the next call, once.
func TestCountsAreTold(t *testing.T) {
	edited := session.Edited{Screen: "editProfile"}
	saved := session.SaveAnswered{Screen: "editProfile"}
	for name, tc := range map[string]struct {
		events []session.Event
		want   session.Counts
	}{
		"nothing happened": {},
		"a form that was saved at once": {
			[]session.Event{form(1), saved}, session.Counts{},
		},
		"a form that was saved after a renewal": {
			[]session.Event{form(1), saveFailed, saved, saved},
			session.Counts{Finished: 1, SignInsAvoided: 1},
		},
		"a form that was sent again, and was not valid": {
			[]session.Event{form(1), saveFailed, session.SaveAnswered{Screen: "editProfile", Refused: true}},
			session.Counts{SignInsAvoided: 1},
		},
		"a form that was sent again, and not answered": {
			[]session.Event{form(1), saveFailed}, session.Counts{Kept: 1, SignInsAvoided: 1},
		},
		"a form that was sent again, and left": {
			[]session.Event{form(1), saveFailed, session.ScreenShown{Screen: "other"}},
			session.Counts{SignInsAvoided: 1},
		},
		"a form that was held": {
			[]session.Event{session.Submitted{ID: 1, Screen: "editProfile", Token: tok("alice-1"), Held: true}, saved},
			session.Counts{Finished: 1, Held: 1, Sent: 1},
		},
		"a token that was dead": {
			[]session.Event{session.DeadToken{Why: session.WhyExpired}},
			session.Counts{SignInsAvoided: 1},
		},
		"a form that its user changed meanwhile": {
			[]session.Event{form(1), session.DeadToken{Why: session.WhyExpired, Screen: "editProfile"}, edited},
			session.Counts{Kept: 1, SignInsAvoided: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &service{answer: mints()}
				if tc.want.Kept > 0 {
					server.takes = time.Second
				}
				loop, _, wait := run(t, "alice-1", server)
				for _, ev := range tc.events {
					loop.Post(ev)
					synctest.Wait()
				}
				<-time.After(10 * time.Second)
				for range 3 {
					loop.Post(session.UserActive{})
					<-time.After(2 * time.Minute)
				}
				loop.Post(session.Stopped{})
				wait()
				if told := server.counted(); told != tc.want {
					t.Errorf("the server was told %+v, want %+v", told, tc.want)
				}
			})
		})
	}
}

// A server that does not hear of them is told again.
func TestCountsAreNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &service{answer: mints(), down: true}
		loop, _, wait := run(t, "alice-1", server)
		for _, ev := range []session.Event{form(1), saveFailed, session.SaveAnswered{}, session.UserActive{}} {
			loop.Post(ev)
			synctest.Wait()
		}
		if active, told := server.reports(), server.counted(); active != 1 || told != (session.Counts{}) {
			t.Fatalf("%d reports of activity, and %+v told", active, told)
		}
		<-time.After(life)
		loop.Post(session.Stopped{})
		wait()
		told := server.counted()
		if want := (session.Counts{Finished: 1, SignInsAvoided: 1}); told != want {
			t.Errorf("the next renewal told %+v, want %+v", told, want)
		}
	})
}
