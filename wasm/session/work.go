package session

// work is what waits for a good token: the user's forms, the screen that was
// denied, and the page's own handlers and promises.
type work struct {
	forms   submissions
	screens screens
	waiting waiting
	// offline: there is no network, so that a held form had better wait.
	offline bool
}

// onSignal acts on what the account has decided.
func (w work) onSignal(sig signal, s session, consent bool, now Instant) (work, []Effect) {
	var effects, settled []Effect
	switch sig.what {
	case signalGood:
		if s.confirmed() && s.token != s.dead {
			return w.succeed(s, consent, now)
		}
	case signalAnother:
		return w.giveUp(sig.why)
	case signalOver:
		w, effects = w.handBack(sig.why)
		if sig.reject != "" {
			w.waiting, settled = w.waiting.settle(Token{}, sig.reject)
		}
	case signalRejected:
		w.waiting, effects = w.waiting.settle(Token{}, sig.reject)
	case signalPutOff:
		return w.settleEarly(s, sig.at, now)
	case signalEnded:
		w.waiting, effects = w.waiting.ended(sig.reject)
	}
	return w, join(effects, settled)
}

// succeed finishes everything, in the order it happened, now that the session
// has a good token.
func (w work) succeed(s session, consent bool, now Instant) (work, []Effect) {
	var released, resumed, drawn, settled []Effect
	w.waiting, released = w.waiting.swallow()
	w.forms, resumed = w.forms.resume(s, consent, now)
	w.screens, drawn = w.screens.draw(consent, now)
	w.waiting, settled = w.waiting.settle(s.token, "")
	return w, join(released, resumed, drawn, settled)
}

// giveUp forgets everything: the person or the token is another. The page's
// handlers of a dead token are not told, for they would act on the next
// session.
func (w work) giveUp(why Why) (work, []Effect) {
	var released, given []Effect
	w.waiting, released = w.waiting.swallow()
	w.forms, given = w.forms.giveUp(why)
	w.screens = w.screens.forget()
	return w, join(released, given)
}

// handBack forgets everything, too, but the page's own handlers and the UI hear
// of what happened.
func (w work) handBack(why Why) (work, []Effect) {
	var released, given []Effect
	w.waiting, released = w.waiting.deliver()
	w.forms, given = w.forms.handBack(why)
	w.screens = w.screens.forget()
	return w, join(released, given)
}

// failed finds the submission that met a dead token, and the token that was
// refused, if that is known.
func (w work) failed(ev DeadToken, s session, now Instant) (work, failure, Token) {
	var what failure
	var token Token
	w.forms, what, token = w.forms.failed(ev, now)
	unseen := what == failureUnknown || what == failureUnclear && ev.Screen == ""
	if unseen && !s.over {
		if screen, users := w.screens.forUser(ev, now); users {
			w.forms = w.forms.note(ev, screen, s.who, now)
		}
	}
	return w, what, token
}

// refusedAgain stops: a token just renewed was refused as well. The values stay
// on the screen.
func (w work) refusedAgain() (work, []Effect) {
	var given, released []Effect
	w.forms, given = w.forms.refusedAgain()
	w.waiting, released = w.waiting.deliver()
	told := Notify{Notice{Name: NoticeRenewError, Why: WhyRefusedAgain}}
	return w, join(given, []Effect{told}, released)
}

// deny hears that the UI refused a screen. again: it refused the one that we
// asked for.
func (w work) deny(ev ScreenDenied, now Instant) (next work, effects []Effect, again bool) {
	w.screens, effects, again = w.screens.deny(ev.Screen, now)
	return w, effects, again
}

// submit takes a form that the user sent.
func (w work) submit(ev Submitted, owner string, now Instant) (work, []Effect) {
	var effects []Effect
	w.forms, effects = w.forms.submitted(ev, owner, now)
	return w, effects
}

// answered hears that the UI told of a success, or of an answer.
func (w work) answered(ev SaveAnswered) (work, []Effect) {
	var effects []Effect
	w.forms, effects = w.forms.answered(ev.Screen)
	return w, effects
}

// repeated hears what came of a repetition.
func (w work) repeated(ev Repeated, now Instant) (work, []Effect) {
	var effects []Effect
	w.forms, effects = w.forms.repeated(ev, now)
	return w, effects
}

// stop hands everything back for good.
func (w work) stop() []Effect {
	w, back := w.handBack(WhyStopped)
	_, tokens := w.waiting.settle(Token{}, RejectStopped)
	_, endings := w.waiting.ended(RejectStopped)
	return join(back, tokens, endings)
}

// edit hears that the user changed a form.
func (w work) edit(ev Edited, now Instant) (work, []Effect) {
	var forms, screens []Effect
	w.screens.inputAt = now
	w.forms, forms = w.forms.edited(ev.Screen, ev.Form)
	w.screens, screens = w.screens.edit()
	return w, join(forms, screens)
}

// show hears that a screen is there; token says whether the UI has one.
func (w work) show(screen string, token bool) (work, []Effect) {
	var effects []Effect
	w.forms, effects = w.forms.left(screen)
	w.screens = w.screens.show(screen, token)
	return w, effects
}

// settleEarly answers the callers of token() when the next call is put off
// until at. They get the token at hand or a rejection, unless the call comes
// soon.
func (w work) settleEarly(s session, at Instant, now Instant) (work, []Effect) {
	if !s.alive(now) && at.Sub(now) <= urgentFloor {
		return w, nil
	}
	answer := atHand(s, now)
	var effects []Effect
	w.waiting, effects = w.waiting.settle(answer.Token, answer.Rejected)
	return w, effects
}

// overdue gives everything that has waited long enough its outcome.
func (w work) overdue(s session, now Instant) (work, []Effect) {
	waiting, effects, told := w.waiting.overdue(s, now)
	w.waiting = waiting
	for _, handlers := range told {
		var back []Effect
		w.forms, back = w.forms.delivered(handlers)
		effects = append(effects, back...)
	}
	var late []Effect
	w.forms, late = w.forms.overdue(w.offline, now)
	return w, append(effects, late...)
}

// network hears whether there is one.
func (w work) network(offline bool, now Instant) work {
	if w.offline && !offline {
		w.forms = w.forms.anew(now)
	}
	w.offline = offline
	return w
}

// waits reports whether the user or the page's code waits for a token.
func (w work) waits() bool {
	return w.waiting.any() || w.forms.waiting() || w.screens.denied != ""
}

func (w work) times() []Instant { return append(w.waiting.times(), w.forms.times(w.offline)...) }

func join(lists ...[]Effect) []Effect {
	var all []Effect
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}
