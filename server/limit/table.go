package limit

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// NewCache returns a bounded cache of the size entries used last. It is safe
// for concurrent use.
func NewCache[K comparable, V any](size int) *lru.Cache[K, V] {
	cache, err := lru.New[K, V](size)
	if err != nil {
		panic("limit: " + err.Error()) // only for a size below 1, a constant
	}
	return cache
}

// Table keeps a Bucket for each key, for the keys used last. A key that was
// pushed out starts again with a full bucket: a caller with that many keys is
// not stopped by a limit per key in any case. It is safe for concurrent use.
type Table[K comparable] struct {
	rate    Rate
	buckets *lru.Cache[K, *Bucket]
}

// NewTable returns a Table that remembers size keys.
func NewTable[K comparable](r Rate, size int) *Table[K] {
	return &Table[K]{rate: r, buckets: NewCache[K, *Bucket](size)}
}

// Take reports whether one more event of key may happen now; if not, it also
// says after how long.
func (t *Table[K]) Take(key K) (wait time.Duration, ok bool) {
	if t.rate.Off() {
		return 0, true
	}
	bucket, found := t.buckets.Get(key)
	if !found {
		bucket = NewBucket(t.rate)
		if other, found, _ := t.buckets.PeekOrAdd(key, bucket); found {
			bucket = other // another caller was first
		}
	}
	return bucket.Take()
}
