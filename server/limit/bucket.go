package limit

import (
	"time"

	"golang.org/x/time/rate"
)

// Bucket allows the events of one Rate. The zero value allows everything.
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

// TakeSpare is Take for events that can wait: they leave half of the bucket to
// the others. However many there are, whoever calls Take finds something in it;
// on their own they can have the whole rate.
func (b *Bucket) TakeSpare() (wait time.Duration, ok bool) {
	if b.limiter == nil {
		return 0, true
	}
	missing := float64(b.limiter.Burst()/2+1) - b.limiter.Tokens()
	if missing > 0 {
		return time.Duration(missing / float64(b.limiter.Limit()) * float64(time.Second)), false
	}
	return b.Take()
}
