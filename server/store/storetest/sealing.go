package storetest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// put writes row as someone with access to the database would.
func put(t *testing.T, b store.Backend, row store.Row) {
	t.Helper()
	if _, err := b.Remove(t.Context(), row.Key); err != nil {
		t.Fatal(err)
	}
	mustInsert(t, b, row)
}

func (s suite) tampered(t *testing.T) {
	st, b, c := s.store(t)
	id := mustCreate(t, st, s.record("u1"))
	row, err := b.Lookup(t.Context(), id.Key())
	if err != nil {
		t.Fatal(err)
	}
	changes := map[string]func(*store.Row){
		"version up":     func(r *store.Row) { r.Version++ },
		"version down":   func(r *store.Row) { r.Version-- },
		"expires later":  func(r *store.Row) { r.Expires = r.Expires.Add(time.Millisecond) },
		"expires sooner": func(r *store.Row) { r.Expires = r.Expires.Add(-time.Millisecond) },
		"other owner":    func(r *store.Row) { r.Owner = store.OwnerOf("u2") },
		"flipped owner":  func(r *store.Row) { r.Owner[31] ^= 1 },
		"no value":       func(r *store.Row) { r.Value = nil },
		"cut short":      func(r *store.Row) { r.Value = r.Value[:len(r.Value)-1] },
		"cut in half":    func(r *store.Row) { r.Value = r.Value[:len(r.Value)/2] },
		"made longer":    func(r *store.Row) { r.Value = append(r.Value, 0) },
	}
	// The envelope and the tag byte by byte, the rest in strides.
	for i := 0; i < len(row.Value); i++ {
		if i > 24 && i < len(row.Value)-16 {
			i += 6
		}
		name := "byte " + hex.EncodeToString([]byte{byte(i >> 8), byte(i)})
		changes[name] = func(r *store.Row) { r.Value[min(i, len(r.Value)-1)] ^= 1 }
	}
	for name, change := range changes {
		bad := row
		bad.Value = bytes.Clone(row.Value)
		change(&bad)
		put(t, b, bad)
		if _, err := st.Get(t.Context(), id); verdict(err) != store.ErrTampered {
			t.Errorf("%s: Get() = %v, want ErrTampered", name, err)
		}
	}
	put(t, b, row)
	wantRecord(t, st, id, s.record("u1"))

	bad := row
	bad.Version++
	put(t, b, bad)
	c.Set(s.base.AddDate(1, 0, 0))
	wantVerdict(t, st, id, store.ErrTampered) // not "expired": nothing in the row is to be believed
}

func (s suite) swapped(t *testing.T) {
	for name, swap := range map[string]func(a, b *store.Row){
		"values": func(a, b *store.Row) { a.Value, b.Value = b.Value, a.Value },
		"rows":   func(a, b *store.Row) { a.Key, b.Key = b.Key, a.Key },
		"owners": func(a, b *store.Row) { a.Owner, b.Owner = b.Owner, a.Owner },
	} {
		for _, uuids := range [][2]string{{"u1", "u2"}, {"u1", "u1"}} {
			if name == "owners" && uuids[0] == uuids[1] {
				continue // the same owner: nothing is swapped
			}
			st, backend, _ := s.store(t)
			one, two := mustCreate(t, st, s.record(uuids[0])), mustCreate(t, st, s.record(uuids[1]))
			a, errA := backend.Lookup(t.Context(), one.Key())
			b, errB := backend.Lookup(t.Context(), two.Key())
			if err := errors.Join(errA, errB); err != nil {
				t.Fatal(err)
			}
			swap(&a, &b)
			put(t, backend, a)
			put(t, backend, b)
			for _, id := range []store.ID{one, two} {
				if r, err := st.Get(t.Context(), id); verdict(err) != store.ErrTampered {
					t.Errorf(
						"%s of %v swapped: Get() = %+v, %v, want ErrTampered", name, uuids, r, err,
					)
				}
			}
		}
	}

	// An older version's content under the newer version's number.
	st, backend, _ := s.store(t)
	id := mustCreate(t, st, s.record("u1"))
	old, errOld := backend.Lookup(t.Context(), id.Key())
	_, errUpdate := st.Update(t.Context(), id, s.record("u1"))
	current, errCurrent := backend.Lookup(t.Context(), id.Key())
	if err := errors.Join(errOld, errUpdate, errCurrent); err != nil {
		t.Fatal(err)
	}
	current.Value = old.Value
	put(t, backend, current)
	wantVerdict(t, st, id, store.ErrTampered)
}

func (s suite) keyRotation(t *testing.T) {
	b, c := s.open(t), &clock{now: s.base}
	before := store.New(b, ring(t, "k1"), c.Now)
	both := store.New(b, ring(t, "k2", "k1"), c.Now)
	after := store.New(b, ring(t, "k2"), c.Now)

	id := mustCreate(t, before, s.record("u1"))
	old := s.record("u1")
	old.OldKey = true
	wantRecord(t, both, id, old)
	wantVerdict(t, after, id, store.ErrTampered)

	want, err := both.Update(t.Context(), id, s.record("u1"))
	if err != nil {
		t.Fatal(err)
	}
	wantRecord(t, both, id, want)
	wantRecord(t, after, id, want)
	wantVerdict(t, before, id, store.ErrTampered)
}

func (s suite) nothingReadable(t *testing.T) {
	st, b, _ := s.store(t)
	const uuid = "c0ffee00-dead-4bee-8bad-0123456789ab"
	r := s.record(uuid)
	id := mustCreate(t, st, r)
	if _, err := st.Update(t.Context(), id, r); err != nil {
		t.Fatal(err)
	}
	row, err := b.Lookup(t.Context(), id.Key())
	if err != nil {
		t.Fatal(err)
	}
	stored := slices.Concat(row.Key[:], row.Owner[:], row.Value)
	for what, plain := range map[string][]byte{
		"the id":            id[:],
		"the uuid":          []byte(uuid),
		"the access token":  []byte(r.AccessToken.Reveal()),
		"the refresh token": []byte(r.RefreshToken.Reveal()),
		"the redirect URI":  []byte(r.RedirectURI),
	} {
		for how, form := range map[string][]byte{
			"as it is": plain,
			"in hex":   []byte(hex.EncodeToString(plain)),
			"base64":   []byte(base64.RawStdEncoding.EncodeToString(plain)),
		} {
			if bytes.Contains(stored, form) {
				t.Errorf("%s is in the row, %s", what, how)
			}
		}
	}
}
