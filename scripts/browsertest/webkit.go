package browsertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/browsers"
	"github.com/capture-keepalive/capture-keepalive/scripts/internal/need"
)

// WebKit starts WebKitGTK's MiniBrowser, which ends with the test. Its driver
// takes one order at a time, and knows little beside the orders of a person: it
// cannot read the console, cut off the network or move the clock.
func WebKit(t testing.TB) *Browser {
	t.Helper()
	paths := need.WebKit.Require(t)
	ctx, end := context.WithCancel(context.Background())
	driven, err := browsers.DriveWebKit(ctx)
	if err != nil {
		end()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end()
		<-driven.Ended()
	})
	w := &webkit{ctx: ctx, url: driven.URL}
	starting, cancel := context.WithTimeout(ctx, actionTimeout)
	defer cancel()
	var session struct{ SessionID string }
	err = w.call(starting, http.MethodPost, "/session", object{"capabilities": object{"alwaysMatch": object{
		"webkitgtk:browserOptions": object{"binary": paths[0], "args": []string{"--automation"}},
		// The bounds of this package are the shorter ones. For one of its own
		// the driver would use the page's timers, which a page may break.
		"timeouts": object{"script": nil, "pageLoad": 2 * actionTimeout.Milliseconds()},
	}}}, &session)
	if err != nil {
		t.Fatalf("starting WebKit: %v", err)
	}
	w.url += "/session/" + session.SessionID
	if err := w.call(starting, http.MethodGet, "/window", nil, &w.first); err != nil {
		t.Fatalf("starting WebKit: %v", err)
	}
	return &Browser{Name: "webkit", driver: w}
}

// webkit is driven by WebDriver (https://www.w3.org/TR/webdriver2/).
type webkit struct {
	ctx context.Context
	url string
	// first is the window that the browser opens by itself, and that stays:
	// without a window, the driver takes no orders.
	first string
	// turn is held over the orders to one window: the driver has one current
	// window.
	turn sync.Mutex
}

// webDriverError is an error that the driver answers, by the specification's
// code.
type webDriverError struct {
	Code    string `json:"error"`
	Message string `json:"message"`
}

func (e *webDriverError) Error() string { return e.Code + ": " + e.Message }

// call runs a command and decodes its value into result, unless that is nil.
// The driver's own errors are a [*webDriverError].
func (w *webkit) call(ctx context.Context, method, path string, params object, result any) error {
	var body bytes.Buffer
	if method == http.MethodPost {
		if params == nil {
			params = object{}
		}
		if err := json.NewEncoder(&body).Encode(params); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, w.url+path, &body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct{ Value json.RawMessage }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s %s: %s: %w", method, path, response.Status, err)
	}
	if response.StatusCode != http.StatusOK {
		refused := new(webDriverError)
		if err := json.Unmarshal(answer.Value, refused); err != nil {
			return fmt.Errorf("%s %s: %s: %w", method, path, response.Status, err)
		}
		return fmt.Errorf("%s %s: %w", method, path, refused)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer.Value, result)
}

func (w *webkit) open(ctx context.Context) (tab, error) {
	w.turn.Lock()
	defer w.turn.Unlock()
	if err := w.call(ctx, http.MethodPost, "/window", object{"handle": w.first}, nil); err != nil {
		return nil, err
	}
	var window struct{ Handle string }
	if err := w.call(ctx, http.MethodPost, "/window/new", object{"type": "window"}, &window); err != nil {
		return nil, err
	}
	tabCtx, end := context.WithCancel(w.ctx)
	return &webkitTab{webkit: w, ctx: tabCtx, end: end, handle: window.Handle}, nil
}

type webkitTab struct {
	*webkit
	ctx    context.Context
	end    context.CancelFunc
	handle string
}

func (w *webkitTab) context() context.Context { return w.ctx }

func (w *webkitTab) close() {
	ctx, cancel := context.WithTimeout(w.ctx, actionTimeout)
	defer cancel()
	// The browser may be gone already, and the window with it.
	_ = w.do(ctx, http.MethodDelete, "/window", nil, nil)
	w.end()
}

// do runs a command on the tab.
func (w *webkitTab) do(ctx context.Context, method, path string, params object, result any) error {
	w.turn.Lock()
	defer w.turn.Unlock()
	if err := w.call(ctx, http.MethodPost, "/window", object{"handle": w.handle}, nil); err != nil {
		return err
	}
	return w.call(ctx, method, path, params, result)
}

// evaluator settles in time: an order that is given up would still keep the
// others waiting. It answers with text: the driver copies an object together
// with what the page has put on Object.prototype.
const evaluator = `const done = arguments[arguments.length - 1];
const answer = (each) => done(JSON.stringify(each));
Promise.race([%s, new Promise((late) => setTimeout(late, %d, null))]).then(
  (json) => answer({late: json === null, json: json ?? ""}), (error) => answer({thrown: String(error)}));`

func (w *webkitTab) evaluate(ctx context.Context, js string) ([]byte, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(actionTimeout)
	}
	var text string
	err := w.do(ctx, http.MethodPost, "/execute/async", object{
		"script": fmt.Sprintf(evaluator, jsonOf(js), time.Until(deadline).Milliseconds()),
		"args":   []any{},
	}, &text)
	var refused *webDriverError
	switch {
	case errors.As(err, &refused) && refused.Code == "no such frame":
		return nil, &goneError{err}
	case err != nil:
		return nil, err
	}
	var answer struct {
		Late   bool
		JSON   string
		Thrown *string
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return nil, err
	}
	switch {
	case answer.Thrown != nil:
		return nil, errors.New(*answer.Thrown)
	case answer.Late:
		return nil, context.DeadlineExceeded
	default:
		return []byte(answer.JSON), nil
	}
}

func (w *webkitTab) navigate(ctx context.Context, url string) error {
	return w.do(ctx, http.MethodPost, "/url", object{"url": url}, nil)
}

func (w *webkitTab) reload(ctx context.Context) error {
	return w.do(ctx, http.MethodPost, "/refresh", nil, nil)
}

func (w *webkitTab) back(ctx context.Context) error {
	// The driver's own way back passes over what the page pushed without a
	// gesture.
	_, err := w.evaluate(ctx, "void history.back()")
	return err
}

// Not by the driver's own orders for elements, which run scripts of its own in
// the page, with the timers and the prototypes that the page has left.

func (w *webkitTab) click(ctx context.Context, selector string) error {
	x, y, err := middle(ctx, w, selector)
	if err != nil {
		return err
	}
	return w.do(ctx, http.MethodPost, "/actions", clickAt(x, y), nil)
}

func (w *webkitTab) write(ctx context.Context, selector, text string) error {
	if err := focus(ctx, w, selector); err != nil {
		return err
	}
	return w.do(ctx, http.MethodPost, "/actions", webDriverActions(nil, webDriverText(text)), nil)
}

func (w *webkitTab) press(ctx context.Context, keys chord) error {
	return w.do(ctx, http.MethodPost, "/actions", keys.webDriverActions(), nil)
}

func (w *webkitTab) screenshot(ctx context.Context) ([]byte, error) {
	var picture []byte // base64, as encoding/json has it
	err := w.do(ctx, http.MethodGet, "/screenshot", nil, &picture)
	return picture, err
}
