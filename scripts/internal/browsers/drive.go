package browsers

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/porttest"
)

// startTimeout bounds the start of a browser on a busy machine.
const startTimeout = 60 * time.Second

// Driven is a browser that waits for orders.
type Driven struct {
	*Shown
	// URL is where it takes them.
	URL string
}

// DriveFirefox starts Firefox with nothing to show. The URL is the WebSocket of
// a new WebDriver BiDi session. It ends, with all its processes, when ctx does.
func DriveFirefox(ctx context.Context) (Driven, error) {
	said := &announcement{
		pattern: regexp.MustCompile(`WebDriver BiDi listening on (ws://[\d.]+:\d+)`),
		found:   make(chan string, 1),
	}
	shown, err := firefox.start(ctx, said, func(paths []string, profile string) []string {
		return []string{paths[0], "--headless", "--no-remote", "--profile", profile,
			"--remote-debugging-port=0", "about:blank"}
	})
	if err != nil {
		return Driven{}, err
	}
	late := time.NewTimer(startTimeout)
	defer late.Stop()
	select {
	case address := <-said.found:
		return Driven{Shown: shown, URL: address + "/session"}, nil
	case <-shown.Ended():
		return Driven{}, shown.Err()
	case <-late.C:
		return Driven{}, fmt.Errorf("firefox said nothing of WebDriver BiDi within %s: %w",
			startTimeout, context.DeadlineExceeded)
	}
}

// DriveWebKit starts WebKitWebDriver on a display of its own. The URL takes the
// HTTP requests of WebDriver; a new session starts MiniBrowser. All of it ends
// when ctx does.
func DriveWebKit(ctx context.Context) (Driven, error) {
	// For port 0 WebKitWebDriver does not say which one it got.
	address, err := porttest.Free()
	if err != nil {
		return Driven{}, err
	}
	_, port, _ := net.SplitHostPort(address) // Free made it
	shown, err := webkit.start(ctx, new(bytes.Buffer), func(paths []string, _ string) []string {
		return []string{paths[1], "-a", paths[3], "--port=" + port}
	})
	if err != nil {
		return Driven{}, err
	}
	driven := Driven{Shown: shown, URL: "http://" + address}
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		if answers(starting, driven.URL+"/status") {
			return driven, nil
		}
		select {
		case <-retry.C:
		case <-shown.Ended():
			return Driven{}, shown.Err()
		case <-starting.Done():
			return Driven{}, fmt.Errorf("WebKitWebDriver does not answer: %w", starting.Err())
		}
	}
}

func answers(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// announcement keeps what a program says and sends the first thing that the
// pattern's group matches.
type announcement struct {
	pattern *regexp.Regexp
	found   chan string

	mu   sync.Mutex
	said bytes.Buffer
	sent bool
}

func (a *announcement) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.said.Write(p)
	if found := a.pattern.FindSubmatch(a.said.Bytes()); found != nil && !a.sent {
		a.sent = true
		a.found <- string(found[1])
	}
	return len(p), nil
}

func (a *announcement) Bytes() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return bytes.Clone(a.said.Bytes())
}
