package browsers

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/need"
)

var drives = map[string]func(context.Context) (Driven, error){
	"firefox": DriveFirefox, "webkit": DriveWebKit,
}

// A driven browser takes orders until its context ends, and nothing of it is
// left then.
func TestDrive(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test runs Firefox and WebKit")
	}
	for name, drive := range drives {
		ctx, end := context.WithCancel(t.Context())
		driven, err := drive(ctx)
		if err != nil {
			end()
			t.Fatalf("%s: %v", name, err)
		}
		at, err := url.Parse(driven.URL)
		if err != nil {
			end()
			t.Fatalf("%s: %v", name, err)
		}
		if conn, err := net.Dial("tcp", at.Host); err != nil {
			t.Errorf("%s: no listener: %v", name, err)
		} else {
			conn.Close()
		}
		end()
		<-driven.Ended()
		if err := driven.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s ended with %v, want the context's error", name, err)
		}
		if conn, err := net.Dial("tcp", at.Host); err == nil {
			conn.Close()
			t.Errorf("%s: it still listens", name)
		}
	}
}

func TestDriveWithoutPrograms(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for name, drive := range drives {
		_, err := drive(t.Context())
		var missing *need.MissingError
		if !errors.As(err, &missing) || missing.Need.Name != name {
			t.Errorf("%s: error %v, want that it is missing", name, err)
		}
	}
}

// A browser that ends at once is noticed at once, with what it said.
func TestDriveExited(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "firefox-esr"),
		[]byte("#!/bin/sh\necho no screen >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	_, err := DriveFirefox(t.Context())
	if !errors.Is(err, ErrExited) || !strings.Contains(err.Error(), "no screen") {
		t.Errorf("error %v, want ErrExited with the browser's own words", err)
	}
}
