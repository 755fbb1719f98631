package session

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// identifyFailed turns a failed Identify into the answer to a login. Unknown,
// dead and foreign tokens are all alike to the page, so that it cannot tell
// which tokens exist.
func (s *Service) identifyFailed(ctx context.Context, cause error) *Error {
	kind, retryAfter := about(cause)
	switch kind {
	case capture.GrantGone, capture.AccountGone, capture.TokenExpired:
		return grantRefused(cause)
	case capture.OperatorFault:
		return s.alarm(ctx, retryAfter, cause)
	}
	return unavailable(retryAfter, cause)
}

func grantRefused(cause error) *Error {
	return &Error{Code: api.GrantRefused, Detail: "Capture does not vouch for this login; sign in again", Cause: cause}
}

// stranger is a token that Capture does not vouch for, and until when that is
// believed.
type stranger struct {
	until time.Time
	cause error
}

// identifyOnce is identify, but asks only once in a while about a token that
// Capture does not vouch for. Tokens are remembered by their hash. A code needs
// none of this: it is sent once in any case.
func (s *Service) identifyOnce(ctx context.Context, token secret.String) (string, error) {
	hash := token.Hash()
	if known, ok := s.strange.Get(hash); ok && s.now().Before(known.until) {
		return "", grantRefused(known.cause)
	}
	uuid, err := s.identify(ctx, token)
	if failure := (*Error)(nil); errors.As(err, &failure) && failure.Code == api.GrantRefused {
		s.strange.Put(hash, stranger{s.now().Add(strangerMemory), failure.Cause})
	}
	return uuid, err
}

// exchangeFailed turns a failed Exchange into the answer to a login. The code is
// spent: what can be tried again is signing in.
func (s *Service) exchangeFailed(ctx context.Context, cause error) *Error {
	failure := s.identifyFailed(ctx, cause)
	if failure.Code == api.UpstreamUnavailable {
		s.config.Log.WarnContext(ctx, "a code could not be exchanged; its user has to sign in again", "cause", cause)
		return codeLost(cause)
	}
	return failure
}

// codeLost has no RetryAfter: the same code would be refused.
func codeLost(cause error) *Error {
	return &Error{Code: api.UpstreamUnavailable, Detail: "Capture cannot answer now, and a code works once; sign in again", Cause: cause}
}

// renewalFailed decides what a failed Issue or Refresh means for the session.
func (s *Service) renewalFailed(ctx context.Context, id store.ID, uuid string, cause error) *Error {
	var failure *Error
	if errors.As(cause, &failure) {
		// Our own ceiling: Capture was not asked.
		s.config.Log.WarnContext(ctx, "a renewal was put off", "session", Tag(id), "error", failure)
		return failure
	}
	// The call may have used up the time of the flight; its verdict still counts.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	kind, retryAfter := about(cause)
	switch kind {
	case capture.AccountGone:
		ended, err := s.config.Store.DeleteByUUID(ctx, uuid)
		s.config.Observer.SessionsEnded(WhyAccountGone, ended)
		if err != nil {
			return s.storeFailed(err)
		}
		s.config.Log.InfoContext(ctx, "the account is gone, its sessions have ended", "user", userTag(uuid), "sessions", ended, "cause", cause)
		return &Error{Code: api.SessionEnded, Detail: "the account is gone; sign in again", Cause: cause}
	case capture.GrantGone:
		if err := s.end(ctx, id, WhyGrantGone); err != nil {
			return s.storeFailed(err)
		}
		s.config.Log.InfoContext(ctx, "the grant is gone, its session has ended", "session", Tag(id), "cause", cause)
		return &Error{Code: api.SessionEnded, Detail: "the grant is gone; sign in again", Cause: cause}
	case capture.OperatorFault:
		return s.rest(id, s.alarm(ctx, retryAfter, cause))
	}
	s.config.Log.WarnContext(ctx, "a renewal failed for now", "session", Tag(id), "cause", cause)
	return s.rest(id, unavailable(retryAfter, cause))
}

// pause is how a session's last renewal failed, and until when it is left
// alone.
type pause struct {
	until   time.Time
	failure *Error
}

// rest remembers that a renewal failed for now: the requests of one page must
// not become as many calls of a service in trouble.
func (s *Service) rest(id store.ID, failure *Error) *Error {
	s.paused.Put(id.Key(), pause{s.now().Add(max(failure.RetryAfter, leastPause)), failure})
	return failure
}

// rested is the failure of a renewal that was not long enough ago.
func (s *Service) rested(session store.Key) error {
	last, paused := s.paused.Get(session)
	wait := last.until.Sub(s.now())
	if !paused || wait <= 0 {
		return nil
	}
	return &Error{Code: last.failure.Code, RetryAfter: wait, Detail: last.failure.Detail, Cause: last.failure.Cause}
}

// alarm is for what only the operator can put right. Users keep their sessions.
func (s *Service) alarm(ctx context.Context, retryAfter time.Duration, cause error) *Error {
	s.config.Log.ErrorContext(ctx, "Capture refuses this service's client, permission or configuration; run the check command with --live", "cause", cause)
	return &Error{Code: api.UpstreamRefused, RetryAfter: cmp.Or(retryAfter, retryOperator), Detail: "Capture refuses the service's own client; its operator has been told, the session is untouched", Cause: cause}
}

func unavailable(retryAfter time.Duration, cause error) *Error {
	return &Error{Code: api.UpstreamUnavailable, RetryAfter: cmp.Or(retryAfter, retryTemporary), Detail: "Capture cannot answer now; the session is untouched", Cause: cause}
}

// about is what an error of Capture says; anything that is not understood is
// temporary and so keeps the session.
func about(err error) (capture.Kind, time.Duration) {
	var answer *capture.Error
	if errors.As(err, &answer) {
		return answer.Kind, answer.RetryAfter
	}
	return capture.Temporary, 0
}
