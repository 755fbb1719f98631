package keyring_test

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

func TestCurrent(t *testing.T) {
	parse := func(text string) *keyring.Ring {
		t.Helper()
		ring, err := keyring.Parse(secret.New(text))
		if err != nil {
			t.Fatal(err)
		}
		return ring
	}
	const one = "k1:c2V2ZW50ZWVuIGJ5dGVzIGFuZCBmaWZ0ZWVuIG1vcmU="
	const two = "k2:YW5vdGhlciBrZXksIG9mIHRoaXJ0eS10d28gYnl0ZXM="
	var current keyring.Current
	if _, err := current.Seal([]byte("x"), nil); !errors.Is(err, keyring.ErrNoKeys) {
		t.Errorf("the zero Current seals: %v", err)
	}
	if _, ok := current.VerificationKey("k1"); ok {
		t.Error("the zero Current verifies")
	}

	current.Use(parse(one))
	sealed, err := current.Seal([]byte("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 100 {
				if plain, _, err := current.Open(sealed, nil); err != nil ||
					!bytes.Equal(plain, []byte("x")) {
					t.Errorf("while the ring is exchanged: %q, %v", plain, err)
				}
			}
		})
	}
	current.Use(parse(two + "," + one))
	group.Wait()
	if ids := current.IDs(); !slices.Equal(ids, []string{"k2", "k1"}) {
		t.Errorf("IDs: %q", ids)
	}
	if kid, _ := current.SigningKey(); kid != "k2" {
		t.Errorf("it signs with %q, want k2", kid)
	}
	if _, old, err := current.Open(sealed, nil); err != nil || old {
		t.Errorf("sealed with the key before: current %v, %v", old, err)
	}
	if _, ok := current.VerificationKey("k1"); !ok {
		t.Error("the key before is not accepted any more")
	}
	current.Use(parse(two))
	if _, _, err := current.Open(sealed, nil); !errors.Is(err, keyring.ErrUnknownKey) {
		t.Errorf("sealed with a key that is gone: %v", err)
	}
	if got := current.String(); got != "keyring(k2)" {
		t.Errorf("String() = %q", got)
	}
}
