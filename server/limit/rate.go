// Package limit bounds how often things happen: a ceiling for an upstream that
// all calls share, a table of buckets for many callers. Every type is bounded in
// memory whatever the callers send.
package limit

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Rate is so many events per so long, all of which may come at once. The zero
// value is no limit.
type Rate struct {
	Events int
	Per    time.Duration
}

// ErrRate says how a rate is written.
var ErrRate = errors.New(`limit: a rate is events/duration, as "30/1m", or "off"`)

// ParseRate reads "30/1m": 30 events per minute. "off" is the zero Rate.
func ParseRate(text string) (Rate, error) {
	if text == "off" {
		return Rate{}, nil
	}
	count, per, _ := strings.Cut(text, "/") // without the slash per is no duration
	events, err := strconv.Atoi(count)
	if err != nil || events < 1 {
		return Rate{}, ErrRate
	}
	length, err := time.ParseDuration(per)
	if err != nil || length < time.Millisecond {
		return Rate{}, ErrRate
	}
	return Rate{Events: events, Per: length}, nil
}

// Off reports whether r is no limit.
func (r Rate) Off() bool { return r.Events == 0 }

// String writes r as ParseRate reads it.
func (r Rate) String() string {
	if r.Off() {
		return "off"
	}
	return strconv.Itoa(r.Events) + "/" + r.Per.String()
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rate) UnmarshalText(text []byte) error {
	parsed, err := ParseRate(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}
