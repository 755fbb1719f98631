package redis

import (
	"errors"
	"maps"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// A hash is a row with all that a row has, to the last bit, or it is none. An
// empty text stands for a field that is not there as well: only the value may be
// empty, and bare leaves it out.
func FuzzDecode(f *testing.F) {
	owner := strings.Repeat("o", len(store.Owner{}))
	f.Add("1", owner, "1795262400000", "sealed", false)
	f.Add("18446744073709551615", owner, "-9223372036854775808", "", false)
	f.Add("18446744073709551616", owner, "9223372036854775808", "x", false)
	f.Add("007", owner, "+5", "\x00\xff", false)
	f.Add("1", owner, "1", "x", true)
	f.Add("", "", "", "", true)
	f.Add("1", owner+"o", "1", "x", false)
	f.Add("1", owner[1:], "1", "x", false)
	f.Add(" 1", owner, "1", "x", false)
	f.Add("-1", owner, "1", "x", false)
	f.Add("1", owner, "1e3", "x", false)
	f.Add("1", owner, "0x10", "x", false)
	f.Fuzz(func(t *testing.T, version, owner, expires, value string, bare bool) {
		fields := map[string]string{
			"version": version,
			"owner":   owner,
			"expires": expires,
			"value":   value,
			"more":    value,
		}
		if bare {
			delete(fields, "value")
		}
		maps.DeleteFunc(
			fields,
			func(name, text string) bool { return name != "value" && text == "" },
		)
		key := store.Key{1}
		row, err := decode(key, fields)
		if err != nil {
			if !errors.Is(err, store.ErrTampered) || row.Version != 0 || row.Value != nil {
				t.Fatalf("decode(%q) = %+v, %v, want ErrTampered alone", fields, row, err)
			}
			return
		}
		if bare || row.Key != key || string(row.Owner[:]) != owner || string(row.Value) != value {
			t.Fatalf("decode(%q) = %+v", fields, row)
		}
		// A number has several spellings, and means what it says in each.
		ours := maps.Clone(fields)
		ours["version"], ours["expires"] = strconv.FormatUint(row.Version, 10), millis(row.Expires)
		for _, name := range []string{"version", "expires"} {
			want, ok := new(big.Int).SetString(fields[name], 10)
			if !ok || want.String() != ours[name] {
				t.Fatalf("decode(%q): the %s is %s", fields, name, ours[name])
			}
		}
		if again, err := decode(key, ours); err != nil || again.Version != row.Version ||
			!again.Expires.Equal(row.Expires) {
			t.Fatalf("decode(%q) = %+v, %v, want %+v", ours, again, err, row)
		}
	})
}
