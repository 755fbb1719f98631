package explain

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// maxLine bounds a line of the log, in bytes; longer ones hold a stack and
// nothing of a story.
const maxLine = 1 << 20

// tag is how the log names sessions. Anything else could be a secret.
var tag = regexp.MustCompile(`^[0-9a-f]{4,16}$`)

// line is what a story needs of a line of the log.
type line struct {
	Time     time.Time
	Level    string
	Msg      string
	Event    string
	Why      string
	Session  string // tag
	User     string // tag
	Claimed  string // tag, of identity_mismatch
	Actual   string // tag, of identity_mismatch
	Mode     string
	Code     api.Code  // of a request that failed
	At       time.Time // when a limit passed, of a session that was found later
	Sessions int       // how many ended, when all of a user did
}

// Errors of a log that cannot be read, or not all of it.
var (
	ErrNotJSON = errors.New("no line is one of the server's JSON log. explain reads, as UTF-8 and " +
		"one entry a line, what KEEPALIVE_LOG_FORMAT=json writes")
	ErrCompressed = errors.New("a part of the log is compressed. Unpack it first, for example " +
		"with: zcat -f capture-keepalive.log*")
	ErrLong = errors.New("a line of more than 1 MiB holds lines of the server, and the rest of it " +
		"would be left out. Write one entry a line, for example with: jq -c '.[]'")
)

// packed are the first bytes of what gzip, zstd and xz write, which are no text
// in UTF-8. A log that is read in part would tell half of a story as the whole.
var packed = [][]byte{[]byte("\x1f\x8b\x08"), []byte("\x28\xb5\x2f\xfd"), []byte("\xfd7zXZ\x00")}

// read returns the lines about a user, and those since then that name a session
// and no user and are worth a sentence. The rest is not kept: a log can be larger
// than the memory, and is full of requests that found their session ended.
// Lines of other programs are left out.
func read(log io.Reader, user string, since time.Time) ([]line, error) {
	var kept []line
	known := 0
	from := bufio.NewReaderSize(log, maxLine)
	for {
		raw, err := from.ReadSlice('\n')
		if slices.ContainsFunc(packed, func(magic []byte) bool { return bytes.Contains(raw, magic) }) {
			return nil, ErrCompressed
		}
		found := parse(raw)
		if errors.Is(err, bufio.ErrBufferFull) && len(found) > 0 {
			return nil, ErrLong
		}
		for _, parsed := range found {
			known++
			if parsed.names(user) || parsed.tellsAlone(since) {
				kept = append(kept, parsed)
			}
		}
		switch {
		case errors.Is(err, io.EOF) && known == 0:
			return nil, ErrNotJSON
		case errors.Is(err, io.EOF):
			return kept, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// tellsAlone reports whether the line names a session alone, and is worth a
// sentence of a story since then.
func (l line) tellsAlone(since time.Time) bool {
	return l.User == "" && l.Session != "" && !l.Time.Before(since) && sentenceOf(l) != ""
}

// names reports whether the line is about the user of a tag.
func (l line) names(user string) bool {
	return l.User == user || l.Claimed == user || l.Actual == user
}
