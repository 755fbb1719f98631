package journeys

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// weather is what is between a page and its server: a proxy in front of a
// demo, which the page takes for the site.
type weather struct {
	URL     string
	handler http.Handler

	mu     sync.Mutex
	tokens []time.Time // when the server was asked for a token
	spoil  http.HandlerFunc
	saving http.HandlerFunc
}

// outside puts a demo behind weather, until the test ends.
func outside(t *testing.T, d *demo) *weather {
	t.Helper()
	site, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := &weather{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(site)
			// The site answers to its own name only, and takes only its own pages.
			if r.Out.Header.Get("Origin") != "" {
				r.Out.Header.Set("Origin", d.URL)
			}
		},
		ModifyResponse: func(r *http.Response) error {
			// The demo's own page may not be stored, and so not be kept for Back.
			if strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
				r.Header.Set("Cache-Control", "no-cache")
			}
			return nil
		},
	}
	w.handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if spoil := w.now(r.URL.Path); spoil != nil {
			answered := &answered{ResponseWriter: rw}
			if spoil(answered, r); answered.is {
				return
			}
		}
		proxy.ServeHTTP(rw, r)
	})
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	w.URL = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	return w
}

// now is what becomes of a request.
func (w *weather) now(path string) http.HandlerFunc {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case path == "/keepalive/session/token":
		w.tokens = append(w.tokens, time.Now())
		return w.spoil
	case strings.HasPrefix(path, "/keepalive/session"):
		return w.spoil
	case path == "/capture/ui/profile/save":
		return w.saving
	}
	return nil
}

// answered tells whether a spoiler has answered in the server's place.
type answered struct {
	http.ResponseWriter
	is bool
}

func (a *answered) WriteHeader(status int) {
	a.is = true
	a.ResponseWriter.WriteHeader(status)
}

func (a *answered) Write(b []byte) (int, error) {
	a.is = true
	return a.ResponseWriter.Write(b)
}

// turns sets what becomes of requests to the server; nil is fine weather. What
// spoil does not answer, the server does.
func (w *weather) turns(spoil http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spoil = spoil
}

// saves sets what becomes of saved forms.
func (w *weather) saves(spoil http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.saving = spoil
}

// gate keeps requests back until it is opened, or the test ends. arrived tells
// of each.
func gate(t *testing.T) (keep http.HandlerFunc, arrived <-chan struct{}, open func()) {
	came, wait := make(chan struct{}, 64), make(chan struct{})
	open = sync.OnceFunc(func() { close(wait) })
	t.Cleanup(open)
	return func(_ http.ResponseWriter, r *http.Request) {
		came <- struct{}{}
		select {
		case <-wait:
		case <-r.Context().Done():
		}
	}, came, open
}

// waitFor waits for what a channel tells.
func waitFor(t *testing.T, arrived <-chan struct{}) {
	t.Helper()
	select {
	case <-arrived:
	case <-time.After(soon):
		t.Fatalf("nothing came within %v", soon)
	}
}

// asked is how often the server was asked for a token.
func (w *weather) asked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.tokens)
}

// askedUntil is how often it was by then.
func (w *weather) askedUntil(end time.Time) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	later := func(at time.Time) bool { return at.After(end) }
	if i := slices.IndexFunc(w.tokens, later); i >= 0 {
		return i
	}
	return len(w.tokens)
}

// slow makes the server take its time.
func slow(d time.Duration) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		}
	}
}

// portal answers as a hotel does: 200, and a page to log in with.
func portal(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = w.Write([]byte("<title>Welcome to our Wi-Fi</title>"))
}

// gateway answers as a proxy does when its server is gone.
func gateway(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(http.StatusBadGateway)
	_, _ = w.Write([]byte("<h1>502 Bad Gateway</h1>"))
}

// reset drops the connection.
func reset(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// tooMany asks the client to wait.
func tooMany(retryAfter func() string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", retryAfter())
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"type":"about:blank","title":"Too many requests","status":429,"code":"rate_limited"}`))
	}
}
