// Package drivers lists the databases that the server can keep sessions in. To
// add one, write its package and add one line to All (docs/extending.md).
package drivers

import (
	"errors"
	"slices"
	"strings"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/bolt"
	"github.com/capture-keepalive/capture-keepalive/server/store/memory"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis"
)

// All returns the drivers, in the order in which messages name them.
func All() []store.Driver {
	return []store.Driver{
		bolt.Driver,
		redis.Driver,
		memory.Driver,
	}
}

// For returns the driver that a location names by its scheme, after checking
// the form of the whole. Its errors hold nothing of the location.
func For(location secret.String) (store.Driver, error) {
	scheme, _, _ := strings.Cut(location.Reveal(), ":")
	for _, driver := range All() {
		if slices.Contains(driver.Schemes, scheme) {
			return driver, driver.Validate(location)
		}
	}
	return store.Driver{}, errUnknown()
}

func errUnknown() error {
	var forms []string
	for _, driver := range All() {
		forms = append(forms, driver.Form)
	}
	return errors.New("the store has an unknown kind; write one of " + strings.Join(forms, ", "))
}
