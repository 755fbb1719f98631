package bolt

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// checkTimeout bounds Diagnose.
	checkTimeout = 3 * time.Second
	// readTime bounds the reading of the content: a server that starts meanwhile
	// waits for the file no longer than lockTimeout.
	readTime = lockTimeout / 2
	// probeSize is what a disk must take, in bytes.
	probeSize = 64 << 10
)

// checkWithin is checkFile, but leaves a disk that stands still.
func checkWithin(ctx context.Context, path string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	done := make(chan answer[[]string], 1)
	go func() {
		advice, err := checkFile(ctx, path)
		done <- answer[[]string]{advice, err}
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		return nil, ErrStuck
	}
}

// checkFile finds out whether the file can be written, without opening the
// store: a server may be running on it.
func checkFile(ctx context.Context, path string) (advice []string, err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		info, err := file.Stat()
		err = errors.Join(err, file.Close())
		switch {
		case err != nil:
			return nil, err
		case !info.Mode().IsRegular():
			return nil, errNoPlainFile
		}
		// A directory that takes no file is no fault: the store's is there already.
		if err := checkRoom(path); errors.Is(err, errNoRoom) {
			return nil, err
		}
		if info.Size() == 0 || unfinished(path) {
			return nil, nil
		}
		return checkContent(ctx, path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf(
			"the file cannot be read and written (%w); correct the path or its permissions", err,
		)
	}
	return nil, checkRoom(path)
}

var errNoRoom = errors.New("the disk takes no more: make room")

// checkRoom writes as much as a few logins do, beside the file.
func checkRoom(path string) error {
	// Not filepath.Dir, which takes a/.. for the same as nothing, though a is none.
	dir, _ := filepath.Split(target(path))
	probe, err := os.CreateTemp(cmp.Or(dir, "."), ".keepalive-check-*")
	if err != nil {
		return fmt.Errorf(
			"no file can be made in its directory (%w); create the directory, or correct its permissions",
			err,
		)
	}
	if _, err = probe.Write(make([]byte, probeSize)); err != nil {
		err = fmt.Errorf("%w (%w)", errNoRoom, err)
	}
	return errors.Join(err, probe.Close(), os.Remove(probe.Name()))
}

// target follows links to the file itself, which need not be there yet: its disk
// is the one that has to take more.
func target(path string) string {
	link, err := os.Readlink(path)
	if err != nil {
		return path // no link; one that leads in a circle could not be opened
	}
	if !filepath.IsAbs(link) {
		dir, _ := filepath.Split(path)
		link = dir + link
	}
	return target(link)
}

// checkContent finds a file of another program, and damage. That a server has
// the file open is how it should be.
func checkContent(ctx context.Context, path string) (advice []string, err error) {
	defer catchDamage(&err)
	debug.SetPanicOnFault(true)
	readOnly := options()
	readOnly.ReadOnly, readOnly.Timeout = true, lockTimeout/10
	db, err := bbolt.Open(path, 0o600, readOnly)
	switch err = openError(err); {
	case errors.Is(err, ErrInUse):
		return nil, nil // a server that runs has read the file
	case err != nil:
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	var s survey
	err = db.View(func(tx *bbolt.Tx) error {
		if err := recognize(tx); err != nil {
			return err
		}
		return s.read(ctx, tx)
	})
	return s.advice(), err
}

// survey is what reading the entries of the file has found. What is sealed in
// the rows takes keys to be read, and is not looked at.
type survey struct {
	entries, odd int
	cutShort     bool
}

// forms say what the entries of each bucket look like.
var forms = map[string]func(key, value []byte) bool{
	string(bucketRows): func(key, value []byte) bool {
		return len(key) == len(store.Key{}) && len(value) >= rowHeader
	},
	string(bucketOwners): func(key, value []byte) bool {
		return len(key) == len(store.Owner{})+len(store.Key{}) && len(value) == 0
	},
	string(bucketExpiry): func(key, value []byte) bool {
		return len(key) == 8+len(store.Key{}) && len(value) == 0
	},
	string(bucketRevoked): func(key, value []byte) bool {
		return len(key) == len(store.Owner{}) && len(value) == 8
	},
}

func (s *survey) read(ctx context.Context, tx *bbolt.Tx) error {
	for name, wellFormed := range forms {
		bucket := tx.Bucket([]byte(name))
		if bucket == nil {
			continue // of a new file
		}
		var before []byte
		cursor := bucket.Cursor()
		for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
			if ctx.Err() != nil {
				s.cutShort = true
				return nil
			}
			if before != nil && bytes.Compare(before, key) >= 0 {
				return fmt.Errorf("%w: entries of %s are out of order", ErrDamaged, name)
			}
			before = key
			s.entries++
			if !wellFormed(key, value) {
				s.odd++
			}
		}
	}
	return nil
}

func (s *survey) advice() (advice []string) {
	if s.odd > 0 {
		advice = append(advice, fmt.Sprintf("%d of %d entries are none that this server writes. It "+
			"leaves them out: whose session one was signs in again.", s.odd, s.entries))
	}
	if s.cutShort {
		advice = append(advice, fmt.Sprintf("%d entries were read in %s, and the rest of the file was "+
			"not looked at.", s.entries, readTime))
	}
	return advice
}
