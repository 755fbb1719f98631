package journeys

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// TestMain leaves the journeys out of go test -short: each drives the built
// program in a real browser.
func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("journeys: left out by -short")
		return
	}
	os.Exit(m.Run())
}
