//go:build js && wasm

package browser

import (
	"math"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// The keys of localStorage: the Registration UI's (contract, section 1), and
// ours, which holds no secret.
const (
	keyToken   = "janrainCaptureToken"
	keyExpires = "janrainCaptureToken_Expires"
	keyProfile = "janrainCaptureProfileData"
	keyMark    = "captureKeepalive"
)

// storage reads and writes localStorage.
type storage struct {
	// warned: the page's developer knows that it cannot be written.
	warned bool
}

// area is localStorage itself; false where it is missing or denied.
func area() (safejs.Value, bool) {
	area := path("localStorage")
	return area, callable(area, "getItem")
}

// read reads an item; "" when there is none. It fails where storage is there
// and cannot be read: then there being no item means nothing.
func read(area safejs.Value, key string) (string, error) {
	value, err := invoke(area, "getItem", key)
	return text(value), err
}

func item(area safejs.Value, key string) string {
	value, _ := read(area, key)
	return value
}

// snapshot reads what concerns us, as of now.
func (s *storage) snapshot() session.Snapshot {
	area, ok := area()
	if !ok {
		return session.Snapshot{}
	}
	token, err := read(area, keyToken)
	if err != nil {
		return session.Snapshot{}
	}
	return session.Snapshot{
		Readable: true,
		Token:    session.NewToken(token),
		Expires:  parseDate(item(area, keyExpires)),
		Mark:     decodeMark(item(area, keyMark)),
		// Of a profile that cannot be read there is none.
		ProfileUUID: profileUUID(item(area, keyProfile)),
	}
}

func profileUUID(profile string) string {
	value, err := invoke(path("JSON"), "parse", profile)
	if err != nil {
		return ""
	}
	return text(get(value, "uuid"))
}

// withdraw removes the token and its date, wherever the UI keeps them.
func (s *storage) withdraw() {
	area, readable := area()
	domain := text(path("janrain", "settings", "capture", "cookieDomain"))
	for _, key := range []string{keyToken, keyExpires} {
		if readable {
			_, _ = invoke(area, "removeItem", key)
		}
		if domain != "" {
			setNative(document(), "Document", "cookie", key+"=; Max-Age=0; Path=/; Domain="+domain)
		}
	}
}

// setMark writes the mark, or removes it when it is zero. Where storage is
// full or denied the page goes on without one, and asks more often.
func (s *storage) setMark(mark session.Mark) {
	area, ok := area()
	if !ok {
		return
	}
	var err error
	if mark == (session.Mark{}) {
		_, err = invoke(area, "removeItem", keyMark)
	} else {
		_, err = invoke(area, "setItem", keyMark, encodeMark(mark))
	}
	if err != nil && !s.warned {
		s.warned = true
		warn("localStorage cannot be written (is it full?): this tab's renewals are not seen by others")
	}
}

// latest is the last moment, in unix ms, that a Go duration can count from
// 1970: the year 2262.
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
