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
	// Trace, when set, hears of every transition.
	Trace func(Entry)

	stop  chan struct{}
	calls sync.WaitGroup

	mu     sync.Mutex
	queue  []Event
	signal chan struct{}
	state  State
	log    []Entry
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
func (s *Session) Post(ev Event) {
	s.mu.Lock()
	s.queue = append(s.queue, ev)
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
	defer close(s.stop)
	s.mu.Lock()
	signal := s.signalLocked()
	s.mu.Unlock()
	// AfterFunc, because a timer's channel would bring the formatting of
	// time.Time into the module.
	timer := time.AfterFunc(wakeAtMost, func() { s.Post(Ticked{}) })
	defer timer.Stop()
	for range signal {
		for {
			ev, ok := s.take()
			if !ok {
				break
			}
			s.handle(ev)
			if _, stopped := ev.(Stopped); stopped {
				return
			}
		}
		timer.Reset(s.sleep())
	}
}

func (s *Session) take() (Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil, false
	}
	ev := s.queue[0]
	s.queue = s.queue[1:]
	return ev, true
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
		s.calls.Go(func() { s.Post(Answered{Call: e.Call, Answer: s.Server.Do(s.stop, e.Call)}) })
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
