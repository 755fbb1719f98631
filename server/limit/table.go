package limit

import (
	"container/list"
	"sync"
	"time"
)

// Table keeps a Bucket for each key, for the keys used last. A key that was
// pushed out starts again with a full bucket: whoever can use that many keys
// is not held by a limit per key anyway.
type Table[K comparable] struct {
	rate Rate

	mu      sync.Mutex // guards buckets
	buckets recent[K, *Bucket]
}

// NewTable returns a Table that remembers size keys.
func NewTable[K comparable](r Rate, size int) *Table[K] {
	return &Table[K]{rate: r, buckets: newRecent[K, *Bucket](size)}
}

// Take reports whether one more event of key may happen now; if not, it also
// says after how long.
func (t *Table[K]) Take(key K) (wait time.Duration, ok bool) {
	if t.rate.Off() {
		return 0, true
	}
	t.mu.Lock()
	bucket, found := t.buckets.get(key)
	if !found {
		bucket = NewBucket(t.rate)
		t.buckets.put(key, bucket)
	}
	t.mu.Unlock()
	return bucket.Take()
}

// First tells the first time of a key from later ones, for the keys seen last.
type First[K comparable] struct {
	mu   sync.Mutex // guards seen
	seen recent[K, struct{}]
}

// NewFirst returns a First that remembers size keys.
func NewFirst[K comparable](size int) *First[K] {
	return &First[K]{seen: newRecent[K, struct{}](size)}
}

// Is reports whether key is new, and remembers it.
func (f *First[K]) Is(key K) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, found := f.seen.get(key); found {
		return false
	}
	f.seen.put(key, struct{}{})
	return true
}

// Memo remembers a value for each key, for the keys used last.
type Memo[K comparable, V any] struct {
	mu     sync.Mutex // guards values
	values recent[K, V]
}

// NewMemo returns a Memo that remembers size keys.
func NewMemo[K comparable, V any](size int) *Memo[K, V] {
	return &Memo[K, V]{values: newRecent[K, V](size)}
}

// Get returns the value of key, if it is remembered.
func (m *Memo[K, V]) Get(key K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values.get(key)
}

// Put remembers value as that of key.
func (m *Memo[K, V]) Put(key K, value V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values.put(key, value)
}

// recent is a map that keeps the entries used last.
type recent[K comparable, V any] struct {
	size    int
	order   *list.List // of entry[K, V], the one used last in front
	entries map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func newRecent[K comparable, V any](size int) recent[K, V] {
	return recent[K, V]{size: size, order: list.New(), entries: make(map[K]*list.Element)}
}

func (r *recent[K, V]) get(key K) (V, bool) {
	element, found := r.entries[key]
	if !found {
		var none V
		return none, false
	}
	r.order.MoveToFront(element)
	return element.Value.(entry[K, V]).value, true
}

func (r *recent[K, V]) put(key K, value V) {
	if element, found := r.entries[key]; found {
		element.Value = entry[K, V]{key, value}
		r.order.MoveToFront(element)
		return
	}
	if r.order.Len() >= r.size {
		last := r.order.Back()
		r.order.Remove(last)
		delete(r.entries, last.Value.(entry[K, V]).key)
	}
	r.entries[key] = r.order.PushFront(entry[K, V]{key, value})
}
