package session

import (
	"slices"
	"time"
)

const (
	// standstill is how late a tick comes to a page that stood still: in a dialog
	// of the browser, while it was printed, or in a long script.
	standstill = 500 * time.Millisecond
	// catchUp is how long everything waits then, once: answers may have come
	// that could not be read.
	catchUp = 5 * time.Second
)

// work is what waits for a good token: the user's forms, the screen that was
// denied, and the page's own handlers and promises.
type work struct {
	forms   submissions
	screens screens
	waiting waiting
	// offline: there is no network, so that a held form had better wait.
	offline bool
	// notBefore is when the catching up is over; zero if there was none to do.
	notBefore Instant
}

// own gives it slices of its own, which it may change.
func (w *work) own() {
	w.forms.list = slices.Clone(w.forms.list)
	w.screens.open = slices.Clone(w.screens.open)
	w.waiting.handlers = slices.Clone(w.waiting.handlers)
	w.waiting.tokens = slices.Clone(w.waiting.tokens)
	w.waiting.endings = slices.Clone(w.waiting.endings)
}

// onSignal acts on what the account has decided.
func (w *work) onSignal(sig *signal, s *session, consent bool, now Instant, out *effects) {
	switch sig.what {
	case signalGood:
		if s.confirmed() && s.token != s.dead {
			w.succeed(s, consent, now, out)
		}
	case signalAnother:
		w.giveUp(sig.why, out)
	case signalOver:
		w.handBack(sig.why, out)
		if sig.reject != NotRejected {
			w.waiting.settle(Token{}, sig.reject, out)
		}
	case signalRejected:
		w.waiting.settle(Token{}, sig.reject, out)
	case signalPutOff:
		w.settleEarly(s, sig.at, now, out)
	case signalEnded:
		w.waiting.ended(sig.reject, out)
	}
}

// succeed finishes everything, in the order it happened, now that the session
// has a good token.
func (w *work) succeed(s *session, consent bool, now Instant, out *effects) {
	w.waiting.swallow(out)
	w.forms.resume(s, consent, now, out)
	w.screens.draw(consent, now, out)
	w.waiting.settle(s.token, NotRejected, out)
}

// giveUp forgets everything: the person or the token is another. The page's
// handlers of a dead token are not told, for they would act on the next
// session.
func (w *work) giveUp(why Why, out *effects) {
	w.waiting.swallow(out)
	w.forms.giveUp(why, out)
	w.screens.abandon(why, out)
	w.screens.forget()
}

// handBack forgets everything, too, but the page's own handlers and the UI hear
// of what happened.
func (w *work) handBack(why Why, out *effects) {
	w.waiting.deliver(out)
	w.forms.handBack(why, out)
	w.screens.forget()
}

// failed finds the submission that met a dead token, and the token that was
// refused, if that is known. A screen that could not be loaded is drawn when
// there is a good token, as one that was denied.
func (w *work) failed(
	ev *DeadToken, s *session, now Instant, out *effects,
) (failure, Token) {
	what, token := w.forms.failed(ev, now)
	unseen := what == failureUnknown || what == failureUnclear && ev.Screen == ""
	if !unseen || s.over {
		return what, token
	}
	if ev.Blank && w.screens.loads(ev.Screen) {
		if w.screens.deny(ev.Screen, now, out) {
			what = failureAgain
		}
		return what, token
	}
	if screen, users := w.screens.forUser(ev, now); users {
		w.forms.note(ev, screen, s.who, now)
	}
	return what, token
}

// refusedAgain stops: a token just renewed was refused as well. The values stay
// on the screen.
func (w *work) refusedAgain(out *effects) {
	w.forms.refusedAgain(out)
	out.tell(Notice{Name: NoticeRenewError, Why: WhyRefusedAgain})
	w.waiting.deliver(out)
}

// stop hands everything back for good.
func (w *work) stop(out *effects) {
	w.handBack(WhyStopped, out)
	w.waiting.settle(Token{}, RejectStopped, out)
	w.waiting.ended(RejectStopped, out)
}

// edit hears that the user changed a form.
func (w *work) edit(ev *Edited, now Instant, out *effects) {
	w.screens.inputAt = now
	w.forms.edited(ev, out)
	w.screens.edit(out)
}

// show hears that a screen is there; token says whether the UI has one.
func (w *work) show(screen string, token bool, out *effects) {
	w.forms.left(screen, out)
	w.screens.show(screen, token)
}

// settleEarly answers the callers of token() when the next call is put off
// until at. They get the token at hand or a rejection, unless the call comes
// soon.
func (w *work) settleEarly(s *session, at Instant, now Instant, out *effects) {
	if s.alive(now) || at.Until(now) > urgentFloor {
		settle(&w.waiting.tokens, atHand(s, now), out)
	}
}

// overdue gives everything that has waited long enough its outcome. The tick
// was asked for at wakeAt.
func (w *work) overdue(s *session, wakeAt, now Instant, out *effects) {
	if w.catchesUp(wakeAt, now) {
		return
	}
	for _, handlers := range w.waiting.overdue(s, now, out) {
		w.forms.delivered(handlers.id, out)
	}
	w.forms.overdue(w.offline, now, out)
}

// network hears whether there is one.
func (w *work) network(offline bool, now Instant) {
	if w.offline && !offline {
		w.forms.anew(now)
	}
	w.offline = offline
}

// waits reports whether the user or the page's code waits for a token.
func (w *work) waits() bool {
	return w.waiting.any() || w.forms.waiting() || w.screens.denied != ""
}

// catchesUp reports whether the page has stood still and has yet to hear what
// came meanwhile.
func (w *work) catchesUp(wakeAt, now Instant) bool {
	if w.notBefore.IsZero() && !wakeAt.IsZero() && now.Since(wakeAt) > standstill {
		w.notBefore = now.Add(catchUp)
	}
	return !w.notBefore.IsZero() && !w.notBefore.Reached(now)
}

// times tells when something will have waited long enough.
func (w *work) times(at func(Instant)) {
	bound := func(due Instant) {
		if due.Before(w.notBefore) {
			due = w.notBefore
		}
		at(due)
	}
	w.waiting.times(bound)
	w.forms.times(w.offline, bound)
}

// rest forgets the catching up when nothing waits any more: the next standstill
// is another one.
func (w *work) rest() {
	idle := true
	w.times(func(Instant) { idle = false })
	if idle {
		w.notBefore = Instant{}
	}
}
