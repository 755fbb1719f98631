// Package keyring holds the operator's keys. The first one seals and signs,
// all of them open and verify, so that keys can be changed without ending a
// session: put the new key first, wait for the longest session to end, drop
// the old one.
//
// No configured key is used as it is. Each purpose has its own subkey, derived
// with HKDF-SHA-256 (RFC 5869): what leaks from one use tells nothing about
// another.
//
// Sealing is AES-256-GCM with a random 96-bit nonce. One key may seal 2^32
// messages (NIST SP 800-38D, section 8.3). Each write of a session or a note is
// one, so that a hundred writes a second reach the bound after sixteen months:
// put a new key first once a year.
package keyring

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

var (
	// ErrNoKeys: the ring is empty.
	ErrNoKeys = errors.New("keyring: there is no key: write id:key, for example k1:$(openssl " +
		"rand -base64 32)")
	// ErrUnknownKey: sealed with a key that is not in the ring.
	ErrUnknownKey = errors.New("keyring: sealed with a key that is not in the ring")
	// ErrAuthentication: changed since it was sealed, sealed for something
	// else, or never sealed at all.
	ErrAuthentication = errors.New("keyring: does not authenticate")
)

const (
	keySize   = 32
	maxIDSize = 32

	// The purposes. Changing one makes everything sealed or signed so far
	// worthless.
	purposeSeal = "capture-keepalive seal AES-256-GCM 1"
	purposeSign = "capture-keepalive sign HS256 1"
)

// Ring is a set of keys in the order of preference. It is immutable and safe
// for concurrent use. The zero Ring has no keys: it opens and verifies nothing.
type Ring struct{ keys []key }

type key struct {
	id   string
	aead cipher.AEAD
	sign []byte
}

// EntryError is one thing wrong with one entry of the text given to Parse. It
// holds no key material.
type EntryError struct {
	Position int    // from 1
	ID       string // empty if there is none, or none fit to be shown
	Err      error  // what is wrong and what to do
}

func (e *EntryError) Error() string {
	if e.ID == "" {
		return fmt.Sprintf("key %d: %v", e.Position, e.Err)
	}
	return fmt.Sprintf("key %d (id %q): %v", e.Position, e.ID, e.Err)
}

// Unwrap returns e.Err.
func (e *EntryError) Unwrap() error { return e.Err }

var (
	errNoColon = errors.New("there is no colon; write id:key, the key from `openssl rand " +
		"-base64 32`")
	errNoID  = errors.New("there is no id before the colon; write id:key")
	errBadID = fmt.Errorf(
		"the id must be at most %d of the characters A-Z a-z 0-9 . _ -", maxIDSize,
	)
	errDuplicateID  = errors.New("an earlier key has the same id; give every key its own")
	errDuplicateKey = errors.New("an earlier entry has the same key; make a new one with " +
		"`openssl rand -base64 32`")
	errNotBase64 = errors.New("the key is not base64; make one with `openssl rand -base64 32`")
	errLength    = fmt.Errorf(
		"a key has %d bytes; make one with `openssl rand -base64 32`",
		keySize,
	)
	errNotRandom = errors.New("the key is one byte repeated; make one with `openssl rand " +
		"-base64 32`")
)

// Parse reads "id:key,id:key,…", or one entry a line, each key 32 bytes in base64
// (standard or URL alphabet, padded or not), with space around entries and empty
// lines ignored. The error joins one *EntryError for each entry that is wrong, or
// is ErrNoKeys.
func Parse(text secret.String) (*Ring, error) {
	entries := split(text.Reveal())
	if len(entries) == 0 {
		return nil, ErrNoKeys
	}
	var (
		ring     Ring
		problems []error
		ids      = map[string]bool{}
		seen     = map[[keySize]byte]bool{}
	)
	for i, entry := range entries {
		id, encoded, found := strings.Cut(entry, ":")
		raw, err := parseEntry(id, encoded, found)
		if err == nil && ids[id] {
			err = errDuplicateID
		}
		if err == nil && seen[raw] {
			err = errDuplicateKey
		}
		if err != nil {
			problem := &EntryError{Position: i + 1, Err: err}
			// Someone may have written key:id. The longer half is taken for
			// the key and never shown.
			if validID(id) && len(encoded) > len(id) {
				problem.ID = id
			}
			problems = append(problems, problem)
			continue
		}
		ids[id], seen[raw] = true, true
		k, err := derive(id, raw[:])
		if err != nil {
			return nil, fmt.Errorf("keyring: derive subkeys: %w", err)
		}
		ring.keys = append(ring.keys, k)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return &ring, nil
}

// split returns the entries of a text. The end of a line separates as a comma
// does, and both together are one.
func split(text string) []string {
	joined := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && joined != "" && !strings.HasSuffix(joined, ",") {
			joined += ","
		}
		joined += line
	}
	if joined == "" {
		return nil
	}
	entries := strings.Split(joined, ",")
	for i := range entries {
		entries[i] = strings.TrimSpace(entries[i])
	}
	return entries
}

func parseEntry(id, encoded string, colon bool) (raw [keySize]byte, err error) {
	switch {
	case !colon:
		return raw, errNoColon
	case id == "":
		return raw, errNoID
	case !validID(id):
		return raw, errBadID
	}
	decoded, err := decode(encoded)
	switch {
	case err != nil:
		return raw, err
	case len(decoded) != keySize:
		return raw, fmt.Errorf("%w (this one has %d)", errLength, len(decoded))
	case bytes.Count(decoded, decoded[:1]) == keySize:
		return raw, errNotRandom
	}
	return [keySize]byte(decoded), nil
}

func validID(id string) bool {
	if id == "" || len(id) > maxIDSize {
		return false
	}
	return strings.Trim(
		id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-",
	) == ""
}

// decode does not pass on the error of encoding/base64, which tells where the
// key has which byte.
func decode(encoded string) ([]byte, error) {
	for _, e := range [...]*base64.Encoding{
		base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding,
	} {
		if raw, err := e.Strict().DecodeString(encoded); err == nil {
			return raw, nil
		}
	}
	return nil, errNotBase64
}

func derive(id string, raw []byte) (key, error) {
	sealing, err := hkdf.Key(sha256.New, raw, nil, purposeSeal, keySize)
	if err != nil {
		return key{}, err
	}
	signing, err := hkdf.Key(sha256.New, raw, nil, purposeSign, keySize)
	if err != nil {
		return key{}, err
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return key{}, err
	}
	return key{id: id, aead: aead, sign: signing}, nil
}

func (r *Ring) find(id string) (k key, first, ok bool) {
	for i, k := range r.keys {
		if k.id == id {
			return k, i == 0, true
		}
	}
	return key{}, false, false
}

// envelope is the first byte of everything sealed.
const envelope = 1

// Seal encrypts plaintext under the first key and authenticates it together
// with aad. The result is the envelope's version, the length of the key's id,
// the id, the nonce, the ciphertext and the tag; the first three are
// authenticated too. The error is ErrNoKeys.
func (r *Ring) Seal(plaintext, aad []byte) ([]byte, error) {
	if len(r.keys) == 0 {
		return nil, ErrNoKeys
	}
	k := r.keys[0]
	header := append([]byte{envelope, byte(len(k.id))}, k.id...)
	return append(header, k.aead.Seal(nil, nil, plaintext, bind(header, aad))...), nil
}

// Open decrypts what Seal returned, given the same aad. current tells that it
// was sealed with the key that Seal uses now. The error is ErrUnknownKey or
// ErrAuthentication.
func (r *Ring) Open(sealed, aad []byte) (plain []byte, current bool, err error) {
	header, box, ok := unwrap(sealed)
	if !ok {
		return nil, false, ErrAuthentication
	}
	k, current, ok := r.find(string(header[2:]))
	if !ok {
		return nil, false, ErrUnknownKey
	}
	plain, err = k.aead.Open(nil, nil, box, bind(header, aad))
	if err != nil {
		return nil, false, ErrAuthentication
	}
	return plain, current, nil
}

// SealedUnder returns the id of the key that something was sealed under, as it
// says itself, without authenticating it: for counting.
func SealedUnder(sealed []byte) (id string, ok bool) {
	header, _, ok := unwrap(sealed)
	if !ok {
		return "", false
	}
	return string(header[2:]), true
}

// unwrap parts what Seal returned into the header and the rest.
func unwrap(sealed []byte) (header, box []byte, ok bool) {
	if len(sealed) < 2 || sealed[0] != envelope || len(sealed) < 2+int(sealed[1]) {
		return nil, nil, false
	}
	end := 2 + int(sealed[1])
	return sealed[:end], sealed[end:], true
}

// bind is unambiguous, because the header tells its own length.
func bind(header, aad []byte) []byte { return slices.Concat(header, aad) }

// SigningKey returns the 256-bit HMAC subkey of the first key and that key's
// id. It panics on a Ring without keys: a signature under no key must not pass
// unnoticed.
func (r *Ring) SigningKey() (kid string, key []byte) {
	return r.keys[0].id, bytes.Clone(r.keys[0].sign)
}

// VerificationKey returns the HMAC subkey of the key with this id.
func (r *Ring) VerificationKey(kid string) ([]byte, bool) {
	k, _, ok := r.find(kid)
	return bytes.Clone(k.sign), ok
}

// IDs returns the ids of the keys, the newest first. They are no secret.
func (r *Ring) IDs() []string {
	ids := make([]string, len(r.keys))
	for i, k := range r.keys {
		ids[i] = k.id
	}
	return ids
}

// String names the keys by their ids.
func (r Ring) String() string { return "keyring(" + strings.Join(r.IDs(), ",") + ")" }

// Format is String, whatever the verb, %#v too.
func (r Ring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// LogValue implements slog.LogValuer.
func (r Ring) LogValue() slog.Value { return slog.StringValue(r.String()) }
