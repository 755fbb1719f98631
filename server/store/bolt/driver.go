package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"
	"unicode"

	"go.etcd.io/bbolt"

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
		return nil, checkWithin(ctx, pathOf(location))
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

// checkWithin is checkFile, but leaves a disk that stands still.
func checkWithin(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- checkFile(path) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ErrStuck
	}
}

// checkTimeout bounds Diagnose.
const checkTimeout = 3 * time.Second

// checkFile finds out whether the file can be written, without opening the
// store: a server may be running on it.
func checkFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		info, err := file.Stat()
		err = errors.Join(err, file.Close())
		switch {
		case err != nil:
			return err
		case !info.Mode().IsRegular():
			return errNoPlainFile
		case info.Size() == 0:
			return nil
		}
		return checkContent(path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf(
			"the file cannot be read and written (%w); correct the path or its permissions", err,
		)
	}
	probe, err := os.CreateTemp(filepath.Dir(path), ".keepalive-check-*")
	if err != nil {
		return fmt.Errorf(
			"no file can be made in its directory (%w); create the directory, or correct its permissions",
			err,
		)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// checkContent finds a file of another program. That a server has the file open
// is no fault.
func checkContent(path string) (err error) {
	defer catchDamage(&err)
	debug.SetPanicOnFault(true)
	readOnly := options()
	readOnly.ReadOnly, readOnly.Timeout = true, lockTimeout/10
	db, err := bbolt.Open(path, 0o600, readOnly)
	switch err = openError(err); {
	case errors.Is(err, ErrInUse):
		return nil
	case err != nil:
		return err
	}
	return errors.Join(db.View(recognize), db.Close())
}
