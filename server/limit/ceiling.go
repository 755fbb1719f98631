package limit

import "time"

// Ceiling bounds the calls that the whole server makes to one upstream. There
// is one bucket. A call may take from it only as long as enough is left for the
// calls above, so that no flood of one kind stops another:
//
//   - High priority: renewals that are due. They may use everything.
//   - Low priority: renewals that a page forces. They leave a third.
//   - Logins, which any client can send: they leave half.
//
// Where the others need nothing, each kind can have the whole rate. A call that
// must follow another one is charged and never refused. A Ceiling is safe for
// concurrent use.
type Ceiling struct{ bucket *Bucket }

// NewCeiling returns a Ceiling of the rate; the zero Rate is no limit.
func NewCeiling(r Rate) *Ceiling { return &Ceiling{NewBucket(r)} }

// TakeHigh reports whether a call of high priority may be made now; if not, it
// also says after how long. So do TakeLow and TakeLogin.
func (c *Ceiling) TakeHigh() (wait time.Duration, ok bool) { return c.bucket.Take() }

// TakeLow is for calls of low priority.
func (c *Ceiling) TakeLow() (wait time.Duration, ok bool) { return c.bucket.takeAbove(1, 3) }

// TakeLogin is for the calls of logins.
func (c *Ceiling) TakeLogin() (wait time.Duration, ok bool) { return c.bucket.takeAbove(1, 2) }

// Charge counts a call that is made in any case.
func (c *Ceiling) Charge() { c.bucket.charge() }
