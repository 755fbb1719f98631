package httpapi

import (
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/session"
)

const (
	// slowAnswer is the time from which on an answer is worth a line in the log
	// whatever it says.
	slowAnswer = time.Second
	// sampledLines is how many lines of one kind the log has in a second.
	sampledLines = 10
	// sampledKinds is more than there are kinds of lines.
	sampledKinds = 64
)

// logRequest says what happened, in words of ours alone: the path, query,
// cookies and bodies are the client's and may hold secrets.
func (s *Server) logRequest(c *call, id string, code api.Code, took time.Duration, err error) {
	status, ctx := c.Response().Status, c.Request().Context()
	level := levelOf(status, code, took, c.news)
	if !s.config.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("requestId", id),
		slog.String("method", method(c.Request().Method)),
		slog.String("route", route(c)),
		slog.Int("status", status),
		slog.Duration("duration", took),
	}
	if level > slog.LevelDebug && !c.news {
		omitted, ok := s.lines.allow(string(code))
		if !ok {
			level = slog.LevelDebug
		}
		if omitted > 0 {
			attrs = append(attrs, slog.Int("omitted", omitted))
		}
	}
	if c.tagged {
		attrs = append(attrs, slog.String("session", session.Tag(c.session)))
	}
	if code != "" {
		attrs = append(attrs, slog.String("code", string(code)))
	}
	// The code says everything about an error of this package; others have a
	// cause.
	if own := (*problem)(nil); err != nil && !errors.As(err, &own) {
		attrs = append(attrs, slog.Any("error", err))
	}
	s.config.Log.LogAttrs(ctx, level, "request", attrs...)
}

// levelOf is how loud the line of a request is. Pages and proxies ask all day
// how things stand, and the metrics count them; a line for each would hide those
// about sessions that began or ended, and fill the disk.
func levelOf(status int, code api.Code, took time.Duration, news bool) slog.Level {
	switch {
	case code == CodeDisconnected && !news:
		return slog.LevelDebug
	case status == http.StatusInternalServerError:
		return slog.LevelError // a fault of this server
	case status > http.StatusInternalServerError:
		return slog.LevelWarn // a fault of another system, which may soon be over
	case status >= http.StatusBadRequest, took >= slowAnswer, news:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// sampler keeps a flood of like requests from flooding the log: of each kind it
// lets through a few lines in a second, and then says how many it left out.
// Kinds must be words of the program, for they are remembered.
type sampler struct {
	lines *limit.Table[string]

	mu      sync.Mutex
	omitted map[string]int // guarded by mu
}

func newSampler() *sampler {
	rate := limit.Rate{Events: sampledLines, Per: time.Second}
	return &sampler{lines: limit.NewTable[string](rate, sampledKinds), omitted: make(map[string]int)}
}

// allow reports whether a line of this kind may be written, and how many of its
// kind were left out since the last one.
func (s *sampler) allow(kind string) (omitted int, ok bool) {
	_, ok = s.lines.Take(kind)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ok {
		s.omitted[kind]++
		return 0, false
	}
	omitted = s.omitted[kind]
	delete(s.omitted, kind)
	return omitted, true
}
