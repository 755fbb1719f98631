//go:build js && wasm

package browser

import (
	"strconv"
	"strings"
	"time"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// A mark is one line: a version, then its fields, separated by spaces. The
// loader reads and writes it too (web/src/mark.js): they change together.
const (
	markVersion = "2"
	markFields  = 13
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
		markVersion, or(m.Fingerprint), or(m.Who),
		ms(m.Written), ms(m.Expires), ms(m.Idle), ms(m.Absolute),
		strconv.FormatInt(m.Life.Milliseconds(), 10), ms(m.NotBefore),
		or(m.Why.String()), strconv.FormatBool(m.Ending),
		strconv.Itoa(m.Failures), ms(m.FailedAt),
	}, " ")
}

// decodeMark reads a mark. Whatever is not one of ours reads as none: then the
// server is asked, which is never wrong.
func decodeMark(line string) session.Mark {
	fields, ok := splitMark(line)
	if !ok {
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
		n, ok := wholeNumber(s)
		bad = bad || !ok || n > latest
		return n
	}
	ms := func(s string) session.Instant {
		if s == markNothing {
			return session.Instant{}
		}
		return session.AtWall(num(s))
	}
	why, known := session.ParseWhy(or(fields[9]))
	m := session.Mark{
		Fingerprint: or(fields[1]), Who: or(fields[2]), Written: ms(fields[3]), Expires: ms(fields[4]),
		Idle: ms(fields[5]), Absolute: ms(fields[6]),
		Life:      time.Duration(num(fields[7])) * time.Millisecond,
		NotBefore: ms(fields[8]), Why: why, Ending: fields[10] == "true",
		Failures: int(num(fields[11])), FailedAt: ms(fields[12]),
	}
	half := (m.Fingerprint == "") != (m.Who == "")
	if bad || half || !known {
		return session.Mark{}
	}
	return m
}

// splitMark splits a line at its spaces. It fails if that is not a mark.
func splitMark(line string) (fields [markFields]string, ok bool) {
	for i := range fields {
		at := strings.IndexByte(line, ' ')
		if last := i == markFields-1; last != (at < 0) {
			return fields, false
		} else if last {
			at = len(line)
		}
		fields[i] = line[:at]
		line = line[min(at+1, len(line)):]
	}
	return fields, fields[0] == markVersion
}

// wholeNumber reads digits, and nothing else; what is too great for latest is
// latest+1. (strconv would bring 6 KB of errors into the module.)
func wholeNumber(digits string) (n int64, ok bool) {
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = min(n*10+int64(c-'0'), latest+1)
	}
	return n, digits != ""
}
