//go:build js && wasm

package browser

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// The keys of localStorage: the Registration UI's (contract, section 1), and
// ours, which holds no secret.
const (
	keyToken   = "janrainCaptureToken"
	keyExpires = "janrainCaptureToken_Expires"
	keyMark    = "captureKeepalive"
)

// storage reads and writes localStorage.
type storage struct{}

// area is localStorage itself; false where it is missing or denied.
func (storage) area() (safejs.Value, bool) {
	area := path("localStorage")
	return area, callable(area, "getItem")
}

func item(area safejs.Value, key string) string {
	value, err := invoke(area, "getItem", key)
	if err != nil {
		return ""
	}
	return text(value)
}

// snapshot reads what concerns us, as of now.
func (s storage) snapshot() session.Snapshot {
	area, ok := s.area()
	if !ok {
		return session.Snapshot{}
	}
	return session.Snapshot{
		Readable: true,
		Token:    session.NewToken(item(area, keyToken)),
		Expires:  parseDate(item(area, keyExpires)),
		Mark:     decodeMark(item(area, keyMark)),
	}
}

// withdraw removes the token and its date, wherever the UI keeps them.
func (s storage) withdraw() {
	area, readable := s.area()
	domain := text(path("janrain", "settings", "capture", "cookieDomain"))
	for _, key := range []string{keyToken, keyExpires} {
		if readable {
			_, _ = invoke(area, "removeItem", key)
		}
		if domain != "" {
			assign(path("document"), "cookie", key+"=; Max-Age=0; Path=/; Domain="+domain)
		}
	}
}

// setMark writes the mark, or removes it when it is zero. Where storage is
// full or denied the page goes on without one.
func (s storage) setMark(mark session.Mark) {
	area, ok := s.area()
	if !ok {
		return
	}
	if mark == (session.Mark{}) {
		_, _ = invoke(area, "removeItem", keyMark)
		return
	}
	_, _ = invoke(area, "setItem", keyMark, encodeMark(mark))
}

// latest is the last moment, in unix ms, whose distance from now a Go duration
// holds: the year 2262.
const latest = math.MaxInt64 / int64(time.Millisecond)

// parseDate reads a date as the browser does: of the three spellings in use
// only Date.parse knows all. Zero when it does not know it either. A date that
// stands for never (the year 9999, 1970) is moved to where it can be compared.
func parseDate(spelling string) session.Instant {
	if spelling == "" {
		return session.Instant{}
	}
	value, err := invoke(path("Date"), "parse", spelling)
	if err != nil {
		return session.Instant{}
	}
	ms, ok := number(value)
	if !ok {
		return session.Instant{}
	}
	return session.AtWall(int64(min(max(ms, 1), float64(latest))))
}

// A mark is one line: a version, then its fields, separated by spaces.
const (
	markVersion = "1"
	markFields  = 11
	markNothing = "-" // an empty field
)

func encodeMark(m session.Mark) string {
	or := func(s string) string {
		if s == "" {
			return markNothing
		}
		return s
	}
	ms := func(t session.Instant) string {
		if t.IsZero() {
			return markNothing
		}
		return strconv.FormatInt(t.UnixMilli(), 10)
	}
	return strings.Join([]string{
		markVersion, or(m.Fingerprint), or(m.Who), ms(m.Written), ms(m.Expires), ms(m.Idle), ms(m.Absolute),
		strconv.FormatInt(m.Life.Milliseconds(), 10), ms(m.NotBefore), or(string(m.Why)), strconv.FormatBool(m.Ending),
	}, " ")
}

// decodeMark reads a mark. Whatever is not one of ours reads as none: then the
// server is asked, which is never wrong.
func decodeMark(line string) session.Mark {
	fields := strings.Split(line, " ")
	if len(fields) != markFields || fields[0] != markVersion {
		return session.Mark{}
	}
	bad := false
	or := func(s string) string {
		if s == markNothing {
			return ""
		}
		return s
	}
	num := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 || n > latest {
			bad = true
		}
		return n
	}
	ms := func(s string) session.Instant {
		if s == markNothing {
			return session.Instant{}
		}
		return session.AtWall(num(s))
	}
	m := session.Mark{
		Fingerprint: or(fields[1]), Who: or(fields[2]), Written: ms(fields[3]), Expires: ms(fields[4]),
		Idle: ms(fields[5]), Absolute: ms(fields[6]), Life: time.Duration(num(fields[7])) * time.Millisecond,
		NotBefore: ms(fields[8]), Why: session.Why(or(fields[9])), Ending: fields[10] == "true",
	}
	if bad || m.Why != "" && m.Why.Sentence() == "" {
		return session.Mark{}
	}
	return m
}
