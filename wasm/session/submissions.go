package session

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

// each deals with every submission, in order, and drops those that it says are
// over.
func (l *submissions) each(over func(*submission) bool) {
	kept := 0
	for i := range l.list {
		if over(&l.list[i]) {
			continue
		}
		if kept != i {
			l.list[kept] = l.list[i]
		}
		kept++
	}
	l.list = l.list[:kept]
}

// end gives what matches its outcome.
func (l *submissions) end(
	outcome Outcome, why Why, out *effects, match func(*submission) bool,
) {
	l.each(func(s *submission) bool {
		over := match(s)
		if over {
			s.end(outcome, why, out)
		}
		return over
	})
}

// index finds the first that matches; -1 if none does.
func (l *submissions) index(match func(*submission) bool) int {
	for i := range l.list {
		if match(&l.list[i]) {
			return i
		}
	}
	return -1
}

// submitted takes a form that the user sent. One that is held twice is held as
// it was sent last.
func (l *submissions) submitted(ev *Submitted, owner string, now Instant, out *effects) {
	s := submission{
		id: ev.ID, screen: ev.Screen, form: ev.Form, owner: owner, token: ev.Token, pressed: now,
	}
	if !ev.At.IsZero() && ev.At.Before(now) {
		s.pressed = ev.At // the loader may have kept it for a while
	}
	s.since = s.pressed
	tell := ev.Held
	if ev.Held {
		s.state = held
	}
	l.supersede(out, func(o *submission) bool {
		earlier := o.screen == ev.Screen && o.form == ev.Form
		if earlier && o.state == held {
			tell = false
		}
		s.again = s.again || earlier && o.again && ev.Scripted
		return earlier
	})
	l.list = append(l.list, s)
	if tell {
		out.tellScreen(NoticeHolding, WhyExpired, ev.Screen)
	}
}

// supersede closes what matches: the user has sent the form anew, or the UI
// has moved on. The values of one that the UI has not answered yet are gone,
// but a failure that comes later may still be about it, and not about what was
// sent after it.
func (l *submissions) supersede(out *effects, match func(*submission) bool) {
	l.each(func(s *submission) bool {
		if s.state == superseded || !match(s) {
			return false
		}
		s.end(Finished, NoWhy, out)
		if s.state != sent {
			return true
		}
		s.id, s.state = 0, superseded
		return false
	})
}

// failed finds the submission that a dead token is about, and tells the token
// that was in force when it was sent.
func (l *submissions) failed(ev *DeadToken, now Instant) (failure, Token) {
	candidates := l.candidates(sent, ev.Screen, now)
	past := l.candidates(superseded, ev.Screen, now)
	if len(candidates) == 0 {
		return l.failedBefore(ev, past)
	}
	// A token that was refused is refused to what was sent with it later, too:
	// only what was sent with another leaves a doubt.
	last := candidates[len(candidates)-1]
	need := len(candidates)
	for _, s := range past {
		if s.token != last.token {
			need++
		}
	}
	kind := failureKind(ev.Why)
	late := last.again && int(last.failures[kind]) <= len(past) && now.Since(last.since) < lateEvent
	if len(candidates) == 1 && late {
		last.failures[kind]++
		return failureLate, Token{}
	}
	if need > 1 && ev.Screen == "" {
		return failureUnclear, Token{}
	}
	all := true
	for _, s := range candidates {
		s.failures[kind]++
		all = all && int(s.failures[kind]) >= need
	}
	if !all {
		return failureUnclear, Token{} // of which of them, the next event may tell
	}
	result := failureNew
	for _, s := range candidates {
		if s.again {
			result = failureAgain
		}
		s.state, s.since, s.handlers = failed, now, ev.Handlers
	}
	return result, candidates[0].token
}

// failedBefore finds a submission that is known to have failed, or one of past,
// which are superseded.
func (l *submissions) failedBefore(ev *DeadToken, past []*submission) (failure, Token) {
	i := l.index(func(s *submission) bool {
		return (s.state == failed || s.state == resuming) && (ev.Screen == "" || s.screen == ev.Screen)
	})
	switch {
	case i < 0 && len(past) > 0:
		token := past[0].token
		l.each(func(s *submission) bool { return s == past[0] })
		return failureUnknown, token
	case i < 0:
		return failureUnknown, Token{}
	}
	s := &l.list[i]
	s.failures[failureKind(ev.Why)]++
	if s.handlers == 0 {
		s.handlers = ev.Handlers
	}
	if s.state == resuming {
		return failureLate, Token{}
	}
	return failureKnown, s.token
}

// candidates are the submissions in a state that a failure on a screen may be
// about.
func (l *submissions) candidates(
	state submissionState, screen string, now Instant,
) (found []*submission) {
	life := sentLife
	if screen == "" {
		life = namelessLife
	}
	for i := range l.list {
		s := &l.list[i]
		if s.state == state && (screen == "" || s.screen == screen) && now.Since(s.since) < life {
			found = append(found, s)
		}
	}
	return found
}

// note adds an action that failed without a form that we could see.
func (l *submissions) note(ev *DeadToken, screen, owner string, now Instant) {
	l.list = append(l.list, submission{
		screen: screen, owner: owner, since: now, state: failed, handlers: ev.Handlers,
	})
}

// resume sends again what may be: for the person who sent it, in a session
// proven to be theirs, with the page's consent.
func (l *submissions) resume(s *session, consent bool, now Instant, out *effects) {
	l.each(func(sub *submission) bool {
		if !sub.waits() {
			return false
		}
		why := sub.whyNot(s.who, consent, now)
		if why != NoWhy {
			sub.end(Unfinished, why, out)
			return true
		}
		sub.resume(s.token, now, out)
		return false
	})
}

// repeated takes the browser's report.
func (l *submissions) repeated(ev *Repeated, now Instant, out *effects) {
	why := ev.Result.why()
	l.each(func(s *submission) bool {
		switch {
		case s.id != ev.ID || s.state != resuming:
			return false
		case why != NoWhy:
			s.end(Unfinished, why, out)
			return true
		}
		s.state, s.since = sent, now
		return false
	})
}

// answered closes what the UI has an answer to; without a screen it is any. A
// success closes what met a dead token, too, but which of them it is about is
// not known: only what is on its way is finished by it.
func (l *submissions) answered(ev *SaveAnswered, out *effects) {
	there := func(s *submission) bool { return ev.Screen == "" || s.screen == ev.Screen }
	open := l.index(func(s *submission) bool { return there(s) && s.state == sent }) >= 0
	closes := func(s *submission) bool {
		switch {
		case !there(s) || s.state == held:
			return false
		case s.state == sent:
			return true
		case s.state == superseded:
			return !open
		}
		return !open && !ev.Refused
	}
	// One of several has failed and one was answered: which, is not known.
	l.end(Unfinished, WhyUnclear, out, func(s *submission) bool {
		return closes(s) && (s.unclear() || s.state == failed)
	})
	l.end(Finished, NoWhy, out, closes)
}

// edited cancels what waits, when the user changes the form.
func (l *submissions) edited(ev *Edited, out *effects) {
	l.end(Unfinished, WhyEdited, out, func(s *submission) bool {
		return s.waits() && s.screen == ev.Screen &&
			(ev.Form == "" || s.form == "" || s.form == ev.Form)
	})
}

// noScreen is what is shown when the page is left.
const noScreen = ""

// left cancels what waits on another screen than the one that is shown now,
// and forgets what was sent there.
func (l *submissions) left(shown string, out *effects) {
	elsewhere := func(s *submission) bool { return s.screen != shown && s.screen != "" }
	l.end(Unfinished, WhyLeft, out, func(s *submission) bool { return elsewhere(s) && s.unsettled() })
	l.supersede(out, elsewhere)
}

// refusedAgain gives up what met a dead token a second time.
func (l *submissions) refusedAgain(out *effects) {
	l.end(Unfinished, WhyRefusedAgain, out, func(s *submission) bool {
		return s.state == failed && s.again
	})
}

// proven sets the owner of what was sent with the session's token, now that the
// server has confirmed its user.
func (l *submissions) proven(s *session) {
	if !s.confirmed() {
		return
	}
	for i := range l.list {
		if o := &l.list[i]; o.owner == "" && o.token == s.token {
			o.owner = s.who
		}
	}
}

// giveUp forgets everything: the person or the token is another, or the
// session is over.
func (l *submissions) giveUp(why Why, out *effects) {
	l.end(Unfinished, why, out, (*submission).unsettled)
	l.end(Finished, NoWhy, out, func(*submission) bool { return true })
}

// handBack forgets everything, too, but what the UI has not heard of yet goes
// to it as the user sent it: the session has ended, and UI and page say so.
func (l *submissions) handBack(why Why, out *effects) {
	l.end(HandedBack, why, out, func(s *submission) bool {
		return s.state == held || s.state == failed && s.handlers != 0
	})
	l.giveUp(why, out)
}

// delivered closes what failed when its handlers are told.
func (l *submissions) delivered(handlers uint64, out *effects) {
	l.end(HandedBack, NoWhy, out, func(s *submission) bool {
		return handlers != 0 && s.handlers == handlers && s.state == failed
	})
}

// anew gives forms that were held without a network the whole time to be
// finished with one.
func (l *submissions) anew(now Instant) {
	for i := range l.list {
		if s := &l.list[i]; s.state == held {
			s.since = now
		}
	}
}

// overdue gives every submission its outcome within its bound.
func (l *submissions) overdue(offline bool, now Instant, out *effects) {
	l.each(func(s *submission) bool {
		if !s.bound(offline).Reached(now) {
			return false
		}
		switch {
		case s.unclear(), s.state == sent && s.again:
			// That we sent it again, and the UI does not say what came of it, is
			// no save.
			s.end(Unfinished, WhyUnclear, out)
		case s.state == failed:
			s.end(Unfinished, WhyHeldTooLong, out)
		case s.state == resuming:
			s.end(Unfinished, WhyGone, out)
		case s.state == held && offline:
			s.end(Unfinished, WhyOffline, out)
		case s.state == held:
			s.end(HandedBack, WhyHeldTooLong, out)
		default:
			s.end(Finished, NoWhy, out)
		}
		return true
	})
}

// waiting reports whether a form waits for a good token.
func (l *submissions) waiting() bool { return l.index((*submission).waits) >= 0 }

// times tells the bounds.
func (l *submissions) times(offline bool, at func(Instant)) {
	for i := range l.list {
		if s := &l.list[i]; s.state != superseded {
			at(s.bound(offline))
		}
	}
}
