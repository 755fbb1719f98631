package session_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// floor is the published least time between two attempts.
const floor = 8 * time.Second

// record is what the laws remember of one page. It is a plain value, so that
// the model of two tabs can copy it and tell two apart. Ids of actions, held
// handlers and promises are below 64 in tests.
type record struct {
	seq      uint64
	restored bool
	// over: the page has ended and nobody has signed in since. told: it has
	// said so.
	over, told bool
	lastCall   session.Instant
	forcedAt   session.Instant // the last question with a refusal
	opened     session.Token   // the token last reported, and when
	openedAt   session.Instant

	resumed, held, waiting uint64
}

// step runs Next under all laws that hold for every step whatever happens.
func (r *record) step(s session.State, ev session.Event, now session.Instant, p session.Policy) (session.State, []session.Effect, error) {
	input := spare(s)
	after, effects := session.Next(input, ev, now, p)
	if err := unchanged(s, input); err != nil {
		return after, effects, err
	}
	again, effectsAgain := session.Next(spare(s), ev, now, p)
	if !reflect.DeepEqual(after, again) || !reflect.DeepEqual(effects, effectsAgain) {
		return after, effects, errors.New("Next is a function: the same input gave two results")
	}
	if _, started := ev.(session.Started); started {
		*r = record{} // a new page
	}
	return after, effects, errors.Join(
		r.checkEffects(s, ev, now, p, after, effects),
		r.checkPromises(ev, after, effects),
		checkShape(ev, now, after),
	)
}

// spare copies a state and puts a value behind the end of each of its slices,
// where an append in place would show.
func spare(s session.State) session.State {
	s.Actions = append(slices.Clone(s.Actions), session.Action{ID: 99})[:len(s.Actions)]
	s.Held = append(slices.Clone(s.Held), session.Held{ID: 99})[:len(s.Held)]
	s.Resumed = append(slices.Clone(s.Resumed), 99)[:len(s.Resumed)]
	s.Waiters = append(slices.Clone(s.Waiters), 99)[:len(s.Waiters)]
	s.Needs = append(slices.Clone(s.Needs), "spare")[:len(s.Needs)]
	return s
}

func unchanged(before, input session.State) error {
	if whole(input.Actions, before.Actions, session.Action{ID: 99}) && whole(input.Held, before.Held, session.Held{ID: 99}) &&
		whole(input.Resumed, before.Resumed, 99) && whole(input.Waiters, before.Waiters, 99) && whole(input.Needs, before.Needs, "spare") {
		return nil
	}
	return errors.New("Next changes nothing it is given: a slice of the old state was written to")
}

// whole reports whether a slice made by spare is as it was.
func whole[T comparable](got, want []T, behind T) bool {
	return slices.Equal(got, want) && got[:len(got)+1][len(got)] == behind
}

// signsIn reports whether an event may bring a page back whose session is
// over: a person signed in, or the UI tells of a token that storage does hold.
func signsIn(ev session.Event) bool {
	if code, ok := ev.(session.CodeSeen); ok {
		return !code.Code.Empty()
	}
	seen, ok := ev.(session.TokenSeen)
	return ok && !seen.Token.Empty() && (seen.Login || seen.Snapshot.Token == seen.Token || !seen.Readable)
}

func (r *record) checkEffects(before session.State, ev session.Event, now session.Instant, p session.Policy, after session.State, effects []session.Effect) error {
	answered, answer := ev.(session.Answered)
	var marked, adopted, told, ended bool
	asks := 0
	if r.over && signsIn(ev) && after.Phase != session.Ended {
		r.over, r.told = false, false
	}
	for _, effect := range effects {
		switch e := effect.(type) {
		case session.Ask:
			asks++
			ended = ended || e.Kind == session.CallEnd
			switch {
			case asks > 1:
				return errors.New("at most one call in one step")
			case e.Seq <= r.seq:
				return errors.New("each call has a greater number than the one before")
			case after.Call != e.Call:
				return errors.New("the call made is the one under way")
			case r.over && e.Kind != session.CallEnd:
				return fmt.Errorf("after the end only a sign-out is sent, not %s", name(e))
			}
			if e.Why.Sentence() == "" {
				return errors.New("every call has a reason")
			}
			if err := r.checkPace(e.Call, ev, now); err != nil {
				return err
			}
		case session.SetMark:
			found := session.Mark{}
			if snap := reflect.ValueOf(ev).FieldByName("Snapshot"); snap.IsValid() {
				found = snap.Interface().(session.Snapshot).Mark
			}
			if again := e.Mark; again != found {
				again.Written, again.NotBefore = found.Written, found.NotBefore
				if again == found {
					break // the same one, with news for the other tabs
				}
			}
			if e.Fingerprint == "" {
				if e.Mark != (session.Mark{}) && !e.Over() && e.NotBefore.IsZero() {
					return errors.New("a mark is for a token, of an end, or removed")
				}
				break
			}
			marked = true
			switch {
			case !e.Of(after.Token) || !signedIn(after):
				return errors.New("a mark vouches for the token in force, while there is a session")
			case e.Who == "" || e.Expires.IsZero() || e.Written.IsZero() || e.Ending:
				return errors.New("a mark is whole")
			case r.over:
				return errors.New("nothing is marked after the end")
			}
		case session.Adopt:
			adopted = true
			switch {
			case r.over || after.Phase == session.Ended:
				return errors.New("no token is adopted after the end until somebody signs in")
			case e.Token.Empty() || e.Token != after.Token:
				return errors.New("only the token in force is adopted")
			case !signedIn(after):
				return errors.New("a token is adopted only while there is a session")
			case e.Token == after.Refused:
				return errors.New("a token known to be dead is not adopted")
			case answer && !marked && !answered.Mark.Of(e.Token):
				return errors.New("a token's mark is written before the token")
			case after.Who == "" || before.Who != "" && before.Who != after.Who:
				return errors.New("no token of an unknown or another user is adopted")
			}
		case session.Drop:
			if after.Phase != session.Ended {
				return errors.New("the UI's session is ended only with ours")
			}
		case session.Resume:
			bit := uint64(1) << e.ID
			switch {
			case !p.Resubmit:
				return errors.New("an action is repeated only when the page allows it")
			case r.resumed&bit != 0 || e.ID == 0:
				return errors.New("an action is repeated at most once")
			case e.Again:
				return errors.New("a repetition is not repeated")
			case (!signedIn(after) || after.Token == after.Refused) && e.Held.IsZero():
				return errors.New("an action is repeated only with a good token")
			}
			r.resumed |= bit
		case session.Tell:
			switch e.Name {
			case session.NoticeExpired, session.NoticeSignedOut, session.NoticeIdentityChanged:
				if r.told || told {
					return errors.New("of expired, signedout and identitychanged one is told, once")
				}
				told = true
				if after.Phase != session.Ended {
					return errors.New("an end is told only at the end")
				}
			case session.NoticeRenewed:
				if !adopted && !p.OnDemand {
					return errors.New("renewed is told when the UI has got a token")
				}
			}
			if e.Why.Sentence() == "" {
				return errors.New("every notice has a reason")
			}
		}
	}
	signOut := false
	switch ev := ev.(type) {
	case session.EndAsked:
		signOut = before.Phase != session.Ended && after.EndedBy != session.NoticeIdentityChanged
	case session.SignedOutSeen:
		signOut = ev.Gesture && !ev.Told && before.Phase != session.Ended
	}
	if signOut && (!ended || after.Phase != session.Ended) {
		return errors.New("a sign-out ends the session here and on the server, whatever is under way")
	}
	if r.over && after.Phase != session.Ended {
		if _, stopped := ev.(session.Stopped); !stopped {
			return errors.New("only a login follows the end")
		}
	}
	if after.Token != r.opened {
		r.opened = session.Token{} // another has come in between
	}
	r.told = r.told || told
	r.over = after.Phase == session.Ended
	return nil
}

// signedIn reports whether a page has a session. One that has just come by a
// token may in the same step begin to ask for the next.
func signedIn(s session.State) bool {
	return s.Phase == session.Active || s.Phase == session.Renewing || s.Phase == session.Waiting
}

// checkPace bounds attempts: 8 s apart by the monotonic clock, except for the
// one question of a page without a token and the first refusal of a token.
func (r *record) checkPace(call session.Call, ev session.Event, now session.Instant) error {
	soon := !r.lastCall.IsZero() && now.Sub(r.lastCall) < floor
	restoring := call.Token.Empty() && !r.restored
	switch call.Kind {
	case session.CallToken:
		firstRefusal := call.Why.Refusal() && (r.forcedAt.IsZero() || now.Sub(r.forcedAt) >= floor)
		if soon && !restoring && !firstRefusal {
			return fmt.Errorf("attempts are %v apart, not %v", floor, now.Sub(r.lastCall))
		}
		r.restored = r.restored || call.Token.Empty()
		if call.Why.Refusal() {
			r.forcedAt = now
		}
	case session.CallOpen:
		if !call.Code.Empty() {
			r.restored = false // what came of a lost exchange may be asked for
			break
		}
		_, told := ev.(session.TokenSeen)
		if r.opened == call.Token && !told && now.Sub(r.openedAt) < floor {
			return errors.New("one token is not reported twice in a row")
		}
		r.opened, r.openedAt = call.Token, now
	}
	r.seq, r.lastCall = call.Seq, now
	return nil
}

// checkPromises follows what the page waits for: each promise is settled
// once, each handler let go once.
func (r *record) checkPromises(ev session.Event, after session.State, effects []session.Effect) error {
	switch ev := ev.(type) {
	case session.Wanted:
		r.waiting |= 1 << ev.ID
	case session.Refused:
		if ev.Hold != 0 {
			r.held |= 1 << ev.Hold
		}
	}
	for _, effect := range effects {
		switch e := effect.(type) {
		case session.Settle:
			for _, id := range e.IDs {
				if r.waiting&(1<<id) == 0 {
					return errors.New("a promise is settled once")
				}
				r.waiting &^= 1 << id
			}
			switch {
			case len(e.IDs) == 0:
				return errors.New("somebody is answered")
			case e.Token.Empty() == (e.Rejected == ""):
				return errors.New("a promise gets a token or a rejection")
			case !e.Token.Empty() && (e.Token != after.Token || e.Token == after.Refused):
				return errors.New("a promise gets the token in force, and never one known to be dead")
			}
		case session.Release:
			if r.held&(1<<e.ID) == 0 {
				return errors.New("a handler is let go once")
			}
			r.held &^= 1 << e.ID
		}
	}
	var waiting, held uint64
	for _, id := range after.Waiters {
		waiting |= 1 << id
	}
	for _, h := range after.Held {
		held |= 1 << h.ID
	}
	if waiting != r.waiting || held != r.held {
		return errors.New("no promise and no handler is forgotten")
	}
	return nil
}

// checkShape says what a state of each phase looks like.
func checkShape(ev session.Event, now session.Instant, s session.State) error {
	want, retries := session.NoCall, false
	switch s.Phase {
	case session.Restoring, session.Renewing:
		want = session.CallToken
	case session.Opening:
		want = session.CallOpen
	case session.Waiting:
		retries = s.Retry.Kind == session.CallToken || s.Retry.Kind == session.CallOpen
		if !retries {
			return errors.New("who waits has something to try again")
		}
	case session.Ended:
		retries = s.Retry.Kind == session.CallEnd
		if s.Call.Kind == session.CallEnd {
			want = session.CallEnd
		}
	}
	switch {
	case s.Call.Kind != want:
		return fmt.Errorf("%v with call %d under way", s.Phase, s.Call.Kind)
	case (s.Phase == session.Restoring) != (want == session.CallToken && s.Call.Token.Empty()):
		return fmt.Errorf("%v asks with token %v", s.Phase, s.Call.Token)
	case (s.Retry.Kind != session.NoCall) != retries || retries && (want != session.NoCall || s.RetryAt.IsZero()):
		return fmt.Errorf("%v with call %d planned", s.Phase, s.Retry.Kind)
	case (s.Phase == session.Active || retries) && s.WakeAt.IsZero():
		return fmt.Errorf("%v sleeps for ever", s.Phase)
	case s.Phase == session.Active && s.Token.Empty():
		return errors.New("active without a token")
	}
	if s.Phase == session.Waiting && len(s.Waiters) != 0 && (s.Retry.Kind != session.CallOpen || s.Failures != 0) {
		return errors.New("token() is not kept waiting for the next attempt")
	}
	switch s.Phase {
	case session.Active, session.SignedOut, session.Ended:
		if len(s.Actions)+len(s.Held)+len(s.Waiters) != 0 {
			return fmt.Errorf("%v leaves something waiting", s.Phase)
		}
	}
	switch ev.(type) {
	case session.Ticked, session.Woke:
		if !s.WakeAt.IsZero() && !s.WakeAt.After(now) {
			return fmt.Errorf("%v wants to wake at a moment that has passed, %v ago: it would spin", s.Phase, now.Sub(s.WakeAt))
		}
	}
	return nil
}

// name spells an effect out, secrets and all: tests know no real ones.
func name(effect session.Effect) string {
	switch e := effect.(type) {
	case session.Ask:
		switch e.Kind {
		case session.CallOpen:
			if !e.Code.Empty() {
				return fmt.Sprintf("exchange(%s,%s)", e.Code.Reveal(), e.RedirectURI)
			}
			return fmt.Sprintf("open(%s,%s)", e.Token.Reveal(), e.UUID)
		case session.CallEnd:
			return "end:" + string(e.Why)
		}
		return fmt.Sprintf("ask:%s(%s)", e.Why, e.Token.Reveal())
	case session.ReportActivity:
		return "activity"
	case session.Adopt:
		return fmt.Sprintf("adopt(%s)", e.Token.Reveal())
	case session.Drop:
		return "drop"
	case session.Withdraw:
		return "withdraw"
	case session.SetMark:
		switch {
		case e.Ending:
			return "mark:ending"
		case e.Over() && e.Why != "":
			return "mark:" + string(e.Why)
		case e.SignedOut():
			return "mark:ended"
		case e.Fingerprint == "":
			return "unmark"
		}
		return "mark"
	case session.Resume:
		return fmt.Sprintf("resume(%d)", e.ID)
	case session.Abandon:
		return fmt.Sprintf("abandon(%d)", e.ID)
	case session.Release:
		if e.Deliver {
			return fmt.Sprintf("deliver(%d)", e.ID)
		}
		return fmt.Sprintf("swallow(%d)", e.ID)
	case session.Tell:
		return string(e.Name) + ":" + string(e.Why)
	case session.Settle:
		if e.Rejected != "" {
			return fmt.Sprintf("reject%v:%s", e.IDs, e.Rejected)
		}
		return fmt.Sprintf("settle%v=%s", e.IDs, e.Token.Reveal())
	}
	return fmt.Sprintf("%T", effect)
}
