package capture

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// maxAnswer bounds what is read of an answer, in bytes. Real ones have a few
// hundred.
const maxAnswer = 64 << 10

// newHTTPClients returns a client that keeps connections, and one that opens a
// fresh one for each call: on a kept connection, which the other side may be
// closing, a call that must be sent once can be lost before it is read. Neither
// follows redirects: a credential is for the configured host alone.
func newHTTPClients(transport http.RoundTripper) (kept, fresh *http.Client) {
	once := transport
	if transport == nil {
		own := &http.Transport{
			// Operators' networks often reach the outside through a proxy only.
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:    5 * time.Second,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			MaxConnsPerHost:        64,
			MaxIdleConns:           16,
			MaxIdleConnsPerHost:    16,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 32 << 10,
			// Answers are small, and what is not compressed cannot inflate.
			DisableCompression: true,
		}
		alone := own.Clone()
		alone.DisableKeepAlives = true
		transport, once = own, alone
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: transport, CheckRedirect: stay}, &http.Client{Transport: once, CheckRedirect: stay}
}

// call posts form and returns the body of an answer that says ok. hidden is
// what must not come back in an error.
func (c *Client) call(ctx context.Context, op operation, header http.Header, form url.Values, hidden ...secret.String) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	// Once there is a connection, the request may have gone out on it.
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	})

	request, err := http.NewRequestWithContext(ctx, http.MethodPost,
		c.base.JoinPath(op.endpoint).String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, &Error{Op: op.endpoint, Kind: OperatorFault, Cause: err}
	}
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	header.Set("Accept", "application/json")
	header.Set("User-Agent", "capture-keepalive")
	request.Header = header
	client := c.http
	if op.once {
		// Without it net/http cannot send the body a second time, which it does
		// of itself when a server turns a call of HTTP/2 away.
		request.GetBody = nil
		client = c.fresh
	}

	response, err := client.Do(request)
	if err != nil {
		return nil, &Error{Op: op.endpoint, Lost: sent.Load(), Cause: cause(err)}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, &Error{Op: op.endpoint, Status: response.StatusCode, Lost: true, Cause: cause(err)}
	}
	if failure := judge(op, response.StatusCode, response.Header, body, c.now(), hidden); failure != nil {
		return nil, failure
	}
	return body, nil
}

// judge reads an answer; nil means that it says ok. It decides by Capture's
// number, except where the HTTP status says that somebody in between is
// talking, or that the service is not itself.
func judge(op operation, status int, header http.Header, body []byte, now time.Time, hidden []secret.String) *Error {
	failure := &Error{Op: op.endpoint, Status: status, RetryAfter: retryAfter(header, now), Skew: skew(header, now)}
	var answer struct {
		Stat      string `json:"stat"`
		Code      int    `json:"code"`
		Name      string `json:"error"`
		Argument  string `json:"argument_name"`
		RequestID string `json:"request_id"`
	}
	readable := len(body) <= maxAnswer && json.Unmarshal(body, &answer) == nil
	if readable && answer.Stat == "error" {
		failure.Number = answer.Code
		failure.Name = loggable(answer.Name, wordChars, hidden)
		failure.Argument = loggable(answer.Argument, wordChars, hidden)
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
		failure.Kind = verdict(op, answer.Code, answer.Argument)
	case readable && answer.Stat == "ok" && status < 300:
		return nil
	default:
		failure.Cause = errNotJSON
	}
	return failure
}

// cause reduces an error of the transport to what is known to hold no text of
// the answer: net/http quotes a broken status line, and HTTP/2 passes on the
// peer's debug data.
func cause(err error) error {
	for _, plain := range []error{context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF} {
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
