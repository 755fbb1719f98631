package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

//go:embed index.html
var indexHTML []byte

//go:embed harness.js
var harnessJS []byte

// policy is the strictest one a page can have that runs WebAssembly: what the
// tests do under it, they may do on any page.
const policy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src data:"

// page serves one test binary to one browser and hears what becomes of it. It
// is an [http.Handler].
type page struct {
	wasm, runtime []byte
	argv          []string
	// echo, if set, gets the output as it comes.
	echo io.Writer

	mu     sync.Mutex
	output bytes.Buffer
	begun  chan struct{} // gets one word with the first output
	once   sync.Once
	ended  chan struct{} // closed by finish
	code   int
	failed string // why the program did not run to its end, if it did not
}

func newPage(wasm, runtime []byte, argv []string, echo io.Writer) *page {
	return &page{
		wasm: wasm, runtime: runtime, argv: argv, echo: echo,
		begun: make(chan struct{}, 1), ended: make(chan struct{}),
	}
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodPost {
		p.hear(w, r)
		return
	}
	content, ok := map[string]struct {
		kind string
		body []byte
	}{
		"/":             {"text/html; charset=utf-8", indexHTML},
		"/harness.js":   {"text/javascript; charset=utf-8", harnessJS},
		"/wasm_exec.js": {"text/javascript; charset=utf-8", p.runtime},
		"/test.wasm":    {"application/wasm", p.wasm},
		"/argv.json":    {"application/json", p.argvJSON()},
	}[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", content.kind)
	_, _ = w.Write(content.body) // a browser that left is noticed as one that ended
}

func (p *page) argvJSON() []byte {
	text, err := json.Marshal(p.argv)
	if err != nil {
		panic(err) // strings always marshal
	}
	return text
}

// hear takes what harness.js tells.
func (p *page) hear(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch r.URL.Path {
	case "/output":
		select {
		case p.begun <- struct{}{}:
		default:
		}
		p.print(body)
	case "/note":
		p.print(fmt.Appendf(nil, "page: %s\n", body))
	case "/failed":
		p.finish(0, "the program did not start: "+string(body))
	case "/exit":
		code, err := strconv.Atoi(string(body))
		if err != nil {
			http.Error(w, "exit takes a number", http.StatusBadRequest)
			return
		}
		p.finish(code, "")
	default:
		http.NotFound(w, r)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (p *page) print(text []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.output.Write(text)
	if p.echo != nil {
		_, _ = p.echo.Write(text)
	}
}

// finish keeps the first thing that ends the program.
func (p *page) finish(code int, failed string) {
	p.once.Do(func() {
		p.code, p.failed = code, failed
		close(p.ended)
	})
}

// outcome is what a test binary did.
type outcome struct {
	output string
	ran    int    // tests that started, without subtests
	failed string // why it is a failure, "" if it is none
}

// outcome is valid once p.ended is closed.
func (p *page) outcome() outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := outcome{output: p.output.String(), failed: p.failed}
	for line := range strings.Lines(o.output) {
		if name, ok := strings.CutPrefix(line, "=== RUN"); ok && !strings.Contains(name, "/") {
			o.ran++
		}
	}
	// Code 1 is testing's word for tests that failed, anything else is a crash.
	switch {
	case o.failed != "":
	case p.code == 1:
		o.failed = "tests failed"
	case p.code != 0:
		o.failed = fmt.Sprintf("the program crashed with code %d", p.code)
	}
	return o
}
