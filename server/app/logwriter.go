package app

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxQueued bounds the lines that wait for a slow reader, in bytes.
	maxQueued = 1 << 20
	// flushTimeout is how long the end of the process waits for that reader.
	flushTimeout = time.Second
)

// LogWriter hands lines to a writer in the background, so that a reader
// of the log that is gone or stuck costs lines of the log and nothing else. It is safe
// for concurrent use.
type LogWriter struct {
	to      io.Writer
	onLoss  atomic.Pointer[func(lines int64)]
	dropped atomic.Int64
	wake    chan struct{} // holds one value while there may be work
	done    chan struct{} // closed when the background has ended

	mu     sync.Mutex // guards the fields below
	queue  [][]byte
	queued int // bytes in queue and in the line that is being written
	closed bool
}

// NewLogWriter returns a writer to w. Close it.
func NewLogWriter(w io.Writer) *LogWriter {
	l := &LogWriter{to: w, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go l.run()
	return l
}

// Write takes one line. It never waits and never fails: a line that does not
// fit is dropped and counted.
func (l *LogWriter) Write(line []byte) (int, error) {
	l.mu.Lock()
	fits := !l.closed && l.queued+len(line) <= maxQueued
	if fits {
		l.queue = append(l.queue, append([]byte(nil), line...)) // slog reuses its buffer
		l.queued += len(line)
	}
	l.mu.Unlock()
	if !fits {
		l.dropped.Add(1)
		return len(line), nil
	}
	l.notify()
	return len(line), nil
}

// OnLoss sets what is called with the number of lines that were lost, once the
// reader takes lines again.
func (l *LogWriter) OnLoss(tell func(lines int64)) { l.onLoss.Store(&tell) }

// Dropped is how many lines were lost since the start.
func (l *LogWriter) Dropped() int64 { return l.dropped.Load() }

// Close writes what is queued, as far as the reader takes it within a second.
func (l *LogWriter) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.notify()
	timer := time.NewTimer(flushTimeout)
	defer timer.Stop()
	select {
	case <-l.done:
	case <-timer.C:
	}
}

func (l *LogWriter) notify() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run writes lines until the writer is closed and the queue is empty.
func (l *LogWriter) run() {
	defer close(l.done)
	told := int64(0) // losses that onLoss was called with
	for range l.wake {
		lines, closed := l.take()
		for _, line := range lines {
			_, err := l.to.Write(line)
			l.release(len(line))
			if err != nil {
				l.dropped.Add(1)
				continue
			}
			told = l.tellLoss(told)
		}
		if closed {
			return
		}
	}
}

// tellLoss reports what was lost beyond told, and returns what is told now.
func (l *LogWriter) tellLoss(told int64) int64 {
	lost, tell := l.dropped.Load(), l.onLoss.Load()
	if lost == told || tell == nil {
		return told
	}
	(*tell)(lost - told)
	return lost
}

func (l *LogWriter) take() (lines [][]byte, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines, l.queue = l.queue, nil
	return lines, l.closed
}

func (l *LogWriter) release(bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queued -= bytes
}
