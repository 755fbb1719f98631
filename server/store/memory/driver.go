package memory

import (
	"context"
	"errors"
	"strings"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// Driver opens memory: for trying things out.
var Driver = store.Driver{
	Schemes: []string{"memory"},
	Form:    "memory: to try things out",
	Validate: func(location secret.String) error {
		if _, rest, _ := strings.Cut(location.Reveal(), ":"); rest != "" {
			return errors.New("memory: takes nothing after the colon; remove it")
		}
		return nil
	},
	Open: func(context.Context, secret.String) (store.Backend, error) { return New(), nil },
	Advise: func(secret.String) []string {
		return []string{"The store is memory: all users are signed out when the server " +
			"restarts; use bolt:PATH or a Redis."}
	},
}
