package limit

import (
	"time"

	"golang.org/x/time/rate"
)

// Bucket allows the events of one Rate. The zero value allows everything. It is
// safe for concurrent use.
type Bucket struct{ limiter *rate.Limiter }

// NewBucket returns a full bucket.
func NewBucket(r Rate) *Bucket {
	if r.Off() {
		return &Bucket{}
	}
	return &Bucket{limiter: rate.NewLimiter(rate.Limit(float64(r.Events)/r.Per.Seconds()), r.Events)}
}

// Take reports whether one more event may happen now; if not, it also says
// after how long. A refused event costs nothing.
func (b *Bucket) Take() (wait time.Duration, ok bool) {
	if b.limiter == nil {
		return 0, true
	}
	reservation := b.limiter.Reserve()
	if wait = reservation.Delay(); wait == 0 {
		return 0, true
	}
	reservation.Cancel()
	return wait, false
}

// charge counts an event that happens in any case. The bucket may be in debt
// after it; later events wait until the debt is paid.
func (b *Bucket) charge() {
	if b.limiter != nil {
		b.limiter.Reserve()
	}
}

// takeAbove is Take for events that leave a part of the bucket, part/of, to
// others. On their own they can have the whole rate.
func (b *Bucket) takeAbove(part, of int) (wait time.Duration, ok bool) {
	if b.limiter == nil {
		return 0, true
	}
	missing := float64(b.limiter.Burst()*part/of+1) - b.limiter.Tokens()
	if missing > 0 {
		return time.Duration(missing / float64(b.limiter.Limit()) * float64(time.Second)), false
	}
	return b.Take()
}
