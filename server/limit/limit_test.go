package limit_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/limit"
)

func TestParseRate(t *testing.T) {
	for _, tc := range []struct {
		text string
		want limit.Rate
		err  error
	}{
		{text: "30/1m", want: limit.Rate{Events: 30, Per: time.Minute}},
		{text: "100/1s", want: limit.Rate{Events: 100, Per: time.Second}},
		{text: "off"},
		{text: "", err: limit.ErrRate},
		{text: "30", err: limit.ErrRate},
		{text: "0/1m", err: limit.ErrRate},
		{text: "-1/1m", err: limit.ErrRate},
		{text: "1/0s", err: limit.ErrRate},
		{text: "1/-1m", err: limit.ErrRate},
		{text: "1/1ns", err: limit.ErrRate},
		{text: "x/1m", err: limit.ErrRate},
		{text: "99999999999999999999/1m", err: limit.ErrRate},
		{text: "1/minute", err: limit.ErrRate},
	} {
		var got limit.Rate
		err := got.UnmarshalText([]byte(tc.text))
		if !errors.Is(err, tc.err) || got != tc.want {
			t.Errorf("UnmarshalText(%q) = %v, %v; want %v, %v", tc.text, got, err, tc.want, tc.err)
		}
		if tc.err != nil {
			continue
		}
		if again, err := limit.ParseRate(got.String()); err != nil || again != got {
			t.Errorf("ParseRate(%q) = %v, %v; want %v", got.String(), again, err, got)
		}
	}
}

func TestBucketRefillsAndRefusalsAreFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := limit.NewBucket(limit.Rate{Events: 2, Per: 10 * time.Second})
		for range 2 {
			if wait, ok := bucket.Take(); !ok || wait != 0 {
				t.Fatalf("Take() of a full bucket = %v, %v", wait, ok)
			}
		}
		for range 5 {
			wait, ok := bucket.Take()
			if ok || wait <= 4*time.Second || wait > 5*time.Second {
				t.Fatalf("Take() of an empty bucket = %v, %v; want 5s, false", wait, ok)
			}
		}
		<-time.After(5 * time.Second) // fake time
		if _, ok := bucket.Take(); !ok {
			t.Error("Take() after the wait it named was refused")
		}
		if _, ok := bucket.Take(); ok {
			t.Error("Take() got two events for one wait")
		}
	})
}

func TestZeroRateIsNoLimit(t *testing.T) {
	var zero limit.Bucket
	table := limit.NewTable[string](limit.Rate{}, 1)
	for range 1000 {
		if _, ok := zero.Take(); !ok {
			t.Fatal("the zero Bucket refused")
		}
		if _, ok := table.Take("a"); !ok {
			t.Fatal("a Table that is off refused")
		}
	}
}

func TestTableKeepsKeysApartAndIsBounded(t *testing.T) {
	table := limit.NewTable[string](limit.Rate{Events: 1, Per: time.Hour}, 2)
	take := func(key string, want bool) {
		t.Helper()
		if _, ok := table.Take(key); ok != want {
			t.Errorf("Take(%q) = %v, want %v", key, ok, want)
		}
	}
	take("a", true)
	take("b", true)
	take("a", false) // and a is now the one used last
	take("c", true)  // pushes b out
	take("a", false)
	take("b", true)
}

// What is read can be written, and read again as the same.
func FuzzParseRate(f *testing.F) {
	for _, text := range []string{"30/1m", "off", "1/1ms", "/", "1/",
		"9223372036854775807/2540400h", "1/1e9s", "+1/1s", "0x1/1s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rate, err := limit.ParseRate(text)
		if err != nil {
			if !errors.Is(err, limit.ErrRate) || rate != (limit.Rate{}) {
				t.Fatalf("%v, %v", rate, err)
			}
			return
		}
		if again, err := limit.ParseRate(rate.String()); err != nil || again != rate {
			t.Errorf("%q is %v, and written and read again %v, %v", text, rate, again, err)
		}
		if _, ok := limit.NewBucket(rate).Take(); !ok {
			t.Errorf("%v allows nothing", rate)
		}
	})
}
