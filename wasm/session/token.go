package session

// Token is an access token. It does not print: the one way out is Reveal.
type Token struct{ value string }

// NewToken wraps an access token; the empty string is no token.
func NewToken(value string) Token { return Token{value} }

// Reveal returns the token itself, for storage, the server and the UI.
func (t Token) Reveal() string { return t.value }

// Empty reports whether there is no token.
func (t Token) Empty() bool { return t.value == "" }

// String implements fmt.Stringer.
func (t Token) String() string {
	if t.Empty() {
		return "[none]"
	}
	return "[redacted]"
}

// GoString implements fmt.GoStringer, for %#v.
func (t Token) GoString() string { return t.String() }

// MarshalText implements encoding.TextMarshaler, and with it JSON.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Fingerprint names a token without telling it (FNV-1a, 64 bit, in hex). It
// keeps apart tokens that stand in the same storage; it hides nothing from
// scripts that can read that storage, and need not.
func (t Token) Fingerprint() string {
	if t.Empty() {
		return ""
	}
	hash := uint64(14695981039346656037)
	for i := 0; i < len(t.value); i++ {
		hash = (hash ^ uint64(t.value[i])) * 1099511628211
	}
	const digits = "0123456789abcdef"
	var hex [16]byte
	for i := range hex {
		hex[i] = digits[hash>>(60-4*i)&0xf]
	}
	return string(hex[:])
}
