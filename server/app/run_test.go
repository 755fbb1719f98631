package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/config/configtest"
	"github.com/capture-keepalive/capture-keepalive/server/porttest"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
)

// No client waits while the store is being opened: connections are
// refused until there is someone to answer.
func TestConnectionsAreRefusedUntilTheStoreIsOpen(t *testing.T) {
	public, admin := porttest.Address(t), porttest.Address(t)
	settings, err := config.Read(configtest.Environment("LISTEN="+public, "ADMIN_LISTEN="+admin,
		"ORIGINS=https://www.example.com", "CAPTURE_URL=http://127.0.0.1:1", "SHUTDOWN_DELAY=0s"))
	if err != nil {
		t.Fatal(err)
	}
	opening, open := make(chan struct{}), make(chan struct{})
	settings.Driver = store.Driver{Open: func(context.Context, secret.String) (store.Backend, error) {
		close(opening)
		<-open
		return memory.New(), nil
	}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, settings, Options{Log: slog.New(slog.DiscardHandler)}, nil, nil)
	}()
	<-opening
	for _, address := range []string{public, admin} {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			t.Errorf("%s takes connections", address)
		}
	}
	close(open)
	deadline := time.Now().Add(time.Minute)
	for {
		response, err := http.Get("http://" + admin + "/readyz")
		if err == nil {
			err = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("not ready: ", err)
		}
	}
	stop()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Run() = %v", err)
	}
}
