package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/semaphore"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
)

const (
	// After so many failures in a row a circuit breaker opens for so long; then
	// one call finds out whether Capture is back.
	breakAfter = 10
	breakFor   = 5 * time.Second

	// followTimeout bounds a call that follows a spent code or refresh token, so
	// that both calls and the store fit into the time for draining.
	followTimeout = 7 * time.Second

	// loginCalls is how many calls of logins go on at once. The client of the
	// Capture API has twice as many connections: renewals find one even while
	// every login's call hangs.
	loginCalls = 32
	// loginPatience is how long a login waits to be one of them.
	loginPatience = time.Second
)

// calls is the way to Capture. Logins and renewals have a breaker each and
// priorities of their own: what a visitor sends never stops a renewal.
type calls struct {
	login, due, forced class
	ceiling            *limit.Ceiling
}

// breaker is a circuit breaker: open, it lets no call through.
type breaker = gobreaker.TwoStepCircuitBreaker[any]

// class is one kind of call.
type class struct {
	kind    Calls
	take    func() (wait time.Duration, ok bool)
	breaker *breaker
	// proof is a breaker of calls that no visitor can choose. While it is open,
	// Capture is known to be down, and no code is spent on it. Nil: none.
	proof *breaker
	// outage reports whether an error means that Capture is down.
	outage func(error) bool
	// slots bounds the calls that go on at once; nil: no bound.
	slots *semaphore.Weighted
}

func newCalls(rate limit.Rate, log *slog.Logger) calls {
	ceiling := limit.NewCeiling(rate)
	logins, renewals := newBreaker(CallsLogin, log), newBreaker(CallsRenewal, log)
	renewal := class{kind: CallsRenewal, breaker: renewals, outage: down}
	due, forced := renewal, renewal
	due.take, forced.take = ceiling.TakeHigh, ceiling.TakeLow
	return calls{
		login: class{
			kind: CallsLogin, take: ceiling.TakeLogin,
			breaker: logins, proof: renewals, outage: unreachable,
			slots: semaphore.NewWeighted(loginCalls),
		},
		due: due, forced: forced, ceiling: ceiling,
	}
}

var (
	// errNoVerdict is what a breaker is told of a call that says nothing about
	// Capture: it was not made, the client disconnected, or it panicked.
	errNoVerdict = errors.New("the call says nothing about Capture")
	errOutage    = errors.New("Capture is down")
)

func newBreaker(kind Calls, log *slog.Logger) *breaker {
	return gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Name: string(kind), MaxRequests: 1, Timeout: breakFor,
		ReadyToTrip: func(counts gobreaker.Counts) bool {
			return counts.ConsecutiveFailures >= breakAfter
		},
		IsExcluded: func(err error) bool { return errors.Is(err, errNoVerdict) },
		OnStateChange: func(name string, _, to gobreaker.State) {
			switch to {
			case gobreaker.StateOpen:
				log.Error("The circuit breaker is open: Capture does not answer "+
					"and is not asked for a moment. Sessions are kept.",
					"calls", name, "failures", breakAfter, "for", breakFor)
			case gobreaker.StateClosed:
				log.Info("The circuit breaker is closed: Capture answers again.", "calls", name)
			case gobreaker.StateHalfOpen: // one call finds out
			}
		},
	})
}

func (c *calls) breakerOpen() bool {
	return c.login.breaker.State() == gobreaker.StateOpen ||
		c.due.breaker.State() == gobreaker.StateOpen
}

// admit reports whether one call of the class may be made now. If so, finish
// must be called once, with the call's error. The refusal is an *Error: then
// nothing was sent, and nothing is spent.
func (s *Service) admit(ctx context.Context, c *class) (finish func(error), err error) {
	const open = "Capture has failed many times in a row and is not asked for a moment"
	if c.proof != nil && c.proof.State() == gobreaker.StateOpen {
		return nil, putOff(breakFor, open)
	}
	report, err := c.breaker.Allow()
	if err != nil {
		return nil, putOff(breakFor, open)
	}
	if wait, ok := c.take(); !ok {
		s.config.Observer.CallLimited(c.kind)
		report(errNoVerdict)
		return nil, putOff(wait,
			"the server makes as many calls to Capture as it may; wait, then ask again")
	}
	if err := c.enter(ctx); err != nil {
		report(errNoVerdict)
		return nil, err
	}
	return func(err error) {
		c.leave()
		report(c.verdict(ctx, err))
	}, nil
}

func (c *class) enter(ctx context.Context) error {
	if c.slots == nil {
		return nil
	}
	waiting, cancel := limit.Timeout(ctx, loginPatience)
	defer cancel()
	if c.slots.Acquire(waiting, 1) == nil {
		return nil
	}
	if ctx.Err() != nil {
		return disconnected(ctx.Err())
	}
	return putOff(retrySoon, "too many logins wait for Capture; wait, then ask again")
}

func (c *class) leave() {
	if c.slots != nil {
		c.slots.Release(1)
	}
}

// verdict is what a breaker is told about a call.
func (c *class) verdict(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil, codeOf(err) != "":
		return errNoVerdict
	case c.outage(err):
		return errOutage
	}
	return nil // Capture answered, or a firewall in front of it did
}

// down reports that an error means an outage. One that is not Capture's has its
// cause below HTTP.
func down(err error) bool {
	answer, ok := errors.AsType[*capture.Error](err)
	return !ok || answer.Outage()
}

// unreachable reports that there was no connection. It is all that a login can
// prove: a visitor chooses its content, and a firewall may answer some content
// with a reset or with HTTP 503.
func unreachable(err error) bool {
	answer, ok := errors.AsType[*capture.Error](err)
	return ok && answer.Outage() && answer.Status == 0 && !answer.Lost
}

// call makes one call of the class, if it may be made now.
func (s *Service) call(ctx context.Context, c *class, do func(context.Context) error) error {
	finish, err := s.admit(ctx, c)
	if err != nil {
		return err
	}
	outcome := errNoVerdict // of a panic, too
	defer func() { finish(outcome) }()
	outcome = s.send(ctx, do)
	return outcome
}

// callOnce makes a call that spends a code or a refresh token. spend is done
// when it is certain that the call will be made, and before anything is sent.
// From then on the end of ctx ends nothing.
func (s *Service) callOnce(
	ctx context.Context, c *class, spend, do func(context.Context) error,
) error {
	finish, err := s.admit(ctx, c)
	if err != nil {
		return err
	}
	outcome := errNoVerdict
	defer func() { finish(outcome) }()
	if err := spend(ctx); err != nil {
		return err
	}
	outcome = s.send(context.WithoutCancel(ctx), do)
	return outcome
}

// follow makes a call that must follow a spent code or refresh token. No
// ceiling, breaker or bound holds it up.
func (s *Service) follow(ctx context.Context, do func(context.Context) error) error {
	s.calls.ceiling.Charge()
	ctx, cancel := limit.Timeout(ctx, min(s.config.UpstreamTimeout, followTimeout))
	defer cancel()
	return do(ctx)
}

func (s *Service) send(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := limit.Timeout(ctx, s.config.UpstreamTimeout)
	defer cancel()
	return do(ctx)
}
