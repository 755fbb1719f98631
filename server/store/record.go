package store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// Mode is the kind of session, after the Registration UI's responseType.
type Mode string

// The two journeys.
const (
	ModeToken Mode = "token" // client-side session
	ModeCode  Mode = "code"  // server-side session
)

// Record is one server-side session. Times have a precision of a millisecond;
// the rest is lost in the store.
type Record struct {
	Mode Mode
	UUID string

	AccessToken secret.String
	// AccessIssued and AccessExpires are the life of the access token, as
	// known when it was stored; the renewal margin is a part of it.
	AccessIssued  time.Time
	AccessExpires time.Time
	// RefreshToken and RedirectURI are for ModeCode.
	RefreshToken secret.String
	RedirectURI  string

	Created         time.Time
	Seen            time.Time // the last activity of the user
	IdleExpires     time.Time
	AbsoluteExpires time.Time

	// Application is the Capture application that the session belongs to, as the
	// caller names it. Empty: the session is older than this field.
	Application string
	// Sent is the refresh token that was sent last, written before it was sent.
	Sent Sent

	// Version counts the writes, from 1. The Store sets it.
	Version uint64
	// OldKey: the record is sealed under a key that is not the ring's first, and
	// an Update moves it to that. Get sets it.
	OldKey bool
}

// Sent is the intent to spend a refresh token, which works once: a reader who
// finds it knows that the token may be used up, and who may have the answer. The
// zero value means that no token was sent.
type Sent struct {
	Token   [sha256.Size]byte // hash of the refresh token
	By      string            // the replica that sent it
	Version uint64            // of the record that it was read from
	At      time.Time         // by that replica's clock
}

// Expires is the moment the session ends if nothing more happens.
func (r Record) Expires() time.Time {
	if r.IdleExpires.Before(r.AbsoluteExpires) {
		return r.IdleExpires
	}
	return r.AbsoluteExpires
}

var (
	errNoUUID  = errors.New("record has no UUID: set the one that Capture named")
	errBadMode = fmt.Errorf("record has no known Mode: set %q or %q", ModeToken, ModeCode)
)

func (r Record) check() error {
	if r.UUID == "" {
		return errNoUUID
	}
	if r.Mode != ModeToken && r.Mode != ModeCode {
		return errBadMode
	}
	return nil
}

// normal is r as it will be read back.
func (r Record) normal() Record {
	for _, t := range r.times() {
		*t = milli(*t)
	}
	return r
}

// times are the fields of type time, in the order of the encoding: those of
// format 1, then those that format 2 added.
func (r *Record) times() []*time.Time {
	return []*time.Time{
		&r.AccessIssued, &r.AccessExpires, &r.Created, &r.IdleExpires, &r.AbsoluteExpires,
		&r.Seen, &r.Sent.At,
	}
}

func milli(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }

// format is the first byte of an encoded record. A new field means a new
// format: a server that drops what it does not know would write back a record
// without it. Older formats are read: they end where the fields end that they
// had.
const format = 2

var (
	errFormat = errors.New("record was written by a newer version of this server: run that " +
		"version, or wait until the record expires")
	errMalformed = errors.New("record authenticates but cannot be read")
)

// shapes are the fields of each format.
var shapes = map[byte]struct {
	texts, times int
	sent         bool
}{
	1: {texts: 5, times: 5},
	2: {texts: 7, times: 7, sent: true},
}

// encode is the format byte, the texts with their lengths, the times in unix
// milliseconds, and the rest of Sent. Not JSON: that replaces bytes that are not
// UTF-8, and a token has to come back as it was. Version is not part of it; the
// row has it.
func encode(r Record) []byte {
	b := []byte{format}
	for _, text := range [...]string{
		string(r.Mode), r.UUID, r.AccessToken.Reveal(), r.RefreshToken.Reveal(), r.RedirectURI,
		r.Application, r.Sent.By,
	} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	for _, t := range r.times() {
		b = binary.BigEndian.AppendUint64(b, uint64(t.UnixMilli()))
	}
	b = append(b, r.Sent.Token[:]...)
	return binary.BigEndian.AppendUint64(b, r.Sent.Version)
}

// decode reads what encode wrote. Its errors are none of the package's
// verdicts: a record that authenticates and cannot be read is a fault of the
// server, and ends no session.
func decode(b []byte) (Record, error) {
	if len(b) == 0 {
		return Record{}, errMalformed
	}
	shape, known := shapes[b[0]]
	if !known {
		return Record{}, errFormat
	}
	var texts [7]string
	rest := string(b[1:]) // one copy; the texts are parts of it
	for i := range shape.texts {
		n, size := binary.Uvarint([]byte(rest[:min(len(rest), binary.MaxVarintLen64)]))
		if size <= 0 || n > uint64(len(rest)-size) {
			return Record{}, errMalformed
		}
		texts[i], rest = rest[size:size+int(n)], rest[size+int(n):]
	}
	r := Record{
		Mode: Mode(texts[0]), UUID: texts[1], RedirectURI: texts[4], Application: texts[5],
		AccessToken: secret.New(texts[2]), RefreshToken: secret.New(texts[3]),
		Sent: Sent{By: texts[6]},
	}
	fixed := []byte(rest)
	size := 8 * shape.times
	if shape.sent {
		size += len(r.Sent.Token) + 8
	}
	if len(fixed) != size {
		return Record{}, errMalformed
	}
	for _, t := range r.times()[:shape.times] {
		*t, fixed = time.UnixMilli(int64(binary.BigEndian.Uint64(fixed))).UTC(), fixed[8:]
	}
	if shape.sent {
		fixed = fixed[copy(r.Sent.Token[:], fixed):]
		r.Sent.Version = binary.BigEndian.Uint64(fixed)
	} else {
		r.Seen, r.Sent.At = r.Created, milli(time.Time{})
	}
	if err := r.check(); err != nil {
		return Record{}, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return r, nil
}

// ID is the secret name of a session: 256 random bits, known to the cookie
// alone. Backends only ever see its hash.
type ID [32]byte

// NewID returns a fresh ID from the system's random source.
func NewID() ID {
	var id ID
	rand.Read(id[:]) // never fails: crypto/rand ends the program instead
	return id
}

// Key is the row key of the record with this id.
func (id ID) Key() Key {
	var b [len(keyPrefix) + len(id)]byte
	copy(b[:], keyPrefix)
	copy(b[len(keyPrefix):], id[:])
	return sha256.Sum256(b[:])
}

const keyPrefix = "keepalive session "

const redacted = "[redacted]"

// Format keeps the id out of logs, whatever the verb.
func (ID) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue keeps the id out of logs.
func (ID) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the id out of JSON.
func (ID) MarshalText() ([]byte, error) { return []byte(redacted), nil }
