// Package secret gives tokens, codes, cookies and client secrets a type that
// does not print. Every way a value usually leaks — fmt, log/slog,
// encoding/json, a text template — yields [redacted]; the one way out is
// Reveal, which a reviewer can search for.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// String is a secret value. The zero value is the absent secret.
//
// It holds a pointer because fmt does not call the methods of what is in an
// unexported field: it prints the address then, and would print the secret.
type String struct {
	_     [0]func() // not comparable with ==, which would compare addresses
	value *string
}

// New wraps a secret.
func New(value string) String {
	if value == "" {
		return String{}
	}
	return String{value: &value}
}

// Reveal returns the secret itself. Call it only where the value leaves for
// the party it is meant for.
func (s String) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Empty reports whether there is no secret.
func (s String) Empty() bool { return s.value == nil }

// Equal compares in constant time. Two absent secrets are not equal: the
// absence of a token never matches the absence of another.
func (s String) Equal(other String) bool {
	return !s.Empty() && subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Hash is the SHA-256 of the secret, for use as a map key or a lookup key.
func (s String) Hash() [sha256.Size]byte { return sha256.Sum256([]byte(s.Reveal())) }

// String implements fmt.Stringer.
func (String) String() string { return redacted }

// Format implements fmt.Formatter, so that no verb (%x, %#v, %q) gets through.
func (String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue implements slog.LogValuer.
func (String) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, and with it JSON.
func (String) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText implements encoding.TextUnmarshaler, so that configuration
// can be parsed straight into a secret.
func (s *String) UnmarshalText(text []byte) error {
	*s = New(string(text))
	return nil
}
