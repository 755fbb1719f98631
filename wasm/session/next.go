package session

// Next is the whole behaviour: what a page in state s does when ev happens at
// now, with storage as in snap. It changes nothing it is given.
func Next(s State, ev Event, snap Snapshot, now Instant, p Policy) (State, []Effect) {
	x := &step{State: s, snap: snap, now: now, policy: p}
	ev.happen(x)
	if _, stopped := ev.(Stopped); !stopped {
		x.announces(x.face.announce(x.account))
		x.WakeAt = x.schedule(now, p)
	}
	return x.State, x.effects
}

// step is one run of Next: the wires between the two halves of a state, the
// account and the work that waits for it.
type step struct {
	State
	snap    Snapshot
	now     Instant
	policy  Policy
	effects []Effect
}

func (x *step) do(effects ...Effect)               { x.effects = append(x.effects, effects...) }
func (x *step) works(w work, e []Effect)           { x.work = w; x.do(e...) }
func (x *step) announces(f publicFace, e []Effect) { x.face = f; x.do(e...) }

// deal lets the account deal with something, and tells the work what that
// means for it.
func (x *step) deal(deals ...func(*dealing)) {
	for _, deal := range deals {
		d := &dealing{account: x.account, moment: moment{x.now, x.snap, x.policy, x.work.waits()}}
		deal(d)
		x.account = d.account
		x.do(d.effects...)
		x.work.forms = x.work.forms.proven(x.account.session)
		for _, s := range d.signals {
			x.works(x.work.onSignal(s, x.account.session, x.policy.Resubmit, x.now))
		}
	}
}

// look is the first thing that most events do: storage may have changed.
func (x *step) look() {
	x.work = x.work.network(x.snap.Offline, x.now)
	x.deal((*dealing).observe)
}

// What happens to the session alone.

func (ev Started) happen(x *step) {
	x.State = State{account: x.account}
	x.deal(func(d *dealing) { d.started(ev.Seed) })
}

func (ev TokenSeen) happen(x *step)      { x.deal(func(d *dealing) { d.tokenSeen(ev) }) }
func (ev CodeSeen) happen(x *step)       { x.deal(func(d *dealing) { d.codeSeen(ev) }) }
func (ev HandedOff) happen(x *step)      { x.deal(func(d *dealing) { d.handedOff(ev.Answer) }) }
func (ev NoTokenSeen) happen(x *step)    { x.deal((*dealing).noTokenSeen) }
func (ev SignedOutSeen) happen(x *step)  { x.deal(func(d *dealing) { d.signedOutSeen(ev) }) }
func (ev StayAsked) happen(x *step)      { x.deal((*dealing).stay) }
func (ev LockAcquired) happen(x *step)   { x.deal(func(d *dealing) { d.lockAcquired(ev.Seq) }) }
func (ev Answered) happen(x *step)       { x.deal(func(d *dealing) { d.answered(ev) }) }
func (ev StorageChanged) happen(x *step) { x.look() }
func (ev Left) happen(x *step)           { x.deal((*dealing).left) }

// What happens to both.

func (ev Ticked) happen(x *step) {
	x.look()
	x.works(x.work.overdue(x.account.session, x.now))
	x.deal(func(d *dealing) { d.tick(WhyDue) })
}

func (ev Woke) happen(x *step) {
	x.look()
	x.works(x.work.overdue(x.account.session, x.now))
	x.deal((*dealing).woke, func(d *dealing) { d.tick(WhyWake) })
}

func (ev UserActive) happen(x *step) {
	x.work.screens.inputAt = x.now
	x.deal((*dealing).active)
}

func (ev Submitted) happen(x *step) {
	owner := x.account.session.ownerOf(ev.Token, x.snap)
	x.look()
	owner = first(owner, x.account.session.ownerOf(ev.Token, x.snap))
	x.works(x.work.submit(ev, owner, x.now))
	if ev.Held {
		x.deal((*dealing).held)
	}
}

func (ev DeadToken) happen(x *step) {
	failed, what, token := x.work.failed(ev, x.account.session, x.now)
	x.work = failed
	x.deal(func(d *dealing) { d.learnDead(first(token, x.snap.Token), ev.Why, what) })
	x.work.waiting = x.work.waiting.handler(ev.Handlers, x.now)
	if what == failureAgain {
		x.works(x.work.refusedAgain())
		return
	}
	x.deal(func(d *dealing) {
		d.met(first(token, x.snap.Token, d.session.token), ev.Screen, ev.Why, what)
	})
}

func (ev ScreenDenied) happen(x *step) {
	unseen := x.snap.uiBlind(x.now)
	x.deal((*dealing).observeFailure)
	x.work.waiting = x.work.waiting.handler(ev.Handlers, x.now)
	denied, effects, again := x.work.deny(ev, x.now)
	x.works(denied, effects)
	if again {
		x.works(x.work.refusedAgain())
		return
	}
	x.deal(func(d *dealing) { d.denied(x.work.screens.denied, unseen) })
}

// What happens to the user's forms and screens.

func (ev Edited) happen(x *step)       { x.works(x.work.edit(ev, x.now)) }
func (ev SaveAnswered) happen(x *step) { x.works(x.work.answered(ev)) }
func (ev Repeated) happen(x *step)     { x.works(x.work.repeated(ev, x.now)) }
func (ev NotHandedBack) happen(x *step) {
	x.do(tellScreen(NoticeUnfinished, ev.Result.why(), ev.Screen))
}

func (ev ScreenWanted) happen(x *step) {
	x.work.screens = x.work.screens.want(ev.Screen, x.now)
	x.deal(func(d *dealing) { d.screenWanted(ev.Screen) })
}

func (ev ScreenShown) happen(x *step) {
	x.works(x.work.show(ev.Screen, !x.snap.uiBlind(x.now)))
	x.deal(func(d *dealing) { d.screenShown(ev.Screen) })
}

// What the page's own code asks for.

func (ev Wanted) happen(x *step) {
	if s := x.account.session; !ev.Fresh && s.willDo(x.now, x.policy) {
		x.do(Settle{IDs: []uint64{ev.ID}, Token: s.token})
		return
	}
	x.work.waiting = x.work.waiting.token(ev.ID, x.now)
	x.deal((*dealing).wanted)
}

func (ev EndAsked) happen(x *step) {
	x.work.waiting = x.work.waiting.ending(ev.ID, x.now)
	x.deal((*dealing).endAsked)
}

func (ev Stopped) happen(x *step) {
	x.do(x.work.stop()...)
	x.State = State{account: account{exchange: exchange{seq: x.account.exchange.seq + 1}}}
}
