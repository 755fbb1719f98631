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
	IdleExpires     time.Time
	AbsoluteExpires time.Time

	// Version counts the writes, from 1. The Store sets it.
	Version uint64
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

func (r *Record) times() [5]*time.Time {
	return [...]*time.Time{&r.AccessIssued, &r.AccessExpires, &r.Created, &r.IdleExpires, &r.AbsoluteExpires}
}

func milli(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }

// format is the first byte of an encoded record. A new field means a new
// format: a server that drops what it does not know would write back a record
// without it.
const format = 1

var (
	errFormat    = errors.New("record was written by a newer version of this server: run that version, or wait until the record expires")
	errMalformed = errors.New("record authenticates but cannot be read")
)

// encode is the format byte, the texts with their lengths, and the times in
// unix milliseconds. Not JSON: that replaces bytes that are not UTF-8, and a
// token has to come back as it was. Version is not part of it; the row has it.
func encode(r Record) []byte {
	b := []byte{format}
	for _, text := range [...]string{string(r.Mode), r.UUID, r.AccessToken.Reveal(), r.RefreshToken.Reveal(), r.RedirectURI} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	for _, t := range r.times() {
		b = binary.BigEndian.AppendUint64(b, uint64(t.UnixMilli()))
	}
	return b
}

// decode reads what encode wrote. Its errors are none of the package's
// verdicts: what authenticates and cannot be read is our trouble, and ends
// nobody's session.
func decode(b []byte) (Record, error) {
	if len(b) == 0 {
		return Record{}, errMalformed
	}
	if b[0] != format {
		return Record{}, errFormat
	}
	b = b[1:]
	all := string(b) // one copy; the texts are parts of it
	var texts [5]string
	for i := range texts {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return Record{}, errMalformed
		}
		start := len(all) - len(b) + size
		texts[i], b = all[start:start+int(n)], b[size+int(n):]
	}
	r := Record{
		Mode: Mode(texts[0]), UUID: texts[1], RedirectURI: texts[4],
		AccessToken: secret.New(texts[2]), RefreshToken: secret.New(texts[3]),
	}
	times := r.times()
	if len(b) != 8*len(times) {
		return Record{}, errMalformed
	}
	for i, t := range times {
		*t = time.UnixMilli(int64(binary.BigEndian.Uint64(b[8*i:]))).UTC()
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

// String keeps the id out of logs.
func (ID) String() string { return redacted }

// GoString keeps the id out of logs.
func (ID) GoString() string { return redacted }

// Format keeps the id out of logs, whatever the verb.
func (ID) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue keeps the id out of logs.
func (ID) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the id out of JSON.
func (ID) MarshalText() ([]byte, error) { return []byte(redacted), nil }
