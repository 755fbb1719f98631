package session

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// identifyFailed turns a failed Identify into the answer to a login. Unknown,
// dead and foreign tokens are all alike to the page, so that it cannot tell
// which tokens exist.
func (s *Service) identifyFailed(ctx context.Context, cause error) *Error {
	kind, retryAfter := about(cause)
	switch kind {
	case capture.GrantGone, capture.AccountGone, capture.TokenExpired:
		return &Error{Code: api.GrantRefused, Detail: "Capture does not vouch for accessToken; sign in again", Cause: cause}
	case capture.OperatorFault:
		return s.alarm(ctx, retryAfter, cause)
	}
	return unavailable(retryAfter, cause)
}

// issueFailed decides what a failed Issue means for the session.
func (s *Service) issueFailed(ctx context.Context, id store.ID, uuid string, cause error) *Error {
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
		if err != nil {
			return s.storeFailed(err)
		}
		s.config.Log.InfoContext(ctx, "the account is gone, its sessions have ended", "user", userTag(uuid), "sessions", ended, "cause", cause)
		return &Error{Code: api.SessionEnded, Detail: "the account is gone; sign in again", Cause: cause}
	case capture.GrantGone:
		if err := s.config.Store.Delete(ctx, id); err != nil {
			return s.storeFailed(err)
		}
		s.config.Log.InfoContext(ctx, "the grant is gone, its session has ended", "session", Tag(id), "cause", cause)
		return &Error{Code: api.SessionEnded, Detail: "the grant is gone; sign in again", Cause: cause}
	case capture.OperatorFault:
		return s.alarm(ctx, retryAfter, cause)
	}
	s.config.Log.WarnContext(ctx, "a renewal failed for now", "session", Tag(id), "cause", cause)
	return unavailable(retryAfter, cause)
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
