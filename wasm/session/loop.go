package session

import (
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

	stop  chan struct{}
	calls sync.WaitGroup

	mu    sync.Mutex
	inbox inbox
	state State
	tally tally
	log   []Entry
	// pending are the calls under way, by number.
	pending map[uint64]*pendingCall
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

// pendingCall is a call under way and how it is hurried and stopped.
type pendingCall struct {
	over             chan struct{} // closed when it is
	call             Call
	stopped, hurry   chan struct{}
	cancel, overtake func()
}

func newPendingCall(call Call) *pendingCall {
	f := &pendingCall{
		call: call,
		over: make(chan struct{}), stopped: make(chan struct{}), hurry: make(chan struct{}),
	}
	f.overtake = sync.OnceFunc(func() { close(f.hurry) })
	stop := sync.OnceFunc(func() { close(f.stopped) })
	f.cancel = func() { stop(); f.overtake() }
	return f
}

func (f *pendingCall) cancelled() bool {
	select {
	case <-f.stopped:
		return true
	default:
		return false
	}
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
	l.stop = make(chan struct{})
	defer l.calls.Wait()
	defer l.end()
	l.mu.Lock()
	l.inbox.over = false
	l.pending = map[uint64]*pendingCall{}
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

// end stops the calls under way, other than a sign-out, and lets go of who
// waits for an event that will not be handled any more.
func (l *Loop) end() {
	close(l.stop)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inbox.over = true
	for _, f := range l.pending {
		if f.call.Kind == CallEnd {
			f.overtake()
		} else {
			f.cancel()
		}
	}
	for i, p := range l.inbox.queue {
		if p.handled != nil {
			close(p.handled)
			l.inbox.queue[i].handled = nil
		}
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
	defer l.mu.Unlock()
	if l.state.WakeAt.IsZero() {
		return wakeAtMost
	}
	return min(max(0, l.state.WakeAt.Sub(l.Now())), wakeAtMost)
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
	f := newPendingCall(call)
	l.mu.Lock()
	var before []*pendingCall // cancelled, and over soon
	for _, other := range l.pending {
		before = append(before, other)
	}
	l.pending[call.Seq] = f
	l.mu.Unlock()
	l.calls.Go(func() {
		for _, other := range before {
			<-other.over
		}
		defer l.callDone(call.Seq)
		if l.CallLock != nil {
			defer l.CallLock.Acquire(f.hurry, func() {
				if call.Kind.changesCookie() {
					f.cancel() // another tab's call goes first now
				}
			})()
		}
		l.postAndWait(LockAcquired{Seq: call.Seq})
		if l.wants(f) {
			l.postAndWait(Answered{Call: call, Answer: l.do(f)})
		}
	})
}

// do makes a call. One for a token also tells the server what was counted.
func (l *Loop) do(f *pendingCall) Answer {
	if f.call.Kind != CallToken {
		return l.Server.Do(f.stopped, f.call, Counts{})
	}
	var answer Answer
	l.tell(func(c Counts) bool {
		answer = l.Server.Do(f.stopped, f.call, c)
		return answer.OK
	})
	return answer
}

// tell gives the counts to a call that says whether the server heard them.
func (l *Loop) tell(call func(Counts) bool) {
	l.mu.Lock()
	counts := l.tally.take()
	l.mu.Unlock()
	if !call(counts) {
		l.mu.Lock()
		l.tally.add(counts)
		l.mu.Unlock()
	}
}

func (l *Loop) callDone(seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.pending[seq].over)
	delete(l.pending, seq)
}

// wants reports whether a call is still to be made. A sign-out is, also when
// the page has stopped us.
func (l *Loop) wants(f *pendingCall) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !f.cancelled() && (f.call.Kind == CallEnd || l.state.account.exchange.call == f.call)
}

func (l *Loop) pendingCall(seq uint64) *pendingCall {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.pending[seq]; f != nil {
		return f
	}
	return newPendingCall(Call{}) // it is over
}

func (l *Loop) cancel(seq uint64)   { l.pendingCall(seq).cancel() }
func (l *Loop) overtake(seq uint64) { l.pendingCall(seq).overtake() }

func (l *Loop) reportActivity() {
	l.calls.Go(func() {
		l.tell(func(c Counts) bool { return l.Server.Activity(l.stop, c) })
	})
}

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
		return max(0, at.Sub(now)).Truncate(time.Second)
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
