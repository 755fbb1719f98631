//go:build js && wasm

package browser

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"slices"
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
			want := session.Snapshot{Readable: true, Token: session.NewToken("token-1"), Expires: session.AtWall(test.want)}
			if got := (storage{}).snapshot(); got != want {
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
			expires := storage{}.snapshot().Expires
			if got := expires.Reached(now); got != test.reached || !test.reached && expires.IsZero() {
				t.Errorf("reached: %t, want %t", got, test.reached)
			}
		})
	}
}

func TestSnapshotOfNothing(t *testing.T) {
	cleanStorage(t)
	if got, want := (storage{}).snapshot(), (session.Snapshot{Readable: true}); got != want {
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
			s := storage{}
			if got := s.snapshot(); got != (session.Snapshot{}) {
				t.Errorf("%+v, want nothing", got)
			}
			s.setMark(session.Mark{Fingerprint: "f"})
			s.setMark(session.Mark{})
			alive(t)
		})
	}
}

func TestStorageThatThrows(t *testing.T) {
	area := object(t, map[string]any{"getItem": thrower(t), "setItem": thrower(t), "removeItem": thrower(t)})
	set(t, "localStorage", area)
	s := storage{}
	s.setMark(session.Mark{Fingerprint: "f"})
	s.setMark(session.Mark{})
	if got := s.snapshot(); !got.Token.Empty() || got.Mark != (session.Mark{}) {
		t.Errorf("%+v", got)
	}
	alive(t)
}

// A full storage keeps what it has.
func TestQuotaExceeded(t *testing.T) {
	cleanStorage(t)
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
	s := storage{}
	s.setMark(session.Mark{Fingerprint: strings.Repeat("f", 1000)})
	if got := s.snapshot(); !got.Readable || got.Mark != (session.Mark{}) {
		t.Errorf("%+v, want a readable storage without a mark", got)
	}
	alive(t)
}

func TestSetMark(t *testing.T) {
	cleanStorage(t)
	s, mark := storage{}, fullMark()
	s.setMark(mark)
	if got := s.snapshot().Mark; got != mark {
		t.Errorf("read %+v, want %+v", got, mark)
	}
	s.setMark(session.Mark{})
	if value := call(t, path("localStorage"), "getItem", keyMark); !value.IsNull() {
		t.Errorf("after the zero mark there is %s", spell(value))
	}
}

func fullMark() session.Mark {
	return session.Mark{
		Fingerprint: session.NewToken("token-1").Fingerprint(), Who: session.NewToken("uuid-1").Fingerprint(),
		Written: session.AtWall(1_700_000_000_000), Expires: session.AtWall(1_700_003_600_000),
		Idle: session.AtWall(1_700_001_800_000), Absolute: session.AtWall(1_700_043_200_000),
		Life: time.Hour, NotBefore: session.AtWall(1_700_000_009_000),
	}
}

func TestMarkRoundTrip(t *testing.T) {
	noLimits := fullMark()
	noLimits.Idle, noLimits.Absolute = session.Instant{}, session.Instant{}
	ending := fullMark()
	ending.Ending = true
	for _, mark := range []session.Mark{
		fullMark(), noLimits, ending,
		{Written: session.AtWall(1), Ending: true},
		{Written: session.AtWall(1)},
		{Written: session.AtWall(1), Why: session.WhyIdleLimit},
		{NotBefore: session.AtWall(1)},
		{Fingerprint: "f"}, {Who: "w"}, {Life: time.Millisecond},
	} {
		if got := decodeMark(encodeMark(mark)); got != mark {
			t.Errorf("%q: %+v, want %+v", encodeMark(mark), got, mark)
		}
	}
}

func TestMarkGarbage(t *testing.T) {
	const good = "1 f w 1 2 3 4 5 - - false"
	if decodeMark(good) == (session.Mark{}) {
		t.Fatal("the good one is none")
	}
	for _, line := range []string{
		"", " ", "1", "        ", "garbage", "null", "undefined", `{"v":1}`,
		"2 f w 1 2 3 4 5 - - false",      // another version
		"1 f w 1 2 3 4 - - false",        // a field is missing
		"1 f w 1 2 3 4 5 - - false more", // one too many
		"1 f w 1 2 3 4 5 - - false ",
		"1  f w 1 2 3 4 5 - - false",
		"1 f w one 2 3 4 5 - - false",
		"1 f w 1.5 2 3 4 5 - - false",
		"1 f w 1e3 2 3 4 5 - - false",
		"1 f w -1 2 3 4 5 - - false",
		"1 f w 1 2 3 4 -5 - - false",
		"1 f w 1 2 3 4 5 - because false",
		"1 f w 1 2 3 4 5 -1 - false",
		"1 f w 1 2 3 4 - - - false",
		"1 f w 1  3 4 5 - - false",
		"1 f w 9223372036854775807 2 3 4 5 - - false", // no Duration holds it
		"1 f w 1 2 3 4 9223372036854775 - - false",
		"1 f w 99999999999999999999 2 3 4 5 - - false",
	} {
		if got := decodeMark(line); got != (session.Mark{}) {
			t.Errorf("%q: %+v, want none", line, got)
		}
	}
}

// Whatever stands in storage, reading it does no harm, and what is taken for
// a mark means the same when it is written again.
func TestMarkRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const letters = "01 -9truefals\x00e\xff€"
	good := []byte(encodeMark(fullMark()))
	marks := 0
	for range 20_000 {
		line := append([]byte(nil), good...)
		for range 1 + random.IntN(4) {
			letter := letters[random.IntN(len(letters))]
			switch at := random.IntN(len(line)); random.IntN(3) {
			case 0:
				line[at] = letter
			case 1:
				line = append(line[:at], line[at+1:]...)
			default:
				line = append(line[:at], append([]byte{letter}, line[at:]...)...)
			}
		}
		mark := decodeMark(string(line))
		if mark == (session.Mark{}) {
			continue
		}
		marks++
		if again := decodeMark(encodeMark(mark)); again != mark {
			t.Fatalf("%q: %+v, then %+v", line, mark, again)
		}
		for _, at := range []session.Instant{mark.Written, mark.Expires, mark.Idle, mark.Absolute} {
			if at.UnixMilli() < 0 || at.Sub(session.AtWall(0)) < 0 {
				t.Fatalf("%q: a moment before 1970", line)
			}
		}
		if mark.Life < 0 {
			t.Fatalf("%q: a life of %v", line, mark.Life)
		}
	}
	if marks == 0 {
		t.Error("no line was taken for a mark: the test tests nothing")
	}
}

// farewell is the line that the loader leaves when a sign-out cannot wait for
// the module; scripts/edges holds it against keepalive.js.
//
//go:embed testdata/farewell.txt
var farewell string

func TestMarkOfTheLoader(t *testing.T) {
	const now = 1_700_000_000_000
	line := strings.Replace(strings.TrimSuffix(farewell, "\n"), "${Date.now()}", fmt.Sprint(now), 1)
	want := session.Mark{Written: session.AtWall(now), Ending: true}
	if got := decodeMark(line); got != want {
		t.Errorf("%q: %+v, want %+v", line, got, want)
	}
}

// The loader reads three fields of the mark itself.
func TestMarkEndFields(t *testing.T) {
	want := []string{"1700003600000", "1700001800000", "1700043200000"}
	if got := strings.Split(encodeMark(fullMark()), " ")[4:7]; !slices.Equal(got, want) {
		t.Errorf("the fields are %q, want the ends of the token, and of the session by both limits: %q", got, want)
	}
}
