//go:build js && wasm

package browser

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// hostName is where the loader leaves what the module needs of it.
const hostName = "__captureKeepalive"

// lastTimeout is more than the millisecond to which the runtime keeps a timeout
// it has set already.
const lastTimeout = 2 * time.Millisecond

var errNoHost = errors.New("the loader is not here: include keepalive.js, which starts the module")

// Run is the module: it reads the loader's options, publishes the API to the
// loader, and works until the page stops it.
func Run() error {
	host := path(hostName)
	if !callable(host, "attach") {
		return errNoHost
	}
	// The browser would call a program that is no more, and throw, should its
	// runtime leave a timeout behind. It clears one only when it fires, so that
	// the last thing done here is to wait for a short one.
	defer time.Sleep(lastTimeout)
	options := get(host, "options")
	begin := time.Now()
	now := func() session.Instant {
		t := time.Now()
		return session.At(t.UnixMilli(), t.Sub(begin)+1)
	}
	p := &page{host: host, now: now}
	queue := newTurns()
	s := &session.Session{
		Server: &server{endpoint: text(get(options, "endpoint")), timeout: callTimeout},
		Page:   p,
		Turns:  queue,
		Now:    now,
		Policy: session.Policy{
			Margin:      seconds(get(options, "margin")),
			IdleWarning: idleWarning(options),
			Resubmit:    isTrue(get(options, "resubmit")),
			OnDemand:    text(get(options, "clientSession")) == "onDemand",
		},
	}
	if isTrue(get(options, "debug")) {
		s.Trace = func(e session.Entry) {
			_, _ = invoke(path("console"), "debug", "capture-keepalive", entry(e))
		}
	}
	p.forms = newForms(now, func() bool { return s.Policy.Resubmit && s.Dead() })
	tabs := &channel{off: isFalse(get(options, "broadcast")), heard: func() { s.Post(session.StorageChanged{}) }}
	p.changed = tabs.tell
	tabs.open()
	defer tabs.close()
	s.Post(session.Started{Seed: rand.Uint64()})
	unwatch, err := watch(s.Post, s.Now, p.forms.typing, tabs, queue)
	if err != nil {
		return err
	}
	defer unwatch()
	detach, err := publish(host, p, s, queue)
	if err != nil {
		return err
	}
	defer detach()
	s.Run()
	return nil
}

// idleWarning is the page's own, or what the dialog is shown by without one.
func idleWarning(options safejs.Value) time.Duration {
	const withDialog = time.Minute
	own := seconds(get(options, "idleWarning"))
	if own == 0 && isTrue(get(options, "dialog")) {
		return withDialog
	}
	return own
}

// publish gives the loader the module's API and returns its undo.
func publish(host safejs.Value, p *page, s *session.Session, t *turns) (func(), error) {
	var releases []func()
	release := func() {
		for _, f := range releases {
			f()
		}
	}
	module := map[string]any{}
	for _, export := range []struct {
		name string
		fn   func(args []safejs.Value) any
	}{
		{"event", func(args []safejs.Value) any {
			if ev := p.event(text(argument(args, 0)), argument(args, 1), argument(args, 2)); ev != nil {
				s.Post(ev)
			}
			return nil
		}},
		{"want", func(args []safejs.Value) any {
			if id, ok := number(argument(args, 0)); ok && id >= 0 {
				s.Post(session.Wanted{ID: uint64(id), Fresh: isTrue(argument(args, 1))})
			}
			return nil
		}},
		{"stay", func([]safejs.Value) any { s.Post(session.UserActive{Stay: true}); return nil }},
		{"end", func([]safejs.Value) any { s.Post(session.EndAsked{}); return nil }},
		{"stop", func([]safejs.Value) any {
			t.leave()
			s.Post(session.Stopped{})
			return nil
		}},
		{"status", func([]safejs.Value) any { return status(s.Status()) }},
		{"diagnostics", func([]safejs.Value) any { return diary(s.Diary()) }},
	} {
		f, undo, err := Handle(export.name, export.fn)
		if err != nil {
			release()
			return nil, err
		}
		releases = append(releases, undo)
		module[export.name] = f
	}
	if _, err := invoke(host, "attach", module); err != nil {
		release()
		return nil, fmt.Errorf("attach to the loader: %w", err)
	}
	return release, nil
}

func argument(args []safejs.Value, i int) safejs.Value {
	if i < len(args) {
		return args[i]
	}
	return safejs.Undefined()
}

func status(st session.Status) map[string]any {
	return map[string]any{
		"phase":     st.Phase.String(),
		"expiresIn": wholeSeconds(st.ExpiresIn), "dueIn": wholeSeconds(st.DueIn), "retryIn": wholeSeconds(st.RetryIn),
		"idleExpiresIn": wholeSeconds(st.IdleExpiresIn), "absoluteExpiresIn": wholeSeconds(st.AbsoluteExpiresIn),
	}
}

func diary(entries []session.Entry) []any {
	lines := make([]any, len(entries))
	for i, e := range entries {
		lines[i] = entry(e)
	}
	return lines
}

func entry(e session.Entry) map[string]any {
	effects := make([]any, len(e.Effects))
	for i, effect := range e.Effects {
		effects[i] = effect
	}
	return map[string]any{
		"at": float64(e.At.UnixMilli()), "event": e.Event, "from": e.From.String(), "to": e.To.String(),
		"reason": string(e.Why), "message": e.Why.Sentence(), "effects": effects,
	}
}
