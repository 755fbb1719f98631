package redis_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis/redistest"
)

// foreignValues are what another program may write in the place of a value.
func foreignValues(key string) map[string][][]any {
	del := []any{"DEL", key}
	return map[string][][]any{
		"text":            {{"SET", key, "x"}},
		"no text":         {{"SET", key, ""}},
		"a number":        {{"SET", key, "-1.5e300"}},
		"many digits":     {{"SET", key, strings.Repeat("9", 40)}},
		"a list":          {del, {"RPUSH", key, "x"}},
		"a set":           {del, {"SADD", key, "x"}},
		"a hash":          {del, {"HSET", key, "x", "y"}},
		"a stream":        {del, {"XADD", key, "*", "x", "y"}},
		"endless entries": {del, {"ZADD", key, "inf", "x", "1e300", "y", "-inf", "z"}},
	}
}

// What another program has put under any key of ours costs what that key held,
// and no user a login, a renewal or a sign-out.
func TestForeignValuesCostWhatTheirKeyHeld(t *testing.T) {
	server := redistest.Start(t)
	b, admin := open(t, server.URL()), dial(t, server)
	for name := range foreignValues("") {
		t.Run(name, func(t *testing.T) {
			do(t, admin, "FLUSHALL")
			ours, other := testRow(1), testRow(2)
			mustInsert(t, b, other, ours)
			if err := b.Lock(t.Context(), ours.Key, store.Holder{1}, time.Minute); err != nil {
				t.Fatal(err)
			}
			if _, err := b.RemoveOwner(t.Context(), ours.Owner); err != nil {
				t.Fatal(err) // there is a mark now
			}
			mustInsert(t, b, ours)
			for _, key := range keys(t, admin, "keepalive:*") {
				if strings.HasPrefix(key, "keepalive:{") {
					continue // TestForeignRows
				}
				for _, command := range foreignValues(key)[name] {
					do(t, admin, command...)
				}
			}
			wantUsable(t, b, ours)
			if _, err := b.Lookup(t.Context(), other.Key); err != nil {
				t.Errorf("another user's session: %v", err)
			}
		})
	}
}

// wantUsable does with a row's owner what logins, renewals, sign-outs and
// operators do.
func wantUsable(t *testing.T, b *redis.Backend, row store.Row) {
	t.Helper()
	begun, err := b.Now(t.Context())
	if err != nil || time.Since(time.UnixMicro(int64(begun))).Abs() > time.Hour {
		t.Errorf("Now() = %d, %v", begun, err)
	}
	again := testRow(3)
	again.Owner = row.Owner
	next := again
	next.Version++
	for _, step := range []struct {
		name string
		call func() error
	}{
		{"Unlock", func() error { return b.Unlock(t.Context(), row.Key, store.Holder{2}) }},
		{"Remove", func() error { _, err := b.Remove(t.Context(), row.Key); return err }},
		{"Insert", func() error { return b.Insert(t.Context(), again, begun) }},
		{"Replace", func() error { return b.Replace(t.Context(), next) }},
		{"Owned", func() error { _, err := b.Owned(t.Context(), row.Owner); return err }},
		{"Lock", func() error { return b.Lock(t.Context(), row.Key, store.Holder{2}, time.Minute) }},
		{"Ping", func() error { return b.Ping(t.Context()) }},
	} {
		if err := step.call(); err != nil {
			t.Errorf("%s() = %v", step.name, err)
		}
	}
	if n, err := b.RemoveOwner(t.Context(), row.Owner); n != 1 || err != nil {
		t.Errorf("RemoveOwner() = %d, %v, want 1", n, err)
	}
}

// A revocation finds the sessions that an index knew before it was written over,
// whether or not a login has made a new one since.
func TestRevocationFindsWhatAnIndexHasLost(t *testing.T) {
	server := redistest.Start(t)
	b, admin := open(t, server.URL()), dial(t, server)
	for name, logins := range map[string]int{"at once": 0, "after a login": 1} {
		t.Run(name, func(t *testing.T) {
			do(t, admin, "FLUSHALL")
			mustInsert(t, b, testRow(1))
			do(t, admin, "SET", keys(t, admin, "keepalive:owner:*")[0], "x")
			mustInsert(t, b, testRow(2))
			for range logins {
				again := testRow(3)
				again.Owner = testRow(1).Owner
				mustInsert(t, b, again)
			}
			if n, err := b.RemoveOwner(t.Context(), testRow(1).Owner); n != 1+logins || err != nil {
				t.Errorf("RemoveOwner() = %d, %v, want %d", n, err, 1+logins)
			}
			if _, err := b.Lookup(t.Context(), testRow(2).Key); err != nil {
				t.Errorf("another user's session: %v", err)
			}
		})
	}
}

// Operators hear of it: from check before a server has met it, and from the log
// after.
func TestForeignValuesAreTold(t *testing.T) {
	server := redistest.Start(t)
	b, admin := open(t, server.URL()), dial(t, server)
	mustInsert(t, b, testRow(1))
	index := keys(t, admin, "keepalive:owner:*")[0]
	tells := func(advice []string) bool {
		return slices.ContainsFunc(advice, func(s string) bool { return strings.Contains(s, index) })
	}
	diagnose := func() []string {
		t.Helper()
		advice, err := redis.Driver.Diagnose(t.Context(), secret.New(server.URL()))
		if err != nil {
			t.Fatal(err)
		}
		return advice
	}
	if advice := append(diagnose(), b.Advice(t.Context())...); tells(advice) {
		t.Errorf("before: %q", advice)
	}
	do(t, admin, "SET", index, "x")
	if advice := diagnose(); !tells(advice) {
		t.Errorf("check says %q", advice)
	}
	if _, err := b.RemoveOwner(t.Context(), testRow(1).Owner); err != nil {
		t.Fatal(err)
	}
	if advice := b.Advice(t.Context()); !tells(advice) {
		t.Errorf("the log says %q", advice)
	}
}
