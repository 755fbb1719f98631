package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// tables are the buckets within one transaction. Every row has an entry in
// both indexes, but for one that is its own owner; an entry without its row can
// only come from damage, and is dropped where it is met.
type tables struct{ rows, owners, expiry *bbolt.Bucket }

func open(tx *bbolt.Tx) tables {
	return tables{rows: tx.Bucket(bucketRows), owners: tx.Bucket(bucketOwners), expiry: tx.Bucket(bucketExpiry)}
}

// get returns the row, ErrNotFound or ErrTampered. Its value lives as long as
// the transaction.
func (t tables) get(key store.Key) (store.Row, error) { return get(t.rows, key) }

// get is tables.get, for whoever needs no index.
func get(rows *bbolt.Bucket, key store.Key) (store.Row, error) {
	raw := rows.Get(key[:])
	if raw == nil {
		return store.Row{}, store.ErrNotFound
	}
	return decodeRow(key, raw)
}

// put writes the row and its place in the order of expiry.
func (t tables) put(row store.Row) error {
	if err := t.expiry.Put(expiryEntry(row.Expires, row.Key), nil); err != nil {
		return err
	}
	return t.rows.Put(row.Key[:], encodeRow(row))
}

// own writes whose the row is.
func (t tables) own(row store.Row) error {
	if row.Owner == store.Owner(row.Key) {
		return nil
	}
	return t.owners.Put(ownerEntry(row.Owner, row.Key), nil)
}

// remove deletes the row, if there is one, and what it has in the indexes.
func (t tables) remove(key store.Key) error {
	if row, err := t.get(key); err == nil {
		if err := t.owners.Delete(ownerEntry(row.Owner, key)); err != nil {
			return err
		}
		if err := t.expiry.Delete(expiryEntry(row.Expires, key)); err != nil {
			return err
		}
	}
	return t.rows.Delete(key[:])
}

// ownedBy returns the keys of rows that may be owner's: its own, and what the
// index has.
func (t tables) ownedBy(owner store.Owner) []store.Key {
	keys := []store.Key{store.Key(owner)}
	c := t.owners.Cursor()
	for k, _ := c.Seek(owner[:]); bytes.HasPrefix(k, owner[:]); k, _ = c.Next() {
		if len(k) == len(owner)+len(store.Key{}) {
			keys = append(keys, store.Key(k[len(owner):]))
		}
	}
	return keys
}

// due returns at most limit entries of the expiry index that are due, oldest
// first. They are copies: deleting while a cursor runs skips entries.
func (t tables) due(now time.Time, limit int) [][]byte {
	var entries [][]byte
	bound := expiryPrefix(now)
	c := t.expiry.Cursor()
	for k, _ := c.First(); k != nil && len(entries) < limit; k, _ = c.Next() {
		if bytes.Compare(k[:min(len(k), len(bound))], bound) > 0 {
			break
		}
		entries = append(entries, bytes.Clone(k))
	}
	return entries
}

// sweep drops the entries and returns how many rows went with them. A row that
// says it is not due stays.
func (t tables) sweep(entries [][]byte, now time.Time) (int, error) {
	n := 0
	for _, entry := range entries {
		if err := t.expiry.Delete(entry); err != nil {
			return 0, err
		}
		if len(entry) != 8+len(store.Key{}) {
			continue
		}
		key := store.Key(entry[8:])
		if t.rows.Get(key[:]) == nil {
			continue
		}
		if row, err := t.get(key); err == nil && row.Expires.After(now) {
			continue
		}
		if err := t.remove(key); err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

func ownerEntry(owner store.Owner, key store.Key) []byte { return append(owner[:], key[:]...) }

func expiryEntry(expires time.Time, key store.Key) []byte {
	return append(expiryPrefix(expires), key[:]...)
}

// expiryPrefix sorts as time does, also before 1970: the sign bit is turned.
func expiryPrefix(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(t.UnixMilli())^1<<63)
}

// A row in the file: owner, version, expires in unix milliseconds, value.
const rowHeader = len(store.Owner{}) + 8 + 8

func encodeRow(row store.Row) []byte {
	b := make([]byte, 0, rowHeader+len(row.Value))
	b = append(b, row.Owner[:]...)
	b = binary.BigEndian.AppendUint64(b, row.Version)
	b = binary.BigEndian.AppendUint64(b, uint64(row.Expires.UnixMilli()))
	return append(b, row.Value...)
}

func decodeRow(key store.Key, raw []byte) (store.Row, error) {
	if len(raw) < rowHeader {
		return store.Row{}, fmt.Errorf("%w: the row has %d bytes, fewer than its header", store.ErrTampered, len(raw))
	}
	row := store.Row{Key: key, Owner: store.Owner(raw[:32]), Value: raw[rowHeader:]}
	row.Version = binary.BigEndian.Uint64(raw[32:])
	row.Expires = time.UnixMilli(int64(binary.BigEndian.Uint64(raw[40:]))).UTC()
	return row, nil
}
