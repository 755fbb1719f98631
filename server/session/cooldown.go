package session

import (
	"crypto/sha256"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// remembered is how many entries each table below has. An entry that was
	// pushed out means one more call to Capture, and no more.
	remembered = 1 << 14
	// leastCooldown is how long a session's renewal waits after one failed for
	// now, even if Capture names a shorter wait.
	leastCooldown = 2 * time.Second
	// rejectedFor is how long a token counts as rejected. Capture may know it
	// once its servers agree.
	rejectedFor = time.Minute
	// forcedPerUser is how many times the forced renewals of one session all
	// sessions of a user may have together.
	forcedPerUser = 5
	// freeAge is how old a token has to be for its refusal to be free: a page
	// waits at least so long between two renewals.
	freeAge = 8 * time.Second
)

// cooldowns says what must wait before Capture is asked again: a session after a
// renewal that failed, a session and a user with pages that force renewals, and
// a token that Capture rejected. All waits count by the monotonic clock and are at
// most a minute, so that no step of the wall clock makes one longer.
type cooldowns struct {
	failed   *lru.Cache[renewalKey, cooldown]
	rejected *lru.Cache[[sha256.Size]byte, cooldown]
	forced   *limit.Table[store.Key]
	byUser   *limit.Table[store.Owner]
}

// cooldown is a failure, and until when it is the answer.
type cooldown struct {
	until   time.Time
	failure *Error
}

func newCooldowns(forced limit.Rate) cooldowns {
	perUser := limit.Rate{Events: forcedPerUser * forced.Events, Per: forced.Per}
	return cooldowns{
		failed:   limit.NewCache[renewalKey, cooldown](remembered),
		rejected: limit.NewCache[[sha256.Size]byte, cooldown](remembered),
		forced:   limit.NewTable[store.Key](forced, remembered),
		byUser:   limit.NewTable[store.Owner](perUser, remembered),
	}
}

// begin has the failure of a renewal be the answer for a while: the requests of
// one page must not become as many calls of a service in trouble.
func (c *cooldowns) begin(key renewalKey, failure *Error) *Error {
	wait := min(max(failure.RetryAfter, leastCooldown), maxRetry)
	c.failed.Add(key, cooldown{time.Now().Add(wait), failure})
	return failure
}

// active is the failure that is still the answer; nil if Capture may be asked.
func (c *cooldowns) active(key renewalKey) error {
	last, found := c.failed.Get(key)
	wait := time.Until(last.until)
	if !found || wait <= 0 {
		return nil
	}
	failure := *last.failure
	failure.RetryAfter = wait
	return &failure
}

// reject remembers a token that Capture rejected.
func (c *cooldowns) reject(token secret.String, failure *Error) {
	c.rejected.Add(token.Hash(), cooldown{time.Now().Add(rejectedFor), failure})
}

// rejection is the failure of a token that Capture rejected a short time ago;
// nil if there is none.
func (c *cooldowns) rejection(token secret.String) error {
	last, found := c.rejected.Get(token.Hash())
	if !found || time.Until(last.until) <= 0 {
		return nil
	}
	return last.failure
}

// admitForced counts a renewal that a page forces, against the limits of its
// session and of its user. The refusal of a token that is old enough passes the
// session's limit: a page does this after its token was killed. It cannot insist,
// since a renewal makes a token new, and one that fails has a cooldown.
func (c *cooldowns) admitForced(key renewalKey, user store.Owner, age time.Duration) error {
	if wait, ok := c.forced.Take(key.session); !ok && age < freeAge {
		return tooManyForced(wait)
	}
	if wait, ok := c.byUser.Take(user); !ok {
		return tooManyForced(wait)
	}
	return nil
}

func tooManyForced(wait time.Duration) *Error {
	return &Error{
		Code: api.RateLimited, RetryAfter: min(wait, maxRetry),
		Detail: "this user's pages have forced too many renewals; wait, then ask again",
	}
}
