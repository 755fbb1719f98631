package bolt

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// check counts what a server would leave out, and a file that is well has nothing.
func TestDiagnoseCountsWhatIsNoEntry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	diagnose := func() string {
		t.Helper()
		advice, err := Driver.Diagnose(t.Context(), secret.New("bolt:"+path))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(advice, "\n")
	}
	b := openOn(t, disk{dir: filepath.Dir(path)})
	for n := range uint32(300) {
		if err := b.Insert(t.Context(), numbered(n), 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.RemoveOwner(t.Context(), numbered(7).Owner); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if said := diagnose(); said != "" {
		t.Errorf("a file that is well: %s", said)
	}

	db, err := bbolt.Open(path, 0o600, options())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error {
		for name := range forms {
			if err := tx.Bucket([]byte(name)).Put([]byte("x"), []byte("y")); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if said := diagnose(); !strings.HasPrefix(said, fmt.Sprintf("%d of ", len(forms))) {
		t.Errorf("with an entry of another form in each bucket: %s", said)
	}
}

// What there was no time for is told, and is no fault.
func TestDiagnoseSaysWhatItDidNotRead(t *testing.T) {
	b := openOn(t, disk{dir: t.TempDir()})
	defer b.Close()
	if err := b.Insert(t.Context(), numbered(1), 0); err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	var s survey
	err := b.db.View(func(tx *bbolt.Tx) error { return s.read(over, tx) })
	if advice := s.advice(); err != nil || len(advice) != 1 || !strings.Contains(advice[0], "not looked at") {
		t.Errorf("%q, %v", advice, err)
	}
}
