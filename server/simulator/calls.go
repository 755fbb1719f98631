package simulator

import (
	"encoding/json"
	"time"
)

// Outcome says how a call ended.
type Outcome string

// The outcomes.
const (
	OutcomeOK    Outcome = "ok"
	OutcomeError Outcome = "error" // the service refused
	OutcomeFault Outcome = "fault" // an ordered fault or the outage
)

// Call is a line of the log of calls. It holds no token and no uuid.
type Call struct {
	Seq      int64 // counts from 1
	At       time.Time
	Endpoint string
	Outcome  Outcome
	Code     int           // Capture's error number; 0 if none
	Status   int           // HTTP status; 0 if the client left without one
	Took     time.Duration // by the service's clock
}

// MarshalJSON has times in milliseconds, as the demo page reads them.
func (c Call) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Seq      int64   `json:"seq"`
		At       int64   `json:"at"`
		Endpoint string  `json:"endpoint"`
		Outcome  Outcome `json:"outcome"`
		Code     int     `json:"code"`
		Status   int     `json:"status"`
		MS       int64   `json:"ms"`
	}{c.Seq, c.At.UnixMilli(), c.Endpoint, c.Outcome, c.Code, c.Status, c.Took.Milliseconds()})
}

// maxCalls bounds the log; older calls are forgotten.
const maxCalls = 1000

type callLog struct {
	calls  []Call
	seq    int64
	counts map[string]int
}

// begin counts a call; the returned func logs how it ended.
func (s *Service) begin(endpoint string) (done func(outcome Outcome, code, status int)) {
	at := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log.counts == nil {
		s.log.counts = make(map[string]int)
	}
	s.log.counts[endpoint]++
	return func(outcome Outcome, code, status int) {
		took := s.now().Sub(at)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.log.seq++
		if len(s.log.calls) == maxCalls {
			s.log.calls = s.log.calls[1:]
		}
		s.log.calls = append(s.log.calls, Call{s.log.seq, at, endpoint, outcome, code, status, took})
	}
}

// Count is how many calls to an endpoint have arrived, those included that are
// still being answered.
func (s *Service) Count(endpoint string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.counts[endpoint]
}

// Calls are the last 1,000 calls that were answered, oldest first, in the
// order of their answers.
func (s *Service) Calls() []Call { return s.callsAfter(0) }

func (s *Service) callsAfter(seq int64) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := []Call{}
	for _, call := range s.log.calls {
		if call.Seq > seq {
			calls = append(calls, call)
		}
	}
	return calls
}
