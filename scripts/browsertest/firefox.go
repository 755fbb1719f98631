package browsertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/browsers"
	"github.com/capture-keepalive/capture-keepalive/scripts/internal/need"
)

// Firefox starts Firefox, which ends with the test.
func Firefox(t testing.TB) *Browser {
	t.Helper()
	need.Firefox.Require(t)
	ctx, end := context.WithCancel(context.Background())
	driven, err := browsers.DriveFirefox(ctx)
	if err != nil {
		end()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end()
		<-driven.Ended()
	})
	f := &firefox{ctx: ctx, listeners: make(map[string]func(message)),
		asked: make(map[string]map[*context.CancelCauseFunc]bool)}
	starting, cancel := context.WithTimeout(ctx, actionTimeout)
	defer cancel()
	if f.session, err = dialBiDi(starting, driven.URL, f.hear); err != nil {
		t.Fatalf("starting Firefox: %v", err)
	}
	t.Cleanup(f.session.close)
	for _, command := range []struct {
		method string
		params any
	}{
		{"session.new", object{"capabilities": object{}}},
		{"session.subscribe", object{"events": []string{logEntryAdded, realmDestroyed}}},
	} {
		if err := f.session.call(starting, command.method, command.params, nil); err != nil {
			t.Fatalf("starting Firefox: %v", err)
		}
	}
	return &Browser{Name: "firefox", driver: f}
}

// object is a JSON object.
type object = map[string]any

// firefox is driven by WebDriver BiDi.
type firefox struct {
	ctx     context.Context
	session *bidi

	mu        sync.Mutex
	listeners map[string]func(message)                     // by browsing context
	asked     map[string]map[*context.CancelCauseFunc]bool // by realm: what ends with it
}

// The events that are heard.
const (
	logEntryAdded  = "log.entryAdded"
	realmDestroyed = "script.realmDestroyed"
)

func (f *firefox) hear(method string, params json.RawMessage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch method {
	case realmDestroyed:
		var destroyed struct{ Realm string }
		if json.Unmarshal(params, &destroyed) != nil {
			return // such an evaluation ends by its context
		}
		for stop := range f.asked[destroyed.Realm] {
			(*stop)(errNoDocument)
		}
		delete(f.asked, destroyed.Realm)
	case logEntryAdded:
		var entry logEntry
		if json.Unmarshal(params, &entry) != nil {
			return // Console misses its mark and says so
		}
		if add := f.listeners[entry.Source.Context]; add != nil {
			add(entry.message())
		}
	}
}

// watch calls stop with errNoDocument when the realm is destroyed, until unwatch
// is called.
func (f *firefox) watch(realm string, stop context.CancelCauseFunc) (unwatch func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked[realm] == nil {
		f.asked[realm] = make(map[*context.CancelCauseFunc]bool)
	}
	f.asked[realm][&stop] = true
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.asked[realm], &stop)
		if len(f.asked[realm]) == 0 {
			delete(f.asked, realm)
		}
	}
}

// logEntry is the specification's log.LogEntry.
type logEntry struct {
	Level, Type, Method, Text string
	Timestamp                 int64 // Unix time in milliseconds
	Source                    struct{ Context string }
	StackTrace                struct {
		CallFrames []struct {
			URL        string
			LineNumber int64 // from 0
		}
	}
}

func (e logEntry) message() message {
	m := message{kind: e.Method, text: e.Text, at: time.UnixMilli(e.Timestamp)}
	switch {
	case e.Type == "javascript" && e.Level == "error":
		m.kind = kindException
	case e.Type == "javascript":
		m.kind = e.Level
	}
	if m.kind == "warn" {
		m.kind = "warning"
	}
	if frames := e.StackTrace.CallFrames; len(frames) > 0 {
		m.url, m.line = frames[0].URL, frames[0].LineNumber+1
	}
	return m
}

func (f *firefox) open(ctx context.Context) (tab, error) {
	var created struct{ Context string }
	if err := f.session.call(ctx, "browsingContext.create", object{"type": "window"}, &created); err != nil {
		return nil, err
	}
	tabCtx, end := context.WithCancel(f.ctx)
	return &firefoxTab{firefox: f, ctx: tabCtx, end: end, id: created.Context}, nil
}

type firefoxTab struct {
	*firefox
	ctx context.Context
	end context.CancelFunc
	id  string
}

func (f *firefoxTab) context() context.Context { return f.ctx }

func (f *firefoxTab) close() {
	f.mu.Lock()
	delete(f.listeners, f.id)
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(f.ctx, actionTimeout)
	defer cancel()
	// The browser may be gone already, and the tab with it.
	_ = f.do(ctx, "browsingContext.close", nil, nil)
	f.end()
}

func (f *firefoxTab) listen(add func(message)) (stopped <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners[f.id] = add
	return f.ctx.Done()
}

// do runs a command on the tab.
func (f *firefoxTab) do(ctx context.Context, method string, params object, result any) error {
	all := object{"context": f.id}
	for name, value := range params {
		all[name] = value
	}
	return f.session.call(ctx, method, all, result)
}

func (f *firefoxTab) evaluate(ctx context.Context, js string) ([]byte, error) {
	// A promise of a document that went away is never settled: what is asked
	// is the document, not the tab, and it is known when it goes.
	var found struct {
		Realms []struct{ Realm string }
	}
	err := f.session.call(ctx, "script.getRealms", object{"context": f.id, "type": "window"}, &found)
	if err == nil && len(found.Realms) == 0 {
		return nil, &goneError{errNoDocument}
	}
	if err != nil {
		return nil, err
	}
	realm := found.Realms[0].Realm
	asking, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer f.watch(realm, stop)()

	var answer struct {
		Type             string
		Result           struct{ Value string }
		ExceptionDetails struct{ Text string }
	}
	err = f.session.call(asking, "script.evaluate", object{
		"expression":      jsonOf(js),
		"target":          object{"realm": realm},
		"awaitPromise":    true,
		"resultOwnership": "none",
	}, &answer)
	// An error that the page throws is a result.
	var refused *bidiError
	switch {
	case errors.As(err, &refused), errors.Is(context.Cause(asking), errNoDocument):
		return nil, &goneError{err}
	case err != nil:
		return nil, err
	case answer.Type == "exception":
		return nil, errors.New(answer.ExceptionDetails.Text)
	default:
		return []byte(answer.Result.Value), nil
	}
}

// errNoDocument: one has gone, and the next is not there yet.
var errNoDocument = errors.New("the document has gone away")

// jsonOf is an expression for the JSON of another one's value.
func jsonOf(js string) string {
	return fmt.Sprintf("(async () => JSON.stringify(await (%s\n)))()", js)
}

func (f *firefoxTab) navigate(ctx context.Context, url string) error {
	return f.do(ctx, "browsingContext.navigate", object{"url": url, "wait": "complete"}, nil)
}

func (f *firefoxTab) reload(ctx context.Context) error {
	return f.do(ctx, "browsingContext.reload", object{"wait": "complete"}, nil)
}

func (f *firefoxTab) back(ctx context.Context) error {
	err := f.do(ctx, "browsingContext.traverseHistory", object{"delta": -1}, nil)
	var refused *bidiError
	if errors.As(err, &refused) && refused.Code == "no such history entry" {
		return errFirstPage
	}
	return err
}

func (f *firefoxTab) click(ctx context.Context, selector string) error {
	x, y, err := middle(ctx, f, selector)
	if err != nil {
		return err
	}
	return f.perform(ctx, clickAt(x, y))
}

func (f *firefoxTab) write(ctx context.Context, selector, text string) error {
	if err := focus(ctx, f, selector); err != nil {
		return err
	}
	return f.perform(ctx, webDriverActions(nil, webDriverText(text)))
}

func (f *firefoxTab) press(ctx context.Context, keys chord) error {
	return f.perform(ctx, keys.webDriverActions())
}

func (f *firefoxTab) perform(ctx context.Context, actions object) error {
	return f.do(ctx, "input.performActions", actions, nil)
}

func (f *firefoxTab) screenshot(ctx context.Context) ([]byte, error) {
	var picture struct{ Data []byte } // base64, as encoding/json has it
	err := f.do(ctx, "browsingContext.captureScreenshot", nil, &picture)
	return picture.Data, err
}

func (f *firefoxTab) setOffline(ctx context.Context, offline bool) error {
	var conditions any
	if offline {
		conditions = object{"type": "offline"}
	}
	return f.session.call(ctx, "emulation.setNetworkConditions",
		object{"contexts": []string{f.id}, "networkConditions": conditions}, nil)
}

func (f *firefoxTab) runFirst(ctx context.Context, script string) error {
	return f.session.call(ctx, "script.addPreloadScript", object{
		"functionDeclaration": fmt.Sprintf("() => { %s }", script),
		"contexts":            []string{f.id},
	}, nil)
}
