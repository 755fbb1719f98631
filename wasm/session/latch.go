package session

import "sync"

// Latch closes once, and tells those that wait for it. It is used where others
// use a context or a channel in a select: the module would pay 10 KB for the
// one and 3 KB for the other. The zero value is open.
type Latch struct {
	mu     sync.Mutex
	closed bool
	then   []func()
}

// Close closes it. A second time does nothing.
func (l *Latch) Close() {
	l.mu.Lock()
	then := l.then
	l.closed, l.then = true, nil
	l.mu.Unlock()
	for _, fn := range then {
		fn()
	}
}

// Closed reports whether it is closed.
func (l *Latch) Closed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// OnClose calls fn when it closes: at once if it is closed. fn must not block.
func (l *Latch) OnClose(fn func()) {
	l.mu.Lock()
	closed := l.closed
	if !closed {
		l.then = append(l.then, fn)
	}
	l.mu.Unlock()
	if closed {
		fn()
	}
}

// Wait waits until it is closed.
func (l *Latch) Wait() {
	closed := make(chan struct{})
	l.OnClose(func() { close(closed) })
	<-closed
}
