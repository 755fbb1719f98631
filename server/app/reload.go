package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/keyring"
)

// secrets are what can change while the server runs: the keys, and the secrets
// of the Capture clients.
type secrets struct {
	keys   keyring.Current
	client *capture.Client
	store  [sha256.Size]byte // of the setting, which cannot change
}

func newSecrets(settings *config.Config, client *capture.Client) *secrets {
	s := &secrets{client: client, store: settings.Store.Hash()}
	s.keys.Use(settings.Ring)
	return s
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
	if err != nil {
		log.Error("keys and client secrets were read again and are wrong; the old ones "+
			"stay in use", "error", err)
		return
	}
	s.client.UseSecrets(settings.IssuerClientSecret, settings.LoginClientSecret)
	s.keys.Use(settings.Ring)
	if settings.Store.Hash() != s.store {
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

// NewCapture returns the client that the configuration asks for. Without a
// transport it has one of its own; watch may be nil.
func NewCapture(
	settings *config.Config, transport http.RoundTripper,
	watch func(call string, took time.Duration, err error),
) (*capture.Client, error) {
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
		Watch:         watch,
	})
}
