package session

// Server is the way to the keepalive server.
type Server interface {
	// Do makes a call. It always returns: with a no of its own when the server
	// cannot be reached or something else answers, and soon after stop is
	// closed. A stopped call must not change the cookie any more.
	// The counts go with CallToken; the server has heard them if the answer is
	// OK.
	Do(stop *Latch, call Call, counts Counts) Answer
	// Activity reports that the user is there, and whether the server heard it
	// and the counts. A failure has no other consequence: the server is asked
	// again at the limit.
	Activity(stop *Latch, counts Counts) bool
}

// CallLock is a lock that the tabs of a browser share. They make one call at a
// time, because each may change the cookie and one renewal serves them all.
type CallLock interface {
	// Acquire waits for the lock. Soon after overtake is closed it takes the
	// lock from the tab that holds it. What earlier holders wrote to storage
	// can be read afterwards. lost is called, at most once and from anywhere,
	// when another tab takes the lock away.
	Acquire(overtake *Latch, lost func()) (release func())
}

// Page is everything else outside: storage, the Registration UI, the page's
// own code. Its methods are called from one goroutine and must not block.
// Nothing is returned: what the session must know comes back as an event.
type Page interface {
	// Storage and the Registration UI.
	Snapshot() Snapshot
	SetMark(Mark)
	Adopt(Token)
	Drop()
	Withdraw()
	ShowScreen(screen string)

	// The user's forms, by the id of Submitted.
	Repeat(id uint64, token Token)
	HandBack(id uint64)
	Forget(id uint64)

	// The page's own code.
	Release(id uint64, deliver bool)
	Notify(Notice)
	Settle(Settle)
	Publish(HostState)
}
