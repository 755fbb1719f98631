package store

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

func TestDecodeRefuses(t *testing.T) {
	good := encode(Record{Mode: ModeToken, UUID: "u", AccessToken: secret.New("token")})
	if _, err := decode(good); err != nil {
		t.Fatalf("decode(good) = %v", err)
	}
	for n := range good {
		if _, err := decode(good[:n]); !errors.Is(err, errMalformed) {
			t.Errorf("decode(first %d of %d bytes) = %v, want errMalformed", n, len(good), err)
		}
	}
	for name, tc := range map[string]struct {
		raw  []byte
		want error
	}{
		"a newer format":   {append([]byte{3}, good[1:]...), errFormat},
		"more than it all": {append(bytes.Clone(good), 0), errMalformed},
		"a huge length":    {[]byte{format, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, errMalformed},
		"an endless one":   {append([]byte{format}, bytes.Repeat([]byte{0x80}, 20)...), errMalformed},
		"no uuid":          {encode(Record{Mode: ModeToken}), errNoUUID},
		"no mode":          {encode(Record{UUID: "u"}), errBadMode},
	} {
		r, err := decode(tc.raw)
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: decode() = %v, want %v", name, err, tc.want)
		}
		if !reflect.DeepEqual(r, Record{}) {
			t.Errorf("%s: decode() failed and returned a record all the same", name)
		}
		for _, v := range []error{ErrNotFound, ErrExpired, ErrTampered} {
			if errors.Is(err, v) {
				t.Errorf("%s: decode() = %v ends a session for trouble of ours", name, err)
			}
		}
	}
}

// What decodes is what was encoded, and encodes to what decodes the same.
func FuzzDecode(f *testing.F) {
	f.Add(encode(Record{Mode: ModeToken, UUID: "u"}))
	f.Add(encode(Record{
		Mode: ModeCode, UUID: "\xff\x00", AccessToken: secret.New("\x80"),
		RefreshToken: secret.New("r"), RedirectURI: "x",
		Created: time.UnixMilli(
			1,
		), IdleExpires: time.UnixMilli(math.MaxInt64), AbsoluteExpires: time.UnixMilli(math.MinInt64),
	}))
	f.Add([]byte{format, 0x80, 0x00})
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := decode(raw)
		if err != nil {
			return
		}
		again, err := decode(encode(r))
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("decode(encode(r)) = %+v, %v, want %+v", again, err, r)
		}
	})
}
