package toystore_test

import (
	"os"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/storetest"
	"github.com/capture-keepalive/capture-keepalive/server/store/storetest/toystore"
)

// The store of docs/extending.md keeps the contract.
func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Backend {
		location := secret.New("toy:" + fastDir(t))
		if err := toystore.Driver.Validate(location); err != nil {
			t.Fatal(err)
		}
		backend, err := toystore.Driver.Open(t.Context(), location)
		if err != nil {
			t.Fatal(err)
		}
		return backend
	})
}

// fastDir is in memory where there is such a place: the toy syncs each row.
func fastDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "toystore")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
