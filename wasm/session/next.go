package session

import "slices"

// Next is the whole behaviour: what a page in state s does when ev happens at
// now, with storage as in snap. It changes nothing it is given.
func Next(s State, ev Event, snap Snapshot, now Instant, p Policy) (State, []Effect) {
	s.own()
	x := &step{
		work: s.work, face: s.face, wakeAt: s.WakeAt,
		moment: moment{now: now, snap: snap, policy: p},
	}
	x.dealing = dealing{account: s.account, moment: &x.moment, effects: &x.effects}
	ev.happen(x)
	x.settle()
	next := State{account: x.dealing.account, work: x.work, face: x.face}
	if _, stopped := ev.(Stopped); !stopped {
		next.face.announce(&next.account, &x.effects)
		next.work.rest()
		next.WakeAt = next.schedule(now, &p)
	}
	return next, x.effects
}

// own gives a state slices of its own: a step changes them in place.
func (s *State) own() {
	s.account.keeping.needs = slices.Clone(s.account.keeping.needs)
	s.work.own()
}

// step is one run of Next: the wires between the two halves of a state, the
// account and the work that waits for it. They take turns by deal and works.
type step struct {
	moment
	effects effects
	dealing dealing
	work    work
	face    publicFace
	wakeAt  Instant // when a tick was asked for
}

// deal gives the turn to the account.
func (x *step) deal() *dealing {
	x.settle()
	x.waits = x.work.waits()
	return &x.dealing
}

// works gives the turn to the work.
func (x *step) works() *work {
	x.settle()
	return &x.work
}

// settle ends the account's turn: the work hears what was decided.
func (x *step) settle() {
	s, signals := &x.dealing.session, x.dealing.signals
	x.dealing.signals = nil
	x.work.forms.proven(s)
	for i := range signals {
		x.work.onSignal(&signals[i], s, x.policy.Resubmit, x.now, &x.effects)
	}
}

// look is the first thing that most events do: storage may have changed.
func (x *step) look() {
	x.works().network(x.snap.Offline, x.now)
	x.deal().observe()
}

// What happens to the session alone.

func (ev Started) happen(x *step) {
	x.work, x.face = work{}, publicFace{}
	x.deal().started(ev.Seed)
}

func (ev TokenSeen) happen(x *step)      { x.deal().tokenSeen(&ev) }
func (ev CodeSeen) happen(x *step)       { x.deal().codeSeen(&ev) }
func (ev HandedOff) happen(x *step)      { x.deal().handedOff(&ev.Answer) }
func (ev NoTokenSeen) happen(x *step)    { x.deal().noTokenSeen() }
func (ev SignedOutSeen) happen(x *step)  { x.deal().signedOutSeen(&ev) }
func (ev StayAsked) happen(x *step)      { x.deal().stay() }
func (ev LockAcquired) happen(x *step)   { x.deal().lockAcquired(ev.Seq) }
func (ev Answered) happen(x *step)       { x.deal().answered(&ev) }
func (ev StorageChanged) happen(x *step) { x.look() }

// What happens to both.

func (ev Ticked) happen(x *step) {
	x.look()
	x.works().overdue(&x.dealing.session, x.wakeAt, x.now, &x.effects)
	x.deal().tick(WhyDue)
}

func (ev Woke) happen(x *step) {
	x.look()
	x.works().overdue(&x.dealing.session, x.wakeAt, x.now, &x.effects)
	x.deal().woke()
	x.deal().tick(WhyWake)
}

func (ev UserActive) happen(x *step) {
	x.works().screens.inputAt = x.now
	x.deal().active()
}

func (ev Submitted) happen(x *step) {
	s := &x.dealing.session
	person, owner := s.person(), s.ownerOf(ev.Token, &x.snap)
	x.look()
	works := x.works()
	if owner = first(owner, s.ownerOf(ev.Token, &x.snap)); owner != "" {
		// Another user may have signed in a moment ago. The form was filled in
		// on the page of the user before, whatever token it was sent with.
		owner = first(person, owner)
	}
	works.forms.submitted(&ev, owner, x.now, &x.effects)
	if ev.Held {
		x.deal().held()
	}
}

func (ev DeadToken) happen(x *step) {
	s := &x.dealing.session
	what, token := x.works().failed(&ev, s, x.now, &x.effects)
	x.deal().learnDead(first(token, x.snap.Token), ev.Why, what)
	works := x.works()
	add(&works.waiting.handlers, ev.Handlers, x.now)
	if what == failureAgain {
		works.refusedAgain(&x.effects)
		return
	}
	x.deal().met(first(token, x.snap.Token, s.token), ev.Screen, ev.Why, what)
}

func (ev ScreenDenied) happen(x *step) {
	unseen := x.snap.uiBlind(x.now)
	x.deal().observeFailure()
	works := x.works()
	add(&works.waiting.handlers, ev.Handlers, x.now)
	if works.screens.deny(ev.Screen, x.now, &x.effects) {
		works.refusedAgain(&x.effects)
		return
	}
	x.deal().denied(x.work.screens.denied, unseen)
}

// What happens to the user's forms and screens.

func (ev Edited) happen(x *step)       { x.works().edit(&ev, x.now, &x.effects) }
func (ev SaveAnswered) happen(x *step) { x.works().forms.answered(&ev, &x.effects) }
func (ev Repeated) happen(x *step)     { x.works().forms.repeated(&ev, x.now, &x.effects) }
func (ev GivenUp) happen(x *step)      { x.effects.tell(ev.notice()) }

func (ev ScreenWanted) happen(x *step) {
	x.works().screens.want(ev.Screen, x.now)
	x.deal().screenWanted(ev.Screen)
}

func (ev ScreenShown) happen(x *step) {
	x.works().show(ev.Screen, !x.snap.uiBlind(x.now), &x.effects)
	x.deal().screenShown(ev.Screen)
}

// Left: who leaves the page gives up what waits on it. It may come back from
// the back/forward cache, minutes later.
func (ev Left) happen(x *step) {
	x.works().forms.left(noScreen, &x.effects)
	x.deal().left()
}

// What the page's own code asks for.

func (ev Wanted) happen(x *step) {
	if s := &x.dealing.session; !ev.Fresh && s.willDo(x.now, &x.policy) {
		x.effects.do(Settle{IDs: []uint64{ev.ID}, Token: s.token})
		return
	}
	add(&x.works().waiting.tokens, ev.ID, x.now)
	x.deal().wanted()
}

func (ev EndAsked) happen(x *step) {
	add(&x.works().waiting.endings, ev.ID, x.now)
	x.deal().endAsked()
}

func (ev Stopped) happen(x *step) {
	x.work.stop(&x.effects)
	seq := x.dealing.exchange.seq + 1
	x.dealing.account = account{exchange: exchange{seq: seq}}
	x.work, x.face = work{}, publicFace{}
}
