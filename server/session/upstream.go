package session

import (
	"context"
	"errors"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/breaker"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
)

// share is what a call may use of the ceiling.
type share bool

const (
	whole share = false
	spare share = true
)

// upstream lets do make one call to Capture, unless Capture is left alone for
// now or the ceiling is reached: that error is an *Error. Every call goes
// through here.
func (s *Service) upstream(ctx context.Context, of share, do func(context.Context) error) error {
	leave, wait, ok := s.breaker.Enter()
	if !ok {
		return &Error{Code: api.UpstreamUnavailable, RetryAfter: wait, Detail: "Capture has failed many times in a row and is left alone for a moment; the session is untouched"}
	}
	outcome := breaker.Untold // of a panic, too: that is a fault of ours
	defer func() {
		if leave(outcome) {
			s.config.Log.ErrorContext(ctx, "Capture has failed many times in a row; it is left alone", "failures", breakAfter, "for", breakRest)
		}
	}()
	if s.config.Ceiling != nil {
		take := s.config.Ceiling.Take
		if of == spare {
			take = s.config.Ceiling.TakeSpare
		}
		if wait, ok := take(); !ok {
			return &Error{Code: api.UpstreamUnavailable, RetryAfter: wait, Detail: "the server makes as many calls to Capture as it may; wait, then ask again"}
		}
	}
	err := do(ctx)
	outcome = outcomeOf(ctx, err)
	return err
}

// LeavesCaptureAlone reports whether Capture has failed so many times in a row
// that it is asked by one call at a time only, until it answers.
func (s *Service) LeavesCaptureAlone() bool { return s.breaker.Open() }

// outcomeOf says what a call tells about Capture. A caller who left, or a store
// that failed before the call, tells nothing.
func outcomeOf(ctx context.Context, err error) breaker.Outcome {
	if err == nil {
		return breaker.Alive
	}
	if ours := (*Error)(nil); ctx.Err() != nil || errors.As(err, &ours) {
		return breaker.Untold
	}
	switch kind, _ := about(err); kind {
	case capture.Temporary, capture.RateLimited:
		return breaker.Failed
	}
	return breaker.Alive
}
