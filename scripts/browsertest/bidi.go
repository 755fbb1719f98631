package browsertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// bidi is a session of WebDriver BiDi (https://w3c.github.io/webdriver-bidi/).
type bidi struct {
	conn *websocket.Conn
	// hear gets the events, one at a time.
	hear func(method string, params json.RawMessage)

	mu      sync.Mutex
	last    int64
	waiting map[int64]chan<- bidiMessage
	done    chan struct{} // closed when the connection is
}

// bidiMessage is what the browser sends: an answer, an error or an event.
type bidiMessage struct {
	Type    string          `json:"type"`
	ID      int64           `json:"id"`
	Result  json.RawMessage `json:"result"`
	Code    string          `json:"error"`
	Message string          `json:"message"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// bidiError is an error that the browser answers, by the specification's code.
type bidiError struct{ Code, Message string }

func (e *bidiError) Error() string { return e.Code + ": " + e.Message }

// errDisconnected: the browser is gone.
var errDisconnected = errors.New("the browser has closed the connection")

// bidiMessageLimit is more than any picture of a page.
const bidiMessageLimit = 64 << 20

func dialBiDi(ctx context.Context, url string, hear func(string, json.RawMessage)) (*bidi, error) {
	conn, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(bidiMessageLimit)
	b := &bidi{conn: conn, hear: hear, waiting: make(map[int64]chan<- bidiMessage), done: make(chan struct{})}
	go b.read()
	return b, nil
}

func (b *bidi) read() {
	defer close(b.done)
	for {
		var m bidiMessage
		if err := wsjson.Read(context.Background(), b.conn, &m); err != nil {
			return // close did it, or the browser has gone
		}
		if m.Type == "event" {
			b.hear(m.Method, m.Params)
			continue
		}
		b.mu.Lock()
		answered := b.waiting[m.ID]
		delete(b.waiting, m.ID)
		b.mu.Unlock()
		if answered != nil {
			answered <- m
		}
	}
}

// close returns once the last event has been heard.
func (b *bidi) close() {
	_ = b.conn.CloseNow() // there is nothing to save
	<-b.done
}

// call runs a command and decodes what it returns into result, unless that is
// nil. The browser's own errors are a [*bidiError].
func (b *bidi) call(ctx context.Context, method string, params, result any) error {
	answered := make(chan bidiMessage, 1)
	b.mu.Lock()
	b.last++
	id := b.last
	b.waiting[id] = answered
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.waiting, id)
	}()

	// A write that is broken off would take the connection with it: it gets
	// no deadline, and a browser that is gone ends it.
	command := map[string]any{"id": id, "method": method, "params": params}
	if err := wsjson.Write(context.WithoutCancel(ctx), b.conn, command); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case m := <-answered:
		if m.Code != "" {
			return fmt.Errorf("%s: %w", method, &bidiError{m.Code, m.Message})
		}
		if result == nil {
			return nil
		}
		if err := json.Unmarshal(m.Result, result); err != nil {
			return fmt.Errorf("%s answered %s: %w", method, m.Result, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, context.Cause(ctx))
	case <-b.done:
		return fmt.Errorf("%s: %w", method, errDisconnected)
	}
}
