package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/session"
)

// secrets are what can change while the server runs: the keys, and the secrets
// of the Capture clients.
type secrets struct {
	keys      keyring.Current
	client    atomic.Pointer[capture.Client]
	settings  config.Config // what does not change, and what was read last
	transport http.RoundTripper
}

func newSecrets(settings *config.Config, transport http.RoundTripper) (*secrets, error) {
	s := &secrets{settings: *settings, transport: transport}
	if err := s.use(settings); err != nil {
		return nil, err
	}
	return s, nil
}

// use takes the secrets of config, all of them or, with an error, none.
func (s *secrets) use(settings *config.Config) error {
	next := s.settings
	next.Keys, next.Ring = settings.Keys, settings.Ring
	next.IssuerClientSecret = settings.IssuerClientSecret
	next.LoginClientSecret = settings.LoginClientSecret
	client, err := NewCapture(&next, s.transport)
	if err != nil {
		return err
	}
	s.settings = next
	s.client.Store(client)
	s.keys.Use(next.Ring)
	return nil
}

// reload takes the secrets from again at each hangup until ctx is done. Values
// that are wrong are told in the log, and the old ones stay.
func (s *secrets) reload(
	ctx context.Context, hangups <-chan os.Signal, again func() (*config.Config, error), log *slog.Logger,
) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		guarded(log, "reload", func() { s.readAgain(again, log) })
	}
}

func (s *secrets) readAgain(again func() (*config.Config, error), log *slog.Logger) {
	settings, err := again()
	if err == nil {
		err = s.keepsSigningKey(settings.Ring)
	}
	if err == nil {
		err = s.use(settings)
	}
	if err != nil {
		log.Error("keys and client secrets were read again and are wrong; the old ones "+
			"stay in use", "error", err)
		return
	}
	if settings.Store.Hash() != s.settings.Store.Hash() {
		log.Warn("KEEPALIVE_STORE has changed; restart the server to use it")
	}
	log.Info("keys and client secrets were read again and are in use", "keys", s.keys.String())
}

// errKeyGone keeps a slip of the hand from signing every user out.
var errKeyGone = errors.New("KEEPALIVE_KEYS lacks the key that signs now, so every session " +
	"would end. Put the new key in front of it and keep both; to end all sessions on purpose, " +
	"restart the server")

func (s *secrets) keepsSigningKey(next *keyring.Ring) error {
	kid, key := s.keys.SigningKey()
	if kept, ok := next.VerificationKey(kid); !ok || !bytes.Equal(kept, key) {
		return errKeyGone
	}
	return nil
}

// newest is the client with the secrets that were read last.
func (s *secrets) newest() session.Capture { return s.client.Load() }

// NewCapture returns the client that the configuration asks for. Without a
// transport it has one of its own.
func NewCapture(settings *config.Config, transport http.RoundTripper) (*capture.Client, error) {
	return capture.New(capture.Config{
		URL:           settings.CaptureURL,
		ClientID:      settings.ClientID,
		Issuer:        capture.Credentials{ID: settings.IssuerClientID, Secret: settings.IssuerClientSecret},
		Login:         capture.Credentials{ID: settings.LoginClientID, Secret: settings.LoginClientSecret},
		Scheme:        settings.AuthScheme,
		TypeName:      settings.TypeName,
		TokenLifetime: settings.TokenLifetime,
		Timeout:       settings.UpstreamTimeout,
		Transport:     transport,
	})
}
