package memory_test

import (
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
	"github.com/capture-keepalive/capture-keepalive/server/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Backend { return memory.New() })
}

// The stand-in for a database that processes share keeps the contract, too.
func TestContractShared(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Backend { return storetest.Shared(memory.New()) })
}
