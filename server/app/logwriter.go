package app

import (
	"bytes"
	"io"
	"sync/atomic"
	"time"
)

const (
	// maxQueued is how many lines wait for a slow reader.
	maxQueued = 1 << 11
	// flushTimeout is how long the end of the process waits for that reader.
	flushTimeout = time.Second
)

// LogWriter hands lines to a writer in the background, so that a reader
// of the log that is gone or stuck costs lines of the log and nothing else. It is safe
// for concurrent use.
type LogWriter struct {
	to      io.Writer
	queue   chan []byte
	closing chan struct{} // closed by Close
	done    chan struct{} // closed when the background has ended
	onLoss  atomic.Pointer[func(lines int64)]
	dropped atomic.Int64
}

// NewLogWriter returns a writer to w. Close it.
func NewLogWriter(w io.Writer) *LogWriter {
	l := &LogWriter{
		to: w, queue: make(chan []byte, maxQueued),
		closing: make(chan struct{}), done: make(chan struct{}),
	}
	go l.run()
	return l
}

// Write takes one line. It never waits and never fails: a line that does not
// fit is dropped and counted.
func (l *LogWriter) Write(line []byte) (int, error) {
	select {
	case l.queue <- bytes.Clone(line): // slog reuses its buffer
	default:
		l.dropped.Add(1)
	}
	return len(line), nil
}

// OnLoss sets what is called with the number of lines that were lost, once the
// reader takes lines again.
func (l *LogWriter) OnLoss(tell func(lines int64)) { l.onLoss.Store(&tell) }

// Dropped is how many lines were lost since the start.
func (l *LogWriter) Dropped() int64 { return l.dropped.Load() }

// Close writes what is queued, as far as the reader takes it within a second.
// Call it once.
func (l *LogWriter) Close() {
	close(l.closing)
	select {
	case <-l.done:
	case <-time.After(flushTimeout):
	}
}

// run writes lines until Close was called and the queue is empty.
func (l *LogWriter) run() {
	defer close(l.done)
	told := int64(0) // losses that onLoss was called with
	for {
		select {
		case line := <-l.queue:
			if _, err := l.to.Write(line); err != nil {
				l.dropped.Add(1)
				continue
			}
			told = l.tellLoss(told)
		case <-l.closing:
			if len(l.queue) == 0 {
				return
			}
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
