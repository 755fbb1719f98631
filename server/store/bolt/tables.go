package bolt

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// tables are the buckets within one transaction. Every row has an entry in
// expiry, and every row with an owner one in owners; an entry without its row can
// only come from damage, and is dropped where it is met.
type tables struct{ tx *bbolt.Tx }

// Each bucket is opened where it is used: most transactions need one of them.
func (t tables) meta() *bbolt.Bucket    { return t.tx.Bucket(bucketMeta) }
func (t tables) rows() *bbolt.Bucket    { return t.tx.Bucket(bucketRows) }
func (t tables) owners() *bbolt.Bucket  { return t.tx.Bucket(bucketOwners) }
func (t tables) expiry() *bbolt.Bucket  { return t.tx.Bucket(bucketExpiry) }
func (t tables) revoked() *bbolt.Bucket { return t.tx.Bucket(bucketRevoked) }

// get returns the row, ErrNotFound or ErrTampered. Its value lives as long as
// the transaction.
func (t tables) get(key store.Key) (store.Row, error) {
	raw := t.rows().Get(key[:])
	if raw == nil {
		return store.Row{}, store.ErrNotFound
	}
	return decodeRow(key, raw)
}

// add writes a new row, with its owner.
func (t tables) add(row store.Row) error {
	if !row.Unowned() {
		if err := t.owners().Put(ownerEntry(row.Owner, row.Key), nil); err != nil {
			return err
		}
	}
	return t.put(row)
}

// put writes the row and its place in the order of expiry.
func (t tables) put(row store.Row) error {
	if err := t.expiry().Put(expiryEntry(row.Expires, row.Key), nil); err != nil {
		return err
	}
	return t.rows().Put(row.Key[:], encodeRow(row))
}

// remove deletes the row, if there is one, and what it has in the indexes.
func (t tables) remove(key store.Key) error {
	if row, err := t.get(key); err == nil {
		if err := t.owners().Delete(ownerEntry(row.Owner, key)); err != nil {
			return err
		}
		if err := t.expiry().Delete(expiryEntry(row.Expires, key)); err != nil {
			return err
		}
	}
	return t.rows().Delete(key[:])
}

// removeOwned deletes the rows of an owner, and returns how many.
func (t tables) removeOwned(owner store.Owner) (int, error) {
	n := 0
	for _, key := range t.ownedBy(owner) {
		row, err := t.get(key)
		// What cannot be read goes too: a revoked session must not come back,
		// however its row looks now.
		if errors.Is(err, store.ErrTampered) || (err == nil && row.Owner == owner) {
			if err := t.remove(key); err != nil {
				return 0, err
			}
			n++
		}
		if err := t.owners().Delete(ownerEntry(owner, key)); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// ownedBy returns the keys that the index has for owner.
func (t tables) ownedBy(owner store.Owner) []store.Key {
	var keys []store.Key
	c := t.owners().Cursor()
	for k, _ := c.Seek(owner[:]); bytes.HasPrefix(k, owner[:]); k, _ = c.Next() {
		if len(k) == len(owner)+len(store.Key{}) {
			keys = append(keys, store.Key(k[len(owner):]))
		}
	}
	return keys
}

// page is some rows, and the key of the last entry that was looked at; nil at
// the end of the table.
type page struct {
	rows []store.Row
	last []byte
}

// page returns copies of rows with an owner, after a key; nil: from the first.
func (t tables) page(after []byte, limit int) (p page) {
	c := t.rows().Cursor()
	k, raw := c.Seek(after)
	if k != nil && bytes.Equal(k, after) {
		k, raw = c.Next()
	}
	for ; k != nil; k, raw = c.Next() {
		if limit--; limit < 0 {
			return p
		}
		p.last = bytes.Clone(k)
		if len(k) != len(store.Key{}) {
			continue
		}
		if row, err := decodeRow(store.Key(k), raw); err == nil && !row.Unowned() {
			row.Value = bytes.Clone(row.Value)
			p.rows = append(p.rows, row)
		}
	}
	p.last = nil
	return p
}

// revoke writes when an owner's rows were removed.
func (t tables) revoke(owner store.Owner, at store.Moment) error {
	return t.revoked().Put(owner[:], binary.BigEndian.AppendUint64(nil, uint64(at)))
}

// refuses reports whether an owner's rows were removed after a login began.
func (t tables) refuses(owner store.Owner, begun store.Moment) bool {
	raw := t.revoked().Get(owner[:])
	return raw != nil && begun <= moment(raw)
}

func moment(raw []byte) store.Moment {
	if len(raw) != 8 {
		return 0
	}
	return store.Moment(binary.BigEndian.Uint64(raw))
}

// lastRevocation is the last moment of all.
func (t tables) lastRevocation() (last store.Moment) {
	c := t.revoked().Cursor()
	for k, raw := c.First(); k != nil; k, raw = c.Next() {
		last = max(last, moment(raw))
	}
	return last
}

// revokedBefore returns at most limit owners with a revocation that is forgotten
// by now.
func (t tables) revokedBefore(at store.Moment, limit int) (owners [][]byte) {
	c := t.revoked().Cursor()
	for k, raw := c.First(); k != nil && len(owners) < limit; k, raw = c.Next() {
		if moment(raw) < at {
			owners = append(owners, bytes.Clone(k))
		}
	}
	return owners
}

// due returns at most limit entries of the expiry index that are due, oldest
// first. They are copies: deleting while a cursor runs skips entries.
func (t tables) due(now time.Time, limit int) [][]byte {
	var entries [][]byte
	bound := expiryPrefix(now)
	c := t.expiry().Cursor()
	for k, _ := c.First(); k != nil && len(entries) < limit; k, _ = c.Next() {
		if bytes.Compare(k[:min(len(k), len(bound))], bound) > 0 {
			break
		}
		entries = append(entries, bytes.Clone(k))
	}
	return entries
}

// sweep deletes at most limit rows that are due, and returns them. A row that
// says it is not due stays, and loses its wrong entry.
func (t tables) sweep(before time.Time, limit int) (swept []store.Row, err error) {
	for len(swept) < limit {
		entries := t.due(before, limit-len(swept))
		if len(entries) == 0 {
			break
		}
		for _, entry := range entries {
			if err := t.expiry().Delete(entry); err != nil {
				return nil, err
			}
			row, gone, err := t.sweepEntry(entry, before)
			if err != nil {
				return nil, err
			}
			if gone {
				swept = append(swept, row)
			}
		}
	}
	return swept, nil
}

// sweepEntry deletes the row of an entry of expiry, if it is due or cannot be
// read.
func (t tables) sweepEntry(entry []byte, before time.Time) (row store.Row, gone bool, err error) {
	if len(entry) != 8+len(store.Key{}) {
		return row, false, nil
	}
	key := store.Key(entry[8:])
	row, err = t.get(key)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && row.Expires.After(before):
		return row, false, nil
	case err != nil:
		row = store.Row{Key: key}
	}
	row.Value = bytes.Clone(row.Value)
	return row, true, t.remove(key)
}

// What Ping keeps for a moment: as large as the new pages of a login whose row,
// owner and expiry each fall into a full page.
var (
	probeKey   = []byte("probe")
	probePages = make([]byte, 4*4096)
)

// probeRow is a row like that of a login. Its place is always the same, so that
// one damaged page elsewhere does not make Ping fail now and then.
func probeRow() store.Row {
	key := sha256.Sum256([]byte("keepalive probe"))
	return store.Row{Key: key, Owner: sha256.Sum256(key[:]), Version: 1, Value: make([]byte, 600)}
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
		return store.Row{}, fmt.Errorf(
			"%w: the row has %d bytes, fewer than its header", store.ErrTampered, len(raw),
		)
	}
	row := store.Row{Key: key, Owner: store.Owner(raw[:32]), Value: raw[rowHeader:]}
	row.Version = binary.BigEndian.Uint64(raw[32:])
	row.Expires = time.UnixMilli(int64(binary.BigEndian.Uint64(raw[40:]))).UTC()
	return row, nil
}
