package capture_test

import (
	"errors"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
)

// both is a client with both API clients of the simulator.
func both(t *testing.T, watch func(string, time.Duration, error)) *capture.Client {
	t.Helper()
	server := httptest.NewServer(simulator.New(loginOptions()))
	t.Cleanup(server.Close)
	settings := config(server.URL)
	settings.Login = loginConfig(server.URL).Login
	settings.Watch = watch
	return newClient(t, settings)
}

func TestWatchHearsEveryCallAndItsError(t *testing.T) {
	var heard []string
	var failures []error
	client := both(t, func(call string, _ time.Duration, err error) {
		heard, failures = append(heard, call), append(failures, err)
	})
	unknown := secret.New("z0t8k3vq5n1m7p2r")
	_, identify := client.Identify(t.Context(), unknown)
	_, issue := client.Issue(t.Context(), "nobody")
	_, exchange := client.Exchange(t.Context(), unknown, back)
	_, refresh := client.Refresh(t.Context(), unknown)
	if !slices.Equal(heard, capture.Calls()) {
		t.Errorf("heard of %v, want %v", heard, capture.Calls())
	}
	want := []error{identify, issue, exchange, refresh}
	if !slices.Equal(failures, want) || slices.Contains(want, nil) {
		t.Errorf("heard %v, want %v", failures, want)
	}
}

func TestUseSecrets(t *testing.T) {
	client := both(t, nil)
	// With good credentials what Capture says of an unknown user or code is not
	// about the client.
	operator := func(err error) bool {
		failure, ok := errors.AsType[*capture.Error](err)
		return ok && failure.Kind == capture.OperatorFault
	}
	refused := func() (issuer, login bool) {
		_, issue := client.Issue(t.Context(), "nobody")
		_, exchange := client.Exchange(t.Context(), secret.New("z0t8k3vq5n1m7p2r"), back)
		return operator(issue), operator(exchange)
	}
	for _, step := range []struct {
		issuer, login         string
		issuerGone, loginGone bool
	}{
		{"wrongsecretvalue", loginSecret, true, false},
		{issuerSecret, "wrongsecretvalue", false, true},
		{issuerSecret, loginSecret, false, false},
	} {
		client.UseSecrets(secret.New(step.issuer), secret.New(step.login))
		if issuer, login := refused(); issuer != step.issuerGone || login != step.loginGone {
			t.Errorf("%+v: refused %v and %v", step, issuer, login)
		}
	}
}
