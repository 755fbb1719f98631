package store_test

import (
	"encoding/hex"
	"reflect"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
)

// What is in a database outlives the program that wrote it: a row from the first
// version has to be found and read by every later one.
func TestRowsOfTheFirstVersionAreRead(t *testing.T) {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	want := store.Record{
		Mode: store.ModeCode, UUID: "6b1d9c2e", Version: 1, RedirectURI: "https://www.example.com/back",
		AccessToken: secret.New("access"), RefreshToken: secret.New("refresh"),
		AccessIssued: at, AccessExpires: at.Add(time.Hour), Created: at, Seen: at,
		IdleExpires: at.Add(2 * time.Hour), AbsoluteExpires: at.Add(3 * time.Hour),
	}
	unhex := func(text string) []byte {
		raw, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	backend := memory.New()
	if err := backend.Insert(t.Context(), store.Row{
		Key:   store.Key(unhex("cf68d45284623f7b44fa1dbd2412ba33f5cf706a113660cfe08476055275dc1d")),
		Owner: store.OwnerOf(want.UUID), Version: 1, Expires: want.Expires(),
		Value: unhex("" +
			"01026b31d4fa02bd88562a9a8e31e3b181fdef2c7cf3faa9dff14000f636ad5f347bc7a3fb23b7f61c6b039171e6f70324b65f97" +
			"46ba3598dcbe081a048e85ae7782187740feb998cdeffffbb918469e155f3cf1319c168450d2e5119419" +
			"e8cd36bb471af4704cdd33dfeaf6" +
			"0ccc04f05870492d1821c6ed58b8518f07f2551296f488"),
	}, 0); err != nil {
		t.Fatal(err)
	}
	got, err := store.New(backend, testRing(t), func() time.Time { return at }).
		Get(t.Context(), store.ID{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	// A secret is equal to another by its value alone.
	if !got.AccessToken.Equal(want.AccessToken) || !got.RefreshToken.Equal(want.RefreshToken) {
		t.Error("the tokens are not those that were stored")
	}
	got.AccessToken, got.RefreshToken, want.AccessToken, want.RefreshToken = secret.String{},
		secret.String{}, secret.String{}, secret.String{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
