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

// Memo remembers a value for each key, for the keys used last.
type Memo[K comparable, V any] struct{ values *lru.Cache[K, V] }

// NewMemo returns a Memo that remembers size keys.
func NewMemo[K comparable, V any](size int) *Memo[K, V] {
	return &Memo[K, V]{values: NewCache[K, V](size)}
}

// Get returns the value of key, if it is remembered.
func (m *Memo[K, V]) Get(key K) (V, bool) { return m.values.Get(key) }

// Put remembers value as that of key.
func (m *Memo[K, V]) Put(key K, value V) { m.values.Add(key, value) }
