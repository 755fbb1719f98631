package drivers_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store/drivers"
)

func TestEveryDriverIsWhole(t *testing.T) {
	taken := map[string]string{}
	for _, driver := range drivers.All() {
		if len(driver.Schemes) == 0 || driver.Form == "" || driver.Validate == nil ||
			driver.Open == nil {
			t.Errorf("%q lacks schemes, a form, Validate or Open", driver.Form)
		}
		for _, scheme := range driver.Schemes {
			if taken[scheme] != "" {
				t.Errorf(
					"the scheme %s is that of %q and of %q",
					scheme,
					taken[scheme],
					driver.Form,
				)
			}
			taken[scheme] = driver.Form
			if !strings.Contains(driver.Form, strings.TrimSuffix(scheme, "s")) &&
				!strings.Contains(driver.Form, strings.Split(scheme, "-")[0]) {
				t.Errorf("%q does not show the scheme %s", driver.Form, scheme)
			}
		}
	}
}

// What is wrong with a location is said by name, and nothing of it is repeated.
func TestForRefuses(t *testing.T) {
	for _, location := range []string{
		"", "hunter2", "/var/hunter2.db", "file:/hunter2", "BOLT:hunter2", "\ufeffbolt:hunter2.db",
		" bolt:hunter2.db", `"bolt:hunter2.db"`,
		"bolt:", "bolt: ", "bolt:hunter2.db\r", "bolt:hunter2.db\n", "bolt:\x00hunter2",
		"bolt:hunter2\x00.db", "bolt: hunter2.db", `bolt:"hunter2.db"`, "bolt:hunter2.db'",
		"bolt:\ufeffhunter2.db", "bolt:hunter2\u00a0",
		"memory", "memory:hunter2", "memory:\r",
		"redis:hunter2", "redis://:hunter2@h\r", "redis://:hunter2@h/0\r\n", "redis://:hunter2@h ",
		"redis://:hunter2@\ufeffh", "rediss://:hunter2@h?ca=/a.pem\r", "redis-sentinel://:hunter2@h/m\x00",
	} {
		_, err := drivers.For(secret.New(location))
		if err == nil && location != "memory" {
			t.Errorf("For(%q) is fine", location)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("For(%q) = %v: repeats the location", location, err)
		}
	}
}

func TestForOpens(t *testing.T) {
	for _, location := range []string{"memory:", "bolt:" + filepath.Join(t.TempDir(), "a file with spaces.db")} {
		driver, err := drivers.For(secret.New(location))
		if err != nil {
			t.Fatal(err)
		}
		backend, err := driver.Open(t.Context(), secret.New(location))
		if err != nil {
			t.Fatal(err)
		}
		if err := backend.Ping(t.Context()); err != nil {
			t.Errorf("%s: Ping() = %v", driver.Form, err)
		}
		if err := backend.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A password that crosses a network in the clear is worth a sentence.
func TestPlainRedisElsewhereIsAdvisedAgainst(t *testing.T) {
	for location, risky := range map[string]bool{
		"redis://localhost":                     false,
		"redis://127.0.0.1:7000":                false,
		"redis://[::1]":                         false,
		"rediss://redis.example.com":            false,
		"redis://redis.example.com":             true,
		"redis://10.0.0.7":                      true,
		"redis://localhost.example.com":         true,
		"redis-cluster://127.0.0.1,10.0.0.7":    true,
		"redis-sentinel://s1.example.com/m":     true,
		"rediss-cluster://n1.example.com,n2.ex": false,
	} {
		driver, err := drivers.For(secret.New(location))
		if err != nil {
			t.Fatal(err)
		}
		advice := driver.Advise(secret.New(location))
		if risky != (len(advice) == 1) {
			t.Errorf("%s: advice %q", location, advice)
		}
		if scheme, _, _ := strings.Cut(location, ":"); risky &&
			!strings.Contains(advice[0], strings.Replace(scheme, "redis", "rediss", 1)+"://") {
			t.Errorf("%s: the advice %q does not say what to write", location, advice[0])
		}
	}
}
