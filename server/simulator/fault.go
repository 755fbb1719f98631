package simulator

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Fault is trouble ordered for an endpoint: latency, and then an error number,
// an answer of its own, a lost one, or, with none of these, the ordinary answer.
type Fault struct {
	// Endpoint is one of the Endpoint constants; empty means any of them.
	Endpoint string
	// Times is how many calls it meets; 0 means every one until it is cleared.
	Times int
	// Delay comes before the answer, and before the endpoint does its work.
	Delay time.Duration
	// Until is another delay: until it is closed. nil means none.
	Until <-chan struct{}
	// Number is an error number of Capture, with its argument_name.
	Number   int
	Argument string
	// Status is the HTTP status of Number; 0 means the one of the endpoint's own
	// errors. With 400 or 401 the error has the shape of those of oauth/*.
	Status int
	// Lost has the endpoint do its work and then drop the connection: no
	// client gets the answer.
	Lost bool
	// Answer answers in the endpoint's place; see [HTML], [Body], [Reset] and
	// [TooMany].
	Answer http.Handler
}

// Fail orders a fault. Faults form a queue: a call meets the first one for its
// endpoint that is not used up. undo takes this one back.
func (s *Service) Fail(fault Fault) (undo func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	queued := &fault
	s.faults = append(s.faults, queued)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = slices.DeleteFunc(s.faults, func(f *Fault) bool { return f == queued })
	}
}

// trouble says what the next call to an endpoint meets; the zero Fault is none.
func (s *Service) trouble(endpoint string) (off bool, fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outage {
		return true, Fault{}
	}
	for i, queued := range s.faults {
		if queued.Endpoint != "" && queued.Endpoint != endpoint {
			continue
		}
		fault = *queued
		if queued.Times == 1 {
			s.faults = slices.Delete(s.faults, i, i+1)
		} else if queued.Times > 1 {
			queued.Times--
		}
		return false, fault
	}
	return false, Fault{}
}

// Body answers with this status, type and body: an empty one, a cut one,
// garbage, an ok without a token.
func Body(status int, contentType, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
}

// HTML answers like a proxy with a service that does not: 502, 503.
func HTML(status int) http.Handler {
	title := http.StatusText(status)
	return Body(status, "text/html; charset=utf-8", strings.Join([]string{
		"<!doctype html>", "<html><head><title>" + title + "</title></head>",
		"<body><h1>" + title + "</h1></body></html>", "",
	}, "\n"))
}

// TooMany answers HTTP 429; retryAfter is its header, none if empty.
func TooMany(retryAfter string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		HTML(http.StatusTooManyRequests).ServeHTTP(w, r)
	})
}

// Reset drops the connection without an answer. It needs a real one, of
// HTTP/1.
func Reset() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			// net/http's own way to break off, where there is nothing to hijack.
			panic(http.ErrAbortHandler)
		}
		if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
			// A linger of 0 makes the close a reset.
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	})
}
