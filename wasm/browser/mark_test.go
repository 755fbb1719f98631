//go:build js && wasm

package browser

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

func fullMark() session.Mark {
	return session.Mark{
		Fingerprint: session.NewToken("token-1").Fingerprint(), Who: session.NewToken("uuid-1").Fingerprint(),
		Written: session.AtWall(1_700_000_000_000), Expires: session.AtWall(1_700_003_600_000),
		Idle: session.AtWall(1_700_001_800_000), Absolute: session.AtWall(1_700_043_200_000),
		Life: time.Hour, NotBefore: session.AtWall(1_700_000_009_000), Failures: 3,
		FailedAt: session.AtWall(1_700_000_001_000),
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
		{Fingerprint: "f", Who: "w"}, {Life: time.Millisecond},
	} {
		if got := decodeMark(encodeMark(mark)); got != mark {
			t.Errorf("%q: %+v, want %+v", encodeMark(mark), got, mark)
		}
	}
}

func TestMarkGarbage(t *testing.T) {
	const good = "2 f w 1 2 3 4 5 - - false 0 -"
	if decodeMark(good) == (session.Mark{}) {
		t.Fatal("the good one is none")
	}
	for _, line := range []string{
		"", " ", "1", "        ", "garbage", "null", "undefined", `{"v":1}`,
		"3 f w 1 2 3 4 5 - - false 0 -",      // another version
		"2 f w 1 2 3 4 - - false 0 -",        // a field is missing
		"2 f w 1 2 3 4 5 - - false 0 - more", // one too many
		"2 f w 1 2 3 4 5 - - false",
		"2 f w 1 2 3 4 5 - - false -1 -",
		"2 f w 1 2 3 4 5 - - false 0 x",
		"2 f w 1 2 3 4 5 - - false 0 - ",
		"2  f w 1 2 3 4 5 - - false",
		"2 f w one 2 3 4 5 - - false 0 -",
		"2 f w 1.5 2 3 4 5 - - false 0 -",
		"2 f w 1e3 2 3 4 5 - - false 0 -",
		"2 f w -1 2 3 4 5 - - false 0 -",
		"2 f w 1 2 3 4 -5 - - false 0 -",
		"2 f w 1 2 3 4 5 - because false 0 -",
		"2 f w 1 2 3 4 5 -1 - false 0 -",
		"2 f w 1 2 3 4 - - - false 0 -",
		"2 f w 1  3 4 5 - - false 0 -",
		"2 f w 9223372036854775807 2 3 4 5 - - false 0 -", // no Duration holds it
		"2 f w 1 2 3 4 9223372036854775 - - false 0 -",
		// A token without a user, and a user without a token.
		"2 f - 1 2 3 4 5 - - false 0 -",
		"2 - w 1 2 3 4 5 - - false 0 -",
		"2 f w 99999999999999999999 2 3 4 5 - - false 0 -",
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
