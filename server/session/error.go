package session

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// Waits that are suggested where the failure names none.
const (
	retrySoon      = time.Second
	retryTemporary = 5 * time.Second
	retryOperator  = 30 * time.Second
	// maxRetry bounds a wait that Capture, or a page in front of it, asks for: a
	// maintenance page that says an hour may be gone in a minute.
	maxRetry = time.Minute
)

// Error is what every method of Service returns when it fails.
type Error struct {
	Code api.Code
	// RetryAfter is when asking again may help; 0 when that is unknown, or when
	// it cannot help.
	RetryAfter time.Duration
	// Detail is a sentence for the person who reads the answer. It holds no
	// secret and nothing about an account.
	Detail string
	// Cause is for the log.
	Cause error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Cause == nil {
		return fmt.Sprintf("session: %s: %s", e.Code, e.Detail)
	}
	return fmt.Sprintf("session: %s: %s: %s", e.Code, e.Detail, e.Cause)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// LogValue implements slog.LogValuer.
func (e *Error) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("code", string(e.Code)), slog.String("detail", e.Detail)}
	if e.RetryAfter > 0 {
		attrs = append(attrs, slog.Duration("retryAfter", e.RetryAfter))
	}
	if e.Cause != nil {
		attrs = append(attrs, slog.String("cause", e.Cause.Error()))
	}
	return slog.GroupValue(attrs...)
}

// codeOf is the code of an error of this package; empty for any other.
func codeOf(err error) api.Code {
	if failure, ok := errors.AsType[*Error](err); ok {
		return failure.Code
	}
	return ""
}

// storeFailed tells the answers of a store about a session from its failures.
func storeFailed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrExpired):
		return &Error{
			Code:   api.SessionEnded,
			Detail: "the session's idle or absolute limit has passed; sign in again", Cause: err,
		}
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrTampered):
		return &Error{Code: api.SessionEnded, Detail: "the session is gone; sign in again", Cause: err}
	}
	return &Error{
		Code: api.StoreUnavailable, RetryAfter: retryTemporary,
		Detail: "the session store did not answer; the session is untouched", Cause: err,
	}
}

// unavailable is the answer to what may work later.
func unavailable(retryAfter time.Duration, cause error) *Error {
	return &Error{
		Code: api.UpstreamUnavailable, RetryAfter: min(cmp.Or(retryAfter, retryTemporary), maxRetry),
		Detail: "Capture cannot answer now; the session is untouched", Cause: cause,
	}
}

// putOff is the answer to what this server does not begin now.
func putOff(retryAfter time.Duration, why string) *Error {
	return &Error{Code: api.UpstreamUnavailable, RetryAfter: min(retryAfter, maxRetry), Detail: why}
}

// disconnected is the answer that no client reads.
func disconnected(cause error) *Error {
	return &Error{
		Code: api.UpstreamUnavailable, RetryAfter: retryTemporary,
		Detail: "the client disconnected, or its time was over; what has begun goes on", Cause: cause,
	}
}

func operatorFault(retryAfter time.Duration, cause error) *Error {
	return &Error{
		Code: api.UpstreamRefused, RetryAfter: min(cmp.Or(retryAfter, retryOperator), maxRetry),
		Detail: "Capture refuses the service's own client or settings; " +
			"its operator has been told, the session is untouched",
		Cause: cause,
	}
}

func grantRefused(cause error) *Error {
	return &Error{
		Code:   api.GrantRefused,
		Detail: "Capture does not accept this login; sign in again", Cause: cause,
	}
}

// codeLost has no RetryAfter: the same code would be refused.
func codeLost(cause error) *Error {
	return &Error{
		Code:   api.UpstreamUnavailable,
		Detail: "Capture cannot answer now, and a code works once; sign in again", Cause: cause,
	}
}

func internal() *Error {
	return &Error{Code: api.Internal, Detail: "the server failed by a fault of its own"}
}

// verdictOf is what an error of Capture says. Anything that is not understood
// is temporary, and so keeps the session.
func verdictOf(err error) (capture.Kind, time.Duration) {
	if answer, ok := errors.AsType[*capture.Error](err); ok {
		return answer.Kind, answer.RetryAfter
	}
	return capture.Temporary, 0
}
