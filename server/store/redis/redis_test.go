package redis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis/redistest"
	"github.com/capture-keepalive/capture-keepalive/server/store/storetest"
)

const (
	// bar is what a request may take to be refused while Redis is out of order.
	bar = 2 * time.Second
	// patience bounds what a test waits for: sentinels do nothing for half a minute
	// after a pause.
	patience = 2 * time.Minute
)

func TestContract(t *testing.T) {
	server := redistest.Start(t)
	admin := dial(t, server)
	storetest.Run(t, func(t *testing.T) store.Backend {
		if err := admin.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		return patient{open(t, server.URL())}
	}, storetest.SelfExpiring)
}

func TestContractCluster(t *testing.T) {
	cluster := redistest.StartCluster(t)
	storetest.Run(t, func(t *testing.T) store.Backend {
		for _, node := range cluster.Nodes {
			if err := dial(t, node).FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		}
		return patient{open(t, cluster.URL())}
	}, storetest.SelfExpiring)
}

// open returns a backend that is closed at the end of the test.
func open(t *testing.T, url string) *redis.Backend {
	t.Helper()
	b, err := redis.Open(t.Context(), secret.New(url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return b
}

// dial returns a client of the test's own, for what an operator could do.
func dial(t *testing.T, server *redistest.Server) *goredis.Client {
	t.Helper()
	client := goredis.NewClient(&goredis.Options{
		Addr: server.Address, Protocol: 2, DialTimeout: patience, ReadTimeout: patience,
	})
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Errorf("closing the test's client: %v", err)
		}
	})
	return client
}

func do(t *testing.T, client *goredis.Client, args ...any) {
	t.Helper()
	if err := client.Do(t.Context(), args...).Err(); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
}

func testRow(n byte) store.Row {
	return store.Row{
		Key: store.Key{1, n}, Owner: store.Owner{2, n}, Version: 1,
		Expires: time.Now().Add(time.Hour).Truncate(time.Millisecond), Value: []byte{3, n, 0, 0xff},
	}
}

func mustInsert(t *testing.T, b store.Backend, rows ...store.Row) {
	t.Helper()
	for _, row := range rows {
		begun, err := patient{b}.Now(t.Context())
		if err == nil {
			err = patient{b}.Insert(t.Context(), row, begun)
		}
		if err != nil {
			t.Fatalf("Insert() = %v", err)
		}
	}
}

// calls is one call of every method that asks Redis, on the row inserted before.
func calls(b store.Backend, ctx context.Context) map[string]func() error {
	next, other := testRow(1), testRow(2)
	next.Version = 2
	return map[string]func() error{
		"Insert":      func() error { return b.Insert(ctx, other, 0) },
		"Lookup":      func() error { _, err := b.Lookup(ctx, next.Key); return err },
		"Replace":     func() error { return b.Replace(ctx, next) },
		"Remove":      func() error { _, err := b.Remove(ctx, next.Key); return err },
		"RemoveOwner": func() error { _, err := b.RemoveOwner(ctx, next.Owner); return err },
		"Ping":        func() error { return b.Ping(ctx) },
	}
}

// wantSystemFailure checks that an error says nothing about a row, and does not
// pass for the caller's own deadline or for a caller that has left.
func wantSystemFailure(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s is no error", what)
	}
	for _, no := range []error{
		store.ErrNotFound, store.ErrExpired, store.ErrTampered, store.ErrConflict, store.ErrExists,
		context.DeadlineExceeded, context.Canceled,
	} {
		if errors.Is(err, no) {
			t.Errorf("%s = %v: that is %v", what, err, no)
		}
	}
}

// wantOutage makes every call many times at once, as a server under load does,
// and wants each to fail in time.
func wantOutage(t *testing.T, b store.Backend) {
	t.Helper()
	var group sync.WaitGroup
	for name, call := range calls(b, t.Context()) {
		for range 40 {
			group.Go(func() {
				watch := clocktest.Start()
				err := call()
				if took := watch.Took(); took >= bar {
					t.Errorf("%s() took %v, want less than %v", name, took, bar)
				}
				wantSystemFailure(t, name+"()", err)
			})
		}
	}
	group.Wait()
}

// eventually calls until it works or patience is over.
func eventually(t *testing.T, call func() error) {
	t.Helper()
	tick, end := time.NewTicker(20*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for {
		err := call()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("still %v", err)
		}
	}
}

// warm fills the pool with connections that will break.
func warm(t *testing.T, b store.Backend) {
	t.Helper()
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			if _, err := (patient{b}).Lookup(t.Context(), testRow(1).Key); err != nil {
				t.Errorf("Lookup() = %v", err)
			}
		})
	}
	group.Wait()
}

func TestStopped(t *testing.T) {
	server := redistest.Start(t)
	b := open(t, server.URL())
	mustInsert(t, b, testRow(1))
	warm(t, b)

	server.Stop(t)
	wantOutage(t, b)
	watch := clocktest.Start()
	_, err := b.Lookup(t.Context(), testRow(1).Key)
	if took := watch.Took(); !errors.Is(err, redis.ErrTimeout) || took >= bar {
		t.Errorf("Lookup() = %v after %v, want ErrTimeout", err, took)
	}
	within, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	watch = clocktest.Start()
	err = b.Ping(within)
	if took := watch.Took(); !errors.Is(err, context.DeadlineExceeded) || took > redis.Timeout/2 {
		t.Errorf("Ping(50 ms) = %v after %v, want the context's error at once", err, took)
	}
	server.Continue(t)

	eventually(t, func() error { return b.Ping(t.Context()) })
	// What was asked for during the outage may have been done late: all of it
	// is one state or the other, and the store takes new sessions.
	mustInsert(t, b, testRow(3))
	warmed := testRow(3)
	if _, err := b.Lookup(t.Context(), warmed.Key); err != nil {
		t.Errorf("Lookup() after the outage = %v", err)
	}
}

func TestKilled(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	b := open(t, server.URL())
	mustInsert(t, b, testRow(1))
	warm(t, b)

	server.Kill()
	wantOutage(t, b)
	server.Restart(t)

	eventually(t, func() error { return b.Ping(t.Context()) })
	got, err := b.Lookup(t.Context(), testRow(1).Key)
	if err != nil || string(got.Value) != string(testRow(1).Value) {
		t.Errorf("Lookup() after the restart = %v, %v", got, err)
	}
	if n, err := b.RemoveOwner(t.Context(), testRow(1).Owner); n != 1 || err != nil {
		t.Errorf("RemoveOwner() after the restart = %d, %v, want 1", n, err)
	}
}

// A restart that was not noticed costs nothing: broken connections are found out
// before they are used.
func TestRestartedUnseen(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	b := open(t, server.URL())
	mustInsert(t, b, testRow(1))
	warm(t, b)
	server.Kill()
	server.Restart(t)
	warm(t, b)
}

func TestClusterNodeStopped(t *testing.T) {
	cluster := redistest.StartCluster(t)
	b := open(t, cluster.URL())
	var rows []store.Row
	for n := range byte(30) {
		rows = append(rows, testRow(n))
	}
	mustInsert(t, b, rows...)

	cluster.Nodes[1].Stop(t)
	var group sync.WaitGroup
	var mu sync.Mutex
	failed := 0
	for _, row := range rows {
		group.Go(func() {
			watch := clocktest.Start()
			_, err := b.Lookup(t.Context(), row.Key)
			if took := watch.Took(); took >= bar {
				t.Errorf("Lookup() took %v, want less than %v", took, bar)
			}
			if err != nil {
				wantSystemFailure(t, "Lookup()", err)
				mu.Lock()
				failed++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if failed == 0 {
		t.Error("a third of the cluster stood still, and every row could be read")
	}
	cluster.Nodes[1].Continue(t)
	for _, row := range rows {
		eventually(t, func() error { _, err := b.Lookup(t.Context(), row.Key); return err })
	}
}

// What Redis has forgotten is not found; it is no failure.
func TestForgotten(t *testing.T) {
	server := redistest.Start(t)
	b, admin := open(t, server.URL()), dial(t, server)
	mustInsert(t, b, testRow(1))
	do(t, admin, "FLUSHALL")
	do(t, admin, "SCRIPT", "FLUSH")

	next := testRow(1)
	next.Version = 2
	if err := b.Replace(t.Context(), next); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Replace() = %v, want ErrNotFound", err)
	}
	if _, err := b.Lookup(t.Context(), next.Key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Lookup() = %v, want ErrNotFound", err)
	}
	if n, err := b.RemoveOwner(t.Context(), next.Owner); n != 0 || err != nil {
		t.Errorf("RemoveOwner() = %d, %v, want 0", n, err)
	}
	mustInsert(t, b, testRow(3)) // a key of its own, as each session has
}

// The next write of any row of an owner brings back an index that was thrown out.
// From then on a revocation finds the rows that were not written since, too.
func TestIndexForgotten(t *testing.T) {
	server := redistest.Start(t)
	b, admin := open(t, server.URL()), dial(t, server)
	written, idle, other := testRow(1), testRow(2), testRow(3)
	idle.Owner = written.Owner
	mustInsert(t, b, written, idle, other)
	for _, index := range keys(t, admin, "keepalive:owner:*") {
		do(t, admin, "DEL", index)
	}
	late := written
	late.Version = 7 // the index is missed by a write that comes to nothing, too
	if err := b.Replace(t.Context(), late); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("Replace(late) = %v, want ErrConflict", err)
	}
	written.Version = 2
	if err := b.Replace(t.Context(), written); err != nil {
		t.Fatal(err)
	}
	if n, err := b.RemoveOwner(t.Context(), written.Owner); n != 2 || err != nil {
		t.Errorf("RemoveOwner() = %d, %v, want 2", n, err)
	}
	if _, err := b.Lookup(t.Context(), other.Key); err != nil {
		t.Errorf("another user's session: %v", err)
	}
}

// A renewal that is late for a sign-out shows no loss: a revocation then needs
// not read the rows of all users.
func TestALateRenewalShowsNoLoss(t *testing.T) {
	server := redistest.Start(t)
	b, admin := open(t, server.URL()), dial(t, server)
	row := testRow(1)
	mustInsert(t, b, row)
	if _, err := b.Remove(t.Context(), row.Key); err != nil {
		t.Fatal(err)
	}
	row.Version = 2
	if err := b.Replace(t.Context(), row); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("Replace() = %v, want ErrNotFound", err)
	}
	for _, index := range keys(t, admin, "keepalive:owner:*") {
		if members := admin.ZRange(t.Context(), index, 0, -1).Val(); len(members) != 1 {
			t.Errorf("the index has %q, want the row alone", members)
		}
	}
}

// A mark and a note are one key each: there are as many notes as tokens.
func TestUnownedRowsHaveNoIndex(t *testing.T) {
	server := redistest.Start(t)
	b, admin := open(t, server.URL()), dial(t, server)
	row := testRow(1)
	row.Owner = store.Owner(row.Key)
	mustInsert(t, b, row)
	row.Version = 2
	if err := b.Replace(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if all := keys(t, admin, "*"); len(all) != 2 || !slices.Contains(all, "keepalive:clock") {
		t.Errorf("there are the keys %q, want the row and the clock", all)
	}
}

func keys(t *testing.T, client *goredis.Client, pattern string) []string {
	t.Helper()
	found, err := client.Keys(t.Context(), pattern).Result()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Rows and indexes go by themselves, the index last; Redis's clock never ends a
// session sooner than ours does.
func TestLifetimes(t *testing.T) {
	server := redistest.Start(t)
	b, admin := open(t, server.URL()), dial(t, server)
	row := testRow(1)
	check := func(longest time.Time) {
		t.Helper()
		for _, key := range keys(t, admin, "*") {
			ends, err := admin.PExpireTime(t.Context(), key).Result()
			if err != nil {
				t.Fatal(err)
			}
			want := row.Expires.Add(store.Grace)
			switch {
			case key == "keepalive:clock":
				continue
			case strings.HasPrefix(key, "keepalive:owner:"):
				want = longest.Add(store.Grace + time.Hour)
			}
			if end := time.UnixMilli(ends.Milliseconds()); !end.Equal(want) {
				t.Errorf("%s ends at %v, want %v", key, end, want)
			}
		}
	}
	mustInsert(t, b, row)
	check(row.Expires)

	row.Version, row.Expires = 2, row.Expires.Add(24*time.Hour)
	if err := b.Replace(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	check(row.Expires)

	// Sooner again: the row follows, the index takes nothing back.
	longest := row.Expires
	row.Version, row.Expires = 3, row.Expires.Add(-25*time.Hour)
	if err := b.Replace(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	check(longest)
	if n := admin.ZCard(t.Context(), keys(t, admin, "keepalive:owner:*")[0]).Val(); n != 1 {
		t.Errorf("the index has %d entries, want 1", n)
	}
}

// Entries of the index go when their time is over, with the next write.
func TestIndexIsTidied(t *testing.T) {
	server := redistest.Start(t)
	b, admin := open(t, server.URL()), dial(t, server)
	mustInsert(t, b, testRow(1))
	index := keys(t, admin, "keepalive:owner:*")[0]
	past := time.Now().Add(-time.Minute).UnixMilli()
	for n := range 20 {
		do(t, admin, "ZADD", index, past, fmt.Sprintf("%032d", n))
	}
	same := testRow(5)
	same.Owner = testRow(1).Owner
	mustInsert(t, b, same)
	if n := admin.ZCard(t.Context(), index).Val(); n != 2 {
		t.Errorf("the index has %d entries, want the 2 rows", n)
	}
	_, err := b.Remove(t.Context(), same.Key)
	if err := errors.Join(err, b.Ping(t.Context())); err != nil {
		t.Error(err)
	}
	for _, key := range keys(t, admin, "*") {
		if strings.Contains(key, "probe") {
			t.Errorf("Ping() left %s behind", key)
		}
	}
}

// Whatever runs at once, no row is left that RemoveOwner cannot find.
func TestNoRowEscapesItsOwner(t *testing.T) {
	for name, start := range map[string]func(*testing.T) (string, []*redistest.Server){
		"one server": func(t *testing.T) (string, []*redistest.Server) {
			server := redistest.Start(t)
			return server.URL(), []*redistest.Server{server}
		},
		"a cluster": func(t *testing.T) (string, []*redistest.Server) {
			cluster := redistest.StartCluster(t)
			return cluster.URL(), cluster.Nodes
		},
	} {
		t.Run(name, func(t *testing.T) {
			url, nodes := start(t)
			b := patient{open(t, url)}
			owner := store.Owner{7}
			const writers, each = 8, 60
			var group sync.WaitGroup
			for writer := range byte(writers) {
				group.Go(func() {
					for n := range byte(each) {
						row := testRow(n)
						row.Key, row.Owner = store.Key{writer, n}, owner
						begun, err := b.Now(t.Context())
						if err == nil {
							err = b.Insert(t.Context(), row, begun)
						}
						if err != nil && !errors.Is(err, store.ErrRevoked) {
							t.Errorf("Insert() = %v", err)
						}
						row.Version = 2
						if err := b.Replace(t.Context(), row); err != nil &&
							!errors.Is(err, store.ErrNotFound) {
							t.Errorf("Replace() = %v", err)
						}
						if n%7 == 0 {
							if _, err := b.Remove(t.Context(), row.Key); err != nil {
								t.Errorf("Remove() = %v", err)
							}
						}
					}
				})
			}
			for range 2 {
				group.Go(func() {
					for range 20 {
						if _, err := b.RemoveOwner(t.Context(), owner); err != nil {
							t.Errorf("RemoveOwner() = %v", err)
						}
					}
				})
			}
			group.Wait()
			if _, err := b.RemoveOwner(t.Context(), owner); err != nil {
				t.Fatal(err)
			}
			for _, node := range nodes {
				client := dial(t, node)
				for _, key := range keys(t, client, "keepalive:{*") {
					if fields := client.HGetAll(t.Context(), key).Val(); fields["tombstone"] == "" {
						t.Errorf("%s is left: %q", key, fields)
					}
				}
			}
		})
	}
}

func TestRemoveOwnerOfMany(t *testing.T) {
	server := redistest.Start(t)
	b := open(t, server.URL())
	const rows = 1203
	for n := range rows {
		row := testRow(1)
		row.Key = store.Key{9, byte(n), byte(n >> 8)}
		mustInsert(t, b, row)
	}
	// Another user's row, in this owner's index after a write that was refused.
	other := testRow(2)
	mustInsert(t, b, other)
	stolen := other
	stolen.Owner, stolen.Version = testRow(1).Owner, 2
	if err := b.Replace(t.Context(), stolen); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("Replace(another owner) = %v, want ErrConflict", err)
	}
	if n, err := b.RemoveOwner(t.Context(), testRow(1).Owner); n != rows || err != nil {
		t.Errorf("RemoveOwner() = %d, %v, want %d", n, err, rows)
	}
	if _, err := b.Lookup(t.Context(), other.Key); err != nil {
		t.Errorf("Lookup(the other's) = %v", err)
	}
}

// What someone else has put in a row's place is no row, and no failure.
func TestForeignRows(t *testing.T) {
	server := redistest.Start(t)
	b, admin := open(t, server.URL()), dial(t, server)
	good := func(key string, change ...any) []any {
		fields := map[string]any{
			"version": "1",
			"owner":   string(make([]byte, 32)),
			"expires": "1",
			"value":   "v",
		}
		for i := 0; i < len(change); i += 2 {
			if change[i+1] == nil {
				delete(fields, change[i].(string))
				continue
			}
			fields[change[i].(string)] = change[i+1]
		}
		args := []any{"HSET", key}
		for name, value := range fields {
			args = append(args, name, value)
		}
		return args
	}
	for name, write := range map[string]func(key string) []any{
		"a string":           func(key string) []any { return []any{"SET", key, "x"} },
		"a set":              func(key string) []any { return []any{"SADD", key, "x"} },
		"other fields":       func(key string) []any { return []any{"HSET", key, "x", "y"} },
		"no version":         func(key string) []any { return good(key, "version", nil) },
		"a bad version":      func(key string) []any { return good(key, "version", "one") },
		"a negative version": func(key string) []any { return good(key, "version", "-1") },
		"an empty version":   func(key string) []any { return good(key, "version", "") },
		"no owner":           func(key string) []any { return good(key, "owner", nil) },
		"a short owner":      func(key string) []any { return good(key, "owner", "x") },
		"no expiry":          func(key string) []any { return good(key, "expires", nil) },
		"a bad expiry":       func(key string) []any { return good(key, "expires", "1e9") },
		"no value":           func(key string) []any { return good(key, "value", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			do(t, admin, "FLUSHALL")
			row := testRow(1)
			mustInsert(t, b, row)
			key := keys(t, admin, "keepalive:{*")[0]
			do(t, admin, "DEL", key)
			do(t, admin, write(key)...)

			if _, err := b.Lookup(t.Context(), row.Key); !errors.Is(err, store.ErrTampered) {
				t.Errorf("Lookup() = %v, want ErrTampered", err)
			}
			for _, owner := range []store.Owner{{}, row.Owner} {
				next := row
				next.Version, next.Owner = 2, owner
				if err := b.Replace(t.Context(), next); !errors.Is(err, store.ErrTampered) {
					t.Errorf("Replace() = %v, want ErrTampered", err)
				}
			}
			if err := b.Insert(t.Context(), row, 0); !errors.Is(err, store.ErrExists) {
				t.Errorf("Insert() = %v, want ErrExists", err)
			}
			do(t, admin, "DEL", key)
			do(t, admin, write(key)...)
			if _, err := b.Remove(t.Context(), row.Key); err != nil {
				t.Errorf("Remove() = %v", err)
			}
			if n := admin.Exists(t.Context(), key).Val(); n != 0 {
				t.Error("Remove() left it there")
			}
		})
	}
	t.Run("in the index", func(t *testing.T) {
		do(t, admin, "FLUSHALL")
		mustInsert(t, b, testRow(1))
		do(t, admin, "ZADD", keys(t, admin, "keepalive:owner:*")[0], "9e15", "x")
		if n, err := b.RemoveOwner(t.Context(), testRow(1).Owner); n != 1 || err != nil {
			t.Errorf("RemoveOwner() = %d, %v, want 1", n, err)
		}
	})
}

// Redis says no in many ways; none of them is about a session.
func TestRefusals(t *testing.T) {
	writes := []string{"Insert", "Replace", "Ping"}
	for name, tc := range map[string]struct {
		cause, cure []any
		fails       []string
		is          func(error) bool
	}{
		"out of memory": {
			[]any{"CONFIG", "SET", "maxmemory", "1"}, []any{"CONFIG", "SET", "maxmemory", "0"},
			writes, goredis.IsOOMError,
		},
		"a replica": {
			[]any{"REPLICAOF", "127.0.0.1", "1"}, []any{"REPLICAOF", "NO", "ONE"},
			append(writes, "Remove", "RemoveOwner"), goredis.IsReadOnlyError,
		},
		"too few replicas": {
			[]any{"CONFIG", "SET", "min-replicas-to-write", "1"}, []any{"CONFIG", "SET", "min-replicas-to-write", "0"},
			append(writes, "Remove", "RemoveOwner"), goredis.IsNoReplicasError,
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			b, admin := open(t, server.URL()), dial(t, server)
			mustInsert(t, b, testRow(1))
			do(t, admin, tc.cause...)
			called := calls(b, t.Context())
			for _, method := range tc.fails {
				err := called[method]()
				wantSystemFailure(t, method+"()", err)
				if !tc.is(err) {
					t.Errorf("%s() = %v, want it to tell why", method, err)
				}
			}
			do(t, admin, tc.cure...)
			for _, method := range []string{"Lookup", "Ping", "Insert", "Replace", "RemoveOwner"} {
				if err := called[method](); err != nil {
					t.Errorf("%s(), afterwards = %v", method, err)
				}
			}
		})
	}
}

// A clock that was ahead for a moment is forgotten once it is right. The moments
// after it are later than those before all the same.
func TestTimeGoesBackWithTheClock(t *testing.T) {
	server := redistest.Start(t)
	b := open(t, server.URL())
	ahead := time.Now().Add(time.Hour)
	if err := dial(t, server).Set(t.Context(), "keepalive:clock", ahead.UnixMicro(), 0).Err(); err != nil {
		t.Fatal(err)
	}
	now, err := b.Time(t.Context())
	if err != nil || time.Until(now).Abs() > time.Minute {
		t.Errorf("the time is %v, %v", now, err)
	}
	if moment, err := b.Now(t.Context()); err != nil || int64(moment) <= ahead.UnixMicro() {
		t.Errorf("the moment is %d, %v, before one that was", moment, err)
	}
}

// A Redis that comes back without its sessions is told of. One that another server
// has just begun to use, and one that was only away, is not.
func TestALossOfEverythingIsTold(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	b := open(t, server.URL())
	told := func() bool {
		return slices.ContainsFunc(b.Advice(t.Context()), func(s string) bool {
			return strings.Contains(s, "Redis had lost what it held")
		})
	}
	again := func() {
		eventually(t, func() error { _, err := b.Now(t.Context()); return err })
	}
	again()
	server.Kill()
	server.Restart(t)
	again()
	if told() {
		t.Error("Redis was away for a while, with its data")
	}
	do(t, dial(t, server), "FLUSHALL")
	again()
	again()
	if !told() {
		t.Error("Redis was emptied, and nothing is told")
	}
}

// What is no time in the place of the last one stops no login.
func TestMomentsAfterWhatIsNoTime(t *testing.T) {
	server := redistest.Start(t)
	b, client := open(t, server.URL()), dial(t, server)
	for _, last := range []string{"", "yesterday", "nan", "inf", "1e300", "-1"} {
		client.Del(t.Context(), "keepalive:clock")
		if err := client.Set(t.Context(), "keepalive:clock", last, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if now, err := b.Now(t.Context()); err != nil || time.Since(time.UnixMicro(int64(now))).Abs() > time.Hour {
			t.Errorf("after %q: the moment is %d, %v", last, now, err)
		}
	}
	client.Del(t.Context(), "keepalive:clock")
	if err := client.RPush(t.Context(), "keepalive:clock", "a list").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Now(t.Context()); err != nil {
		t.Errorf("after a list: %v", err)
	}
}
