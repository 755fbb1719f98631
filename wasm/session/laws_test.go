package session_test

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// The published paces: between two calls that were answered, for a user who
// waits with a dead token, and the first wait after a failure, at its least.
const (
	floor       = 8 * time.Second
	urgentFloor = 2 * time.Second
	firstRetry  = 400 * time.Millisecond
)

// record is what the laws remember of one page. It is a plain value, so that
// the model of two tabs can copy it and tell two apart. Ids of forms, held
// handlers and promises are below 64 in tests.
type record struct {
	seq uint64
	// quick: whether Next is a function, and changes nothing, is looked at
	// elsewhere.
	quick bool
	// over: the page has ended and no user has signed in since. told: it has
	// said so.
	over, told bool
	lastCall   session.Instant // for a token
	failures   int             // since the last yes
	opened     session.Token   // the token last reported, and when
	openedAt   session.Instant

	// forms, by id: those that the user sent, that have their outcome, that
	// were sent again, that were stopped before they were sent, and that are
	// held (an event has told of it).
	submitted, forgotten, repeated, unsent, holding uint64
	handlers, promises, endings                     uint64
}

// step runs Next under all laws that hold for every step whatever happens.
func (r *record) step(s session.State, ev session.Event, snap session.Snapshot, now session.Instant,
	p session.Policy) (session.State, []session.Effect, error) {
	p.ServerMargin = serverMargin
	input := s
	if !r.quick {
		input = session.Spare(s)
	}
	after, effects := session.Next(input, ev, snap, now, p)
	if !r.quick && !session.Untouched(s, input) {
		return after, effects, errors.New("Next changes nothing it is given: a slice of the old state was written to")
	}
	if !r.quick {
		again, effectsAgain := session.Next(session.Spare(s), ev, snap, now, p)
		if !reflect.DeepEqual(after, again) || !reflect.DeepEqual(effects, effectsAgain) {
			return after, effects, errors.New("Next is a function: the same input gave two results")
		}
	}
	if _, started := ev.(session.Started); started {
		*r = record{quick: r.quick} // a new page
	}
	if answered, ok := ev.(session.Answered); ok && answered.Call == s.View().Call {
		if answered.Answer.OK {
			r.failures = 0
		} else if !answered.Answer.Final {
			r.failures++
		}
	}
	return after, effects, errors.Join(
		r.checkEffects(s, ev, snap, now, p, after, effects),
		r.checkForms(s, ev, after, effects, p),
		r.checkPromises(ev, after, effects),
		checkShape(ev, now, after),
	)
}

// serverMargin is the margin that both halves share.
func serverMargin(life time.Duration) time.Duration { return min(2*time.Minute, life/5) }

// nextSession reports whether an event may begin a session after one that is
// over: a person signs in, or storage holds what is not of the old session.
func nextSession(ev session.Event, snap session.Snapshot) bool {
	switch ev := ev.(type) {
	case session.CodeSeen:
		return !ev.Code.Empty()
	case session.TokenSeen:
		return !ev.Token.Empty() && (ev.Login || snap.Token == ev.Token || !snap.Readable)
	}
	return !snap.Token.Empty() || snap.Mark.Fingerprint != ""
}

func (r *record) checkEffects(before session.State, ev session.Event, snap session.Snapshot,
	now session.Instant, p session.Policy, after session.State, effects []session.Effect) error {
	_, answer := ev.(session.Answered)
	var marked, adopted, asked bool
	told := ""
	was, is := before.View(), after.View()
	back := r.over && nextSession(ev, snap) && !is.Over
	for _, effect := range effects {
		switch e := effect.(type) {
		case session.Ask:
			asked = true
			switch {
			case e.Seq <= r.seq:
				return errors.New("each call has a greater number than the one before")
			case is.Call != e.Call:
				return errors.New("the call made is the one under way")
			case is.Over && e.Kind != session.CallEnd:
				return fmt.Errorf("after the end only a sign-out is sent, not %s", name(e))
			case e.Why.Sentence() == "":
				return errors.New("every call has a reason")
			}
			if err := r.checkPace(e.Call, ev, before, after, now); err != nil {
				return err
			}
		case session.SetMark:
			if news := e.Mark; news != snap.Mark {
				news.Written, news.NotBefore, news.Failures, news.FailedAt = snap.Mark.Written,
					snap.Mark.NotBefore, snap.Mark.Failures, snap.Mark.FailedAt
				if news == snap.Mark {
					break // the same one, with news for the other tabs
				}
			}
			if e.Fingerprint == "" {
				if e.Who != "" || e.Life != 0 || e.Ending && e.Written.IsZero() {
					return errors.New("a mark is for a token, of an end, of trouble, or removed")
				}
				break
			}
			marked = true
			switch {
			case !e.Of(is.Token) || !signedIn(after):
				return errors.New("a mark is of the token in force, while there is a session")
			case e.Who == "" || e.Expires.IsZero() || e.Written.IsZero() || e.Ending:
				return errors.New("a mark is whole")
			}
		case session.Adopt:
			adopted = true
			switch {
			case is.Over:
				return errors.New("no token is adopted after the end until a user signs in")
			case e.Token.Empty() || e.Token != is.Token:
				return errors.New("only the token in force is adopted")
			case !signedIn(after):
				return errors.New("a token is adopted only while there is a session")
			case e.Token == is.Dead:
				return errors.New("a token known to be dead is not adopted")
			case answer && !marked && !snap.Mark.Of(e.Token):
				return errors.New("a token's mark is written before the token")
			case is.Who == "" || was.Who != "" && was.Who != is.Who && snap.Mark.Who != is.Who:
				return errors.New("no token of an unknown or another user is adopted")
			}
		case session.Drop:
			if !is.Over {
				return errors.New("the UI's session is ended only with ours")
			}
		case session.Notify:
			switch e.Name {
			case session.NoticeExpired, session.NoticeSignedOut, session.NoticeIdentityChanged:
				if r.told && !back || told != "" {
					return errors.New("of expired, signedout and identitychanged one is told, once")
				}
				told = e.Name.String()
				if !is.Over && e.Name != session.NoticeIdentityChanged && !nextSession(ev, snap) {
					return errors.New("an end is told only at the end")
				}
			case session.NoticeSignedIn:
				if is.Over || is.Who == "" {
					return errors.New("signedin is told when there is a session")
				}
			case session.NoticeRenewed:
				if !adopted && !p.OnDemand {
					return errors.New("renewed is told when the UI has got a token")
				}
			}
			if e.Why.Sentence() == "" {
				return fmt.Errorf("every notice has a reason: %s", name(e))
			}
		}
	}
	if err := checkSignOut(before, ev, snap, after, asked); err != nil {
		return err
	}
	if r.over && !is.Over && !nextSession(ev, snap) {
		if _, stopped := ev.(session.Stopped); !stopped {
			return errors.New("only a next session follows the end")
		}
	}
	if is.Token != r.opened {
		r.opened = session.Token{} // another has come in between
	}
	r.told = is.Over && (r.told || told != "")
	r.over = is.Over
	return nil
}

// checkSignOut holds the law that a person's sign-out always wins.
func checkSignOut(before session.State, ev session.Event, snap session.Snapshot,
	after session.State, asked bool) error {
	was, is := before.View(), after.View()
	signOut := false
	switch ev := ev.(type) {
	case session.EndAsked:
		signOut = !was.Over && is.EndedBy != session.NoticeIdentityChanged && is.Who == ""
	case session.SignedOutSeen:
		known := was.Dropping || ev.Told && (!snap.Token.Empty() || was.EndedBy != 0)
		signOut = ev.Cause == session.CausePerson && !was.Over && !known
	}
	ends := is.Call.Kind == session.CallEnd || is.Next.Kind == session.CallEnd
	if signOut && (!ends || !is.Over) {
		return errors.New("a sign-out ends the session here and on the server, whatever is under way")
	}
	return nil
}

// signedIn reports whether a page has a session. One that has just come by a
// token may in the same step begin to ask for the next.
func signedIn(s session.State) bool {
	phase := s.Phase()
	return phase == session.Active || phase == session.Renewing || phase == session.Waiting
}

// checkPace bounds calls for a token: 8 s apart where the token is good, 2 s
// where a user waits with a dead one, and by the table after failures.
func (r *record) checkPace(call session.Call, ev session.Event, before, after session.State,
	now session.Instant) error {
	switch call.Kind {
	case session.CallToken:
		ago := now.Since(r.lastCall)
		least := floor
		switch {
		case r.failures > 0 || before.View().Failures+after.View().Failures > 0:
			least = firstRetry
		case !before.Alive(now) || !after.Alive(now) || call.Why.Refusal():
			least = urgentFloor
		}
		if !r.lastCall.IsZero() && !call.Token.Empty() && ago < least {
			return fmt.Errorf("attempts are %v apart, not %v", least, ago)
		}
		r.lastCall = now
	case session.CallOpen:
		if !call.Code.Empty() {
			break
		}
		_, told := ev.(session.TokenSeen)
		if r.opened == call.Token && !told && now.Since(r.openedAt) < firstRetry {
			return errors.New("one token is not reported twice in a row")
		}
		r.opened, r.openedAt = call.Token, now
	}
	r.seq = call.Seq
	return nil
}

// checkForms follows what the user sent: each form has exactly one outcome, is
// sent again at most once, and only in a session proven to be that person's.
func (r *record) checkForms(before session.State, ev session.Event, after session.State,
	effects []session.Effect, p session.Policy) error {
	if sent, ok := ev.(session.Submitted); ok {
		r.submitted |= 1 << sent.ID
		if sent.Held {
			r.unsent |= 1 << sent.ID
		}
	}
	is := after.View()
	unfinished := 0
	for _, effect := range effects {
		switch e := effect.(type) {
		case session.Repeat:
			form := formOf(is, e.ID)
			switch bit := uint64(1) << e.ID; {
			case !p.Resubmit:
				return errors.New("why: a form is sent again only when the page allows it")
			case r.unsent&bit == 0 && r.repeated&bit != 0:
				return errors.New("why: a form is sent again at most once")
			case form.State != "resuming":
				return errors.New("why: only a form that failed or is held is sent")
			case form.Owner == "" || form.Owner != is.Who:
				return errors.New("owner: a form is sent again only in a session proven to be its owner's")
			case is.Token.Empty() || is.Token == is.Dead || !signedIn(after):
				return errors.New("a form is sent again only with a good token")
			case r.unsent&bit != 0:
				r.unsent &^= bit // not again: for the first time
			default:
				r.repeated |= bit
			}
		case session.Forget:
			bit := uint64(1) << e.ID
			if r.submitted&bit == 0 || r.forgotten&bit != 0 {
				return fmt.Errorf("told: form %d has one outcome", e.ID)
			}
			if e.Outcome == session.Unfinished {
				unfinished--
			}
			r.forgotten |= bit
		case session.Notify:
			switch e.Name {
			case session.NoticeUnfinished:
				unfinished++
			case session.NoticeHolding:
				r.holding++
			case session.NoticeReleased:
				r.holding--
			}
		}
	}
	if unfinished < 0 {
		return errors.New("told: the page is told of every form that is not finished")
	}
	var open, held uint64
	for _, form := range is.Forms {
		open |= 1 << form.ID
		if form.State == "held" {
			held++
		}
	}
	if _, stopped := ev.(session.Stopped); !stopped && open != r.submitted&^r.forgotten {
		return errors.New("told: no form is forgotten without an outcome")
	}
	if held != r.holding {
		return errors.New("told: holding and released come in pairs")
	}
	return nil
}

func formOf(v session.View, id uint64) session.FormView {
	for _, form := range v.Forms {
		if form.ID == id {
			return form
		}
	}
	return session.FormView{}
}

// checkPromises follows what the page waits for: each promise is settled once,
// each handler let go once.
func (r *record) checkPromises(ev session.Event, after session.State, effects []session.Effect) error {
	switch ev := ev.(type) {
	case session.Wanted:
		r.promises |= 1 << ev.ID
	case session.EndAsked:
		if ev.ID != 0 {
			r.endings |= 1 << ev.ID
		}
	case session.DeadToken:
		if ev.Handlers != 0 {
			r.handlers |= 1 << ev.Handlers
		}
	case session.ScreenDenied:
		if ev.Handlers != 0 {
			r.handlers |= 1 << ev.Handlers
		}
	}
	is := after.View()
	for _, effect := range effects {
		switch e := effect.(type) {
		case session.Settle:
			for _, id := range e.IDs {
				if r.promises&(1<<id) == 0 && r.endings&(1<<id) == 0 {
					return errors.New("a promise is settled once")
				}
				if r.promises&(1<<id) != 0 && e.Token.Empty() == (e.Rejected == session.NotRejected) {
					return errors.New("a promise gets a token or a rejection")
				}
				r.promises &^= 1 << id
				r.endings &^= 1 << id
			}
			switch {
			case len(e.IDs) == 0:
				return errors.New("an answer is for a promise")
			case !e.Token.Empty() && (e.Token != is.Token || e.Token == is.Dead):
				return errors.New("a promise gets the token in force, and never one known to be dead")
			}
		case session.Release:
			if r.handlers&(1<<e.ID) == 0 {
				return errors.New("a handler is let go once")
			}
			r.handlers &^= 1 << e.ID
		}
	}
	bits := func(ids []uint64) (all uint64) {
		for _, id := range ids {
			all |= 1 << id
		}
		return all
	}
	if bits(is.Promises) != r.promises || bits(is.Handlers) != r.handlers || bits(is.Endings) != r.endings {
		return errors.New("no promise and no handler is forgotten")
	}
	return nil
}

// checkShape says what a state of each phase looks like.
func checkShape(ev session.Event, now session.Instant, s session.State) error {
	v, phase := s.View(), s.Phase()
	switch {
	case v.Next.Kind != session.NoCall && v.Call.Kind != session.CallOpen && v.Call.Kind != session.CallEnd:
		return errors.New("a call waits only for one that changes the cookie")
	case v.Retry.Kind != session.NoCall && v.RetryAt.IsZero():
		return errors.New("a planned call has its time")
	case phase == session.Ended && v.Retry.Kind != session.NoCall && v.Retry.Kind != session.CallEnd:
		return errors.New("after the end only a sign-out is planned")
	case (phase == session.Active || v.Retry.Kind != session.NoCall &&
		v.Call.Kind == session.NoCall || v.Next.Kind != session.NoCall) && s.WakeAt.IsZero():
		return fmt.Errorf("%v sleeps for ever", phase)
	case phase == session.Active && (v.Token.Empty() || v.Who == ""):
		return errors.New("active without a confirmed token")
	case len(v.Promises)+len(v.Handlers)+len(v.Endings)+len(v.Forms) != 0 && s.WakeAt.IsZero():
		return errors.New("what waits has its bound")
	}
	switch phase {
	case session.SignedOut, session.Ended:
		if len(v.Handlers)+len(v.Promises) != 0 {
			return fmt.Errorf("%v leaves something waiting", phase)
		}
		for _, form := range v.Forms {
			if form.State != "sent" {
				return fmt.Errorf("%v keeps a form %s", phase, form.State)
			}
		}
	case session.Active:
		if len(v.Handlers)+len(v.Promises) != 0 {
			return fmt.Errorf("%v leaves something waiting", phase)
		}
		for _, form := range v.Forms {
			if form.State == "failed" || form.State == "held" {
				return fmt.Errorf("%v keeps a form %s", phase, form.State)
			}
		}
	}
	switch ev.(type) {
	case session.Ticked, session.Woke:
		if !s.WakeAt.IsZero() && !s.WakeAt.After(now) && s.WakeAt.Reached(now) {
			return fmt.Errorf("%v wants to wake at a moment that has passed, %v ago: it would spin",
				phase, now.Sub(s.WakeAt))
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
			return "end:" + e.Why.String()
		}
		return fmt.Sprintf("ask:%s(%s)", e.Why, e.Token.Reveal())
	case session.Cancel:
		return "cancel"
	case session.Overtake:
		return "overtake"
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
		case e.Failures > 0:
			return "mark:failed"
		case e.Over() && e.Why != session.NoWhy:
			return "mark:" + e.Why.String()
		case e.SignedOut():
			return "mark:ended"
		case e.Fingerprint == "":
			return "unmark"
		}
		return "mark"
	case session.ShowScreen:
		return fmt.Sprintf("show(%s)", e.Screen)
	case session.Repeat:
		return fmt.Sprintf("repeat(%d)", e.ID)
	case session.HandBack:
		return fmt.Sprintf("handback(%d)", e.ID)
	case session.Forget:
		return fmt.Sprintf("%s(%d)", [...]string{"finish", "forget", "back"}[e.Outcome], e.ID)
	case session.Release:
		if e.Deliver {
			return fmt.Sprintf("deliver(%d)", e.ID)
		}
		return fmt.Sprintf("swallow(%d)", e.ID)
	case session.Notify:
		return e.Name.String() + ":" + e.Why.String()
	case session.Settle:
		if e.Rejected != session.NotRejected {
			return fmt.Sprintf("reject%v:%s", e.IDs, e.Rejected)
		}
		return fmt.Sprintf("settle%v=%s", e.IDs, e.Token.Reveal())
	case session.Publish:
		return "publish"
	}
	return fmt.Sprintf("%T", effect)
}
