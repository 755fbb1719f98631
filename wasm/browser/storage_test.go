//go:build js && wasm

package browser

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// The three spellings that the contract has seen, and what is none.
func TestSnapshotExpires(t *testing.T) {
	tests := []struct {
		name, spelling string
		want           int64 // unix ms, 0 is unknown
	}{
		{"toUTCString", "Tue, 29 Mar 2016 00:24:21 GMT", 1459211061000},
		{"the day not padded", "Tue, 9 Feb 2016 12:00:00 GMT", 1455019200000},
		{"Date.toString", "Tue Mar 29 2016 11:24:21 GMT+1100 (AEDT)", 1459211061000},
		{"garbage", "in a while", 0},
		{"a number that is none", "NaN", 0},
		{"a word for undefined", "undefined", 0},
		{"no date of any calendar", "Tue, 99 Feb 2016 12:00:00 GMT", 0},
		{"missing", "", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cleanStorage(t)
			store(t, keyToken, "token-1")
			if test.spelling != "" {
				store(t, keyExpires, test.spelling)
			}
			want := session.Snapshot{Readable: true, Token: session.NewToken("token-1"),
				Expires: session.AtWall(test.want)}
			if got := new(storage).snapshot(); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

// A date for "never" is later than what a Go duration can measure, and has not
// come; one from before 1970 has.
func TestSnapshotExpiresFar(t *testing.T) {
	now := session.At(time.Now().UnixMilli(), time.Hour)
	tests := []struct {
		spelling string
		reached  bool
	}{
		{"Fri, 31 Dec 9999 23:59:59 GMT", false},
		{"+275760-09-13T00:00:00.000Z", false}, // the last a Date can hold
		{"Thu, 01 Jan 2300 00:00:00 GMT", false},
		{"Thu, 01 Jan 1970 00:00:01 GMT", true},
		{"Thu, 01 Jan 1600 00:00:00 GMT", true},
		{"-271821-04-20T00:00:00.000Z", true}, // the first
	}
	for _, test := range tests {
		t.Run(test.spelling, func(t *testing.T) {
			cleanStorage(t)
			store(t, keyExpires, test.spelling)
			expires := new(storage).snapshot().Expires
			if got := expires.Reached(now); got != test.reached || !test.reached && expires.IsZero() {
				t.Errorf("reached: %t, want %t", got, test.reached)
			}
		})
	}
}

func TestSnapshotOfNothing(t *testing.T) {
	cleanStorage(t)
	if got, want := new(storage).snapshot(), (session.Snapshot{Readable: true}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Where storage is denied, missing or broken, nothing is known, and the
// program lives on: the exception must not pass through Go.
func TestStorageDenied(t *testing.T) {
	tests := []struct {
		name       string
		descriptor map[string]any
	}{
		{"denied", map[string]any{"get": thrower(t)}},
		{"null", map[string]any{"value": nil}},
		{"missing", map[string]any{"value": safejs.Undefined()}},
		{"something else", map[string]any{"value": "storage"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			define(t, safejs.Global(), "localStorage", test.descriptor)
			s := new(storage)
			if got := s.snapshot(); got != (session.Snapshot{}) {
				t.Errorf("%+v, want nothing", got)
			}
			s.setMark(session.Mark{Fingerprint: "f"})
			s.setMark(session.Mark{})
			alive(t)
		})
	}
}

// What cannot be read says nothing: a token that is not seen is not a sign-out.
func TestStorageThatThrows(t *testing.T) {
	hear(t, "warn")
	area := made(t, map[string]any{"getItem": thrower(t), "setItem": thrower(t), "removeItem": thrower(t)})
	set(t, "localStorage", area)
	s := new(storage)
	s.setMark(session.Mark{Fingerprint: "f"})
	s.setMark(session.Mark{})
	if got := s.snapshot(); got != (session.Snapshot{}) {
		t.Errorf("%+v, want nothing", got)
	}
	alive(t)
}

// A full storage keeps what it has.
func TestQuotaExceeded(t *testing.T) {
	cleanStorage(t)
	warnings := hear(t, "warn")
	area := path("localStorage")
	refused := 0
	for n := 1 << 23; n > 0; n /= 2 {
		if _, err := area.Call("setItem", "fill"+strconv.Itoa(n), strings.Repeat("x", n)); err != nil {
			refused++
		}
	}
	if refused == 0 {
		t.Fatal("the storage has no limit")
	}
	s := new(storage)
	s.setMark(session.Mark{Fingerprint: strings.Repeat("f", 1000)})
	if got := s.snapshot(); !got.Readable || got.Mark != (session.Mark{}) {
		t.Errorf("%+v, want a readable storage without a mark", got)
	}
	s.setMark(session.Mark{Fingerprint: strings.Repeat("f", 1000)})
	warnings.only(t, "localStorage cannot be written")
	alive(t)
}

func TestSetMark(t *testing.T) {
	cleanStorage(t)
	s, mark := new(storage), fullMark()
	s.setMark(mark)
	if got := s.snapshot().Mark; got != mark {
		t.Errorf("read %+v, want %+v", got, mark)
	}
	s.setMark(session.Mark{})
	if value := call(t, path("localStorage"), "getItem", keyMark); !value.IsNull() {
		t.Errorf("after the zero mark there is %s", spell(value))
	}
}

// The profile names a user, as far as it can be read: a claim.
func TestSnapshotProfile(t *testing.T) {
	for profile, want := range map[string]string{
		`{"uuid":"uuid-1","displayName":"Ann"}`: "uuid-1", `{"uuid":7}`: "", `{}`: "", `null`: "",
		`"uuid"`: "", `{`: "", "": "",
	} {
		cleanStorage(t)
		store(t, keyProfile, profile)
		if got := new(storage).snapshot().ProfileUUID; got != want {
			t.Errorf("%s: %q, want %q", profile, got, want)
		}
	}
	alive(t)
}
