// Package browsers starts real browsers, quiet and with a profile that nothing
// was ever in, on a page.
package browsers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/need"
)

// All browsers are as a user has them who wants no animations
// (prefers-reduced-motion): where there is no GPU, each frame of one costs the
// processor's time, also while a test only waits.

// ChromiumFlags keep Chromium from talking to anyone but the page.
var ChromiumFlags = []string{
	"disable-background-networking",
	"disable-component-update",
	"disable-default-apps",
	"disable-quic",
	"disable-sync",
	"force-prefers-reduced-motion",
	"no-default-browser-check",
	"no-first-run",
}

// Browser is a kind of browser, as a command that shows a page.
type Browser struct {
	Name string
	Need need.Need
	// arguments gets the paths of what Need found, and an empty directory for
	// a profile, and returns a command line.
	arguments func(paths []string, profile, url string) []string
	// prepare, if set, writes the profile.
	prepare func(profile string) error
	// environment is added to the process's.
	environment []string
}

// All lists the browsers that can be started.
func All() []Browser { return []Browser{chromium, firefox, webkit} }

var chromium = Browser{
	Name: "chromium",
	Need: need.Chromium,
	arguments: func(paths []string, profile, url string) []string {
		line := []string{paths[0], "--headless", "--disable-gpu", "--user-data-dir=" + profile}
		for _, flag := range ChromiumFlags {
			line = append(line, "--"+flag)
		}
		// Chromium's sandbox refuses to work for root.
		if os.Geteuid() == 0 {
			line = append(line, "--no-sandbox")
		}
		return append(line, url)
	},
}

var firefox = Browser{
	Name: "firefox",
	Need: need.Firefox,
	arguments: func(paths []string, profile, url string) []string {
		return []string{paths[0], "--headless", "--no-remote", "--profile", profile, url}
	},
	prepare: func(profile string) error {
		return os.WriteFile(filepath.Join(profile, "user.js"), []byte(firefoxPreferences), 0o644)
	},
}

// firefoxPreferences switch off what a fresh Firefox shows and asks for.
const firefoxPreferences = `
user_pref("app.normandy.enabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.newtab.preload", false);
user_pref("browser.region.network.url", "");
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "");
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
user_pref("ui.prefersReducedMotion", 1);
`

var webkit = Browser{
	Name: "webkit",
	Need: need.WebKit,
	arguments: func(paths []string, profile, url string) []string {
		return []string{paths[1], "-a", paths[0], "--private", url}
	},
	prepare: func(profile string) error {
		settings := filepath.Join(profile, "gtk-3.0")
		if err := os.Mkdir(settings, 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(settings, "settings.ini"),
			[]byte("[Settings]\ngtk-enable-animations=0\n"), 0o644)
	},
	// The last of its compilers is for programs that run for minutes: it takes a
	// quarter of the processor's time of pages that live for a second.
	environment: []string{"JSC_useOMGJIT=0"},
}

// Shown is a browser that shows a page.
type Shown struct {
	ended chan struct{}
	err   error
}

// Ended is closed when the browser and its processes are gone.
func (s *Shown) Ended() <-chan struct{} { return s.ended }

// Err says why the browser ended, once it has: the error of the context, or
// what the browser itself said last.
func (s *Shown) Err() error {
	<-s.ended
	return s.err
}

// ErrExited is the error of a browser that ended by itself.
var ErrExited = errors.New("the browser exited by itself")

// Show starts b on url. It ends, with all its processes, when ctx does.
func (b Browser) Show(ctx context.Context, url string) (*Shown, error) {
	return b.start(ctx, new(bytes.Buffer), func(paths []string, profile string) []string {
		return b.arguments(paths, profile, url)
	})
}

// output keeps what a browser says.
type output interface {
	io.Writer
	Bytes() []byte
}

// start runs the command line that arguments returns for b's programs and a
// fresh profile.
func (b Browser) start(ctx context.Context, said output,
	arguments func(paths []string, profile string) []string) (*Shown, error) {
	paths, err := b.Need.Find()
	if err != nil {
		return nil, err
	}
	profile, err := os.MkdirTemp("", "keepalive-browser-")
	if err != nil {
		return nil, err
	}
	if b.prepare != nil {
		if err := b.prepare(profile); err != nil {
			return nil, errors.Join(err, os.RemoveAll(profile))
		}
	}

	line := arguments(paths, profile)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	// A profile does not hold everything that browsers leave behind.
	cmd.Env = append(os.Environ(), "HOME="+profile, "XDG_CACHE_HOME="+profile,
		"XDG_CONFIG_HOME="+profile, "TMPDIR="+profile)
	cmd.Env = append(cmd.Env, b.environment...)
	cmd.Stdout, cmd.Stderr = said, said
	// A browser is many processes: they get a group, so that all of them can
	// be told to end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 3 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(profile))
	}

	shown := &Shown{ended: make(chan struct{})}
	go func() {
		defer close(shown.ended)
		_ = cmd.Wait() // ProcessState says the same in a sentence
		// What ignored SIGTERM. The process may be gone already, and a
		// profile that cannot be removed is only a directory in /tmp.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = os.RemoveAll(profile)
		if shown.err = ctx.Err(); shown.err == nil {
			shown.err = fmt.Errorf("%w: %s: %s\n%s", ErrExited, b.Name, cmd.ProcessState, bytes.TrimSpace(said.Bytes()))
		}
	}()
	return shown, nil
}
