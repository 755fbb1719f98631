package explain

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/session"
)

const (
	uuid  = "0c7a9f0e-5d3b-4f6a-9a51-2f1f6f7d8e90"
	other = "11111111-5d3b-4f6a-9a51-2f1f6f7d8e90"
)

// entry is a line of the log at a time of day, of that user.
func entry(clock, user, event, rest string) string {
	return fmt.Sprintf(`{"time":"2026-11-26T%sZ","level":"INFO","msg":"A line.","event":%q,"user":%q%s}`+"\n",
		clock, event, session.UserTag(user), rest)
}

func opened(clock, session string) string {
	return entry(clock, uuid, "opened", `,"mode":"token","session":"`+session+`"`)
}

func renewed(clock, session string) string {
	return entry(clock, uuid, "renewed", `,"session":"`+session+`"`)
}

func ended(clock, session, why string) string {
	return entry(clock, uuid, "ended", `,"session":"`+session+`","why":"`+why+`"`)
}

// The stories that support asks for, each in one log of two servers, mixed with
// another user's.
func TestStories(t *testing.T) {
	removed := func(clock, session string) string {
		return `{"time":"2026-11-26T` + clock + `Z","level":"INFO","msg":"Removed.","event":"removed",` +
			`"why":"idle","session":"` + session + `","at":"2026-11-26T13:30:00Z"}` + "\n"
	}
	mismatch := func(clock, claimed, actual string) string {
		return entry(clock, "", "identity_mismatch", `,"claimed":"`+session.UserTag(claimed)+
			`","actual":"`+session.UserTag(actual)+`"`)
	}
	noise := entry("14:04:59", other, "ended", `,"session":"ffffffff","why":"signed_out"`) +
		removed("14:05:30", "ffffffff") // the sweep names no user
	for _, tc := range []struct {
		name string
		log  string
		want []string
	}{
		{"idle", opened("13:00:00", "aaaaaaaa") + renewed("13:10:00", "aaaaaaaa") +
			ended("14:05:00", "aaaaaaaa", "idle"),
			[]string{"13:00:00  The user signed in: session aaaaaaaa",
				"13:10:00  Session aaaaaaaa got a new token.",
				"14:05:00  Session aaaaaaaa ended: the user was not active"}},
		{"absolute", opened("02:05:00", "aaaaaaaa") + ended("14:05:00", "aaaaaaaa", "absolute"),
			[]string{"02:05:00  The user signed in",
				"14:05:00  Session aaaaaaaa ended: it had reached the absolute limit (KEEPALIVE_ABSOLUTE_TIMEOUT)."}},
		// Two servers: the second one's lines come first.
		{"signed out elsewhere",
			ended("14:05:00", "aaaaaaaa", "signed_out") + renewed("13:50:00", "bbbbbbbb") +
				opened("13:00:00", "aaaaaaaa") + opened("13:30:00", "bbbbbbbb"),
			[]string{"13:00:00  The user signed in: session aaaaaaaa",
				"13:30:00  The user signed in: session bbbbbbbb", "13:50:00  Session bbbbbbbb got a new token",
				"14:05:00  Session aaaaaaaa ended: the user signed out",
				"does not say that session bbbbbbbb has ended"}},
		{"revoked",
			opened("13:00:00", "aaaaaaaa") + opened("13:30:00", "bbbbbbbb") +
				entry("14:05:00", uuid, "ended", `,"why":"revoked","sessions":2`),
			[]string{"13:00:00", "13:30:00", "14:05:00  All sessions of the user (2) ended: the operator revoked"}},
		{"Capture said no",
			opened("13:00:00", "aaaaaaaa") + renewed("13:30:00", "aaaaaaaa") +
				renewed("14:00:00", "aaaaaaaa") + ended("14:05:00", "aaaaaaaa", "grant_gone"),
			[]string{"13:00:00",
				"13:30:00  Session aaaaaaaa got 2 new tokens until 2026-11-26 14:00:00.",
				"14:05:00  Session aaaaaaaa ended: Capture said that its grant is gone"}},
		// The sweep finds a session that no one asked for again, and names no user.
		{"found by the sweep", opened("13:00:00", "aaaaaaaa") +
			removed("14:05:00", "aaaaaaaa"),
			[]string{"13:00:00",
				"14:05:00  Session aaaaaaaa ended: the user was not active for the idle limit " +
					"(KEEPALIVE_IDLE_TIMEOUT), at 2026-11-26 13:30:00"}},
		{"found by two servers, in logs that overlap",
			opened("13:00:00", "aaaaaaaa") + renewed("13:10:00", "aaaaaaaa") +
				opened("13:00:00", "aaaaaaaa") + renewed("13:10:00", "aaaaaaaa") +
				ended("13:30:00", "aaaaaaaa", "idle") + ended("13:31:00", "aaaaaaaa", "idle") +
				removed("14:50:00", "aaaaaaaa"),
			[]string{"13:00:00", "13:10:00  Session aaaaaaaa got a new token.", "13:30:00  Session aaaaaaaa ended"}},
		{"two servers whose clocks differ",
			opened("13:00:05", "aaaaaaaa") + ended("13:00:01", "aaaaaaaa", "signed_out"),
			[]string{"13:00:01  Session aaaaaaaa ended", "13:00:05  The user signed in",
				"clocks of the servers differ"}},
		{"logins that were refused", opened("13:00:00", "aaaaaaaa") + mismatch("13:10:00", uuid, other) +
			mismatch("13:20:00", other, uuid) + entry("13:30:00", uuid, "token_replayed", ""),
			[]string{"13:00:00", "13:10:00  A login named this user", "13:20:00  A login named this user",
				"13:30:00  A login came with a token of a session of this user",
				"does not say that session aaaaaaaa has ended"}},
		{"renewals around trouble", renewed("13:00:00", "aaaaaaaa") +
			strings.Replace(entry("13:10:00", uuid, "", `,"session":"aaaaaaaa"`), "INFO", "ERROR", 1) +
			entry("13:11:00", uuid, "", `,"session":"aaaaaaaa"`) + renewed("13:20:00", "aaaaaaaa"),
			[]string{"13:00:00  Session aaaaaaaa got a new token.", "13:10:00  Session aaaaaaaa: A line.",
				"13:20:00  Session aaaaaaaa got a new token.", "does not say that session aaaaaaaa has ended"}},
		{"renewals alone", renewed("13:00:00", "aaaaaaaa"),
			[]string{"13:00:00", "does not say that session aaaaaaaa has ended"}},
		{"revoked in vain", opened("13:00:00", "aaaaaaaa") + ended("13:30:00", "aaaaaaaa", "idle") +
			entry("14:05:00", uuid, "ended", `,"why":"revoked","sessions":0`),
			[]string{"13:00:00", "13:30:00", "14:05:00  There was no session to end: the operator revoked"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Story(strings.NewReader(noise+tc.log+noise), uuid, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(tc.want) {
				t.Fatalf("the story is\n%s\nwant %d sentences", strings.Join(got, "\n"), len(tc.want))
			}
			for i, want := range tc.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("sentence %d is %q, want %q in it", i, got[i], want)
				}
			}
			if text := strings.Join(got, "\n"); strings.Contains(text, uuid) || strings.Contains(text, "ffffffff") {
				t.Errorf("the story names a uuid or another user's session:\n%s", text)
			}
		})
	}
}

func TestSinceLeavesOutWhatIsOlder(t *testing.T) {
	log := opened("09:00:00", "aaaaaaaa") + ended("10:00:00", "aaaaaaaa", "signed_out") + opened("13:00:00", "bbbbbbbb")
	got, err := Story(strings.NewReader(log), uuid, time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC))
	if err != nil || len(got) != 2 || !strings.Contains(got[0], "bbbbbbbb") {
		t.Errorf("%q, %v", got, err)
	}
}

// What collectors put around a line does not hide it.
func TestCollectors(t *testing.T) {
	quoted := func(line string) string { return strconv.Quote(line) }
	for name, around := range map[string]func(line string) string{
		"syslog":           func(line string) string { return "Nov 26 13:00:00 web1 capture-keepalive[17]: " + line },
		"a container":      func(line string) string { return "2026-11-26T14:05:00Z stderr F " + line },
		"labels in braces": func(line string) string { return `{app="web", pod="a"} ` + line },
		"labels as JSON":   func(line string) string { return `{"app":"web"} ` + line },
		"journald":         func(line string) string { return `{"PRIORITY":"6","MESSAGE":` + quoted(line) + "}\n" },
		"docker": func(line string) string {
			return `{"log":` + quoted(line) + `,"stream":"stderr","time":"2026-11-26T23:59:59Z"}` + "\n"
		},
		"a cloud": func(line string) string {
			return `{"timestamp":"2026-11-26T23:59:59Z","jsonPayload":` + strings.TrimSpace(line) + "}\n"
		},
		"docker in journald": func(line string) string {
			return `{"MESSAGE":` + quoted(`{"log":`+quoted(line)+`}`) + "}\n"
		},
		"Windows": func(line string) string { return "\ufeff" + strings.TrimSpace(line) + "\r\n" },
	} {
		log := around(opened("13:00:00", "aaaaaaaa")) + around(ended("14:05:00", "aaaaaaaa", "idle"))
		got, err := Story(strings.NewReader(log), uuid, time.Time{})
		if err != nil || len(got) != 2 || !strings.Contains(got[1], "14:05:00  Session aaaaaaaa ended") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// What is no line of ours is passed over.
func TestForeignLines(t *testing.T) {
	log := opened("13:00:00", "aaaaaaaa") + "not ours {broken\n" + strings.Repeat("{", 1000) + "\n" +
		strings.Repeat(`{"a":`, 100) + "\n" + strings.Repeat("x", 2*maxLine) + "\n" +
		ended("14:05:00", "aaaaaaaa", "idle") + `{"time":"2026-11-26T14:06:00Z"}`
	got, err := Story(strings.NewReader(log), uuid, time.Time{})
	if err != nil || len(got) != 2 {
		t.Errorf("%q, %v", got, err)
	}
}

// Collectors export many entries in one line: all are told, or none.
func TestManyEntriesInOneLine(t *testing.T) {
	first := strings.TrimSpace(opened("13:00:00", "aaaaaaaa"))
	last := strings.TrimSpace(ended("14:05:00", "aaaaaaaa", "idle"))
	other := `{"jsonPayload":` + strings.TrimSpace(opened("13:00:00", "bbbbbbbb")) + `}`
	for name, log := range map[string]string{
		"a list":            "[" + first + "," + last + "]",
		"a list of wrapped": `[{"jsonPayload":` + first + `},` + other + `,{"jsonPayload":` + last + `}]`,
		"a list in a field": `{"items":[{"line":` + strconv.Quote(first) + `},{"line":` +
			strconv.Quote(last) + `}]}`,
		"an answer of Elasticsearch": `{"hits":{"hits":[{"_source":{"log":` + strconv.Quote(first) +
			`}},{"_source":{"log":` + strconv.Quote(last) + `}}]}}`,
		"an answer of Loki": `{"data":{"result":[{"stream":{"app":"a"},"values":[["1",` +
			strconv.Quote(first) + `],["2",` + strconv.Quote(last) + `]]}]}}`,
		"one of journald in Loki": `{"data":{"result":[{"values":[["1",` +
			strconv.Quote(`{"MESSAGE":`+strconv.Quote(first)+`}`) + `],["2",` +
			strconv.Quote(`{"MESSAGE":`+strconv.Quote(last)+`}`) + `]]}]}}`,
		"more than braces that may fail": "{{ " + strings.Repeat(`{"a":1} `, 2*maxStarts) + first + last,
	} {
		got, err := Story(strings.NewReader(log), uuid, time.Time{})
		if text := strings.Join(got, "\n"); err != nil || !strings.Contains(text, "was opened") ||
			!strings.Contains(text, "idle limit") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	long := "[" + first + `,"` + strings.Repeat("x", maxLine) + `",` + last + "]"
	if got, err := Story(strings.NewReader(long), uuid, time.Time{}); !errors.Is(err, ErrLong) {
		t.Errorf("a long line: %q, %v", got, err)
	}
}

// Half of a log is not told as the whole.
func TestCompressedLogIsAnError(t *testing.T) {
	var rotated bytes.Buffer
	to := gzip.NewWriter(&rotated)
	_, err := to.Write([]byte(ended("14:05:00", "aaaaaaaa", "idle")))
	if err = errors.Join(err, to.Close()); err != nil {
		t.Fatal(err)
	}
	for _, log := range []string{rotated.String(), opened("13:00:00", "aaaaaaaa") + rotated.String()} {
		if _, err := Story(strings.NewReader(log), uuid, time.Time{}); !errors.Is(err, ErrCompressed) {
			t.Errorf("%.40q: %v", log, err)
		}
	}
}

// Trouble that ended nothing belongs to the story, too.
func TestTroubleIsTold(t *testing.T) {
	log := opened("13:00:00", "aaaaaaaa") +
		`{"time":"2026-11-26T13:01:00Z","level":"WARN","msg":"request",` +
		`"code":"upstream_unavailable","session":"aaaaaaaa"}` + "\n" +
		`{"time":"2026-11-26T13:02:00Z","level":"WARN","msg":"A renewal failed for now.",` +
		`"session":"aaaaaaaa","user":"` + session.UserTag(uuid) + `"}` + "\n" +
		`{"time":"2026-11-26T13:03:00Z","level":"INFO","msg":"request",` +
		`"code":"session_missing","session":"aaaaaaaa"}` + "\n"
	got, err := Story(strings.NewReader(log), uuid, time.Time{})
	if err != nil || len(got) != 4 ||
		!strings.Contains(got[1], "was answered upstream_unavailable") ||
		!strings.Contains(got[2], "A renewal failed for now.") {
		t.Errorf("%q, %v", got, err)
	}
}

// A log that others have written to may hold anything: none of it is repeated.
func TestNothingSecretIsRepeated(t *testing.T) {
	const token = "abcdefgh12345678"
	log := opened("13:00:00", "aaaaaaaa") +
		`{"time":"2026-11-26T13:01:00Z","level":"WARN","msg":"` + token + ` of ` + other +
		` failed; see KEEPALIVE_MAX_SESSIONS_PER_USER","session":"aaaaaaaa","user":"` + session.UserTag(uuid) + `"}` + "\n" +
		`{"time":"2026-11-26T13:02:00Z","level":"WARN","msg":"failed","session":"` + token +
		`","user":"` + session.UserTag(uuid) + `"}` + "\n" +
		entry("13:03:00", uuid, "ended", `,"session":"aaaaaaaa","why":"`+token+`"`)
	got, err := Story(strings.NewReader(log), uuid, time.Time{})
	if err != nil || len(got) != 3 {
		t.Errorf("%q, %v", got, err)
	}
	if text := strings.Join(got, "\n"); strings.Contains(text, token) || strings.Contains(text, other) ||
		!strings.Contains(text, "[left out] of [left out] failed; see KEEPALIVE_MAX_SESSIONS_PER_USER") {
		t.Errorf("the story repeats a secret, or leaves out the name of a setting:\n%s", text)
	}
}

func TestNoJSONIsAnError(t *testing.T) {
	for _, log := range []string{"", "time=2026-11-26 level=INFO msg=serving\n"} {
		if _, err := Story(strings.NewReader(log), uuid, time.Time{}); !errors.Is(err, ErrNotJSON) {
			t.Errorf("%q: %v", log, err)
		}
	}
}

func TestEveryEndHasASentence(t *testing.T) {
	for _, why := range session.Whys() {
		if ends[string(why)] == "" {
			t.Errorf("there is no sentence for %q", why)
		}
	}
}

// What is not told is not kept, so that a log can be larger than the memory.
func TestLinesThatAreNotToldAreNotKept(t *testing.T) {
	request := func(clock, level string) string {
		return fmt.Sprintf(`{"time":"2026-11-26T%sZ","level":%q,"msg":"request","session":"dddddddd",`+
			`"code":"store_unavailable"}`+"\n", clock, level)
	}
	since := time.Date(2026, 11, 26, 14, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		line string
		kept int
	}{
		"a request that found nothing":  {request("14:30:00", "INFO"), 0},
		"trouble before the time asked": {request("13:30:00", "ERROR"), 0},
		"trouble":                       {request("14:30:00", "WARN"), 1},
		"another user's":                {entry("14:30:00", other, "opened", `,"session":"dddddddd"`), 0},
		"the user's, before that time":  {opened("13:30:00", "dddddddd"), 1},
	} {
		kept, err := read(strings.NewReader(tc.line), session.UserTag(uuid), since)
		if err != nil || len(kept) != tc.kept {
			t.Errorf("%s: %d lines are kept, want %d (%v)", name, len(kept), tc.kept, err)
		}
	}
}
