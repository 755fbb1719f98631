package session

import (
	"sync"
	"time"
)

// Server is the way to the keepalive server. Its methods return soon after
// stop is closed. (Not a context: the module would pay 10 KB for it.)
type Server interface {
	// Do makes a call. It always returns: with a no of its own when the server
	// cannot be reached, when something else answers, or when stopped.
	Do(stop <-chan struct{}, call Call) Answer
	// Activity reports that the user is there. A failure has no consequence:
	// the server is asked again at the limit.
	Activity(stop <-chan struct{})
}

// Turns lets the tabs of a browser ask one after the other, so that one
// renewal serves them all. It is a courtesy that saves calls: nothing relies
// on it.
type Turns interface {
	// Take waits for this tab's turn, but never for long. What other tabs wrote
	// in their turns can be read then.
	Take() (release func())
}

// Page is everything else outside: storage, the Registration UI, the page's
// own code. Its methods are called from one goroutine and must not block.
// Nothing is returned: a page that cannot do a thing must go on without it.
type Page interface {
	Snapshot() Snapshot
	SetMark(Mark)
	Adopt(Token)
	Drop()
	Withdraw()
	Resume(Action)
	Abandon(Action)
	Release(id uint64, deliver bool)
	Tell(Notice)
	Settle(Settle)
}

// wakeAtMost bounds a sleep: timers stop while a laptop sleeps, and no event
// may tell that it woke.
const wakeAtMost = time.Minute

// Session runs Next: one goroutine takes events in order and runs their
// effects.
type Session struct {
	// Server, Page and Now are required. Now should carry a monotonic reading.
	Server Server
	Page   Page
	Now    func() Instant
	Policy Policy
	// Turns, when set, is asked before each question for a token.
	Turns Turns
	// Trace, when set, hears of every transition.
	Trace func(Entry)

	stop  chan struct{}
	calls sync.WaitGroup

	mu     sync.Mutex
	queue  []posted
	over   bool // Run has returned, or is about to
	signal chan struct{}
	state  State
	log    []Entry
}

// posted is an event in the queue; handled, if set, is closed when it has been
// handled or never will be.
type posted struct {
	Event
	handled chan struct{}
}

// Entry is one line of the session's diary. It holds no secret.
type Entry struct {
	At       Instant
	Event    string
	From, To Phase
	// Why is empty where the event needs no reason.
	Why     Why
	Effects []string
}

// Post queues an event. It never blocks and may be called from anywhere,
// also from within an effect.
func (s *Session) Post(ev Event) { s.post(posted{Event: ev}) }

// postAndWait waits until the event has been handled.
func (s *Session) postAndWait(ev Event) {
	handled := make(chan struct{})
	s.post(posted{ev, handled})
	<-handled
}

func (s *Session) post(p posted) {
	s.mu.Lock()
	if s.over && p.handled != nil {
		close(p.handled)
		p.handled = nil
	}
	s.queue = append(s.queue, p)
	signal := s.signalLocked()
	s.mu.Unlock()
	select {
	case signal <- struct{}{}:
	default:
	}
}

func (s *Session) signalLocked() chan struct{} {
	if s.signal == nil {
		s.signal = make(chan struct{}, 1)
	}
	return s.signal
}

// Run works until Stopped has been handled, and returns when no call is under
// way any more.
func (s *Session) Run() {
	s.stop = make(chan struct{})
	defer s.calls.Wait()
	defer s.end()
	s.mu.Lock()
	s.over = false
	signal := s.signalLocked()
	s.mu.Unlock()
	// AfterFunc, because a timer's channel would bring the formatting of
	// time.Time into the module.
	timer := time.AfterFunc(wakeAtMost, func() { s.Post(Ticked{}) })
	defer timer.Stop()
	for range signal {
		for {
			p, ok := s.take()
			if !ok {
				break
			}
			s.handle(p.Event)
			if p.handled != nil {
				close(p.handled)
			}
			if _, stopped := p.Event.(Stopped); stopped {
				return
			}
		}
		timer.Reset(s.sleep())
	}
}

// end stops the calls under way and lets go of who waits for an event that
// will not be handled any more.
func (s *Session) end() {
	close(s.stop)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for i, p := range s.queue {
		if p.handled != nil {
			close(p.handled)
			s.queue[i].handled = nil
		}
	}
}

func (s *Session) take() (posted, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return posted{}, false
	}
	p := s.queue[0]
	s.queue = s.queue[1:]
	return p, true
}

func (s *Session) sleep() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.WakeAt.IsZero() {
		return wakeAtMost
	}
	return min(max(0, s.state.WakeAt.Sub(s.Now())), wakeAtMost)
}

func (s *Session) handle(ev Event) {
	// Storage is read when the event is handled, not when it was posted: others
	// may have written in between.
	ev = With(ev, s.Page.Snapshot())
	now := s.Now()
	s.mu.Lock()
	from := s.state.Phase
	state, effects := Next(s.state, ev, now, s.Policy)
	s.state = state
	entry, worth := describe(ev, from, state.Phase, effects, now)
	if worth {
		const most = 100
		s.log = append(s.log, entry)
		s.log = s.log[max(0, len(s.log)-most):]
	}
	s.mu.Unlock()
	if worth && s.Trace != nil {
		s.Trace(entry)
	}
	for _, effect := range effects {
		s.run(effect)
	}
}

func (s *Session) run(effect Effect) {
	switch e := effect.(type) {
	case Ask:
		s.calls.Go(func() { s.ask(e.Call) })
	case ReportActivity:
		s.calls.Go(func() { s.Server.Activity(s.stop) })
	case Adopt:
		s.Page.Adopt(e.Token)
	case Drop:
		s.Page.Drop()
	case Withdraw:
		s.Page.Withdraw()
	case SetMark:
		s.Page.SetMark(e.Mark)
	case Resume:
		s.Page.Resume(e.Action)
	case Abandon:
		s.Page.Abandon(e.Action)
	case Release:
		s.Page.Release(e.ID, e.Deliver)
	case Tell:
		s.Page.Tell(e.Notice)
	case Settle:
		s.Page.Settle(e)
	}
}

// ask makes a call, in its turn where that may save it: by then another tab
// may have renewed. The turn lasts until the answer is in storage.
func (s *Session) ask(call Call) {
	if s.Turns != nil && call.Kind == CallToken {
		release := s.Turns.Take()
		defer release()
		s.postAndWait(TurnCame{Seq: call.Seq})
		if !s.asks(call) {
			return
		}
	}
	s.postAndWait(Answered{Call: call, Answer: s.Server.Do(s.stop, call)})
}

// asks reports whether the answer to a call is still wanted.
func (s *Session) asks(call Call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Call.Kind == call.Kind && s.state.Call.Seq == call.Seq
}

// Dead reports whether what is done now with the token at hand can only fail.
func (s *Session) Dead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Dead(s.Now())
}

// Status is where the session stands; durations are rounded down to seconds
// and zero where unknown.
type Status struct {
	Phase                                                       Phase
	ExpiresIn, DueIn, RetryIn, IdleExpiresIn, AbsoluteExpiresIn time.Duration
}

// Status tells where the session stands. It holds no secret.
func (s *Session) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	in := func(at Instant) time.Duration {
		if at.IsZero() {
			return 0
		}
		return max(0, at.Sub(now)).Truncate(time.Second)
	}
	return Status{
		Phase: s.state.Phase, ExpiresIn: in(s.state.Expires), DueIn: in(s.state.Due), RetryIn: in(s.state.RetryAt),
		IdleExpiresIn: in(s.state.Idle), AbsoluteExpiresIn: in(s.state.Absolute),
	}
}

// Diary returns the last transitions, oldest first.
func (s *Session) Diary() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Entry(nil), s.log...)
}
