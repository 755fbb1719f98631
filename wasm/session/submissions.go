package session

import "slices"

// submissions are the forms that wait for their outcome, oldest first.
type submissions struct{ list []submission }

// failure says what a dead token means for the submissions.
type failure uint8

const (
	failureUnknown failure = iota // of none that we know
	failureNew                    // of one: it may be sent again
	failureKnown                  // of one that was known to have failed
	failureUnclear                // of one of several
	failureAgain                  // of one that has been sent again
	failureLate                   // of one that is being sent again since
)

// submitted takes a form that the user sent. One that is held twice is held as
// it was sent last.
func (l submissions) submitted(ev Submitted, owner string, now Instant) (submissions, []Effect) {
	s := submission{
		id: ev.ID, screen: ev.Screen, form: ev.Form, owner: owner, token: ev.Token, since: now,
	}
	if !ev.At.IsZero() && ev.At.Before(now) {
		s.since = ev.At // the loader may have kept it for a while
	}
	if ev.Held {
		s.state = held
	}
	var effects []Effect
	earlier := func(o submission) bool { return o.screen == s.screen && o.form == s.form }
	twice := ev.Held && slices.ContainsFunc(l.list, func(o submission) bool {
		return earlier(o) && o.state == held
	})
	l, effects = l.supersede(earlier)
	l.list = append(l.list, s)
	if ev.Held && !twice {
		effects = append(effects, tellScreen(NoticeHolding, WhyExpired, s.screen))
	}
	return l, effects
}

// supersede closes what matches: the user has sent the form anew, or the UI
// has moved on. The values of one that the UI has not answered yet are gone,
// but a failure that comes later may still be about it, and not about what was
// sent after it.
func (l submissions) supersede(match func(submission) bool) (submissions, []Effect) {
	var effects []Effect
	list := l.list
	l.list = nil
	for _, s := range list {
		switch {
		case !match(s) || s.state == superseded:
			l.list = append(l.list, s)
			continue
		case s.id != 0:
			effects = append(effects, Forget{ID: s.id, Outcome: Finished})
		}
		if s.state == sent {
			s.id, s.state = 0, superseded
			l.list = append(l.list, s)
		}
	}
	return l, effects
}

// failed finds the submission that a dead token is about, and tells the token
// that was in force when it was sent.
func (l submissions) failed(ev DeadToken, now Instant) (submissions, failure, Token) {
	candidates := l.candidates(sent, ev.Screen, now)
	past := l.candidates(superseded, ev.Screen, now)
	l.list = slices.Clone(l.list)
	if len(candidates) == 0 {
		return l.failedBefore(ev, past)
	}
	// A token that was refused is refused to what was sent with it later, too:
	// only what was sent with another leaves a doubt.
	last := l.list[candidates[len(candidates)-1]]
	need := len(candidates)
	for _, i := range past {
		if l.list[i].token != last.token {
			need++
		}
	}
	kind := failureKind(ev.Why)
	late := last.again && int(last.failures[kind]) <= len(past) && now.Since(last.since) < lateEvent
	if len(candidates) == 1 && late {
		l.list[candidates[0]].failures[kind]++
		return l, failureLate, Token{}
	}
	if need > 1 && ev.Screen == "" {
		return l, failureUnclear, Token{}
	}
	all := true
	for _, i := range candidates {
		l.list[i].failures[kind]++
		all = all && int(l.list[i].failures[kind]) >= need
	}
	if !all {
		return l, failureUnclear, Token{} // of which of them, the next event may tell
	}
	result := failureNew
	for _, i := range candidates {
		s := &l.list[i]
		if s.again {
			result = failureAgain
		}
		s.state, s.since, s.handlers = failed, now, ev.Handlers
	}
	return l, result, l.list[candidates[0]].token
}

// failedBefore finds a submission that is known to have failed, or one of past,
// which are superseded. It changes the list.
func (l submissions) failedBefore(
	ev DeadToken, past []int,
) (submissions, failure, Token) {
	i := slices.IndexFunc(l.list, func(s submission) bool {
		return (s.waits() || s.state == resuming) && s.state != held &&
			(ev.Screen == "" || s.screen == ev.Screen)
	})
	switch {
	case i < 0 && len(past) > 0:
		token := l.list[past[0]].token
		l.list = slices.Delete(l.list, past[0], past[0]+1)
		return l, failureUnknown, token
	case i < 0:
		return l, failureUnknown, Token{}
	}
	s := &l.list[i]
	s.failures[failureKind(ev.Why)]++
	if s.handlers == 0 {
		s.handlers = ev.Handlers
	}
	if s.state == resuming {
		return l, failureLate, Token{}
	}
	return l, failureKnown, s.token
}

// candidates are the submissions in a state that a failure on a screen may be
// about.
func (l submissions) candidates(state submissionState, screen string, now Instant) []int {
	life := sentLife
	if screen == "" {
		life = namelessLife
	}
	var found []int
	for i, s := range l.list {
		if s.state == state && (screen == "" || s.screen == screen) && now.Since(s.since) < life {
			found = append(found, i)
		}
	}
	return found
}

// note adds an action that failed without a form that we could see.
func (l submissions) note(ev DeadToken, screen, owner string, now Instant) submissions {
	l.list = append(slices.Clip(l.list), submission{
		screen: screen, owner: owner, since: now, state: failed, handlers: ev.Handlers,
	})
	return l
}

// resume sends again what may be: for the person who sent it, in a session
// proven to be theirs, with the page's consent.
func (l submissions) resume(s session, consent bool, now Instant) (submissions, []Effect) {
	var effects []Effect
	var kept []submission
	for _, sub := range l.list {
		if sub.state != failed && sub.state != held {
			kept = append(kept, sub)
			continue
		}
		why := Why("")
		switch {
		case sub.id == 0:
			why = WhyNoForm
		case sub.owner == "":
			why = WhyUnproven
		case sub.owner != s.who:
			why = WhyOtherUser
		case sub.again:
			why = WhyRefusedAgain
		case !consent:
			why = WhyResubmitOff
		}
		if why != "" {
			effects = append(effects, sub.unfinished(why)...)
			continue
		}
		if sub.state == held {
			effects = append(effects, tellScreen(NoticeReleased, WhyRenewed, sub.screen))
		}
		effects = append(effects, Repeat{ID: sub.id, Token: s.token})
		sub.again = sub.state == failed // what was held has not been sent yet
		sub.state, sub.since, sub.token = resuming, now, s.token
		kept = append(kept, sub)
	}
	l.list = kept
	return l, effects
}

// repeated takes the browser's report.
func (l submissions) repeated(ev Repeated, now Instant) (submissions, []Effect) {
	i := slices.IndexFunc(l.list, func(s submission) bool {
		return s.id == ev.ID && s.state == resuming
	})
	if i < 0 {
		return l, nil
	}
	if why := ev.Result.why(); why != "" {
		return l.unfinishedIf(func(s submission) bool { return s.id == ev.ID }, why)
	}
	l.list = slices.Clone(l.list)
	l.list[i].state, l.list[i].since = sent, now
	return l, nil
}

// answered closes what the UI has an answer to; screen "" is any.
func (l submissions) answered(screen string) (submissions, []Effect) {
	there := func(s submission) bool { return screen == "" || s.screen == screen }
	open := func(s submission) bool { return there(s) && s.state == sent }
	closes := open
	if !slices.ContainsFunc(l.list, open) {
		closes = func(s submission) bool { return there(s) && s.state != held }
	}
	// One of several has failed and one was answered: which, is not known.
	l, unclear := l.unfinishedIf(func(s submission) bool {
		return closes(s) && s.unclear()
	}, WhyUnclear)
	l, finished := l.close(closes, nothing, Finished)
	return l, append(unclear, finished...)
}

// edited cancels what waits, when the user changes the form.
func (l submissions) edited(screen, form string) (submissions, []Effect) {
	return l.unfinishedIf(func(s submission) bool {
		return s.waits() && s.screen == screen && (form == "" || s.form == "" || s.form == form)
	}, WhyEdited)
}

// left cancels what waits on another screen than the one that is shown now,
// and forgets what was sent there.
func (l submissions) left(shown string) (submissions, []Effect) {
	elsewhere := func(s submission) bool { return s.screen != shown && s.screen != "" }
	l, cancelled := l.unfinishedIf(func(s submission) bool {
		return elsewhere(s) && s.unsettled()
	}, WhyLeft)
	l, finished := l.supersede(elsewhere)
	return l, append(cancelled, finished...)
}

// refusedAgain gives up what met a dead token a second time.
func (l submissions) refusedAgain() (submissions, []Effect) {
	return l.unfinishedIf(func(s submission) bool {
		return s.state == failed && s.again
	}, WhyRefusedAgain)
}

// proven sets the owner of what was sent with the session's token, now that the
// server has confirmed its user.
func (l submissions) proven(s session) submissions {
	unknown := func(o submission) bool {
		return o.owner == "" && !o.token.Empty() && o.token == s.token
	}
	if !s.confirmed() || !slices.ContainsFunc(l.list, unknown) {
		return l
	}
	l.list = slices.Clone(l.list)
	for i := range l.list {
		if unknown(l.list[i]) {
			l.list[i].owner = s.who
		}
	}
	return l
}

// giveUp forgets everything: the person or the token is another, or the
// session is over.
func (l submissions) giveUp(why Why) (submissions, []Effect) {
	l, unfinished := l.unfinishedIf(submission.unsettled, why)
	l, finished := l.close(func(submission) bool { return true }, nothing, Finished)
	return l, append(unfinished, finished...)
}

// handBack forgets everything, too, but what the UI has not heard of yet goes
// to it as the user sent it: the session has ended, and UI and page say so.
func (l submissions) handBack(why Why) (submissions, []Effect) {
	l, back := l.handBackIf(func(s submission) bool {
		return s.state == held || s.state == failed && s.handlers != 0
	}, why)
	l, rest := l.giveUp(why)
	return l, append(back, rest...)
}

// delivered closes what failed when its handlers are told.
func (l submissions) delivered(handlers uint64) (submissions, []Effect) {
	return l.handBackIf(func(s submission) bool {
		return handlers != 0 && s.handlers == handlers && s.state == failed
	}, "")
}

func (l submissions) handBackIf(match func(submission) bool, why Why) (submissions, []Effect) {
	return l.close(match, func(s submission) []Effect {
		if s.state != held {
			return nil
		}
		return []Effect{tellScreen(NoticeReleased, why, s.screen), HandBack{ID: s.id}}
	}, HandedBack)
}

// anew gives forms that were held without a network the whole time to be
// finished with one.
func (l submissions) anew(now Instant) submissions {
	list := slices.Clone(l.list)
	for i := range list {
		if list[i].state == held {
			list[i].since = now
		}
	}
	l.list = list
	return l
}

// overdue gives every submission its outcome within its bound.
func (l submissions) overdue(offline bool, now Instant) (submissions, []Effect) {
	late := func(state submissionState) func(submission) bool {
		return func(s submission) bool { return s.state == state && s.bound(offline).Reached(now) }
	}
	l, effects := l.unfinishedIf(func(s submission) bool {
		return late(sent)(s) && s.unclear()
	}, WhyUnclear)
	add := func(next submissions, more []Effect) { l, effects = next, append(effects, more...) }
	add(l.close(late(sent), nothing, Finished))
	add(l.close(late(superseded), nothing, Finished))
	add(l.unfinishedIf(late(failed), WhyHeldTooLong))
	add(l.unfinishedIf(late(resuming), WhyGone))
	if offline {
		add(l.unfinishedIf(late(held), WhyOffline))
	} else {
		add(l.handBackIf(late(held), WhyHeldTooLong))
	}
	return l, effects
}

// waiting reports whether a form waits for a good token.
func (l submissions) waiting() bool { return slices.ContainsFunc(l.list, submission.waits) }

// times lists the bounds.
func (l submissions) times(offline bool) []Instant {
	var times []Instant
	for _, s := range l.list {
		if s.state != superseded {
			times = append(times, s.bound(offline))
		}
	}
	return times
}

// unfinishedIf gives up what matches, and tells the page.
func (l submissions) unfinishedIf(match func(submission) bool, why Why) (submissions, []Effect) {
	var kept []submission
	var effects []Effect
	for _, s := range l.list {
		if match(s) {
			effects = append(effects, s.unfinished(why)...)
		} else {
			kept = append(kept, s)
		}
	}
	l.list = kept
	return l, effects
}

// close gives what matches its outcome, after what each needs before.
func (l submissions) close(
	match func(submission) bool, before func(submission) []Effect, outcome Outcome,
) (submissions, []Effect) {
	var kept []submission
	var effects []Effect
	for _, s := range l.list {
		if !match(s) {
			kept = append(kept, s)
			continue
		}
		effects = append(effects, before(s)...)
		if s.id != 0 {
			effects = append(effects, Forget{ID: s.id, Outcome: outcome})
		}
	}
	l.list = kept
	return l, effects
}
