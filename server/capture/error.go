package capture

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Error is every error of [Client]'s calls. It holds no text of the answer but
// what looks like an identifier and is none of the secrets that were sent.
type Error struct {
	// Op is the call that failed: "entity", "access/getAccessToken" or
	// "oauth/token".
	Op string
	// Kind says who the error is about; decide by this.
	Kind Kind
	// Number is Capture's error number (contract section 4); 0 if the answer
	// had none.
	Number int
	// Name and Argument are Capture's error and argument_name, for the log.
	Name, Argument string
	// Status is the HTTP status; 0 if there was no answer.
	Status int
	// RequestID is what Capture's support asks for; empty if there was none.
	RequestID string
	// RetryAfter is how long Capture asked to wait; 0 if it did not say, one
	// minute at most.
	RetryAfter time.Duration
	// Skew is how far the clock of the answering machine is ahead of this one's,
	// by the Date of the answer, to the second; 0 if it had none.
	Skew time.Duration
	// Lost is that no whole answer came to a request that may have been read:
	// Capture may have done what it was asked for.
	Lost bool
	// Cause is what went wrong besides; nil where the number or the status says
	// it all.
	Cause error
}

// Outage reports whether the error shows that Capture, or the way to it, is
// down: no connection, no whole answer in time, or HTTP 500 and above. A
// firewall's 403, a refusal and a limit are answers. A caller who gave up says
// nothing, and neither does this process when it has no file left to open.
func (e *Error) Outage() bool {
	if e.Kind != Temporary || errors.Is(e.Cause, context.Canceled) ||
		errors.Is(e.Cause, syscall.EMFILE) || errors.Is(e.Cause, syscall.ENFILE) {
		return false
	}
	return e.Status == 0 || e.Status >= 500 || e.Lost
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "capture: %s: %s", e.Op, e.Kind)
	sep := ": "
	say := func(format string, args ...any) {
		b.WriteString(sep)
		fmt.Fprintf(&b, format, args...)
		sep = ", "
	}
	if e.Number != 0 {
		say("error %d", e.Number)
	}
	if e.Name != "" {
		say("%s", e.Name)
	}
	if e.Argument != "" {
		say("argument %s", e.Argument)
	}
	if e.Status != 0 {
		say("HTTP %d", e.Status)
	}
	if e.RequestID != "" {
		say("request %s", e.RequestID)
	}
	if e.RetryAfter != 0 {
		say("retry after %s", e.RetryAfter)
	}
	if e.Cause != nil {
		say("%s", e.Cause)
	}
	return b.String()
}

// Unwrap makes errors.Is(err, context.DeadlineExceeded) and the like work.
func (e *Error) Unwrap() error { return e.Cause }

// ErrNotCapture is behind the Cause of an answer that is not Capture's: a web
// page, a redirect, anything but JSON with stat. With HTTP 500 and above that is
// only trouble, which proxies like to tell of in HTML, and no ErrNotCapture.
var ErrNotCapture = errors.New("the answer is not Capture's")

// What can be wrong with an answer that names no number.
var (
	errMalformedToken = errors.New("the token is not one Capture could have issued, so it was " +
		"not sent")
	errRedirect = fmt.Errorf("%w: it is a redirect, which is not followed", ErrNotCapture)
	errServer   = errors.New("the service is in trouble")
	errPacked   = fmt.Errorf("%w: it is compressed, which was not asked for, in a way that "+
		"is not read; have the proxy on the way leave answers as they are", ErrNotCapture)
	errNotPacked     = errors.New("the answer is not compressed")
	errNotJSON       = fmt.Errorf("%w: it is not JSON with stat", ErrNotCapture)
	errAmbiguous     = fmt.Errorf("%w: it has a member twice, or misspelt", ErrNotCapture)
	errTooLong       = fmt.Errorf("%w: it is longer than %d KiB", ErrNotCapture, maxAnswer>>10)
	errMalformedCode = errors.New("the code is not one Capture could have given, so it was not " +
		"sent")
	errNoIssuer = errors.New("there is no client with the access_issuer feature; a " +
		"client-side session needs one")
	errNoLogin        = errors.New("there is no login client; a server-side session needs one")
	errNoRefreshToken = errors.New("the answer says ok but has no usable refresh token")
	errNoUUID         = errors.New("the answer says ok but names no usable uuid")
	errNoToken        = errors.New("the answer says ok but has no usable access token")
	errProtocol       = errors.New("the answer is broken HTTP")
)

// maxRetryAfter bounds what an answer can ask for. A maintenance page asks for
// an hour and is gone after a minute, and the users who wait would still wait.
const maxRetryAfter = time.Minute

// retryAfter reads the header in both forms of RFC 9110 section 10.2.3; 0 if
// it is absent, past or unreadable. A date is compared with the Date of the
// same answer where there is one: the two clocks need not agree.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	seconds, err := strconv.ParseUint(value, 10, 32)
	switch {
	case err == nil:
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	case errors.Is(err, strconv.ErrRange):
		return maxRetryAfter
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now.Add(skew(header, now))), 0), maxRetryAfter)
}

// skew reads the Date of RFC 9110 section 6.6.1; 0 if it is absent or
// unreadable.
func skew(header http.Header, now time.Time) time.Duration {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0
	}
	return date.Sub(now).Round(time.Second)
}
