//go:build !js

package session_test

import (
	"fmt"
	"time"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// After a login a page asks for a new token two minutes before the
// old one ends, writes its mark, and gives it to the UI.
func ExampleNext() {
	policy := session.Policy{
		Resubmit:     true,
		ServerMargin: func(life time.Duration) time.Duration { return min(2*time.Minute, life/5) },
	}
	now := session.At(1_800_000_000_000, time.Hour)
	storage := session.Snapshot{Readable: true}
	var page session.State
	happens := func(ev session.Event) (asked session.Call) {
		var effects []session.Effect
		page, effects = session.Next(page, ev, storage, now, policy)
		for _, effect := range effects {
			switch e := effect.(type) {
			case session.Ask:
				fmt.Println("ask the server:", e.Why.Sentence())
				asked = e.Call
			case session.SetMark:
				storage.Mark = e.Mark
			case session.Adopt:
				fmt.Println("give the UI a token")
				storage.Token, storage.Expires = e.Token, now.Add(time.Hour).Wall()
			case session.Notify:
				fmt.Println("tell the page:", e.Name)
			}
		}
		return asked
	}
	granted := func(call session.Call, token string) session.Answered {
		return session.Answered{Call: call, Answer: session.Answer{OK: true, Grant: session.Grant{
			Token: session.NewToken(token), UUID: "uuid-of-alice", ExpiresIn: time.Hour,
		}}}
	}

	happens(granted(happens(session.Started{Seed: 1}), "first"))
	fmt.Println(page.Phase(), "for", page.WakeAt.Sub(now))
	now = now.Add(page.WakeAt.Sub(now)) // the UI has written the token meanwhile
	happens(session.Ticked{})
	now = now.Add(page.WakeAt.Sub(now))
	happens(granted(happens(session.Ticked{}), "second"))
	fmt.Println(page.Phase())

	// Output:
	// ask the server: the page was loaded
	// give the UI a token
	// tell the page: renewed
	// active for 5s
	// ask the server: the token was near its end
	// give the UI a token
	// tell the page: renewed
	// active
}

// The user presses Save, and the token is dead: the form is sent again once the
// session is good, and then the page has nothing to tell the user.
func ExampleSubmitted() {
	policy := session.Policy{
		Resubmit:     true,
		ServerMargin: func(life time.Duration) time.Duration { return min(2*time.Minute, life/5) },
	}
	now := session.At(1_800_000_000_000, time.Hour)
	old, fresh := session.NewToken("old"), session.NewToken("fresh")
	alice := session.NewToken("uuid-of-alice").Fingerprint()
	storage := session.Snapshot{Readable: true, Token: old, Expires: now.Add(time.Hour).Wall(), Mark: session.Mark{
		Fingerprint: old.Fingerprint(), Who: alice, Written: now.Wall(),
		Expires: now.Add(time.Hour).Wall(), Life: time.Hour,
	}}
	var page session.State
	happens := func(ev session.Event) (call session.Call) {
		var effects []session.Effect
		page, effects = session.Next(page, ev, storage, now, policy)
		for _, effect := range effects {
			switch e := effect.(type) {
			case session.Ask:
				fmt.Println("ask the server:", e.Why.Sentence())
				call = e.Call
			case session.Repeat:
				fmt.Println("send form", e.ID, "again")
			case session.Forget:
				fmt.Println("forget form", e.ID)
			case session.Notify:
				fmt.Println("tell the page:", e.Name)
			}
		}
		return call
	}

	happens(session.Started{Seed: 1})
	happens(session.Submitted{ID: 1, Screen: "editProfile", Token: old, At: now})
	call := happens(session.DeadToken{Why: session.WhySaveFailed, Screen: "editProfile"})
	happens(session.Answered{Call: call, Answer: session.Answer{OK: true, Grant: session.Grant{
		Token: fresh, UUID: "uuid-of-alice", ExpiresIn: time.Hour,
	}}})
	storage.Token = fresh
	happens(session.Repeated{ID: 1, Result: session.RepeatSent})
	happens(session.SaveAnswered{Screen: "editProfile"})

	// Output:
	// ask the server: a save failed for a dead token
	// tell the page: renewed
	// send form 1 again
	// forget form 1
}
