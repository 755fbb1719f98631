package store_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
)

// exampleStore is a store with one key. An operator makes keys with
// `openssl rand -base64 32`.
func exampleStore() *store.Store {
	ring, err := keyring.Parse(secret.New("k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="))
	if err != nil {
		panic(err)
	}
	return store.New(memory.New(), ring, nil)
}

func exampleRecord() store.Record {
	now := time.Now()
	return store.Record{
		Mode: store.ModeToken, UUID: "6b1d9c2e", AccessToken: secret.New("z0t8k3vq5n1m7p2r"),
		AccessIssued: now, AccessExpires: now.Add(time.Hour),
		Created: now, Seen: now, IdleExpires: now.Add(30 * time.Minute), AbsoluteExpires: now.Add(12 * time.Hour),
	}
}

// A session is created by a login and read by its id, which only the cookie has.
func ExampleStore_Create() {
	ctx, sessions := context.Background(), exampleStore()
	begun, err := sessions.Now(ctx) // before the user is known
	if err != nil {
		panic(err)
	}
	id := store.NewID()
	if err := sessions.Create(ctx, id, exampleRecord(), begun); err != nil {
		panic(err)
	}
	record, err := sessions.Get(ctx, id)
	fmt.Println(record.UUID, record.Version, record.AccessToken, err)
	// Output: 6b1d9c2e 1 [redacted] <nil>
}

// Of two who read the same version one writes; the other reads again.
func ExampleStore_Update() {
	ctx, sessions, id := context.Background(), exampleStore(), store.NewID()
	if err := sessions.Create(ctx, id, exampleRecord(), 0); err != nil {
		panic(err)
	}
	one, _ := sessions.Get(ctx, id)
	two, _ := sessions.Get(ctx, id)
	one, err := sessions.Update(ctx, id, one)
	fmt.Println(one.Version, err)
	_, err = sessions.Update(ctx, id, two)
	fmt.Println(errors.Is(err, store.ErrConflict))
	// Output:
	// 2 <nil>
	// true
}

// A revocation ends the user's sessions, and refuses a login that began before
// it, however late that arrives.
func ExampleStore_DeleteByUUID() {
	ctx, sessions := context.Background(), exampleStore()
	begun, _ := sessions.Now(ctx) // a login is under way
	if err := sessions.Create(ctx, store.NewID(), exampleRecord(), begun); err != nil {
		panic(err)
	}
	ended, err := sessions.DeleteByUUID(ctx, "6b1d9c2e")
	fmt.Println(ended, err)
	err = sessions.Create(ctx, store.NewID(), exampleRecord(), begun)
	fmt.Println(errors.Is(err, store.ErrRevoked))
	// Output:
	// 1 <nil>
	// true
}

// One replica renews a session; the others see that it is locked.
func ExampleStore_Lock() {
	ctx, sessions := context.Background(), exampleStore()
	lock, err := sessions.Lock(ctx, "renewal 7", 3*time.Second)
	if err != nil {
		panic(err)
	}
	_, err = sessions.Lock(ctx, "renewal 7", 3*time.Second)
	fmt.Println(errors.Is(err, store.ErrLocked))
	fmt.Println(lock.Release(ctx))
	// Output:
	// true
	// <nil>
}

// An operator sees a user's sessions without their tokens.
func ExampleStore_Sessions() {
	ctx, sessions := context.Background(), exampleStore()
	for range 2 {
		if err := sessions.Create(ctx, store.NewID(), exampleRecord(), 0); err != nil {
			panic(err)
		}
	}
	listed, err := sessions.Sessions(ctx, "6b1d9c2e")
	fmt.Println(len(listed), listed[0].Mode, listed[0].KeyID, err)
	// Output: 2 token k1 <nil>
}
