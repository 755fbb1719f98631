package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
)

// exampleService keeps its sessions in memory. Its Capture knows one user.
func exampleService() *session.Service {
	ring, err := keyring.Parse(secret.New("k1:c2V2ZW50ZWVuIGJ5dGVzIGFuZCBmaWZ0ZWVuIG1vcmU="))
	if err != nil {
		panic(err)
	}
	return session.New(session.Config{
		Store: store.New(memory.New(), ring, nil),
		Capture: &fakeCapture{
			owners: map[string]string{"tokenofthelogin1": alice},
			codes:  map[string]string{"codeofthelogin1": alice},
			grants: map[string]string{},
		},
		RedirectURIs:    []string{"https://www.example.com/back"},
		TokenLifetime:   time.Hour,
		IdleTimeout:     30 * time.Minute,
		AbsoluteTimeout: 12 * time.Hour,
		UpstreamTimeout: 10 * time.Second,
		Forced:          limit.Rate{Events: 6, Per: time.Minute},
		Log:             slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
}

// A page with responseType token reports its login. When a form fails because
// the token is dead, it asks for another one.
func ExampleService_Token() {
	ctx, sessions := context.Background(), exampleService()
	opened, err := sessions.Open(ctx, session.Login{Token: secret.New("tokenofthelogin1")})
	if err != nil {
		fmt.Println(err)
		return
	}
	fresh, err := sessions.Token(ctx, opened.ID, api.ReasonStart, secret.String{})
	fmt.Println(err, "the same token:", fresh.Token.Equal(opened.Token))

	renewed, err := sessions.Token(ctx, opened.ID, api.ReasonSaveFailed, opened.Token)
	fmt.Println(err, "the same token:", renewed.Token.Equal(opened.Token), "the same user:",
		renewed.UUID == opened.UUID)
	// Output:
	// <nil> the same token: true
	// <nil> the same token: false the same user: true
}

// A page with responseType code hands over its code, which works once.
func ExampleService_Exchange() {
	ctx, sessions := context.Background(), exampleService()
	login := session.CodeLogin{Code: secret.New("codeofthelogin1"), RedirectURI: "https://www.example.com/back"}
	opened, err := sessions.Exchange(ctx, login)
	fmt.Println(err, opened.UUID)

	_, err = sessions.Exchange(ctx, login)
	var failure *session.Error
	if errors.As(err, &failure) {
		fmt.Println(failure.Code, "-", failure.Detail)
	}
	// Output:
	// <nil> 6b1d9c2e-0f0a-4c57-9f63-1d5a0d2b7a11
	// code_used - this authorizationCode was posted before; sign in again
}

// An operator ends all sessions of a user, and hears how many there were.
func ExampleService_Revoke() {
	ctx, sessions := context.Background(), exampleService()
	for range 2 {
		if _, err := sessions.Open(ctx, session.Login{Token: secret.New("tokenofthelogin1")}); err != nil {
			fmt.Println(err)
		}
	}
	ended, err := sessions.Revoke(ctx, alice)
	fmt.Println(ended, err)
	// Output: 2 <nil>
}

// An answer of Capture that may be over the next time ends no session: the error
// says when to ask again.
func ExampleError() {
	err := error(&session.Error{
		Code: api.UpstreamUnavailable, RetryAfter: 5 * time.Second,
		Detail: "Capture cannot answer now; the session is untouched",
		Cause:  &capture.Error{Op: "entity", Status: 503},
	})
	var failure *session.Error
	if errors.As(err, &failure) {
		fmt.Println(failure.Code.Final(), failure.RetryAfter)
	}
	// Output: false 5s
}
