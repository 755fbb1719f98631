package bolt

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// Driver opens bolt:PATH.
var Driver = store.Driver{
	Schemes:  []string{"bolt"},
	Form:     "bolt:PATH for one server",
	Validate: validate,
	Open: func(ctx context.Context, location secret.String) (store.Backend, error) {
		backend, err := Open(ctx, pathOf(location))
		if err != nil {
			return nil, err
		}
		return backend, nil
	},
	Diagnose: func(ctx context.Context, location secret.String) ([]string, error) {
		return checkWithin(ctx, pathOf(location))
	},
}

func pathOf(location secret.String) string {
	_, path, _ := strings.Cut(location.Reveal(), ":")
	return path
}

var (
	errNoFile = errors.New("the location names no file; write it like " +
		"bolt:/var/lib/keepalive/keepalive.db")
	errNoPlainFile = errors.New("the file is a device, a pipe or the like; name a plain file")
	errPath        = errors.New("the path has a control character, or a space or quote at one end; " +
		"write it without, like bolt:/var/lib/keepalive/keepalive.db")
)

// validate refuses what surrounds a value in a badly quoted environment or a
// file with Windows line ends: the system would make it a part of the name.
func validate(location secret.String) error {
	path := pathOf(location)
	surrounded := func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune("\"'`\ufeff", r)
	}
	switch {
	case strings.TrimFunc(path, surrounded) == "":
		return errNoFile
	case strings.TrimFunc(path, surrounded) != path, strings.ContainsFunc(path, unicode.IsControl):
		return errPath
	}
	return nil
}
