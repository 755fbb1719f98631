package main

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// live are the secrets that can change while the server runs: the keys, and
// those of the Capture clients. As a session.Capture it calls with the newest.
type live struct {
	keys   keyring.Current
	client atomic.Pointer[capture.Client]
	config Config // what does not change, and what was read last
}

func newLive(config *Config) (*live, error) {
	l := &live{config: *config}
	if err := l.use(config); err != nil {
		return nil, err
	}
	return l, nil
}

// use takes the secrets of config, all of them or, with an error, none.
func (l *live) use(config *Config) error {
	next := l.config
	next.Keys, next.ring = config.Keys, config.ring
	next.IssuerClientSecret, next.LoginClientSecret = config.IssuerClientSecret, config.LoginClientSecret
	client, err := newCapture(&next)
	if err != nil {
		return err
	}
	l.config = next
	l.client.Store(client)
	l.keys.Use(next.ring)
	return nil
}

// reload takes the secrets from again at each hangup until ctx is done. Values
// that are wrong are told in the log, and the old ones stay.
func (l *live) reload(ctx context.Context, hangups <-chan os.Signal, again func() (*Config, error), log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		config, err := again()
		if err == nil {
			err = l.use(config)
		}
		if err != nil {
			log.Error("keys and client secrets were read again and are wrong; the old ones stay in use", "error", err)
			continue
		}
		if config.Store.Hash() != l.config.Store.Hash() {
			log.Warn("KEEPALIVE_STORE has changed; restart the server to use it")
		}
		log.Info("keys and client secrets were read again and are in use", "keys", l.keys.String())
	}
}

// Identify implements session.Capture.
func (l *live) Identify(ctx context.Context, token secret.String) (string, error) {
	return l.client.Load().Identify(ctx, token)
}

// Issue implements session.Capture.
func (l *live) Issue(ctx context.Context, uuid string) (capture.Token, error) {
	return l.client.Load().Issue(ctx, uuid)
}

// Exchange implements session.Capture.
func (l *live) Exchange(ctx context.Context, code secret.String, redirectURI string) (capture.Tokens, error) {
	return l.client.Load().Exchange(ctx, code, redirectURI)
}

// Refresh implements session.Capture.
func (l *live) Refresh(ctx context.Context, token secret.String) (capture.Tokens, error) {
	return l.client.Load().Refresh(ctx, token)
}
