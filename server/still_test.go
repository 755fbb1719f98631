package server

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis/redistest"
)

// standing is a database that can be made to stand still. mend wakes it up.
type standing struct {
	store      []string // settings
	stop, mend func()
}

// standingRedis is a real Redis that is stopped, so that its connections stay
// open and nothing answers.
func standingRedis(t *testing.T) standing {
	database := redistest.Start(t)
	return standing{
		store: []string{"STORE=" + database.URL()},
		stop:  func() { database.Stop(t) },
		mend:  func() { database.Continue(t) },
	}
}

// standingDisk is a real file system that is frozen.
func standingDisk(t *testing.T) standing {
	dir := t.TempDir()
	image, mount := filepath.Join(dir, "image"), filepath.Join(dir, "mount")
	for _, command := range [][]string{
		{"truncate", "-s", "48M", image}, {"mkdir", mount}, {"mkfs.ext4", "-q", image},
		{"mount", "-o", "loop", image, mount},
	} {
		if said, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no file system can be made here, which takes root: %v: %v\n%s", command, err, said)
		}
	}
	freeze := func(flag string) func() {
		return func() { _ = exec.Command("fsfreeze", flag, mount).Run() }
	}
	t.Cleanup(func() {
		freeze("-u")()
		_ = exec.Command("umount", mount).Run()
	})
	return standing{
		store: []string{"STORE=bolt:" + filepath.Join(mount, "keepalive.db")},
		stop:  freeze("-f"),
		mend:  freeze("-u"),
	}
}

// Whatever stands still, each route of the real program answers by its
// deadline. A SIGTERM ends it in the time that supervisors allow.
func TestAnswersWhileTheStoreStandsStill(t *testing.T) {
	for name, make := range map[string]func(*testing.T) standing{"a stopped Redis": standingRedis,
		"a frozen disk": standingDisk} {
		t.Run(name, func(t *testing.T) {
			database := make(t)
			service, upstreamURL := upstream(t)
			server := start(t, serving(upstreamURL, "",
				append(database.store, "RATE_LOGIN=off", "SHUTDOWN_DELAY=0s")...))
			_, token := service.SignIn("ada@example.com", "Ada")
			_, fresh := service.SignIn("bob@example.com", "Bob")
			browser := newPage(t, server.public)
			browser.login(t, token)
			session := "Cookie: keepalive=" + cookieOf(t, browser)
			post := func(path, body string) string {
				return head("POST", path, session, "Content-Type: application/json",
					fmt.Sprint("Content-Length: ", len(body))) + body
			}
			database.stop()
			t.Cleanup(database.mend)
			for _, tc := range []struct {
				name, base, request string
				within              time.Duration
			}{
				{"readiness", server.admin, head("GET", "/readyz"), 3 * time.Second},
				{"health", server.admin, head("GET", "/healthz"), time.Second},
				{"a proxy's question", server.admin, head("HEAD", "/auth", session), 6 * time.Second},
				{"a renewal", server.public,
					post("/keepalive/session/token", `{"reason":"invalid","have":"`+token+`"}`), 5 * time.Second},
				{"a status", server.public, head("GET", "/keepalive/session", session), 3 * time.Second},
				{"activity", server.public, post("/keepalive/session/activity", ""), 3 * time.Second},
				{"a login", server.public, post("/keepalive/session", `{"accessToken":"`+fresh+`"}`), 5 * time.Second},
				{"a sign-out", server.public, head("DELETE", "/keepalive/session", session), 3 * time.Second},
			} {
				clocktest.OneOf(t, 6, func() error {
					watch := clocktest.Start()
					response := raw(t, tc.base, tc.request)
					took := watch.Took()
					// What only reads may be served from memory.
					served := response.StatusCode < 300 &&
						(tc.name == "health" || name == "a frozen disk" &&
							!strings.Contains(" readiness a login a sign-out ", " "+tc.name+" "))
					if response.StatusCode != http.StatusServiceUnavailable && !served {
						t.Errorf("%s: %s, want 503", tc.name, response.Status)
					}
					if got := response.Cookies(); response.StatusCode == http.StatusServiceUnavailable && len(got) > 0 {
						t.Errorf("%s: a 503 touches cookies", tc.name)
					}
					if took > tc.within {
						return fmt.Errorf("%s: %s after %v, want it within %v",
							tc.name, response.Status, took, tc.within)
					}
					return nil
				})
			}
			if name == "a frozen disk" {
				// The kernel ends no process that has a write in a frozen file system.
				database.mend()
			}
			watch := clocktest.Start()
			if err := server.command.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			err := server.command.Wait()
			if took := watch.Took(); err != nil || took > 25*time.Second {
				t.Errorf("SIGTERM: %v after %v, want exit 0 within 25 s", err, took)
			}
		})
	}
}
