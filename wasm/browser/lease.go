//go:build js && wasm

package browser

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

const (
	keyLease = "captureKeepaliveLock"
	// leaseTime is how long a tab that does not give its lease back has it.
	leaseTime = 10 * time.Second
	// leaseLook spaces the looks at another's lease, leaseSettle is how long
	// another tab's line, written at the same moment, may take to be seen.
	leaseLook   = 50 * time.Millisecond
	leaseSettle = 100 * time.Millisecond
)

// lease stands in for the Web Locks API (missing before Safari 15.4 and on
// plain http): a line in localStorage, "id until". Two tabs may write at once;
// the last line stands, so each looks again a moment later.
type lease struct{}

// acquire waits for the lease, or until overtake is closed, and returns what
// gives it back. Where storage is denied or full there is no lease to wait for.
func (lease) acquire(overtake *session.Latch) func() {
	area, ok := area()
	if !ok {
		return func() {}
	}
	own := strconv.FormatUint(rand.Uint64(), 36)
	giveBack := func() {
		if id, _ := readLease(area); id == own {
			_, _ = invoke(area, "removeItem", keyLease)
		}
	}
	for {
		_, free := readLease(area)
		late := overtake.Closed()
		if free || late {
			line := own + " " + strconv.FormatInt(time.Now().Add(leaseTime).UnixMilli(), 10)
			if _, err := invoke(area, "setItem", keyLease, line); err != nil || late {
				return giveBack
			}
			pause(leaseSettle, overtake)
			if id, _ := readLease(area); id == own {
				return giveBack
			}
		}
		pause(leaseLook, overtake)
	}
}

// readLease says which tab has the lease and whether it is free: never taken,
// over, or longer than any can be, because a clock was set back.
func readLease(area safejs.Value) (id string, free bool) {
	line := item(area, keyLease)
	at := strings.IndexByte(line, ' ')
	if at < 0 {
		return "", true
	}
	ms, ok := wholeNumber(line[at+1:])
	left := time.Duration(ms-time.Now().UnixMilli()) * time.Millisecond
	return line[:at], !ok || left <= 0 || left > leaseTime
}
