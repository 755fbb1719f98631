package main

import (
	"context"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
)

// clock is set by hand, so that a day is over soon.
type clock struct {
	mu sync.Mutex // guards at
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// measureCalls returns the calls to Capture of one session in an hour, the
// average of a day, when all its tabs ask at the same moment, as they would if
// they knew nothing of each other: whenever the token is due by the server's
// margin.
func measureCalls(ctx context.Context) (perHour float64, err error) {
	const lifetime, margin = time.Hour, 2 * time.Minute
	c := &clock{at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	service := simulator.New(simulator.Options{
		Clients: []simulator.Client{{ID: "page"}, {ID: "issuer", Secret: secret.New(issuerSecret), AccessIssuer: true}},
		Now:     c.now,
	})
	upstream := httptest.NewServer(service)
	defer upstream.Close()
	caller, err := capture.New(capture.Config{
		URL: upstream.URL, ClientID: "page", Issuer: capture.Credentials{ID: "issuer", Secret: secret.New(issuerSecret)}, Now: c.now,
	})
	if err != nil {
		return 0, err
	}
	ring, err := keyring.Parse(secret.New(keys))
	if err != nil {
		return 0, err
	}
	sessions := session.New(session.Config{
		Store: store.New(memory.New(), ring, c.now), Capture: caller, Now: c.now,
		TokenLifetime: lifetime, IdleTimeout: 2 * hours * time.Hour, AbsoluteTimeout: 2 * hours * time.Hour, UpstreamTimeout: answerTimeout,
	})
	_, token := service.SignIn("ada@example.com", "Ada")
	opened, err := sessions.Open(ctx, session.Login{Token: secret.New(token)})
	if err != nil {
		return 0, err
	}
	for end := c.now().Add(hours * time.Hour); c.now().Before(end); c.advance(lifetime - margin) {
		var group sync.WaitGroup
		failures := make(chan error, tabs)
		for range tabs {
			group.Go(func() {
				_, err := sessions.Token(ctx, opened.ID, api.ReasonDue, secret.String{})
				failures <- err
			})
		}
		group.Wait()
		for range tabs {
			if err := <-failures; err != nil {
				return 0, err
			}
		}
	}
	return float64(service.Count(simulator.EndpointIssue)) / hours, nil
}
