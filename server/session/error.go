package session

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// Error is what every method of Service returns when it fails.
type Error struct {
	Code api.Code
	// RetryAfter is when asking again may help; 0 when nobody can say, or when
	// it cannot help.
	RetryAfter time.Duration
	// Detail is a sentence for the person who reads the answer. It holds no
	// secret and nothing about anyone's account.
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
