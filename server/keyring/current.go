package keyring

import "sync/atomic"

// Current is a Ring that can be exchanged while it is in use. It is safe for
// concurrent use. The zero Current has no keys.
type Current struct{ ring atomic.Pointer[Ring] }

// Use makes r the ring from now on. What is under way ends with the old one.
func (c *Current) Use(r *Ring) { c.ring.Store(r) }

func (c *Current) get() *Ring {
	if ring := c.ring.Load(); ring != nil {
		return ring
	}
	return new(Ring)
}

// Seal is [Ring.Seal].
func (c *Current) Seal(plaintext, aad []byte) ([]byte, error) {
	return c.get().Seal(plaintext, aad)
}

// Open is [Ring.Open].
func (c *Current) Open(sealed, aad []byte) (plain []byte, current bool, err error) {
	return c.get().Open(sealed, aad)
}

// SigningKey is [Ring.SigningKey].
func (c *Current) SigningKey() (kid string, key []byte) { return c.get().SigningKey() }

// VerificationKey is [Ring.VerificationKey].
func (c *Current) VerificationKey(kid string) ([]byte, bool) { return c.get().VerificationKey(kid) }

// IDs is [Ring.IDs].
func (c *Current) IDs() []string { return c.get().IDs() }

// String is that of the ring.
func (c *Current) String() string { return c.get().String() }
