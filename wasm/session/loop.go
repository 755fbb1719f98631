package session

import (
	"slices"
	"sync"
	"time"
)

// wakeAtMost bounds a sleep: timers stop while a laptop sleeps, and no event
// may tell that it woke.
const wakeAtMost = time.Minute

// Loop runs Next: one goroutine takes events in order and runs their effects.
type Loop struct {
	// Server, Page, Now and Policy are required. Now should carry a monotonic
	// reading.
	Server Server
	Page   Page
	Now    func() Instant
	Policy Policy
	// CallLock, when set, keeps the calls of a browser's tabs in order.
	CallLock CallLock
	// Trace, when set, hears of every transition.
	Trace func(Entry)

	mu      sync.Mutex
	inbox   inbox
	state   State
	tally   tally
	log     []Entry
	pending []*pendingCall
}

// inbox is what Run has yet to handle.
type inbox struct {
	queue  []posted
	over   bool // Run has returned, or is about to
	signal chan struct{}
}

// posted is an event in the queue; handled, if set, is closed when it has been
// handled or never will be.
type posted struct {
	Event
	handled chan struct{}
}

// pendingCall is a call under way and how it is hurried and stopped. One without
// a kind reports activity.
type pendingCall struct {
	call        Call
	stop, hurry Latch
	over        chan struct{} // closed when it is
}

func (p *pendingCall) cancel() {
	p.stop.Close()
	p.hurry.Close()
}

// Post queues an event. It never blocks and may be called from anywhere, also
// from within an effect.
func (l *Loop) Post(ev Event) { l.post(posted{Event: ev}) }

// postAndWait waits until the event has been handled.
func (l *Loop) postAndWait(ev Event) {
	handled := make(chan struct{})
	l.post(posted{ev, handled})
	<-handled
}

func (l *Loop) post(p posted) {
	l.mu.Lock()
	if l.inbox.over && p.handled != nil {
		close(p.handled)
		p.handled = nil
	}
	l.inbox.queue = append(l.inbox.queue, p)
	signal := l.signalLocked()
	l.mu.Unlock()
	select {
	case signal <- struct{}{}:
	default:
	}
}

func (l *Loop) signalLocked() chan struct{} {
	if l.inbox.signal == nil {
		l.inbox.signal = make(chan struct{}, 1)
	}
	return l.inbox.signal
}

// Run works until Stopped has been handled, and returns when no call is under
// way any more.
func (l *Loop) Run() {
	defer l.end()
	l.mu.Lock()
	l.inbox.over = false
	signal := l.signalLocked()
	l.mu.Unlock()
	// AfterFunc, because a timer's channel would bring the formatting of
	// time.Time into the module.
	timer := time.AfterFunc(wakeAtMost, func() { l.Post(Ticked{}) })
	defer timer.Stop()
	for range signal {
		for {
			p, ok := l.take()
			if !ok {
				break
			}
			l.handle(p.Event)
			if p.handled != nil {
				close(p.handled)
			}
			if _, stopped := p.Event.(Stopped); stopped {
				return
			}
		}
		timer.Reset(l.sleep())
	}
}

// end tells of forms that could not be handed back when the page stopped us. It
// stops the calls under way, other than a sign-out, lets go of who waits for an
// event that will not be handled any more, and waits for the calls.
func (l *Loop) end() {
	l.mu.Lock()
	l.inbox.over = true
	pending, rest := l.pending, l.inbox.queue
	l.inbox.queue = nil
	l.mu.Unlock()
	for _, p := range rest {
		if ev, ok := p.Event.(GivenUp); ok {
			l.Page.Notify(ev.notice())
		}
		if p.handled != nil {
			close(p.handled)
		}
	}
	for _, p := range pending {
		if p.call.Kind == CallEnd {
			p.hurry.Close()
		} else {
			p.cancel()
		}
	}
	for _, p := range pending {
		<-p.over
	}
}

func (l *Loop) take() (posted, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.inbox.queue) == 0 {
		return posted{}, false
	}
	p := l.inbox.queue[0]
	l.inbox.queue = l.inbox.queue[1:]
	return p, true
}

func (l *Loop) sleep() time.Duration {
	l.mu.Lock()
	at := l.state.WakeAt
	l.mu.Unlock()
	if at.IsZero() {
		return wakeAtMost
	}
	return min(max(0, at.Until(l.Now())), wakeAtMost)
}

func (l *Loop) handle(ev Event) {
	// Storage is read when the event is handled, not when it was posted: others
	// may have written in between.
	effects, entry, worth := l.next(ev, l.Page.Snapshot(), l.Now())
	if worth && l.Trace != nil {
		l.Trace(entry)
	}
	for _, effect := range effects {
		effect.run(l)
	}
}

// next moves the state on. A panic must find the mutex free: Run ends then, and
// the loader starts anew.
func (l *Loop) next(ev Event, snap Snapshot, now Instant) ([]Effect, Entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := l.state.Phase()
	saves := l.state.account.session.savesSignIn(ev, now, &l.Policy)
	state, effects := Next(l.state, ev, snap, now, l.Policy)
	l.state = state
	l.tally.observe(ev, effects, saves)
	entry, worth := describe(ev, from, state.Phase(), effects, now)
	if worth {
		const most = 100
		l.log = append(l.log, entry)
		l.log = l.log[max(0, len(l.log)-most):]
	}
	return effects, entry, worth
}

// ask makes a call when it has the lock. By then another tab may have renewed,
// so that the call is not wanted any more. The lock is held until the answer is
// in storage.
func (l *Loop) ask(call Call) {
	p, before := l.begin(call)
	go func() {
		defer l.done(p)
		for _, other := range before {
			if other.call.Kind != NoCall {
				<-other.over // it was cancelled
			}
		}
		if l.CallLock != nil {
			defer l.CallLock.Acquire(&p.hurry, func() {
				if call.Kind.changesCookie() {
					p.cancel() // another tab's call goes first now
				}
			})()
		}
		l.postAndWait(LockAcquired{Seq: call.Seq})
		if l.wants(p) {
			l.postAndWait(Answered{Call: call, Answer: l.do(p)})
		}
	}()
}

// do makes a call. One for a token also tells the server what was counted.
func (l *Loop) do(p *pendingCall) (answer Answer) {
	if p.call.Kind != CallToken {
		return l.Server.Do(&p.stop, p.call, Counts{})
	}
	counts := l.takeCounts()
	answer = l.Server.Do(&p.stop, p.call, counts)
	l.giveBack(counts, answer.OK)
	return answer
}

func (l *Loop) reportActivity() {
	p, _ := l.begin(Call{})
	go func() {
		defer l.done(p)
		counts := l.takeCounts()
		l.giveBack(counts, l.Server.Activity(&p.stop, counts))
	}()
}

func (l *Loop) takeCounts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tally.take()
}

// giveBack keeps the counts that the server has not heard.
func (l *Loop) giveBack(counts Counts, heard bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !heard {
		l.tally.add(counts)
	}
}

// begin notes a call that is under way, and returns those that were.
func (l *Loop) begin(call Call) (p *pendingCall, before []*pendingCall) {
	p = &pendingCall{call: call, over: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	before = l.pending
	l.pending = append(slices.Clip(before), p)
	return p, before
}

// done notes that a call is over.
func (l *Loop) done(p *pendingCall) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = slices.DeleteFunc(slices.Clone(l.pending), func(o *pendingCall) bool { return o == p })
	close(p.over)
}

// wants reports whether a call is still to be made. A sign-out is, also when
// the page has stopped us.
func (l *Loop) wants(p *pendingCall) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !p.stop.Closed() && (p.call.Kind == CallEnd || l.state.account.exchange.call == p.call)
}

// called is the call of a number; one that is over, if it is.
func (l *Loop) called(seq uint64) *pendingCall {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.pending {
		if p.call.Seq == seq {
			return p
		}
	}
	return new(pendingCall)
}

func (l *Loop) cancel(seq uint64)   { l.called(seq).cancel() }
func (l *Loop) overtake(seq uint64) { l.called(seq).hurry.Close() }

// Holds reports whether a form that is sent on a screen now can only fail, and
// is worth holding back until the session is good again.
func (l *Loop) Holds(screen string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.holds(screen, l.Now(), &l.Policy)
}

// Status is where the session stands; durations are rounded down to seconds
// and zero where unknown.
type Status struct {
	Phase                                                       Phase
	ExpiresIn, DueIn, RetryIn, IdleExpiresIn, AbsoluteExpiresIn time.Duration
	// ClockSkew is how far the server's clock is ahead of this machine's.
	ClockSkew time.Duration
}

// Status tells where the session stands. It holds no secret.
func (l *Loop) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.Now()
	in := func(at Instant) time.Duration {
		if at.IsZero() {
			return 0
		}
		return max(0, at.Until(now)).Truncate(time.Second)
	}
	s, x := &l.state.account.session, &l.state.account.exchange
	return Status{
		Phase: l.state.Phase(), ExpiresIn: in(s.expires), DueIn: in(s.due), RetryIn: in(x.retryAt),
		IdleExpiresIn: in(s.limits.idle), AbsoluteExpiresIn: in(s.limits.absolute),
		ClockSkew: l.state.account.skew,
	}
}

// Diary returns the last transitions, oldest first.
func (l *Loop) Diary() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Entry(nil), l.log...)
}
