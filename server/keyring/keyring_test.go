package keyring

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// raw returns 32 bytes, different for each seed; in base64 they have all the
// characters that the two alphabets differ in.
func raw(seed byte) []byte {
	b := bytes.Repeat([]byte{0xfb, 0xef, seed}, 11)
	return b[:keySize]
}

func b64(seed byte) string { return base64.StdEncoding.EncodeToString(raw(seed)) }

func mustParse(t testing.TB, text string) *Ring {
	t.Helper()
	r, err := Parse(secret.New(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestParseAccepts(t *testing.T) {
	_, want := mustParse(t, "k:"+b64(1)).SigningKey()
	for name, encode := range map[string]func([]byte) string{
		"standard":        base64.StdEncoding.EncodeToString,
		"standard, raw":   base64.RawStdEncoding.EncodeToString,
		"URL":             base64.URLEncoding.EncodeToString,
		"URL, raw":        base64.RawURLEncoding.EncodeToString,
		"space around it": func(b []byte) string { return base64.StdEncoding.EncodeToString(b) + " \r\n" },
	} {
		kid, key := mustParse(t, "k:"+encode(raw(1))).SigningKey()
		if kid != "k" || !bytes.Equal(key, want) {
			t.Errorf("%s: SigningKey() = %q and another key", name, kid)
		}
	}
	for _, text := range []string{
		"a:" + b64(1) + "\nb:" + b64(2) + "\n", "a:" + b64(1) + "\r\n\r\nb:" + b64(2),
		"a:" + b64(1) + ",\n\n b:" + b64(2), "a:" + b64(1) + " , b:" + b64(2) + "\n \n",
	} {
		if got := mustParse(t, text).String(); got != "keyring(a,b)" {
			t.Errorf("Parse(one a line) = %s, want both", got)
		}
	}
	r := mustParse(t, "\n 2026-11.a_B:"+b64(1)+",\n"+strings.Repeat("x", 32)+":"+b64(2)+"\n")
	if got, want := r.String(), "keyring(2026-11.a_B,"+strings.Repeat("x", 32)+")"; got != want {
		t.Errorf("Parse() = %s, want %s", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	type problem struct {
		position int
		id       string
		err      error
	}
	short := base64.StdEncoding.EncodeToString([]byte("sixteen bytes ok"))
	for name, tc := range map[string]struct {
		text string
		want []problem
	}{
		"one key too short": {"a:" + short, []problem{{1, "a", errLength}}},
		"one byte too long": {"a:" + base64.StdEncoding.EncodeToString(append(raw(1), 9)),
			[]problem{{1, "a", errLength}}},
		"no key":           {"a:", []problem{{1, "", errLength}}},
		"hex":              {"a:" + hex.EncodeToString(raw(1)), []problem{{1, "a", errLength}}},
		"not base64":       {"a:" + strings.Repeat("!", 44), []problem{{1, "a", errNotBase64}}},
		"two alphabets":    {"a:" + strings.Replace(b64(1), "+", "-", 1), []problem{{1, "a", errNotBase64}}},
		"too much padding": {"a:" + b64(1) + "=", []problem{{1, "a", errNotBase64}}},
		"loose bits":       {"a:" + b64(1)[:42] + "B=", []problem{{1, "a", errNotBase64}}},
		"all zero": {"a:" + base64.StdEncoding.EncodeToString(make([]byte, 32)),
			[]problem{{1, "a", errNotRandom}}},
		"all one byte": {"a:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32)),
			[]problem{{1, "a", errNotRandom}}},
		"no colon":            {b64(1), []problem{{1, "", errNoColon}}},
		"no id":               {":" + b64(1), []problem{{1, "", errNoID}}},
		"a space in the id":   {"a b:" + b64(1), []problem{{1, "", errBadID}}},
		"an umlaut in the id": {"ä:" + b64(1), []problem{{1, "", errBadID}}},
		"the id too long":     {strings.Repeat("x", 33) + ":" + b64(1), []problem{{1, "", errBadID}}},
		"key and id exchanged": {"a:" + b64(1) + "," + strings.TrimRight(short, "=") + ":id",
			[]problem{{2, "", errNotBase64}}},
		"the same id twice":  {"a:" + b64(1) + ",b:" + b64(2) + ",a:" + b64(3), []problem{{3, "a", errDuplicateID}}},
		"the same key twice": {"a:" + b64(1) + ",b:" + b64(1), []problem{{2, "b", errDuplicateKey}}},
		"an empty entry":     {"a:" + b64(1) + ",,b:" + b64(2), []problem{{2, "", errNoColon}}},
		"a comma at the end": {"a:" + b64(1) + ",", []problem{{2, "", errNoColon}}},
		"everything at once": {"a:" + short + ",b," + "c:" + b64(1) + ",c:" + b64(2), []problem{
			{1, "a", errLength}, {2, "", errNoColon}, {4, "c", errDuplicateID},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			ring, err := Parse(secret.New(tc.text))
			if ring != nil || err == nil {
				t.Fatalf("Parse() = %v, %v, want an error", ring, err)
			}
			joined, ok := err.(interface{ Unwrap() []error })
			if !ok || len(joined.Unwrap()) != len(tc.want) {
				t.Fatalf("Parse() = %v, want %d problems", err, len(tc.want))
			}
			for i, err := range joined.Unwrap() {
				var got *EntryError
				if !errors.As(err, &got) || got.Position != tc.want[i].position ||
					got.ID != tc.want[i].id ||
					!errors.Is(err, tc.want[i].err) {
					t.Errorf("problem %d = %v, want %+v", i, err, tc.want[i])
				}
			}
			wantNoKeyIn(t, err, tc.text)
		})
	}
	for _, empty := range []string{"", " \n"} {
		if _, err := Parse(secret.New(empty)); !errors.Is(err, ErrNoKeys) {
			t.Errorf("Parse(%q) = %v, want ErrNoKeys", empty, err)
		}
	}
}

// wantNoKeyIn checks that err shows nothing of text that may be a key: any
// piece longer than an id can be, or the longer half of an entry.
func wantNoKeyIn(t *testing.T, err error, text string) {
	t.Helper()
	for _, entry := range split(text) {
		id, key, _ := strings.Cut(strings.TrimSpace(entry), ":")
		for _, piece := range []string{id, key} {
			if len(piece) > maxIDSize && strings.Contains(err.Error(), piece) {
				t.Errorf("the error shows %q: %v", piece, err)
			}
		}
		if len(id) > 16 && len(id) > len(key) && strings.Count(text, id) == 1 &&
			strings.Contains(err.Error(), id) {
			t.Errorf("the error shows %q, which looks like a key: %v", id, err)
		}
	}
}

// sealedBefore is "plain" for "aad", sealed by an earlier build under the ring
// of raw(1) named a.
const sealedBefore = "0101613bdbd5e0457748d404b9ba3f05c4090f758bcf7e66984c38fa57057b56c7162f9f"

func mustHex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealOpen(t *testing.T) {
	ring := mustParse(t, "a:"+b64(1)+",b:"+b64(2))
	for _, plain := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("long "), 1000)} {
		for _, aad := range [][]byte{nil, []byte("row 1")} {
			sealed, err := ring.Seal(plain, aad)
			if err != nil {
				t.Fatal(err)
			}
			if len(plain) > 1 && bytes.Contains(sealed, plain[:5]) {
				t.Error("Seal() left the plaintext readable")
			}
			got, current, err := ring.Open(sealed, aad)
			if err != nil || !current || !bytes.Equal(got, plain) {
				t.Errorf("Open() = %.20q, %v, %v, want %.20q, true", got, current, err, plain)
			}
			again, err := ring.Seal(plain, aad)
			if err != nil || bytes.Equal(again, sealed) {
				t.Errorf("Seal() twice gives the same bytes (%v): the nonce is not fresh", err)
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	ring := mustParse(t, "a:"+b64(1)+",b:"+b64(2))
	sealed, err := ring.Seal([]byte("plain"), []byte("aad"))
	if err != nil {
		t.Fatal(err)
	}
	wantRefused := func(what string, ring *Ring, sealed, aad []byte, want ...error) {
		t.Helper()
		plain, current, err := ring.Open(sealed, aad)
		ok := false
		for _, w := range want {
			ok = ok || errors.Is(err, w)
		}
		if !ok || plain != nil || current {
			t.Errorf("%s: Open() = %q, %v, %v, want %v", what, plain, current, err, want)
		}
	}
	for i := range sealed {
		flipped := bytes.Clone(sealed)
		flipped[i] ^= 1
		wantRefused(
			fmt.Sprintf("byte %d flipped", i),
			ring,
			flipped,
			[]byte("aad"),
			ErrAuthentication,
			ErrUnknownKey,
		)
		wantRefused(
			fmt.Sprintf("cut to %d bytes", i),
			ring,
			sealed[:i],
			[]byte("aad"),
			ErrAuthentication,
			ErrUnknownKey,
		)
	}
	wantRefused("longer", ring, append(bytes.Clone(sealed), 0), []byte("aad"), ErrAuthentication)
	wantRefused("other aad", ring, sealed, []byte("aae"), ErrAuthentication)
	wantRefused("no aad", ring, sealed, nil, ErrAuthentication)
	wantRefused("key gone", mustParse(t, "b:"+b64(2)), sealed, []byte("aad"), ErrUnknownKey)
	wantRefused(
		"another key of that id",
		mustParse(t, "a:"+b64(3)),
		sealed,
		[]byte("aad"),
		ErrAuthentication,
	)

	// The same key under another id: the id is authenticated.
	renamed := bytes.Replace(sealed, []byte("a"), []byte("z"), 1)
	wantRefused("renamed", mustParse(t, "z:"+b64(1)), renamed, []byte("aad"), ErrAuthentication)
}

// The id is told from what is sealed, without a key.
func TestSealedUnder(t *testing.T) {
	sealed, err := mustParse(t, "k-2026:"+b64(1)).Seal([]byte("plain"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := SealedUnder(sealed); id != "k-2026" || !ok {
		t.Errorf("SealedUnder() = %q, %v", id, ok)
	}
	for _, other := range [][]byte{nil, {envelope}, {envelope, 9, 'a'}, {envelope + 1, 1, 'a'}, []byte("nonsense")} {
		if id, ok := SealedUnder(other); id != "" || ok {
			t.Errorf("SealedUnder(%q) = %q, %v, want none", other, id, ok)
		}
	}
}

func TestRotation(t *testing.T) {
	before, both, after := mustParse(
		t,
		"old:"+b64(1),
	), mustParse(
		t,
		"new:"+b64(2)+",old:"+b64(1),
	), mustParse(
		t,
		"new:"+b64(2),
	)

	sealed, err := before.Seal([]byte("plain"), nil)
	if err != nil {
		t.Fatal(err)
	}
	plain, current, err := both.Open(sealed, nil)
	if err != nil || current || string(plain) != "plain" {
		t.Errorf("Open(sealed by the old key) = %q, %v, %v, want not current", plain, current, err)
	}
	resealed, err := both.Seal(plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	if plain, current, err := after.Open(resealed, nil); err != nil || !current ||
		string(plain) != "plain" {
		t.Errorf("Open(sealed anew) = %q, %v, %v, want current", plain, current, err)
	}

	kid, key := before.SigningKey()
	if got, ok := both.VerificationKey(kid); !ok || !bytes.Equal(got, key) {
		t.Error("the old signing key is not accepted")
	}
	if newID, newKey := both.SigningKey(); newID != "new" || bytes.Equal(newKey, key) {
		t.Errorf("SigningKey() is %q, want the first", newID)
	}
	if got, ok := after.VerificationKey("old"); ok || got != nil {
		t.Error("a key that was dropped is still accepted")
	}
}

// No two purposes share a key, and none is the configured one.
func TestSubkeys(t *testing.T) {
	ring := mustParse(t, "a:"+b64(1))
	_, signing := ring.SigningKey()
	if len(signing) != keySize || bytes.Equal(signing, raw(1)) {
		t.Error("the signing key is the configured key")
	}
	// A ring that derives its sealing subkey from the signing subkey, or uses
	// that one, opens nothing.
	sealed, err := ring.Seal([]byte("plain"), nil)
	if err != nil {
		t.Fatal(err)
	}
	other := mustParse(t, "a:"+base64.StdEncoding.EncodeToString(signing))
	if _, _, err := other.Open(sealed, nil); !errors.Is(err, ErrAuthentication) {
		t.Errorf("Open() = %v, want ErrAuthentication", err)
	}
	// Derivation is part of the format: a change here ends every session.
	if got, want := hex.EncodeToString(signing), ""+
		"70685ab2b9e7ff13bef7fd5687eb3ce44c0fb9177aa642f785218858a033037f"; got != want {
		t.Errorf("signing key = %s, want %s", got, want)
	}
	if plain, _, err := ring.Open(mustHex(t, sealedBefore), []byte("aad")); err != nil ||
		string(plain) != "plain" {
		t.Errorf("Open(sealed by an earlier build) = %q, %v", plain, err)
	}
	clear(signing)
	if _, again := ring.SigningKey(); bytes.Equal(again, signing) {
		t.Error("the caller can change the ring's key")
	}
}

func TestZeroRing(t *testing.T) {
	var ring Ring
	if _, err := ring.Seal(nil, nil); !errors.Is(err, ErrNoKeys) {
		t.Errorf("Seal() = %v, want ErrNoKeys", err)
	}
	if _, _, err := ring.Open([]byte{envelope, 0}, nil); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("Open() = %v, want ErrUnknownKey", err)
	}
	if _, ok := ring.VerificationKey(""); ok {
		t.Error("VerificationKey() accepts no key")
	}
	defer func() {
		if recover() == nil {
			t.Error("SigningKey() did not panic")
		}
	}()
	ring.SigningKey()
}

func TestRingNeverPrints(t *testing.T) {
	ring := mustParse(t, "a:"+b64(1))
	_, signing := ring.SigningKey()
	holder := struct {
		Ring  *Ring
		Value Ring
	}{ring, *ring}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n"+verb+"\n"+verb+"\n", ring, *ring, holder)
	}
	if err := json.NewEncoder(&out).Encode(holder); err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("text", "ring", ring, "holder", holder)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "ring", ring, "holder", holder)

	low := strings.ToLower(out.String())
	for _, secret := range [][]byte{raw(1), signing} {
		for _, form := range []string{
			hex.EncodeToString(secret[:4]), strings.ToLower(base64.StdEncoding.EncodeToString(secret)),
			fmt.Sprintf("%d %d %d", secret[0], secret[1], secret[2]),
			fmt.Sprintf("%d,%d,%d", secret[0], secret[1], secret[2]),
			fmt.Sprintf("0x%x, 0x%x", secret[0], secret[1]),
		} {
			if strings.Contains(low, form) {
				t.Errorf("a key was printed, as %s:\n%s", form, low)
			}
		}
	}
	if !strings.Contains(low, "keyring(a)") {
		t.Errorf("nothing names the keys:\n%s", low)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a:" + b64(1))
	f.Add("a:" + b64(1) + ",b:" + b64(2))
	f.Add(b64(1) + ":a," + b64(2))
	f.Add("a:,:,a b:x,\n")
	f.Fuzz(func(t *testing.T, text string) {
		ring, err := Parse(secret.New(text))
		if err != nil {
			if ring != nil {
				t.Fatal("Parse() returns a ring and an error")
			}
			wantNoKeyIn(t, err, text)
			return
		}
		kid, key := ring.SigningKey()
		if got, ok := ring.VerificationKey(kid); !ok || !bytes.Equal(got, key) ||
			len(key) != keySize {
			t.Fatalf("VerificationKey(%q) is not SigningKey()", kid)
		}
		sealed, err := ring.Seal([]byte("plain"), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if plain, current, err := ring.Open(sealed, []byte(text)); err != nil || !current ||
			string(plain) != "plain" {
			t.Fatalf("Open() = %q, %v, %v", plain, current, err)
		}
	})
}

// Only what the ring has sealed opens: anything else that the fuzzer finds is
// a forgery.
func FuzzOpen(f *testing.F) {
	ring := mustParse(f, "a:"+b64(1)+",b:"+b64(2))
	sealed := mustHex(f, sealedBefore)
	f.Add(sealed, []byte("aad"))
	f.Add(sealed[:10], []byte("aad"))
	f.Add([]byte{envelope, 255, 'a'}, []byte(nil))
	f.Add([]byte{envelope, 1, 'b'}, []byte(nil))
	f.Fuzz(func(t *testing.T, box, aad []byte) {
		plain, _, err := ring.Open(box, aad)
		genuine := bytes.Equal(box, sealed) && bytes.Equal(aad, []byte("aad"))
		if genuine != (err == nil) {
			t.Fatalf("Open(%x, %x) = %q, %v", box, aad, plain, err)
		}
		if err != nil && !errors.Is(err, ErrAuthentication) && !errors.Is(err, ErrUnknownKey) {
			t.Fatalf("Open() = %v, want ErrAuthentication or ErrUnknownKey", err)
		}
	})
}
