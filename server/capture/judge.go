package capture

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/andybalholm/brotli"

	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// maxAnswer bounds what is read of an answer, in bytes, before and after it is
// inflated. Real ones have a few hundred.
const maxAnswer = 64 << 10

// call posts form and returns the body of an answer that says ok. hidden is
// what must not come back in an error.
func (c *Client) call(
	ctx context.Context, op operation, header http.Header, form url.Values, hidden ...secret.String,
) ([]byte, error) {
	// An answer that came while the process was paused is still read.
	ctx, cancel := limit.Timeout(ctx, c.config.Timeout)
	defer cancel()
	made := c.send(ctx, op, header, form)
	if made.err != nil {
		lost := made.connected || made.answered
		return nil, &Error{Op: op.endpoint, Status: made.status, Lost: lost, Cause: cause(made.err)}
	}
	body := inflate(strings.Join(made.header.Values("Content-Encoding"), ","), made.body)
	body = bytes.TrimPrefix(body, []byte("\ufeff")) // RFC 8259 section 8.1 lets it be ignored
	if failure := judge(op, made.status, made.header, body, c.config.Now(), hidden); failure != nil {
		return nil, failure
	}
	return body, nil
}

// maxCodings is how often an answer is inflated: each of two proxies may have
// compressed it.
const maxCodings = 2

// inflate returns the plain body of an answer that proxies on the way have
// compressed without being asked. What cannot be inflated is returned as it is,
// and is then not JSON.
func inflate(coding string, body []byte) []byte {
	for range maxCodings {
		plain, err := inflateOnce(strings.ToLower(coding), body)
		if err != nil {
			break
		}
		body = plain
	}
	return body
}

// inflateOnce goes by what the body is, where that shows, and by its name where
// it does not.
func inflateOnce(coding string, body []byte) ([]byte, error) {
	var plain io.Reader
	var err error
	packed := bytes.NewReader(body)
	switch {
	case json.Valid(body):
		return nil, errNotPacked
	case bytes.HasPrefix(body, []byte{0x1f, 0x8b}): // RFC 1952 section 2.3.1
		plain, err = gzip.NewReader(packed)
	case len(body) > 2 && body[0]&0x0f == 8 && binary.BigEndian.Uint16(body)%31 == 0: // RFC 1950 section 2.2
		plain, err = zlib.NewReader(packed)
	case strings.Contains(coding, "br"):
		plain = brotli.NewReader(packed)
	case strings.Contains(coding, "deflate"): // without the wrapper, as many servers send it
		plain = flate.NewReader(packed)
	default:
		return nil, errNotPacked
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(plain, maxAnswer+1))
}

// reply is what every answer of Capture has (contract section 4).
type reply struct {
	Stat      string `json:"stat"`
	Code      int    `json:"code"`
	Name      string `json:"error"`
	Argument  string `json:"argument_name"`
	RequestID string `json:"request_id"`
}

// judge reads an answer; nil means that it says ok. Capture's number decides,
// except where the HTTP status shows that a proxy is talking, or that the
// service is in trouble.
func judge(
	op operation, status int, header http.Header, body []byte,
	now time.Time, hidden []secret.String,
) *Error {
	failure := &Error{
		Op:         op.endpoint,
		Status:     status,
		RetryAfter: retryAfter(header, now),
		Skew:       skew(header, now),
	}
	var answer reply
	readable := len(body) <= maxAnswer && json.Unmarshal(body, &answer) == nil
	if readable && answer.Stat == "error" {
		failure.Number = answer.Code
		failure.Name = loggableName(answer.Name, hidden)
		failure.Argument = loggableName(answer.Argument, hidden)
		failure.RequestID = loggable(answer.RequestID, identifierChars, hidden)
	}
	switch {
	case status == http.StatusTooManyRequests:
		failure.Kind = RateLimited
	case status >= 500:
		failure.Cause = errServer
	case status >= 300 && status < 400:
		failure.Cause = errRedirect
	case len(body) > maxAnswer:
		failure.Cause = errTooLong
	case readable && answer.Stat == "error":
		failure.Kind, failure.Cause = refusal(op, answer, body)
	case readable && answer.Stat == "ok" && status < 300:
		return nil
	case !utf8.Valid(body):
		failure.Cause = errPacked
	default:
		failure.Cause = errNotJSON
	}
	return failure
}

// cause reduces an error of the transport to what is known to hold no text of
// the answer: net/http quotes a broken status line, and HTTP/2 passes on the
// peer's debug data.
func cause(err error) error {
	for _, plain := range []error{
		context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, plain) {
			return plain
		}
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return certificate
	}
	if network, ok := errors.AsType[net.Error](err); ok && network.Timeout() {
		return os.ErrDeadlineExceeded
	}
	return errProtocol
}

// refusal is what an error of Capture means.
func refusal(op operation, answer reply, body []byte) (Kind, error) {
	if ambiguous(body) {
		return Temporary, errAmbiguous
	}
	return verdict(op, answer.Code, answer.Argument), nil
}

// ambiguous reports whether an object has a member twice, or "Stat" for "stat".
// Two readers may differ about what counts, and a verdict can end sessions for
// good.
func ambiguous(body []byte) bool {
	seen := make(map[string]bool)
	decoder := json.NewDecoder(bytes.NewReader(body))
	_, _ = decoder.Token() // the opening brace: the body has been read once
	for decoder.More() {
		token, _ := decoder.Token()
		name, _ := token.(string)
		plain := strings.ToLower(name) // encoding/json takes any spelling
		odd := plain != name && (plain == "stat" || plain == "code")
		var value json.RawMessage
		if odd || seen[plain] || decoder.Decode(&value) != nil {
			return true
		}
		seen[plain] = true
	}
	return false
}
