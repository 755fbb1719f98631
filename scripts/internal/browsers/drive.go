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
	said := &announcement{pattern: regexp.MustCompile(`WebDriver BiDi listening on (ws://[\d.]+:\d+)`), found: make(chan string, 1)}
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
	port, err := freePort()
	if err != nil {
		return Driven{}, err
	}
	shown, err := webkit.start(ctx, new(bytes.Buffer), func(paths []string, _ string) []string {
		return []string{paths[1], "-a", paths[3], fmt.Sprintf("--port=%d", port)}
	})
	if err != nil {
		return Driven{}, err
	}
	driven := Driven{Shown: shown, URL: fmt.Sprintf("http://127.0.0.1:%d", port)}
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

// freePort returns a port without a listener: WebKitWebDriver takes a
// number, and does not say which it got for 0. Linux hands the number out to
// another process only by chance, in the moment before the driver has it.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
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
