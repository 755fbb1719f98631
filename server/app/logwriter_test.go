package app

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// reader is a reader of the log: gone, stuck, or well.
type reader struct {
	lines bytes.Buffer
	gone  bool
	stuck chan struct{} // nil: not stuck
}

func (r *reader) Write(line []byte) (int, error) {
	if r.stuck != nil {
		<-r.stuck
	}
	if r.gone {
		return 0, errors.New("broken pipe")
	}
	return r.lines.Write(line)
}

func TestLogLinesArriveInOrder(t *testing.T) {
	var log reader
	w := NewLogWriter(&log)
	line := []byte("one\n")
	_, _ = w.Write(line) // never fails
	copy(line, "two\n")  // a caller may use its buffer again
	_, _ = w.Write(line)
	w.Close()
	if got := log.lines.String(); got != "one\ntwo\n" {
		t.Errorf("the log is %q", got)
	}
	if w.Dropped() != 0 {
		t.Errorf("%d lines were dropped", w.Dropped())
	}
}

// A reader that is stuck costs lines beyond a bound, and is waited for only a
// moment at the end.
func TestStuckReaderOfTheLogHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &reader{stuck: make(chan struct{})}
		w := NewLogWriter(log)
		_, _ = w.Write([]byte("the reader has this one\n"))
		synctest.Wait()
		for range 3 * maxQueued {
			_, _ = w.Write([]byte("line\n"))
		}
		if want := int64(2 * maxQueued); w.Dropped() != want {
			t.Errorf("%d lines were dropped, want %d", w.Dropped(), want)
		}
		began := time.Now()
		w.Close()
		if took := time.Since(began); took != flushTimeout {
			t.Errorf("closing took %v, want %v", took, flushTimeout)
		}
		close(log.stuck)
	})
}

func TestLossIsToldOnceTheReaderIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &reader{gone: true}
		w := NewLogWriter(log)
		var told []int64
		w.OnLoss(func(lines int64) { told = append(told, lines) })
		for range 3 {
			_, _ = w.Write([]byte("lost\n"))
		}
		synctest.Wait()
		log.gone = false
		_, _ = w.Write([]byte("kept\n"))
		_, _ = w.Write([]byte("kept\n"))
		w.Close()
		if len(told) != 1 || told[0] != 3 || w.Dropped() != 3 {
			t.Errorf("told %v, dropped %d, want one report of 3", told, w.Dropped())
		}
	})
}
